"""Signed URLs about one run: a service calls a webhook action back, a caller asks for an asynchronous answer."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.types import Scope

from flowmend.api.choice_page import CHOICE, choice_page, chosen_body
from flowmend.core.errors import NotFound
from flowmend.core.expression.content import decode_body
from flowmend.core.run import SendResponse
from flowmend.core.trigger.callback_url import SIGNATURE_QUERIES
from flowmend.use_cases.action_callbacks import CallbackRequest, authorised_callback, deliver_callback
from flowmend.use_cases.later_responses import read_later_response
from flowmend.use_cases.ports import Services


def is_about_a_run(segments: Sequence[str]) -> bool:
    """Whether the path, still encoded and from the flow's id on, is one of those answered here.

    `{id}/runs/{run}/response`, `{id}/runs/{run}/actions/{name}[/repetitions/{n}]/callback`.
    """
    if len(segments) < 4 or segments[1] != "runs":
        return False
    if len(segments) == 4:
        return segments[3] == "response"
    is_callback = len(segments) in {6, 8} and segments[3] == "actions" and segments[-1] == "callback"
    return is_callback and (len(segments) == 6 or segments[5] == "repetitions")


async def answer_about_a_run(services: Services, segments: Sequence[str], scope: Scope, content: bytes) -> SendResponse:
    """The answer. Errors: NotAllowed; NotFound, also for a method that is not meant."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    signature = {name: value for name, value in query if name in SIGNATURE_QUERIES}
    flow_id, run_name = unquote(segments[0]), unquote(segments[2])
    if len(segments) == 4 and scope["method"] == "GET":
        return await read_later_response(services, flow_id, run_name, signature)
    queries = {name: value for name, value in query if name not in SIGNATURE_QUERIES}
    is_shown = scope["method"] == "GET" and CHOICE in queries
    if len(segments) == 4 or not (is_shown or scope["method"] == "POST"):
        raise NotFound("There is nothing at this address.")
    key = (unquote(segments[4]), _repetition(segments[6]) if len(segments) == 8 else ())
    if is_shown:  # to who has the link alone: the page shows words of its address
        authorised_callback(services, flow_id, run_name, key, signature)
        return choice_page(queries[CHOICE])
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = CallbackRequest(
        headers={name if name.startswith("x-") else name.title(): text for name, text in headers.items()},
        queries=queries,
        body=decode_body(headers.get("content-type", ""), content) if content else None,
        has_body=bool(content),
    )
    if CHOICE in queries:
        request = msgspec.structs.replace(request, body=chosen_body(queries), has_body=True)
    await deliver_callback(services, flow_id, run_name, key, request, path_signature=signature)
    if CHOICE in queries:
        return choice_page(queries[CHOICE], is_made=True)
    return SendResponse(status_code=200, headers={}, body=None)


def _repetition(written: str) -> tuple[int, ...]:
    """`000001-000000` to (1, 0). Errors: NotFound."""
    pieces = written.split("-")
    if not all(piece.isascii() and piece.isdecimal() and len(piece) <= 9 for piece in pieces):
        raise NotFound("There is nothing at this address.")
    return tuple(int(piece) for piece in pieces)
