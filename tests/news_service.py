"""A service with news: lists to poll, kept apart by how their place is kept, and a connector that describes them."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import map_connection, turn_on
from running import Running

SIGN_IN = {
    "connectionParameters": {
        "username": {"type": "string", "uiDefinition": {"displayName": "User"}},
        "password": {"type": "securestring", "uiDefinition": {"displayName": "Password"}},
    }
}


class News:
    """password: the one it takes. items: oldest first. asked: how often each path was asked for, refused ones too. hooks: where
    it is to say that there is news.
    """

    def __init__(self) -> None:
        self.password = "first"
        self.items: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.status = 0
        self.hooks: list[str] = []
        # so far ahead that what a busy machine turns on late finds it new too
        self.start = datetime.now(UTC) + timedelta(minutes=1)

    def add(self, count: int) -> None:
        for _ in range(count):
            number = len(self.items)
            at = (self.start + timedelta(seconds=number // 3)).strftime("%Y-%m-%dT%H:%M:%SZ")
            self.items.append({"id": number, "at": at, "title": f"News {number}"})

    async def answer(self, request: web.Request) -> web.Response:
        self.asked[request.path] = self.asked.get(request.path, 0) + 1
        expected = base64.b64encode(f"ada:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            return web.json_response({"error": {"code": "401", "message": "Wrong password."}}, status=401)
        if self.status:
            return web.Response(status=self.status)
        if request.path == "/hooks":
            self.hooks.append((await request.json())["NotificationUrl"])
            return web.json_response({}, status=201, headers={"Location": f"/hooks/{len(self.hooks)}"})
        if request.path == "/me":
            return web.json_response({"name": "ada"})
        if request.path == "/timed":
            return self._timed(request)
        return self._placed(request)

    def _timed(self, request: web.Request) -> web.Response:
        since, skip = request.query["since"], int(request.query.get("skip", "0"))
        found = [one for one in self.items if one["at"] >= since]
        page: dict[str, Any] = {"value": found[skip : skip + 100]}
        if len(found) > skip + 100:
            page["next"] = str(request.url.update_query({"skip": str(skip + 100)}))
        return web.json_response(page)

    def _placed(self, request: web.Request) -> web.Response:
        """As a Logic Apps polling trigger: the place is in `Location`; the first answer tells only of it."""
        place = request.query.get("triggerstate")
        if place is None or int(place) >= len(self.items):
            return web.Response(status=202, headers={"Location": f"/placed?triggerstate={len(self.items)}"})
        found = self.items[int(place) : int(place) + 100]
        headers = {"Location": f"/placed?triggerstate={int(place) + len(found)}", "Retry-After": "0"}
        return web.json_response({"value": found}, headers=headers)


def connector(origin: str) -> dict[str, Any]:
    def trigger(operation_id: str, **more: Any) -> dict[str, Any]:
        return {"get": {"operationId": operation_id, "x-ms-trigger": "batch", "responses": {"200": {}}, **more}}

    timed = {"items": "value", "id": "id", "time": "at", "since": {"since": "{cursor}"}, "next": "next"}
    return {
        "swagger": "2.0",
        "info": {"title": "News"},
        "host": origin.partition("://")[2],
        "schemes": ["http"],
        "securityDefinitions": {"basic": {"type": "basic"}},
        "x-ms-capabilities": {"testConnection": {"operationId": "WhoAmI"}},
        "paths": {
            "/me": {"get": {"operationId": "WhoAmI", "responses": {"200": {}}}},
            "/timed": trigger("OnTimed", **{"x-flowmend-poll": timed}),
            "/placed": trigger("OnPlaced"),
        },
    }


def polling(operation_id: str, **parts: Any) -> dict[str, Any]:
    host = {"connectionName": "shared_news", "operationId": operation_id, "apiId": "/apis/shared_news"}
    return {
        "new": {
            "type": "OpenApiConnection",
            "inputs": {"host": host, "parameters": {}},
            "recurrence": {"frequency": "Minute", "interval": 1},
            "splitOn": "@triggerOutputs()?['body/value']",
            **parts,
        }
    }


async def connected(running: Running, origin: str, password: str = "first") -> str:
    """The id of a proven connection to the news."""
    await install_connector_documents(
        running.services, "news", connector(origin), {"properties": SIGN_IN}, running.owner
    )
    values = {"username": "ada", "password": password}
    return (await create_connection(running.services, "news", "My news", values, running.owner)).row.connection_id


async def flow_with_news(
    running: Running, connection_id: str, triggers: dict[str, Any], actions: dict[str, Any]
) -> str:
    """The id of a flow that is on."""
    flow_id = await running.add_flow(actions, triggers=triggers, is_on=False)
    await map_connection(running.services, flow_id, "shared_news", connection_id, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    return flow_id
