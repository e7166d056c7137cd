"""Asynchronous answers: the caller hears 202 and where to ask, and asks until the flow's Response is there."""

from collections.abc import Mapping

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.outcome import Status
from flowmend.core.run import ActionRecord, ResponseRecord, SendResponse
from flowmend.core.trigger.callback_url import sign_response_link, verify_response_link
from flowmend.use_cases.journal_pages import decode_pages
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services

_ASK_AFTER_SECONDS = "10"


def later_response(services: Services, loaded: LoadedFlow, run_name: str) -> SendResponse:
    """202 with the address where the run's answer will be."""
    flow_id = loaded.row.flow_id
    location = sign_response_link(services.settings.base_url, flow_id, run_name, key=loaded.access_key)
    return SendResponse(status_code=202, headers={"Location": location, "Retry-After": _ASK_AFTER_SECONDS}, body=None)


async def read_later_response(
    services: Services, flow_id: str, run_name: str, path_signature: Mapping[str, str]
) -> SendResponse:
    """The run's answer, 202 as long as there is none, 502 where it ended without one.

    Errors: NotAllowed for a missing or wrong signature, before anything else is said; NotFound.
    """
    try:
        loaded = services.flows.latest(flow_id)
    except AskedWrongly:
        verify_response_link(flow_id, run_name, path_signature, key=b"", now=services.clock.now)
        raise
    verify_response_link(flow_id, run_name, path_signature, key=loaded.access_key, now=services.clock.now)
    row = services.store.runs.get(run_name)
    if row is None or row.flow_id != loaded.row.flow_id:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    answer = journalled_response(services, run_name)
    if answer is not None:
        return answer
    if not Status(row.status).is_terminal:
        return later_response(services, loaded, run_name)
    message = f"The run {run_name} ended without an answer: see its history."
    return SendResponse(status_code=502, headers={}, body={"error": {"code": "NoResponse", "message": message}})


def journalled_response(services: Services, run_name: str) -> SendResponse | None:
    """The answer a run has given, None where it has given none."""
    pages = services.store.runs.pages(run_name)
    entries = decode_pages(run_name, (page for _, page in pages), services.vault)
    answer = next((entry for entry in entries if isinstance(entry, ResponseRecord)), None)
    if answer is None:
        return None
    # Of a secret answer the action's own record has the value, which the store seals.
    ended = (one for one in entries if isinstance(one, ActionRecord) and one.name == answer.action and one.outputs)
    body = next((one.outputs.get("body") for one in ended), answer.body)
    return SendResponse(status_code=answer.status_code, headers=answer.headers, body=body)
