"""Which language a page is in, and where its texts come from.

English is what the sources say, so it has no catalogue that could drift from them; every other language
has one under `locale`, and a test refuses a text it lacks.
"""

import gettext
import re
from collections.abc import Iterable
from pathlib import Path

#: language tag → its own name, in the order the menu shows them
LANGUAGES = {"en": "English", "zh-Hant": "繁體中文"}

CATALOGUES = Path(__file__).parent / "locale"
_DOMAIN = "flowmend"
_CHOICE = re.compile(r"\s*([A-Za-z*-]+[A-Za-z0-9-]*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def marked(text: str) -> str:
    """The text itself, marked for translation where it is shown."""
    return text


def chosen_language(*choices: str, accept_language: str = "") -> str:
    """The first of `choices` (a cookie, a person's setting) that is a language of ours, else the browser's best."""
    for choice in choices:
        if choice in LANGUAGES:
            return choice
    return next(filter(None, map(_nearest, _preferred(accept_language))), "en")


def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language of `LANGUAGES`."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(_DOMAIN, CATALOGUES, [language.replace("-", "_")])


def _preferred(accept_language: str) -> Iterable[str]:
    matches = filter(None, map(_CHOICE.fullmatch, accept_language.split(",")))
    weighed = [(float(match[2] or 1), match[1].lower()) for match in matches]
    return (tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0)


def _nearest(tag: str) -> str:
    # Readers of any written Chinese are better served by ours than by English.
    primary = tag.partition("-")[0]
    return {"zh": "zh-Hant", "en": "en"}.get(primary, "")
