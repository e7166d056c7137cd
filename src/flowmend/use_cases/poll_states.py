"""Where triggers that poll stand: from when on they ask, what they remember, and what is wrong with one.

A state's memory is `{"started_at", "recurrence", "asks", "poll": {…}, "quiet": {…}, "problem": {…}}`: `poll` is what
`core.trigger.polling` remembers, `asks` a digest of what is asked for, `quiet` the last entry of the history that tells of
checks without news, `problem` why the last check failed.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import AskedWrongly, Conflict, ExpressionError, FlowmendError
from flowmend.core.expression import compile_template
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail
from flowmend.core.trigger.polling import first_memory
from flowmend.core.trigger.recurrence import next_occurrence
from flowmend.store.rows import FlowState, TriggerStateRow
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.trigger_calls import polling_call, trigger_scope

#: The types that ask at intervals; one that is notified asks besides when it is told to.
NOTIFIED_TYPES = frozenset({"ApiConnectionNotification", "OpenApiConnectionNotification"})
POLLED_TYPES = frozenset({"Http", "ApiConnection", "OpenApiConnection", "ServiceProvider"}) | NOTIFIED_TYPES

_MAY_BE_POLLED = frozenset({"ApiConnectionWebhook", "OpenApiConnectionWebhook"})

_EACH_MINUTE: Mapping[str, Json] = {"frequency": "Minute", "interval": 1}


class TriggerProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a trigger's last check failed, and since when checks do. connection_id: "" where no connection is to blame."""

    flow_id: str
    trigger_name: str
    code: str
    message: str
    since: datetime
    connection_id: str = ""


def asks_at_intervals(services: Services, loaded: LoadedFlow, trigger: Trigger) -> bool:
    """Whether a trigger polls: by its type, or because its service calls nobody and its connector says how to ask instead."""
    if trigger.type not in _MAY_BE_POLLED:
        return trigger.type in POLLED_TYPES
    try:
        operation = services.operations.facts(polling_call(services, loaded, trigger), loaded.mappings).operation
    except FlowmendError:
        return False
    return operation is not None and operation.poll.tells_items


def recurrence_of(trigger: Trigger) -> dict[str, Json]:
    """When a trigger asks: as it says, or each minute."""
    return dict(trigger.recurrence or _EACH_MINUTE)


def planned_state(
    services: Services, loaded: LoadedFlow, trigger: Trigger, known: TriggerStateRow | None
) -> TriggerStateRow:
    """Where a trigger stands whose flow is on: a known place is kept, unless something else is asked for now.

    Errors: InvalidDocument for a recurrence that does not read; AskedWrongly `InvalidPollFrom`.
    """
    now = services.clock.now
    recurrence, asks = recurrence_of(trigger), _digest_of(trigger)
    memory = dict(known.memory or {}) if known is not None else {}
    is_same_clock = memory.get("recurrence") == recurrence
    if known is not None and known.poll_at is not None and is_same_clock and memory.get("asks") == asks:
        return known
    if memory.get("asks") != asks:
        memory = {"poll": first_memory(now, _poll_from(services, loaded, trigger))}
    memory |= {"recurrence": recurrence, "asks": asks, "started_at": now.isoformat()}
    memory.pop("problem", None)
    poll_at = next_occurrence(recurrence, after=now, started_at=now, last=None)
    return TriggerStateRow(
        flow_id=loaded.row.flow_id, trigger_name=trigger.name, next_at=None, memory=memory, poll_at=poll_at
    )


def asks_since(state: TriggerStateRow) -> datetime | None:
    """From when on what is found is new to a trigger; None for one that does not poll."""
    start = ((state.memory or {}).get("poll") or {}).get("from")
    return datetime.fromisoformat(start) if isinstance(start, str) else None


def problem_of(state: TriggerStateRow) -> TriggerProblem | None:
    """What is wrong with a trigger, None for nothing."""
    told = (state.memory or {}).get("problem")
    if not state.problem or not isinstance(told, dict):
        return None
    return TriggerProblem(
        flow_id=state.flow_id,
        trigger_name=state.trigger_name,
        code=state.problem,
        message=str(told.get("message") or ""),
        since=datetime.fromisoformat(told["since"]),
        connection_id=str(told.get("connection_id") or ""),
    )


def trigger_problems(services: Services) -> dict[str, TriggerProblem]:
    """{flow id: what is wrong with its trigger}, flows whose triggers are well left out."""
    found = (problem_of(state) for state in services.store.triggers.with_problems())
    return {one.flow_id: one for one in found if one is not None}


def note_trigger_problem(
    services: Services, flow_id: str, trigger_name: str, error: ErrorDetail | None, *, connection_id: str = ""
) -> None:
    """Say on the flow what is wrong with a trigger that is subscribed; None says that nothing is."""
    state = services.store.triggers.get(flow_id, trigger_name)
    if state is None and error is None:
        return
    state = state or TriggerStateRow(flow_id=flow_id, trigger_name=trigger_name, next_at=None, memory={})
    before = problem_of(state)
    memory = {name: value for name, value in (state.memory or {}).items() if name != "problem"}
    if error is not None:
        since = services.clock.now if before is None else before.since
        memory["problem"] = {"message": error.message, "since": since.isoformat(), "connection_id": connection_id}
    with suppress(Conflict):  # the flow was deleted in this moment
        services.store.triggers.put(msgspec.structs.replace(state, memory=memory, problem=error.code if error else ""))


def resume_polls(services: Services) -> int:
    """Poll again at once what was stopped for a connection that works by now; how many there are."""
    resumed = 0
    for state in services.store.triggers.with_problems():
        problem = problem_of(state)
        if state.poll_at is not None or problem is None or "poll" not in (state.memory or {}):
            continue
        flow = services.store.flows.get(state.flow_id)
        if flow is None or flow.state is not FlowState.ON or services.health.first_broken((problem.connection_id,)):
            continue
        resumed += services.store.triggers.poll_sooner(state.flow_id, state.trigger_name, services.clock.now)
    if resumed:
        services.changes.publish("polls")
    return resumed


def _digest_of(trigger: Trigger) -> str:
    asked = [trigger.type, trigger.inputs, _written_start(trigger)]
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:24]


def _written_start(trigger: Trigger) -> Json:
    ours = trigger.metadata.get("flowmend")
    return ours.get("pollFrom") if isinstance(ours, Mapping) else None


def _poll_from(services: Services, loaded: LoadedFlow, trigger: Trigger) -> datetime | None:
    """The date from which on items count as new, by `metadata.flowmend.pollFrom`; None is now."""
    written = _written_start(trigger)
    if written is None or written == "":
        return None
    try:
        value = compile_template(written).evaluate(trigger_scope(services, loaded, trigger))
        moment = datetime.fromisoformat(str(value))
    except (ExpressionError, ValueError) as error:
        raise AskedWrongly(
            f"The 'pollFrom' of trigger '{trigger.name}' is no date such as 2026-03-01T08:00:00Z.",
            code="InvalidPollFrom",
            target=trigger.pointer,
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
