"""From a trigger event to a run: accept, hold, skip or refuse what arrives."""

from contextlib import nullcontext
from datetime import datetime
from functools import partial

import msgspec

from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import ActionRecord, RunStart
from flowmend.core.run.record import ParentAction
from flowmend.store.journal import HoldEvent, Write
from flowmend.store.rows import RunRow, TriggerEventRow
from flowmend.store.trigger_events import change_held
from flowmend.use_cases.business_keys import business_key, track_business_key
from flowmend.use_cases.journal_pages import decode_start, encode_start
from flowmend.use_cases.loaded_flows import FAIL, HOLD_EVENTS, LoadedFlow
from flowmend.use_cases.new_run import NewRun
from flowmend.use_cases.ports import Begun, Services
from flowmend.use_cases.run_limits import ends_by

NEEDS_REPAIR = "ConnectionNeedsRepair"


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What else is known of a trigger event. parent: the action that starts this run as its child; depth: how many runs
    stand above it. client_request_id: by which a repeat of the same request is known. together_with: what else is
    written in the same transaction. event_name: of the event, or of its first item; "" makes one. may_queue: the event may
    wait even where no more should.
    """

    parent: ParentAction | None = None
    depth: int = 0
    client_request_id: str = ""
    together_with: tuple[Write, ...] = ()
    event_name: str = ""
    may_queue: bool = False


NO_CAUSE = Cause()


def start_held_event(services: Services, event: TriggerEventRow, *, together_with: tuple[Write, ...] = ()) -> Begun:
    """The run of an event that was held; the event's own name, latest definition. Only who is patient still waits.

    together_with: written in the same transaction.
    The run fails to be stored, with Conflict `EventNotHeld`, where somebody released or discarded the event meanwhile.
    """
    loaded = services.flows.latest(event.flow_id)
    kept = decode_start(event.outputs, services.vault)
    start = msgspec.structs.replace(
        kept,
        version=loaded.version,
        parameters=loaded.parameters,
        ends_by=ends_by(services, loaded),
        is_synchronous=kept.is_synchronous and kept.is_patient,
    )
    fired = change_held(
        event.event_name,
        status=Status.SUCCEEDED.value,
        code="",
        fired=True,
        run_name=event.event_name,
        outputs=b"",
    )
    row = _row(services, loaded, start, event.trigger_name)
    now = services.clock.now
    if now > row.started_at:  # a clock that was put back meanwhile knows no time it waited
        row = msgspec.structs.replace(row, begun_at=now)
    together = (*track_business_key(services, loaded, start), fired, *together_with)
    return services.dispatch.begin(NewRun(loaded=loaded, start=start, row=row, event=None, together_with=together))


def new_start(
    services: Services,
    loaded: LoadedFlow,
    *,
    trigger: dict[str, Json],
    name: str,
    client_tracking_id: str,
    origin_run: str = "",
    is_synchronous: bool = False,
    is_patient: bool = False,
    attempt: int = 1,
    cause: Cause | None = None,
) -> RunStart:
    """What a run of this flow starts with. attempt: 1 for the first of its trigger event.

    Errors: AskedWrongly where a parameter has no value.
    """
    if loaded.missing_parameters:
        names = ", ".join(loaded.missing_parameters)
        raise AskedWrongly(
            f"The flow {loaded.row.name!r} cannot start: no value for parameter {names}.",
            code="WorkflowRunParameterMissing",
            target=loaded.row.flow_id,
        )
    return RunStart(
        run_name=name,
        flow_id=loaded.row.flow_id,
        version=loaded.version,
        trigger=trigger,
        workflow=_workflow_view(loaded, name),
        parameters=loaded.parameters,
        client_tracking_id=client_tracking_id,
        started_at=services.clock.now,
        ends_by=ends_by(services, loaded),
        origin_run=origin_run,
        is_synchronous=is_synchronous,
        is_patient=is_patient,
        attempt=attempt,
        parent=cause.parent if cause else None,
        depth=cause.depth if cause else 0,
    )


def begin_run(
    services: Services,
    loaded: LoadedFlow,
    start: RunStart,
    *,
    origin_event: str = "",
    resubmitted_by: str = "",
    awaits_response: bool = False,
    client_request_id: str = "",
    together_with: tuple[Write, ...] = (),
    taken_over: tuple[ActionRecord, ...] = (),
) -> Begun:
    """Store the run with its trigger history entry and start to advance it."""
    trigger_name = start.trigger["name"]
    row = _row(services, loaded, start, trigger_name, resubmitted_by)
    event = new_event(start, trigger_name, fired=True, origin_event=origin_event, client_request_id=client_request_id)
    return services.dispatch.begin(
        NewRun(
            loaded=loaded,
            start=start,
            row=row,
            event=event,
            awaits_response=awaits_response,
            together_with=(*track_business_key(services, loaded, start), *together_with),
            taken_over=taken_over,
        )
    )


def broken_connection(services: Services, loaded: LoadedFlow) -> str:
    """The broken connection that every run of this flow would meet, or ""."""
    return services.health.first_broken(loaded.certain_connections)


def must_wait(services: Services, loaded: LoadedFlow, start: RunStart, *, broken: str) -> bool:
    """Whether an event that arrives now waits for a repair, or stands behind others that are held. broken: the connection
    that is, "" for none; where runs wait at their actions for it, what was held before goes first all the same.
    """
    if broken and loaded.on_broken_connection in (HOLD_EVENTS, FAIL):
        return loaded.on_broken_connection == HOLD_EVENTS
    key = partial(business_key, services, loaded, start)
    return services.held.must_queue(loaded.row.flow_id, services.clock.now, key)


async def hold_event(
    services: Services,
    loaded: LoadedFlow,
    start: RunStart,
    *,
    origin_event: str = "",
    code: str = NEEDS_REPAIR,
    client_request_id: str = "",
    together_with: tuple[Write, ...] = (),
) -> None:
    """Keep an event durably until its connection is repaired, or whatever else its code says has come."""
    held = held_event(
        services, loaded, start, origin_event=origin_event, code=code, client_request_id=client_request_id
    )
    with services.held.arriving(loaded.row.flow_id) if code == NEEDS_REPAIR else nullcontext():
        await services.store.journal.write([HoldEvent(held), *together_with])
    services.held.arrived(loaded.row.flow_id)
    services.changes.publish("event", flow_id=loaded.row.flow_id, event_name=start.run_name, status=Status.WAITING)


def held_event(
    services: Services,
    loaded: LoadedFlow,
    start: RunStart,
    *,
    origin_event: str = "",
    code: str = NEEDS_REPAIR,
    client_request_id: str = "",
) -> TriggerEventRow:
    """The row of an event that waits for what its code says, with all its run begins with."""
    event = new_event(
        start, start.trigger["name"], fired=False, origin_event=origin_event, client_request_id=client_request_id
    )
    return msgspec.structs.replace(
        event,
        status=Status.WAITING,
        code=code,
        run_name="",
        ended_at=None,
        outputs=encode_start(start, services.vault, has_secure_outputs=loaded.has_secure_trigger),
        business_key=business_key(services, loaded, start),
    )


def workflow_headers(loaded: LoadedFlow, name: str, client_tracking_id: str, tracking_id: str) -> dict[str, str]:
    """The headers of run, invoke and resubmit answers (rest-api §7)."""
    return {
        "x-ms-workflow-run-id": name,
        "x-ms-trigger-history-name": name,
        "x-ms-client-tracking-id": client_tracking_id,
        "x-ms-correlation-id": tracking_id,
        "x-ms-tracking-id": tracking_id,
        "x-ms-workflow-id": loaded.row.flow_id,
        "x-ms-workflow-name": loaded.ascii_name,
        "x-ms-workflow-version": loaded.version,
        "x-ms-workflow-system-id": f"/flows/{loaded.row.flow_id}",
        "x-ms-execution-location": "local",
        "x-ms-request-id": f"local:{tracking_id}",
    }


def _workflow_view(loaded: LoadedFlow, name: str) -> dict[str, Json]:
    place = f"/workflows/{loaded.row.flow_id}"
    return {
        "id": place,
        "name": loaded.row.flow_id if loaded.flow.packaging.is_power_automate else loaded.row.name,
        "type": "Microsoft.Logic/workflows",
        "location": "local",
        "tags": {"flowDisplayName": loaded.row.name, "environmentName": "local"},
        "run": {"id": f"{place}/runs/{name}", "name": name, "type": "Microsoft.Logic/workflows/runs"},
    }


def _row(
    services: Services, loaded: LoadedFlow, start: RunStart, trigger_name: str, resubmitted_by: str = ""
) -> RunRow:
    return RunRow(
        run_name=start.run_name,
        flow_id=start.flow_id,
        version=start.version,
        trigger_name=trigger_name,
        status=Status.RUNNING,
        started_at=start.started_at,
        client_tracking_id=start.client_tracking_id,
        origin_run=start.origin_run,
        resubmitted_by=resubmitted_by,
        start=encode_start(start, services.vault, has_secure_outputs=loaded.has_secure_trigger),
    )


def new_event(
    start: RunStart, trigger_name: str, *, fired: bool, origin_event: str = "", client_request_id: str = ""
) -> TriggerEventRow:
    return TriggerEventRow(
        event_name=start.run_name,
        flow_id=start.flow_id,
        trigger_name=trigger_name,
        status=Status.SUCCEEDED,
        fired=fired,
        started_at=start.started_at,
        ended_at=start.started_at,
        scheduled_at=datetime.fromisoformat(scheduled) if (scheduled := start.trigger.get("scheduledTime")) else None,
        tracking_id=start.trigger["trackingId"],
        client_tracking_id=start.client_tracking_id,
        run_name=start.run_name,
        origin_event=origin_event,
        client_request_id=client_request_id,
    )
