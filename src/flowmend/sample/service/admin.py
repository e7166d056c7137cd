"""The page and the endpoints for breaking and counting things. They ask for no sign-in: the service is loopback only."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from flowmend.sample.service.answers import Answer, refusal
from flowmend.sample.service.forms import is_form, page, read_fields, style_sheet
from flowmend.sample.service.service import ROUTES, OrderService
from flowmend.sample.service.settings import Account

MAX_LATENCY_MS = 60_000

Fields = Mapping[str, Any]
#: Does what is asked and says so in a sentence, or refuses.
Change = Callable[[OrderService, Fields], str | Answer]


def _change_password(service: OrderService, fields: Fields) -> str | Answer:
    account, password = _account(service, fields), fields.get("password")
    if account is None:
        return _UNKNOWN_USER
    if not isinstance(password, str) or not 1 <= len(password) <= 200:
        return refusal(400, "InvalidPassword", "'password' is a text of 1 to 200 characters.")
    service.accounts.change_password(account.user, password)
    return f"The password of {account.user} was changed."


def _change_key(service: OrderService, fields: Fields) -> str | Answer:
    account, key = _account(service, fields), fields.get("key")
    if account is None:
        return _UNKNOWN_USER
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or not 1 <= len(key.strip()) <= 200:
        return refusal(400, "InvalidKey", "'key' is a text of 1 to 200 printable ASCII characters.")
    service.accounts.change_key(account.user, key.strip())
    return f"The API key of {account.user} was replaced."


def _revoke(service: OrderService, _fields: Fields) -> str:
    return f"Grants revoked: {service.grants.revoke_all()}."


def _expire(service: OrderService, _fields: Fields) -> str:
    return f"Access tokens expired: {service.grants.expire_access_tokens()}."


def _change_permission(service: OrderService, fields: Fields) -> str | Answer:
    route = fields.get("route")
    if route not in ROUTES:
        return refusal(400, "UnknownRoute", f"'route' is one of: {', '.join(ROUTES)}.")
    if fields.get("allowed") in {True, "true"}:
        service.forbidden_routes.discard(route)
        return f"{route} is allowed again."
    service.forbidden_routes.add(route)
    return f"{route} now answers 403."


def _change_latency(service: OrderService, fields: Fields) -> str | Answer:
    try:
        milliseconds = float(fields["ms"])
    except (KeyError, TypeError, ValueError):
        milliseconds = -1.0
    if not 0 <= milliseconds <= MAX_LATENCY_MS:
        return refusal(400, "InvalidLatency", f"'ms' is a number from 0 to {MAX_LATENCY_MS}.")
    service.latency_seconds = milliseconds / 1000
    return f"Each answer now waits {milliseconds:g} ms."


def _reset(service: OrderService, _fields: Fields) -> str:
    service.reset()
    return "Everything is as at the start."


CHANGES: Mapping[str, Change] = {
    "password": _change_password,
    "key": _change_key,
    "revoke": _revoke,
    "expire": _expire,
    "permissions": _change_permission,
    "latency": _change_latency,
    "reset": _reset,
}

_UNKNOWN_USER = refusal(400, "UnknownUser", "'user' is not an account of the service.")


def admin_routes(service: OrderService) -> list[Route]:
    """`/`, `/health`, `/admin/counts` and one `POST /admin/…` for each of `CHANGES`, by form or JSON."""

    async def show(request: Request) -> Response:
        return page(
            "admin.html",
            accounts=list(service.accounts),
            application=service.settings.application,
            routes=ROUTES,
            forbidden=sorted(service.forbidden_routes),
            latency_ms=service.latency_seconds * 1000,
            counts=service.counts(),
            done=request.query_params.get("done", "")[:200],
        )

    async def show_counts(_request: Request) -> Answer:
        return Answer(body=service.counts())

    async def show_style(_request: Request) -> Response:
        return Response(style_sheet(), media_type="text/css", headers={"X-Content-Type-Options": "nosniff"})

    async def tell_health(_request: Request) -> Answer:
        return Answer(body={"status": "ok"})

    async def change(request: Request) -> Answer | Response:
        perform = CHANGES.get(request.path_params["what"])
        if perform is None:
            return refusal(404, "NotFound", f"Known: {', '.join(CHANGES)}.")
        fields = await read_fields(request)
        if isinstance(fields, Answer):
            return fields
        result = perform(service, fields)
        if isinstance(result, Answer):
            return result
        if is_form(request):
            return RedirectResponse(request.url_for("show").include_query_params(done=result), status_code=303)
        return Answer(body={"done": result})

    return [
        Route("/", show, methods=["GET"], name="show"),
        Route("/style.css", show_style, methods=["GET"]),
        Route("/health", tell_health, methods=["GET"]),
        Route("/admin/counts", show_counts, methods=["GET"]),
        Route("/admin/{what}", change, methods=["POST"]),
    ]


def _account(service: OrderService, fields: Fields) -> Account | None:
    """The named account; without a name, the first one."""
    user = fields.get("user") or next(iter(service.accounts)).user
    return service.accounts.get(str(user))
