"""Resubmit: a new run for the same trigger event."""

from dataclasses import dataclass

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.naming import run_name as new_run_name
from flowmend.core.run.views import timestamp
from flowmend.store.journal import Write
from flowmend.store.rows import FlowState
from flowmend.store.runs import note_resubmission
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.loaded_flows import HOLD_EVENTS
from flowmend.use_cases.ports import Services
from flowmend.use_cases.start_run import begin_run, broken_connection, hold_event, new_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmitted:
    """The new run. version: the definition it runs. held: it waits for its connection instead of running."""

    run_name: str
    version: str
    held: bool = False


def cannot_resubmit_reason(status: str, flow_state: FlowState) -> str:
    """Why a run cannot be resubmitted, as a sentence; "" where it can."""
    if not Status(status).is_terminal:
        return "The run has not finished. Cancel it first, or wait for its end."
    if flow_state is not FlowState.ON:
        return "The flow is turned off. Turn it on, then resubmit."
    return ""


async def resubmit_run(
    services: Services,
    run_name: str,
    *,
    person_id: str,
    request_id: str = "",
    original_definition: bool = False,
    together_with: tuple[Write, ...] = (),
    new_run: str = "",
    is_audited: bool = True,
) -> Resubmitted:
    """Start a new run with the trigger outputs of `run_name`.

    Runs the latest definition unless the original is asked for [choice: spec says both, rest-api §3]. request_id: the
    same id for the same run answers with the first new run instead of making another, and so does any request while a
    resubmission of this run is held: it starts by itself, and a second one would do everything twice. together_with: written in
    the same transaction. new_run: the name of the new run, "" to choose one. is_audited: False where it is one of many that
    were noted together.
    Errors: NotFound; Conflict `WorkflowRunInProgress`; AskedWrongly `WorkflowTriggerIsNotEnabled`.
    """
    row = services.store.runs.get(run_name)
    if row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    latest = services.flows.latest(row.flow_id)
    if request_id and (earlier := earlier_resubmission(services, run_name, request_id)):
        return earlier
    reason = cannot_resubmit_reason(row.status, latest.row.state)
    if reason:
        if latest.row.state is not FlowState.ON:
            raise AskedWrongly(reason, code="WorkflowTriggerIsNotEnabled", target=run_name)
        raise Conflict(reason, code="WorkflowRunInProgress", target=run_name)
    waiting = services.store.trigger_events.held_resubmission(row.flow_id, run_name)
    if waiting is not None:
        return Resubmitted(run_name=waiting.event_name, version=latest.version, held=True)
    loaded = services.flows.version(row.flow_id, row.version) if original_definition else latest
    before = decode_start(row.start, services.vault)
    name = new_run or new_run_name(services.clock.ticks(), services.clock.draw())
    start = new_start(
        services,
        loaded,
        trigger=_replayed(before.trigger, services, run_name, name),
        name=name,
        client_tracking_id=name,
        origin_run=run_name,
        attempt=before.attempt + 1,
    )
    notes = (*((note_resubmission(run_name, request_id, name),) if request_id else ()), *together_with)
    is_held = bool(broken_connection(services, loaded)) and loaded.on_broken_connection == HOLD_EVENTS
    try:
        if is_held:
            await hold_event(services, loaded, start, origin_event=run_name, together_with=notes)
        else:
            begun = begin_run(
                services, loaded, start, origin_event=run_name, resubmitted_by=person_id, together_with=notes
            )
            if begun.durable is not None:
                await begun.durable
    except Conflict:
        # The same request came twice at once: the database let the first in, and this one answers with it.
        earlier = earlier_resubmission(services, run_name, request_id)
        if earlier is None:
            raise
        return earlier
    if is_audited:
        services.store.audit.note(person_id, "resubmit", run_name, {"new_run": name}, at=services.clock.now)
    return Resubmitted(run_name=name, version=loaded.version, held=is_held)


def earlier_resubmission(services: Services, run_name: str, request_id: str) -> Resubmitted | None:
    """What the same request to resubmit or resume made before, None where it has not come yet."""
    name = services.store.runs.resubmission(run_name, request_id)
    if name is None:
        return None
    run = services.store.runs.get(name)
    if run is not None:
        return Resubmitted(run_name=name, version=run.version)
    row = services.store.runs.get(run_name)
    latest = services.flows.latest(row.flow_id).version if row else ""
    return Resubmitted(run_name=name, version=latest, held=True)


def _replayed(trigger: dict[str, Json], services: Services, origin: str, name: str) -> dict[str, Json]:
    """The trigger's record for the new run: same outputs, new times, `x-ms-client-*` headers not replayed (wdl.md §6)."""
    now = timestamp(services.clock.now)
    replayed = trigger | {
        "startTime": now,
        "endTime": now,
        "trackingId": str(services.clock.guid()),
        "clientTrackingId": name,
        "originHistoryName": origin,
        "sourceHistoryName": origin,
    }
    outputs = replayed.get("outputs")
    if isinstance(outputs, dict) and isinstance(headers := outputs.get("headers"), dict):
        kept = {key: value for key, value in headers.items() if not key.lower().startswith("x-ms-client-")}
        replayed["outputs"] = outputs | {"headers": kept}
    return replayed
