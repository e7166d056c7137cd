"""Which paths are open, and what each kind of path needs: default-deny.

Everything that is not in the table of open paths requires a person.
"""

import re
from enum import StrEnum

import msgspec

from flowmend.settings import Settings

#: Paths and path prefixes that need no person, and why.
OPEN_PATHS: tuple[tuple[str, str], ...] = (
    ("/health", "says only that the server answers, and whether anything can be written"),
    ("/reachable/", "answers, once, a token that this server made to find out whether it reaches itself"),
    ("/login", "is where a person comes from"),
    ("/repair", "a repair link: its secret is the authorisation"),
    ("/repair/", "the connection of a repair link, and nothing else"),
    ("/approve", "an approval's link: its secret is the authorisation"),
    ("/approve/", "the question of an approval's link, and nothing else"),
    ("/oauth/callback", "where a provider sends a browser back: the page asks who it is, or knows its repair link"),
    ("/static/", "style sheets, script and pictures, the same for everybody"),
    ("/workflows/", "signed URLs: the signature is the authorisation"),
    ("/favicon.ico", "asked for by browsers on their own"),
)

_UPLOAD_PATHS = frozenset(
    {
        "/api/v1/flows",
        "/api/v1/flows/inspect",
        "/api/v1/connectors",
        "/api/v1/connectors/files",
        "/connectors/add",
        "/import",
    }
)
#: Where a flow's definition comes as text.
_DEFINITION_PATH = re.compile(r"(?:/api/v1)?/flows/[^/]+/(?:check|definition|edit)")


class Audience(StrEnum):
    """Who reads the answers of a path, hence how a refusal looks and which headers are set."""

    PAGE = "page"  # a browser
    API = "api"  # a program
    SIGNED = "signed"  # whoever holds a signed URL
    ASSET = "asset"  # style sheets, script, pictures


class Entrance(msgspec.Struct, frozen=True, kw_only=True):
    """What a path asks of a request. max_body_bytes: larger bodies are refused while they arrive."""

    audience: Audience
    is_open: bool
    max_body_bytes: int


def entrance_of(path: str, settings: Settings) -> Entrance:
    """What this decoded request path asks of a request."""
    if path.startswith("/workflows/"):
        return Entrance(audience=Audience.SIGNED, is_open=True, max_body_bytes=settings.max_trigger_body_bytes)
    if path == "/api" or path.startswith("/api/"):
        return Entrance(audience=Audience.API, is_open=False, max_body_bytes=_body_limit(path, settings))
    audience = Audience.ASSET if path.startswith("/static/") else Audience.PAGE
    return Entrance(audience=audience, is_open=_is_open(path), max_body_bytes=_body_limit(path, settings))


def _is_open(path: str) -> bool:
    return any(path.startswith(name) if name.endswith("/") else path in {name, name + "/"} for name, _ in OPEN_PATHS)


def _body_limit(path: str, settings: Settings) -> int:
    if _DEFINITION_PATH.fullmatch(path.rstrip("/")):
        return settings.max_definition_bytes
    return settings.max_import_bytes if path.rstrip("/") in _UPLOAD_PATHS else settings.max_body_bytes
