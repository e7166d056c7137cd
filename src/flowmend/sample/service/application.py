"""The whole service as one ASGI application."""

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from flowmend.sample.service.admin import admin_routes
from flowmend.sample.service.api import Api
from flowmend.sample.service.guard import Guard
from flowmend.sample.service.oauth import oauth_routes
from flowmend.sample.service.service import PREFIXES, OrderService


def build_application(service: OrderService) -> ASGIApp:
    """The API under its prefixes, the pages beside it, and the guard around both."""
    pages = Starlette(routes=[*admin_routes(service), *oauth_routes(service)])
    apis = {prefix: Api(service, prefix) for prefix in PREFIXES}

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        prefix = scope["path"].split("/", 2)[1] if scope["type"] == "http" else ""
        await apis.get(prefix, pages)(scope, receive, send)

    return Guard(route)
