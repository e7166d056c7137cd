"""A flow whose trigger asks a service, while its connection does not work, and after."""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from flowmend.portal.pages.flow import FlowPage
from flowmend.store.rows import TriggerEventRow
from flowmend.use_cases.poll_states import TriggerProblem


def with_trigger_problem(page: FlowPage, now: datetime) -> FlowPage:
    """The page of a flow whose checks are refused."""
    connection_id = page.broken[0].row.connection_id
    problem = TriggerProblem(
        flow_id=page.detail.row.flow_id,
        trigger_name="new_mail",
        code="Unauthorized",
        message="The credentials are not valid.",
        since=now - timedelta(hours=3),
        connection_id=connection_id,
    )
    page = polling(page, now)
    detail = replace(page.detail, summary=replace(page.detail.summary, trigger_problem=problem, held=0), next_at=None)
    failed = _event("1", "Failed", "Unauthorized", now - timedelta(hours=3), page)
    return replace(page, detail=detail, held_events=(), trigger_events=(failed, *page.trigger_events))


def with_missing_folder(page: FlowPage, now: datetime) -> FlowPage:
    """The page of a flow whose checks fail while its connections work."""
    page = with_trigger_problem(page, now)
    problem = page.detail.summary.trigger_problem
    assert problem is not None
    missing = msgspec.structs.replace(
        problem, code="NotFound", message="There is no folder '<in>'.", connection_id="files-1"
    )
    detail = replace(page.detail, summary=replace(page.detail.summary, trigger_problem=missing))
    first = msgspec.structs.replace(page.trigger_events[0], code="NotFound", error_message=missing.message)
    return replace(page, detail=detail, broken=(), trigger_events=(first, *page.trigger_events[1:]))


def polling(page: FlowPage, now: datetime) -> FlowPage:
    """The page of a flow whose trigger finds something now and then."""
    detail = replace(page.detail, asks_since=now - timedelta(days=8), next_at=now + timedelta(minutes=2), callback=None)
    events = (
        msgspec.structs.replace(
            _event("2", "Skipped", "NoNewItems", now - timedelta(hours=9), page),
            checks=118,
            ended_at=now - timedelta(hours=7),
        ),
        _event("3", "Succeeded", "", now - timedelta(hours=10), page),
        _event("4", "Skipped", "TriggerConditionNotMet", now - timedelta(hours=11), page),
    )
    return replace(page, detail=detail, trigger_events=events)


def _event(number: str, status: str, code: str, at: datetime, page: FlowPage) -> TriggerEventRow:
    name = f"0858400000000000000000000779{number}CU00"
    return TriggerEventRow(
        event_name=name,
        flow_id=page.detail.row.flow_id,
        trigger_name="new_mail",
        status=status,
        code=code,
        fired=status == "Succeeded",
        started_at=at,
        ended_at=at,
        tracking_id="t",
        client_tracking_id="t",
        run_name=name if status == "Succeeded" else "",
    )
