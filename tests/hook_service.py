"""A service one subscribes to: counts its subscriptions, honours keys, and fails as often as it is told to."""

import asyncio
import random
from typing import Any

from aiohttp import ClientSession, web


class Hooks:
    """there: {id: callback URL}. made: how many were ever made. failing: the share of calls that fail, half of them after
    they were carried out.
    """

    def __init__(self, failing: float = 0.0, seed: int = 0) -> None:
        self.there: dict[str, str] = {}
        self.made = 0
        self.calls = 0
        self.password = ""
        self.failing = failing
        self.validates = False
        self.expires = ""
        self.renewed = 0
        self._known: dict[str, str] = {}
        self._chance = random.Random(seed)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if self.password and request.headers.get("X-Key") != self.password:
            return web.json_response({"error": {"code": "Unauthorized", "message": "No such key."}}, status=401)
        draw = self._chance.random()
        if draw < self.failing / 2:
            return web.Response(status=503)
        answer = await self._carry_out(request)
        if draw < self.failing:
            assert request.transport is not None
            request.transport.close()  # done, and nobody hears of it
            await asyncio.sleep(0)
        return answer

    async def _carry_out(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE":
            return web.Response(status=204 if self.there.pop(name, None) else 404)
        if request.method == "PATCH":
            self.renewed += 1
            return web.json_response({"id": name, "expirationDateTime": (await request.json())["until"]})
        if request.method == "GET":
            return web.json_response({"name": "ada"})
        body = await request.json()
        if self.validates and not await self._is_there(body["url"]):
            return web.json_response({"error": "not validated"}, status=400)
        key = request.headers["x-ms-client-request-id"]
        if key not in self._known:
            self.made += 1
            self._known[key] = f"h{self.made}"
            self.there[f"h{self.made}"] = body["url"]
        made = self._known[key]
        told: dict[str, Any] = {"id": made} | ({"expirationDateTime": self.expires} if self.expires else {})
        return web.json_response(told, status=201, headers={"Location": f"/hooks/{made}"})

    async def _is_there(self, url: str) -> bool:
        async with ClientSession() as session, session.post(f"{url}&validationToken=abc") as answer:
            return answer.status == 200 and await answer.text() == "abc"


def hook_trigger(origin: str) -> dict[str, Any]:
    """An HttpWebhook trigger of that service."""
    location = "@{triggerOutputs()?['headers']?['Location']}"
    return {
        "called": {
            "type": "HttpWebhook",
            "inputs": {
                "subscribe": {"method": "POST", "uri": f"{origin}/hooks", "body": {"url": "@listCallbackUrl()"}},
                "unsubscribe": {"method": "DELETE", "uri": f"{origin}{location}"},
            },
        }
    }


def hook_connector(origin: str, **subscription: Any) -> dict[str, Any]:
    """A connector of that service. subscription: what `x-flowmend-subscription` says, nothing where empty."""
    body = {"type": "object", "properties": {"url": {"type": "string", "x-ms-notification-url": True}}}
    trigger: dict[str, Any] = {
        "operationId": "OnCalled",
        "x-ms-trigger": "single",
        "parameters": [{"name": "body", "in": "body", "schema": body}],
        "responses": {"201": {}},
    }
    if subscription:
        trigger["x-flowmend-subscription"] = subscription
    return {
        "swagger": "2.0",
        "info": {"title": "Hooks"},
        "host": origin.partition("://")[2],
        "schemes": ["http"],
        "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "paths": {"/hooks": {"post": trigger}, "/me": {"get": {"operationId": "WhoAmI", "responses": {"200": {}}}}},
    }
