"""The portal's texts: what its sources hold, and the catalogues they are translated in.

`python tests/portal/texts.py` brings the catalogues up to date with the sources: new texts arrive empty, texts
no source holds are dropped. Fill in what is empty and run it again; it writes the compiled catalogues too.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PORTAL = Path(__file__).parents[2] / "src" / "flowmend" / "portal"
#: catalogue folder → language tag
TRANSLATED = {"zh_Hant": "zh-Hant"}
_METHODS = [("templates/**.html", "jinja2.ext.babel_extract"), ("**.py", "python")]
_OPTIONS = {"templates/**.html": {"extensions": "jinja2.ext.do", "newstyle_gettext": "true", "silent": "false"}}
_KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "marked": None}


def extracted() -> Catalog:
    """Every text of templates and Python, with where it stands."""
    catalogue = Catalog(charset="utf-8")
    found = extract_from_dir(PORTAL, _METHODS, _OPTIONS, _KEYWORDS)
    for file, _line, message, _comments, _context in sorted(found, key=lambda one: (one[0], one[1])):
        catalogue.add(message, locations=[(file, 0)])
    return catalogue


def po_path(folder: str) -> Path:
    return PORTAL / "locale" / folder / "LC_MESSAGES" / "flowmend.po"


def read_catalogue(folder: str) -> Catalog:
    """One language's catalogue as it is written."""
    with po_path(folder).open("rb") as file:
        return read_po(file, locale=folder)


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def missing(catalogue: Catalog) -> Iterator[str]:
    """The texts that have no translation, or only a guess at one."""
    for message in catalogue:
        if not message.id:
            continue
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.fuzzy or not all(words):
            yield str(message.id)


def _head(catalogue: Catalog) -> None:
    """No dates or names that change without a text changing."""
    catalogue.header_comment = "# Texts of Flowmend's portal."
    catalogue.project, catalogue.version, catalogue.fuzzy = "Flowmend", "1", False
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    catalogue.last_translator = catalogue.language_team = catalogue.msgid_bugs_address = "The Flowmend authors"


def update() -> None:
    """Writes every catalogue anew from the sources, keeping its translations."""
    source = extracted()
    for folder in TRANSLATED:
        path = po_path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = read_catalogue(folder) if path.exists() else Catalog(locale=folder)
        catalogue.update(source, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        _head(catalogue)
        with path.open("wb") as file:
            write_po(file, catalogue, width=0, sort_by_file=True, omit_header=False)
        path.with_suffix(".mo").write_bytes(compiled(catalogue))
        for text in missing(catalogue):
            print(f"{folder}: {text}")


if __name__ == "__main__":
    update()
