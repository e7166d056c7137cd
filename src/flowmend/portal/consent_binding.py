"""What binds a sign-in at a provider to the browser that began it: a cookie of its own."""

import secrets

from starlette.requests import Request
from starlette.responses import Response

from flowmend.settings import Settings

_COOKIE = "flowmend_consent"
_LASTS_SECONDS = 15 * 60


def browser_binding(request: Request) -> str:
    """The browser's own secret, a new one where it has none yet."""
    return request.cookies.get(_COOKIE) or secrets.token_urlsafe(24)


def bind_browser(answer: Response, binding: str, settings: Settings) -> None:
    """Let the browser keep it for as long as a sign-in may take."""
    answer.set_cookie(
        _COOKIE,
        binding,
        max_age=_LASTS_SECONDS,
        path="/",
        secure=settings.base_url.startswith("https:"),
        httponly=True,
        samesite="lax",  # the provider sends the browser back from another site
    )
