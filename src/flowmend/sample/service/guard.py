"""Keeps other web pages in the same browser from reaching the service.

Host: only loopback names, so that a foreign name resolving to 127.0.0.1 gets nothing. Origin: an unsafe request
that a browser sends from another page, Flowmend's included, is refused; callers that are no browsers send none.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from flowmend.sample.service.answers import header, refusal
from flowmend.sample.service.settings import LOOPBACK_HOSTS

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MISDIRECTED = refusal(421, "MisdirectedRequest", "The sample order service answers to localhost only.")
_CROSS_SITE = refusal(403, "CrossSiteRequest", "Another page may not post here.")


class Guard:
    """Wraps an application."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = header(scope, b"host")
            if _name_of(host) not in LOOPBACK_HOSTS:
                await _MISDIRECTED(scope, receive, send)
                return
            if scope["method"] not in _SAFE_METHODS:
                origin = header(scope, b"origin")
                if (origin and origin != f"http://{host}") or header(scope, b"sec-fetch-site") in {
                    "cross-site",
                    "same-site",
                }:
                    await _CROSS_SITE(scope, receive, send)
                    return
        await self._application(scope, receive, send)


def _name_of(host: str) -> str:
    """The host's name without port and brackets."""
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    return name.lower()
