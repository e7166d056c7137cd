"""Flows that call flows: the child's start, and its answer to the action that waits for it.

The child is known to its caller by the id of the call, so a call repeated after a restart finds the run it began.
"""

from datetime import datetime, timedelta
from functools import partial

from flowmend.core.connector import refused_outcome, status_name
from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import ChildCall, RunStart
from flowmend.core.run.record import ParentAction
from flowmend.core.trigger.request import accept_request, checks_body
from flowmend.store.rows import FlowState, RunRow
from flowmend.use_cases.fire_trigger import accept
from flowmend.use_cases.flow_lookup import flow_named
from flowmend.use_cases.heavy_work import beside_the_loop
from flowmend.use_cases.later_responses import journalled_response
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import Cause

#: How many runs may stand above one another: a flow that calls itself must end somewhere.
DEEPEST = 32

_CLOCKS_DIFFER = timedelta(minutes=5)


async def start_child(
    services: Services, call: ChildCall, *, parent: ParentAction, parent_start: RunStart, client_request_id: str
) -> Outcome | None:
    """Begin a child run, or find the one this call began before.

    None: it is under way and answers later. Otherwise how the call ended, or that no child could begin. Errors:
    StoreUnavailable.
    """
    loaded = flow_named(services, call.flow)
    if loaded is None:
        return refused_outcome(
            "MissingChildFlow", f"There is no flow '{call.flow}'. Import it, then run this one again."
        )
    trigger = _trigger(loaded, call.trigger)
    if trigger is None:
        named = f" '{call.trigger}'" if call.trigger else ""
        return refused_outcome("TriggerNotFound", f"The flow {loaded.row.name!r} has no Request trigger{named}.")
    since = parent_start.started_at - _CLOCKS_DIFFER
    earlier = services.store.trigger_events.by_client_request(
        loaded.row.flow_id, trigger.name, client_request_id, since
    )
    if earlier is not None:
        row = services.store.runs.get(earlier.run_name or earlier.event_name)
        return None if row is None else _answer_so_far(services, row)
    refusal = _refusal(loaded, call, parent_start)
    if refusal is not None:
        return refusal
    headers = {name: str(value) for name, value in call.headers.items()}
    try:
        read = partial(
            accept_request,
            trigger,
            method="",
            headers=headers,
            queries={},
            relative_path="",
            body=call.body,
            has_body=call.has_body,
        )
        outputs = await beside_the_loop(read) if checks_body(trigger) else read()
        cause = Cause(
            parent=parent if call.is_awaited else None,
            depth=parent_start.depth + 1,
            client_request_id=client_request_id,
            may_queue=True,
        )
        accepted = await accept(services, loaded, trigger, outputs, parent_start.client_tracking_id, cause=cause)
    except StoreUnavailable:
        raise  # nothing began; the call is made again once the store works
    except FlowmendError as error:
        return refused_outcome(error.code, error.message)
    if call.is_awaited and not (accepted.run_name or accepted.held):
        return _no_answer(loaded.row.name, is_power_automate=loaded.flow.packaging.is_power_automate)
    if call.is_awaited:
        return None
    outputs = {"statusCode": 202, "headers": dict(accepted.workflow_headers)}
    return Outcome(status=Status.SUCCEEDED, code="Accepted", outputs=outputs)


def child_run_name(services: Services, call: ChildCall, *, client_request_id: str, since: datetime) -> str:
    """The run that a call began, "" where it began none or its event is gone. since: when the calling run began."""
    loaded = flow_named(services, call.flow)
    trigger = None if loaded is None else _trigger(loaded, call.trigger)
    if loaded is None or trigger is None:
        return ""
    event = services.store.trigger_events.by_client_request(
        loaded.row.flow_id, trigger.name, client_request_id, since - _CLOCKS_DIFFER
    )
    return "" if event is None else event.run_name or event.event_name


def child_answer(status_code: int, headers: Json, body: Json) -> Outcome:
    """What the child's Response means to the action that called it: the outputs are that response (wdl.md §4)."""
    is_good = 200 <= status_code < 300
    return Outcome(
        status=Status.SUCCEEDED if is_good else Status.FAILED,
        code=status_name(status_code),
        outputs={"statusCode": status_code, "headers": headers or {}, "body": body},
        was_refused=not is_good,
    )


def child_without_answer(loaded: LoadedFlow) -> Outcome:
    """A child that ended without its Response having run: 502, in Power Automate by the name NoResponse."""
    return _no_answer(loaded.row.name, is_power_automate=loaded.flow.packaging.is_power_automate)


def _answer_so_far(services: Services, row: RunRow) -> Outcome | None:
    answer = journalled_response(services, row.run_name)
    if answer is not None:
        return child_answer(answer.status_code, answer.headers, answer.body)
    if Status(row.status).is_terminal:
        return child_without_answer(services.flows.version(row.flow_id, row.version))
    return None


def _refusal(loaded: LoadedFlow, call: ChildCall, parent_start: RunStart) -> Outcome | None:
    name = loaded.row.name
    if parent_start.depth + 1 > DEEPEST:
        return refused_outcome(
            "WorkflowNestingTooDeep", f"Flows call one another more than {DEEPEST} deep; {name!r} is not called again."
        )
    if loaded.row.state is not FlowState.ON:
        return refused_outcome("WorkflowTriggerIsNotEnabled", f"The flow {name!r} is turned off. Turn it on.")
    if call.is_awaited and not loaded.answers_caller:
        return refused_outcome(
            "NestedWorkflowDoesNotContainResponseAction",
            f"The flow {name!r} has no Response action, so there is no answer to wait for. Add one, or set "
            "'operationOptions' of the calling action to 'DisableAsyncPattern'.",
        )
    return None


def _trigger(loaded: LoadedFlow, name: str) -> Trigger | None:
    requests = [one for one in loaded.flow.definition.triggers.values() if one.type == "Request"]
    if not name:
        return next(iter(requests), None)
    # Exports name the trigger `manual` whatever it is called; with one Request trigger there is no doubt.
    named = next((one for one in requests if one.name.lower() == name.lower()), None)
    return named or (requests[0] if len(requests) == 1 else None)


def _no_answer(name: str, *, is_power_automate: bool) -> Outcome:
    error = ErrorDetail("NoResponse", f"The flow {name!r} ended without an answer: see its history.")
    body = {"error": {"code": error.code, "message": error.message}}
    return Outcome(
        status=Status.FAILED,
        code="NoResponse" if is_power_automate else "BadGateway",
        outputs={"statusCode": 502, "headers": {}, "body": body},
        error=error,
    )
