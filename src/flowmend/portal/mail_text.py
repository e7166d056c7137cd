"""Notices as mails: a subject, a plain text and HTML that every mail program shows, with one button that leads to the repair."""

from datetime import UTC
from functools import cache
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flowmend.portal.language import LANGUAGES, marked, translations
from flowmend.portal.notice_words import NoticeWords, notice_words
from flowmend.portal.rendering import TEMPLATES
from flowmend.portal.times import Times
from flowmend.settings import Settings
from flowmend.store.notice_rows import NoticeRow
from flowmend.use_cases.message_channels import Message, Write
from flowmend.use_cases.ports import Clock

_LONGEST_SUBJECT = 200


def mail_writer(settings: Settings, clock: Clock) -> Write:
    """Writes a notice in a language, as `use_cases.message_channels` asks for it; times are in this machine's zone."""

    def write(notice: NoticeRow, language: str) -> Message:
        return written(notice, language if language in LANGUAGES else "en", settings, clock)

    return write


def written(notice: NoticeRow, language: str, settings: Settings, clock: Clock) -> Message:
    """language: of `LANGUAGES`."""
    texts = translations(language)
    times = Times(now=clock.now, zone=clock.now.astimezone().tzinfo or UTC, gettext=texts.gettext)
    words = notice_words(texts, notice, times)
    # Without a public address a link would lead to this machine from wherever the mail is read.
    link = f"{settings.public_url}{words.path}" if settings.public_url and words.path else ""
    gettext = texts.gettext
    where = ""
    if words.path and not link:
        where = gettext(
            "Open the portal of Flowmend in your browser (on its own machine at %(address)s) and choose %(page)s."
        ) % {"address": settings.base_url, "page": f"{gettext(_page_of(words.path))} · {words.title}"}
    foot = gettext(
        "You get this because your address is told about Flowmend's connections. Settings → Messages changes that."
    )
    html = (
        _environment(language)
        .get_template("mail.html")
        .render(words=words, link=link, where=where, foot=foot, language=language)
    )
    return Message(
        subject=" ".join(words.subject.split())[:_LONGEST_SUBJECT],
        plain=_plain(words, link, where, foot),
        html=html,
        link=link,
    )


def _plain(words: NoticeWords, link: str, where: str, foot: str) -> str:
    lines = [words.title, ""]
    for heading, text in words.parts:
        lines += [heading, *(f"  {line}" for line in text.split("\n")), ""]
    if link:
        lines += [f"{words.button}: {link}", ""]
    if where:
        lines += [where, ""]
    return "\n".join([*lines, "-- ", foot, ""])


def _page_of(path: str) -> str:
    """What the menu calls the page, to be translated."""
    first = urlsplit(path).path.split("/")[1]
    names = {"incidents": marked("Incidents"), "runs": marked("Runs"), "settings": marked("Settings")}
    return names.get(first, marked("Incidents"))


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    # the extension adds this method at run time, so its types do not know it
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    return environment
