"""Functions that read one part of an absolute URI."""

from urllib.parse import SplitResult, quote, urlsplit

from flowmend.core.expression.functions.function import Takes, pure, wrong_argument

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "sftp": 22, "ssh": 22, "ldap": 389}
_KEPT = "/:?#[]@!$&'()*+,;=%-._~|"


def _split(name: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
        is_absolute = bool(parts.scheme) and bool(parts.netloc or parts.path) and (parts.port or 0) >= 0
    except ValueError:  # a port that is no number, brackets that do not close
        is_absolute = False
    if not is_absolute:
        raise wrong_argument(name, 0, "to be a valid absolute URI. The provided value is not one")
    return parts


def _host(text: str) -> str:
    return (_split("uriHost", text).hostname or "").lower()


def _port(text: str) -> int:
    parts = _split("uriPort", text)
    return parts.port if parts.port is not None else _DEFAULT_PORTS.get(parts.scheme.lower(), -1)


def _path(text: str) -> str:
    return _path_of(_split("uriPath", text))


def _path_of(parts: SplitResult) -> str:
    return quote(parts.path, safe=_KEPT, errors="replace") or "/"


def _query_of(parts: SplitResult) -> str:
    return f"?{quote(parts.query, safe=_KEPT, errors='replace')}" if parts.query else ""


def _path_and_query(text: str) -> str:
    parts = _split("uriPathAndQuery", text)
    return _path_of(parts) + _query_of(parts)


FUNCTIONS = (
    pure("uriHost", _host, Takes.STRING),
    pure("uriPath", _path, Takes.STRING),
    pure("uriPathAndQuery", _path_and_query, Takes.STRING),
    pure("uriPort", _port, Takes.STRING),
    pure("uriQuery", lambda text: _query_of(_split("uriQuery", text)), Takes.STRING),
    pure("uriScheme", lambda text: _split("uriScheme", text).scheme.lower(), Takes.STRING),
)
