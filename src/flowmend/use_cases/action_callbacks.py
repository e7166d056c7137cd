"""Webhook actions called back: the signed URL a service is given, and what its request brings to the run."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import ActionKey, AnswerArrived, Call
from flowmend.core.run.callbacks import call_with_callback_url, callback_path, callback_placeholder
from flowmend.core.trigger.callback_url import sign_action_callback, verify_action_callback
from flowmend.store.after_restore import refuse_standing_still
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services

#: Where an action is called back, below the server's own address (`core.run.callbacks.callback_path`).
_CALLBACK = re.compile(
    r".*/workflows/(?P<flow>[^/]+)/runs/(?P<run>[^/]+)/actions/(?P<action>.+?)(?:/repetitions/(?P<repetition>[0-9-]+))?/callback"
)
_NOT_RECORDED = frozenset({"authorization", "cookie"})


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a service sent. has_body: False tells an empty body from null."""

    headers: dict[str, str]
    queries: dict[str, str]
    body: Json = None
    has_body: bool = False


class CalledBack(msgspec.Struct, frozen=True, kw_only=True):
    """An action that is to be called back. repetition: `000001-000000`, "" outside loops."""

    flow_id: str
    run_name: str
    action: str
    repetition: str


def with_real_callback(services: Services, loaded: LoadedFlow, run_name: str, key: ActionKey, call: Call) -> Call:
    """The call as it is sent: the stand-in of a webhook's callback URL replaced by the signed one."""
    placeholder = callback_placeholder(run_name, *key)
    url = sign_action_callback(
        services.settings.base_url, loaded.row.flow_id, callback_path(run_name, *key), key=loaded.access_key
    )
    return call_with_callback_url(call, placeholder, url)


async def deliver_callback(
    services: Services,
    flow_id: str,
    run_name: str,
    key: ActionKey,
    request: CallbackRequest,
    *,
    path_signature: Mapping[str, str],
) -> None:
    """Give a callback to the action that waits for it; returns once it is durable.

    A second callback, or one that comes after the action's end, changes nothing.
    Errors: NotAllowed for a missing or wrong signature, before anything else is said; NotFound where the run or its
    action is not there any more; StandsStill of a restored run, whose caller is to come again.
    """
    loaded = authorised_callback(services, flow_id, run_name, key, path_signature)
    await bring_callback(services, loaded.row.flow_id, run_name, key, request)


def authorised_callback(
    services: Services, flow_id: str, run_name: str, key: ActionKey, path_signature: Mapping[str, str]
) -> LoadedFlow:
    """The flow whose action's callback URL has this signature. Errors: NotAllowed before anything else is said; NotFound."""
    path = callback_path(run_name, *key)
    try:
        loaded = services.flows.latest(flow_id)
    except AskedWrongly:
        # Without a valid signature nobody learns which flows exist.
        verify_action_callback(flow_id, path, path_signature, key=b"", now=services.clock.now)
        raise
    verify_action_callback(flow_id, path, path_signature, key=loaded.access_key, now=services.clock.now)
    return loaded


def action_called_back_at(services: Services, url: str) -> CalledBack:
    """The action whose callback URL this is. Errors: AskedWrongly where it is none of this Flowmend's."""
    parts = urlsplit(url)
    found = _CALLBACK.fullmatch(unquote(parts.path)) if url.startswith(f"{services.settings.base_url}/") else None
    if found is None:
        raise AskedWrongly("The callback must be that of an action of a flow here.", code="InvalidCallback")
    flow_id, run_name, action, repetition = found["flow"], found["run"], found["action"], found["repetition"] or ""
    waiting = CalledBack(flow_id=flow_id, run_name=run_name, action=action, repetition=repetition)
    key = services.flows.latest(flow_id).access_key
    path = callback_path(run_name, action, tuple(int(index) for index in repetition.split("-") if index))
    verify_action_callback(flow_id, path, dict(parse_qsl(parts.query)), key=key, now=services.clock.now)
    return waiting


async def bring_callback(
    services: Services, flow_id: str, run_name: str, key: ActionKey, request: CallbackRequest
) -> None:
    """As `deliver_callback`, of what was authorised already. Errors: NotFound; StandsStill."""
    row = services.store.runs.get(run_name)
    if row is None or row.flow_id != flow_id or Status(row.status).is_terminal:
        raise _gone(run_name)
    refuse_standing_still(row)
    node = services.flows.version(row.flow_id, row.version).compiled.find(key[0])
    if node is None or not node.is_webhook or len(key[1]) != node.depth:
        raise _gone(run_name)
    outputs: dict[str, Json] = {
        "headers": {name: text for name, text in request.headers.items() if name.lower() not in _NOT_RECORDED}
    }
    if request.queries:
        outputs["queries"] = request.queries
    if request.has_body:
        outputs["body"] = request.body
    answer = Outcome(status=Status.SUCCEEDED, code="OK", outputs=outputs)
    if not await services.dispatch.send(run_name, AnswerArrived((node.name, key[1]), answer)):
        raise _gone(run_name)


def _gone(run_name: str) -> NotFound:
    return NotFound(
        f"The run {run_name} waits for no such callback any more.", code="WorkflowRunActionNotWaiting", target=run_name
    )
