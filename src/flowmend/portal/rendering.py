"""Templates with their texts in one language: autoescaped, strict about names, one environment per language."""

import json
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flowmend.core.json_value import Json
from flowmend.portal.approval_words import approval_look, decides_words, mail_words, option_words
from flowmend.portal.assets import Assets
from flowmend.portal.connector_words import sign_in_words
from flowmend.portal.delivery_words import delivery_look, delivery_reason, kind_words, told_of, told_of_words
from flowmend.portal.frame import Frame
from flowmend.portal.health_words import days_to, end_words, near_end, probe_words
from flowmend.portal.held_words import ON_BROKEN, WAITS_FOR
from flowmend.portal.incident_words import incident_look, verb_in_words
from flowmend.portal.language import LANGUAGES, translations
from flowmend.portal.notice_words import notice_words
from flowmend.portal.plan_words import item_look, mode_in_words, reason_in_words, stop_in_words
from flowmend.portal.remedies import cause_of, connection_remedy, ended_by
from flowmend.portal.retry_words import attempt_words
from flowmend.portal.times import Gettext, Times
from flowmend.portal.words import (
    action_tile,
    code_in_words,
    connector_tile,
    field_words,
    flow_look,
    health_look,
    status_look,
)
from flowmend.use_cases.connector_gallery import runs_here

TEMPLATES = Path(__file__).parent / "templates"

#: Longer payloads are cut on the run page; a link shows the whole.
SHOWN_CHARACTERS = 2_000


class Rendering:
    """Renders a template for one frame."""

    def __init__(self, assets: Assets) -> None:
        self._environments = {language: _environment(language, assets) for language in LANGUAGES}

    def page(self, template: str, frame: Frame, times: Times, values: Mapping[str, object]) -> str:
        """The page's HTML. values: what the template names, beside `frame` and `times`."""
        return self._environments[frame.language].get_template(template).render(frame=frame, times=times, **values)

    def times(self, language: str, now: datetime, zone: tzinfo) -> Times:
        """Words for times in this language."""
        return Times(now=now, zone=zone, gettext=self.gettext(language))

    def gettext(self, language: str) -> Gettext:
        """The language's translation of a marked text."""
        return translations(language).gettext


def pretty(value: Json) -> str:
    """A payload as people read it: indented JSON, a plain string as it is."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)


def exact(value: Json) -> str:
    """A value as JSON, so that a text is told from a number."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _environment(language: str, assets: Assets) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    # the extension adds these methods at run time, so its types do not know them
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["notice_words"] = partial(notice_words, translations(language))
    environment.filters["pretty"] = pretty
    environment.filters["exact"] = exact
    environment.globals.update(
        asset=assets.url,
        LANGUAGES=LANGUAGES,
        action_tile=action_tile,
        approval_look=approval_look,
        attempt_words=attempt_words,
        cause_of=cause_of,
        code_in_words=code_in_words,
        connection_remedy=connection_remedy,
        ended_by=ended_by,
        connector_tile=connector_tile,
        days_to=days_to,
        decides_words=decides_words,
        delivery_look=delivery_look,
        delivery_reason=delivery_reason,
        end_words=end_words,
        field_words=field_words,
        flow_look=flow_look,
        health_look=health_look,
        incident_look=incident_look,
        item_look=item_look,
        kind_words=kind_words,
        mail_words=mail_words,
        mode_in_words=mode_in_words,
        near_end=near_end,
        option_words=option_words,
        on_broken=ON_BROKEN,
        waits_for=WAITS_FOR,
        probe_words=probe_words,
        reason_in_words=reason_in_words,
        runs_here=runs_here,
        sign_in_words=sign_in_words,
        status_look=status_look,
        stop_in_words=stop_in_words,
        told_of=told_of,
        told_of_words=told_of_words,
        verb_in_words=verb_in_words,
    )
    return environment
