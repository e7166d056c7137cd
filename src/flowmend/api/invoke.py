"""Signed URLs: the entrance by which callers start flows, and the links by which contents are read.

This is the busiest path of the server, so it speaks ASGI directly: no request object, no routing table, and
names are taken from the raw path and decoded afterwards (rest-api.md §0, §3).
"""

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from urllib.parse import parse_qsl, quote, unquote

from starlette.routing import BaseRoute, Mount
from starlette.types import Message, Receive, Scope, Send

from flowmend.api.answers import error_answer, unexpected_answer
from flowmend.api.contents import read_content
from flowmend.api.shapes.content_link import content_digest
from flowmend.api.signed_runs import answer_about_a_run, is_about_a_run
from flowmend.core.errors import FlowmendError, NotFound
from flowmend.core.expression.content import decode_body, encode_body
from flowmend.core.json_value import Json
from flowmend.core.run.events import SendResponse
from flowmend.core.trigger.callback_url import SIGNATURE_QUERIES
from flowmend.use_cases.accept_event import TriggerRequest, authorised_flow, invoke_authorised
from flowmend.use_cases.fire_trigger import Accepted
from flowmend.use_cases.heavy_work import HEAVY_FROM_BYTES, beside_the_loop
from flowmend.use_cases.ports import Services
from flowmend.use_cases.receive_notification import SUBSCRIPTION_ENDED
from flowmend.use_cases.start_run import NEEDS_REPAIR

_TRACKING = b"x-ms-client-tracking-id"

#: Headers of the hop or of the answer's framing: the server's own to say, never a flow's (wdl.md §4, Response).
_NOT_A_FLOWS = frozenset(
    {"connection", "content-length", "date", "keep-alive", "server", "set-cookie", "transfer-encoding", "upgrade"}
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Longer queries are not worth the memory of remembering them.
_LONGEST_REMEMBERED = 1024
_UNFIT_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

#: Where a code says more than the kind of error.
_STATUS_OF = {NEEDS_REPAIR: 503, SUBSCRIPTION_ENDED: 410}

HeaderList = list[tuple[bytes, bytes]]


def invoke_routes(services: Services) -> list[BaseRoute]:
    """Everything below `/workflows`, each request authorised by its signature alone."""
    return [Mount("/workflows", app=SignedEntrance(services))]


class SignedEntrance:
    """`/workflows/{id}/triggers/{name}/paths/invoke[/…]`, and below `/workflows/{id}/runs/{run}`: `…/contents/{kind}`, and
    what `signed_runs` answers.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            segments = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1").split("/")[2:]
            if len(segments) >= 5 and segments[1] == "triggers" and segments[3:5] == ["paths", "invoke"]:
                accepted = await self._invoke(segments, scope, await _read(receive))
                await _answer(send, accepted)
            elif is_about_a_run(segments):
                response = await answer_about_a_run(self._services, segments, scope, await _read(receive))
                await _send(send, response.status_code, [], response)
            elif len(segments) >= 5 and segments[1] == "runs" and segments[-2] == "contents":
                await self._content(segments, scope, send)
            else:
                await error_answer(NotFound("There is nothing at this address."))(scope, receive, send)
        except FlowmendError as error:
            status = _STATUS_OF.get(error.code)
            await error_answer(error, status=status)(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # the outermost place: nothing may leave as a traceback
            await unexpected_answer(error)(scope, receive, send)

    async def _invoke(self, segments: list[str], scope: Scope, content: bytes) -> Accepted:
        signature, queries = _split_query(scope["query_string"])
        trigger_name = unquote(segments[2])
        # Before the body is decoded: whoever may not come in costs no more than its bytes.
        loaded = authorised_flow(self._services, unquote(segments[0]), trigger_name, signature)
        headers: dict[str, str] = {}
        tracking = content_type = ""
        for name, value in scope["headers"]:
            if name == b"cookie":
                continue  # a browser's session is no business of a flow's
            text = value.decode("latin-1")
            headers[_header_name(name)] = text
            if name == b"content-type":
                content_type = text
            elif name == _TRACKING:
                tracking = text
        body: Json = None
        if len(content) >= HEAVY_FROM_BYTES:
            body = await beside_the_loop(partial(decode_body, content_type, content))
        elif content:
            body = decode_body(content_type, content)
        request = TriggerRequest(
            method=scope["method"],
            headers=headers,
            queries=queries,
            relative_path="/".join(segments[5:]),
            body=body,
            has_body=bool(content),
            client_tracking_id=tracking,
        )
        return await invoke_authorised(self._services, loaded, trigger_name, request)

    async def _content(self, segments: list[str], scope: Scope, send: Send) -> None:
        signature, _ = _split_query(scope["query_string"])
        content_path = unquote("/".join(segments[1:]))
        content = await read_content(self._services, unquote(segments[0]), content_path, signature)
        headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", str(len(content)).encode()),
            (b"content-md5", content_digest(content).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


async def _read(receive: Receive) -> bytes:
    message: Message = await receive()
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return first
    parts = [first]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _answer(send: Send, accepted: Accepted) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in accepted.workflow_headers.items()]
    status = 202 if accepted.response is None else accepted.response.status_code
    await _send(send, status, headers, accepted.response)


async def _send(send: Send, status: int, headers: HeaderList, response: SendResponse | None) -> None:
    body = b""
    if response is not None:
        body, given = flow_answer(response)
        headers += given
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def flow_answer(response: SendResponse) -> tuple[bytes, HeaderList]:
    """(body, headers) of what a Response action said.

    A header that could break out of its line, or that frames the message, is left out.
    """
    body, content_type = encode_body(response.body)
    headers: HeaderList = []
    for name, value in response.headers.items():
        lower = name.lower()
        if lower in _NOT_A_FLOWS or not _TOKEN.fullmatch(name) or _UNFIT_VALUE.search(value):
            continue
        if lower == "content-type":
            content_type = None
        headers.append((lower.encode(), value.encode("latin-1", "replace")))
    if content_type is not None:
        headers.append((b"content-type", content_type.encode("latin-1", "replace")))
    return body, headers


def _split_query(query: bytes) -> tuple[Mapping[str, str], dict[str, str]]:
    """(what belongs to the signature, what the flow sees)."""
    signature: dict[str, str] = {}
    queries: dict[str, str] = {}
    for name, value in _pairs(query) if len(query) <= _LONGEST_REMEMBERED else _pairs.__wrapped__(query):
        (signature if name in SIGNATURE_QUERIES else queries)[name] = value
    return signature, queries


@lru_cache(maxsize=256)
def _pairs(query: bytes) -> tuple[tuple[str, str], ...]:
    """A query's names and values; a caller's query is the same each time."""
    return tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


@lru_cache(maxsize=512)
def _header_name(name: bytes) -> str:
    """The server folds names to lower case; flows are written against `Content-Type`, and against x- names as sent."""
    text = name.decode("latin-1")
    return text if text.startswith("x-") else text.title()
