"""One HTTP request as a value: what `build_request` makes and `transport` performs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to send, complete but for what the wire adds itself (Host, Content-Length).

    url: absolute and percent-encoded; sent as it stands. headers: one value per name. body: None is none.
    Query, headers and body may hold secrets, so the repr shows none of them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"

    @property
    def origin(self) -> str:
        return origin_of(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbuildableRequest:
    """Why no request can be made of an operation and these arguments; nothing was sent."""

    code: str
    message: str


_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Scheme, host and port, e.g. `https://api.example.com`; default ports are left out. "" where there is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is None or port == _DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{port}"
