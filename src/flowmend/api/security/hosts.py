"""Which host names and origins are ours: a page elsewhere must neither reach us by a name it controls nor post to us."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from flowmend.settings import Settings

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_WILDCARDS = frozenset({"0.0.0.0", "::", "[::]", ""})  # noqa: S104  # compared with, not bound to
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class KnownHosts:
    """The host names this server answers to: the setting `host`, the one of `public_url`, and this machine's own.

    Ports are not compared: a page on another port of the same name still sends its own name, and a forwarded
    port (a container's) is legitimate. The origin check below compares ports.
    """

    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_url)
        self._public_origin = f"{public.scheme}://{public.netloc}".lower() if public.netloc else ""
        configured = {_bracketed(settings.host), _name(public.netloc)}
        self._names = _LOCAL_NAMES | {name.lower() for name in configured if name not in _WILDCARDS}

    def knows(self, host: str) -> bool:
        return _name(host).lower() in self._names

    def is_own_origin(self, origin: str, scheme: str, host: str) -> bool:
        """Whether a page of this origin is one of ours. host: the request's own, already known."""
        origin = origin.lower()
        return origin == f"{scheme}://{host}".lower() or (origin != "" and origin == self._public_origin)


def is_unsafe(method: str) -> bool:
    """Whether a request of this method may change something (RFC 9110 §9.2.1)."""
    return method not in _SAFE_METHODS


def came_from_own_page(
    known: KnownHosts, *, origin: str | None, fetch_site: str | None, scheme: str, host: str
) -> bool:
    """Whether a browser's own statements place the request on one of our pages; without any it is not believed.

    Source: w3.org/TR/fetch-metadata, developer.mozilla.org Origin header.
    """
    if origin is not None and not known.is_own_origin(origin, scheme, host):
        return False
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    return origin is not None or fetch_site is not None


def forwarded_address(chain: str, peer: str, trusted: Iterable[str]) -> str:
    """The caller's address: the right-most one of X-Forwarded-For that is not a trusted proxy."""
    trusted = frozenset(trusted)
    for address in reversed([part.strip() for part in chain.split(",") if part.strip()]):
        if address not in trusted:
            return address
    return peer


def _name(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
