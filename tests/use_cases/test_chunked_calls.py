"""Calls of connectors whose content may go in pieces: only where the operation says that it takes them."""

from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.outcome import ContentAwaited, Outcome
from flowmend.core.run.events import ConnectorCall, FollowUp

pytestmark = pytest.mark.anyio


def definition(origin: str) -> dict[str, Any]:
    content = {"name": "body", "in": "body", "schema": {"type": "string", "format": "binary"}}
    capable = {"operationId": "Upload", "parameters": [content], "x-ms-capabilities": {"chunkTransfer": True}}
    return {
        "swagger": "2.0",
        "info": {"title": "Files"},
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "securityDefinitions": {"b": {"type": "basic"}},
        "paths": {"/files": {"post": capable}, "/notes": {"post": {"operationId": "Note", "parameters": [content]}}},
    }


class Service:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes, bool]] = []

    async def answer(self, request: web.Request) -> web.Response:
        is_announced = request.headers.get("x-ms-transfer-mode") == "chunked"
        self.seen.append((request.method, request.path, await request.read(), "Authorization" in request.headers))
        headers = {"Location": "/files/7", "x-ms-chunk-size": "3"} if is_announced else {}
        return web.json_response({}, headers=headers)


@pytest.fixture
async def files(house: Any, local_server: Any) -> Service:
    service = Service()
    origin = await local_server(service.answer)
    properties = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
    house.install("shop", definition(origin), properties)
    house.connect("shop", BasicCredential(user="ada", password="right"), parameters={"user": "ada"})
    return service


def by_name(name: str) -> ConnectorCall:
    return ConnectorCall(
        reference="shared_shop", connector="shop", operation_id=name, parameters={"body": "abcdefg"}, is_chunked=True
    )


def by_path(path: str) -> ConnectorCall:
    return ConnectorCall(
        reference="shared_shop", connector="shop", method="post", path=path, body="abcdefg", is_chunked=True
    )


async def perform(house: Any, call: Any) -> Outcome:
    outcome: Outcome = await house.services.operations.call(
        call,
        flow_id="f1",
        mappings={"shared_shop": "shop-1"},
        client_request_id="req-1",
        trace_headers={},
        attempt=1,
    )
    return outcome


@pytest.mark.parametrize("call", [by_name("Upload"), by_path("/files")], ids=["by name", "by path"])
async def test_an_operation_that_takes_pieces_gets_them_with_its_sign_in(
    house: Any, files: Service, call: ConnectorCall
) -> None:
    opened = await perform(house, call)
    assert opened.content_awaited == ContentAwaited(start=0, chunk_bytes=3)
    piece = FollowUp(call=call, method="PATCH", location="/files/7", content=ContentAwaited(start=3, chunk_bytes=3))
    assert (await perform(house, piece)).content_awaited == ContentAwaited(start=6, chunk_bytes=3)
    assert files.seen == [("POST", "/files", b"", True), ("PATCH", "/files/7", b"def", True)]


@pytest.mark.parametrize("call", [by_name("Note"), by_path("/notes")], ids=["by name", "by path"])
async def test_any_other_operation_gets_its_content_whole(house: Any, files: Service, call: ConnectorCall) -> None:
    assert (await perform(house, call)).content_awaited is None
    assert files.seen == [("POST", "/notes", b"abcdefg", True)]


def test_a_piece_may_be_sent_again(house: Any, files: Service) -> None:
    facts = house.services.operations.facts(
        FollowUp(call=by_name("Upload"), method="PATCH", location="/x", content=ContentAwaited(start=0)), {}
    )
    assert (facts.is_read, facts.honours_key) == (False, True)
