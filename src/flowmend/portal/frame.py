"""What stands around every page: who is signed in, in which language, and how many connections need repair."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

from starlette.requests import Request

from flowmend.portal.language import chosen_language
from flowmend.portal.times import zone_named
from flowmend.settings import Settings

LANGUAGE_COOKIE = "flowmend_language"
THEME_COOKIE = "flowmend_theme"
ZONE_COOKIE = "flowmend_zone"
THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """place: the current entry of the navigation, "" for none. theme: "" follows the system.

    path: of this page, for forms that come back to it. broken_count: connections that need repair; incident_count: open
    incidents; approval_count: approvals that wait; notice_count: messages nobody has read.
    changes: how many changes there had been when the page was made. store_trouble: the code of why nothing can be written, "" while
    it can.
    """

    language: str
    theme: str
    place: str
    path: str
    person_name: str
    broken_count: int
    version: str
    host: str
    changes: int = 0
    incident_count: int = 0
    person_id: str = ""
    approval_count: int = 0
    notice_count: int = 0
    store_trouble: str = ""


def read_frame(
    request: Request,
    settings: Settings,
    *,
    place: str,
    broken_count: int,
    incident_count: int,
    approval_count: int,
    notice_count: int,
    changes: int,
    store_trouble: str = "",
) -> Frame:
    """The frame as this browser asked for it."""
    person = getattr(request.state, "person", None)
    theme = request.cookies.get(THEME_COOKIE, "")
    is_safe = request.method in {"GET", "HEAD"}
    return Frame(
        language=language_of(request),
        theme=theme if theme in THEMES else "",
        place=place,
        path=_address(request) if is_safe else request.url.path,
        person_name=person.name if person else "",
        broken_count=broken_count,
        version=_own_version(),
        host=urlsplit(settings.base_url).netloc,
        changes=changes,
        incident_count=incident_count,
        person_id=person.person_id if person else "",
        approval_count=approval_count,
        notice_count=notice_count,
        store_trouble=store_trouble,
    )


def language_of(request: Request) -> str:
    """The language of the cookie, else of the person, else of the browser."""
    person = getattr(request.state, "person", None)
    return chosen_language(
        request.cookies.get(LANGUAGE_COOKIE, ""),
        person.language if person else "",
        accept_language=request.headers.get("accept-language", ""),
    )


def zone_of(request: Request) -> tzinfo:
    """The browser's zone, which the script tells by a cookie, else this machine's."""
    named = zone_named(unquote(request.cookies.get(ZONE_COOKIE, "")))
    return named or datetime.now(UTC).astimezone().tzinfo or UTC


def local_path(text: str, default: str = "/") -> str:
    """The text if it is a path of this server, else the default: a form's way back never leaves it."""
    parts = urlsplit(text)
    is_ours = not parts.scheme and not parts.netloc and text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_ours and text.isprintable() else default


def _address(request: Request) -> str:
    """Where this page is found again. What a provider sent the browser back with is good once, and nothing to show."""
    if request.url.path == "/oauth/callback":
        return "/connections"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


@cache
def _own_version() -> str:
    return version("flowmend")
