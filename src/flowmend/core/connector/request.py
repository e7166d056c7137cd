"""One HTTP request as a value: what `build_request` makes and `transport` performs."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from flowmend.core.json_value import Json


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """Who we say we are in the TLS session. certificate_pem: the leaf first. key_pem: PKCS#8, not encrypted."""

    certificate_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return "ClientCertificate(…)"


#: Headers that sign a request in, wherever a flow writes them by hand; lower case.
SIGN_IN_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "apikey", "ocp-apim-subscription-key"}
)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, complete but for what the wire adds itself (Host, Content-Length).

    url: absolute and percent-encoded; sent as it stands. headers: one value per name. body: None is none.
    client_certificate: shown to this server, None for none. lookups: values to ask for first, each by a request of its
    own, and to put in with `looked_up.with_value`. answer: JSON that is the answer, nothing being sent; None otherwise.
    arguments: what the flow gave, where the reading of the answer needs it.
    Query, headers and body may hold secrets, so the repr shows none of them.
    """

    method: str
    url: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes | None = None
    client_certificate: ClientCertificate | None = None
    lookups: tuple["ValueLookup", ...] = ()
    answer: bytes | None = None
    arguments: Mapping[str, Json] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {self.url.partition('?')[0]})"

    @property
    def origin(self) -> str:
        return origin_of(self.url)


class ValueLookup(msgspec.Struct, frozen=True, kw_only=True):
    """A header or query value that only the service knows: a key exchanged for a token, the ETag of what is changed.

    request: asks for it, signed in. path: where in its JSON answer the value is. name: of the header or query value; or text
    of the URL and the body that the value takes the place of; or, beneath, the value is an object that the body is laid upon.
    is_secret: the value is one, as what policies ask for is, rather than the name of a thing that answers show. is_reusable:
    it is of the connection rather than of the call, so that other calls may use it for a while.
    """

    request: HttpRequest
    path: tuple[str | int, ...]
    name: str
    is_query: bool = False
    is_placeholder: bool = False
    is_beneath: bool = False
    is_secret: bool = True
    is_reusable: bool = False


class UnbuildableRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Why no request can be made of an operation and these arguments; nothing was sent."""

    code: str
    message: str


#: Among the origins of a credential: it may go wherever the flows that use it call, for their runs compute where.
ANY_ORIGIN = "*"

_UP_TO_THE_PATH = re.compile(r"[A-Za-z]+://[^/?#]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Scheme, host and port, e.g. `https://api.example.com`; default ports are left out. "" where there is none."""
    found = _UP_TO_THE_PATH.match(url)
    return _origin(found[0]) if found is not None else ""


def may_go(origin: str, bound_to: Collection[str]) -> bool:
    """Whether a credential bound to these origins may be sent to that one."""
    return origin in bound_to or (ANY_ORIGIN in bound_to and bool(origin))


@lru_cache(maxsize=1024)
def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not host:
        return ""
    if ":" in host:
        host = f"[{host}]"
    is_default = port is None or port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{port}"
