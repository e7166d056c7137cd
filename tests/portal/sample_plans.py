"""Repair plans as the use cases give them: a draft, one that changed, one under way, one that stopped, one that is done."""

from dataclasses import replace
from datetime import datetime, timedelta

from msgspec.structs import replace as with_columns

from flowmend.portal.incident_words import cure_of
from flowmend.portal.pages.plan_items import PlanItemsPage
from flowmend.portal.pages.repair_plan import Change, PlanPage
from flowmend.portal.plan_words import stop_in_words
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, PlanKind, PlanState, RepairPlanRow
from flowmend.use_cases.plan_view import FlowProgress, PlanGroup, PlanView, Repeat, ShownItem
from flowmend.use_cases.repair_plan import PlanSettings
from portal.sample_incidents import mended_incident, password_incident

_INTAKE, _STATUS, _CHECK = "Order intake to ERP", "Order status to Teams", "Order check, each 5 min"


def plan_pages(now: datetime) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}."""
    view = _draft(now)
    draft = PlanPage(view=view)
    changed = (
        Change(flow_name=_INTAKE, is_run=True, before=96, now=97),
        Change(flow_name=_STATUS, is_run=False, before=88, now=0),
    )
    broken = password_incident(now)
    waits = replace(view, can_start=False, cannot_start_reason="Contoso Orders is not proven yet. Verify it first.")
    running = _running(now)
    stopped = replace(
        running,
        row=with_columns(running.row, state=PlanState.STOPPED, stop_code="NewAuthenticationFailure", stop_message="401 Unauthorized"),
        running=0,
    )  # fmt: skip
    paused = replace(running, row=with_columns(running.row, state=PlanState.PAUSED))
    done = replace(
        running, row=with_columns(running.row, state=PlanState.DONE, ended_at=now), done=442, succeeded=442, failed=0,
        running=0, to_go=0, left=None,
    )  # fmt: skip
    chosen = replace(
        view, incident=None, row=with_columns(view.row, kind=PlanKind.SELECTION, incident_id=""), held_events=0,
        groups=(replace(view.groups[0], mode=ItemMode.CANCEL, modes=(), repeats=()),),
    )  # fmt: skip
    cure = (broken, cure_of(broken, then_plan=True))
    pages: dict[str, PlanPage] = {
        "plan": draft,
        "plan-changed": replace(draft, changes=changed),
        "plan-waits": replace(draft, view=waits, broken=cure),
        "plan-chosen": replace(draft, view=chosen),
        "plan-progress": PlanPage(view=running),
        "plan-stopped": PlanPage(view=stopped, broken=cure, stop=stop_in_words(PlanState.STOPPED, stopped.row.stop_code)),
        "plan-paused": PlanPage(view=paused, stop=stop_in_words(PlanState.PAUSED, "")),
        "plan-done": PlanPage(view=done),
        "plan-left": PlanPage(view=replace(done, row=with_columns(done.row, state=PlanState.DISMISSED))),
    }  # fmt: skip
    both = tuple(replace(_item(one, f"Order {one}", now, ItemState.PLANNED), from_action="Get_order") for one in (1, 2))
    listed = PlanItemsPage(
        items=(*both, replace(both[0], kind=ItemKind.EVENT, mode=ItemMode.START, headline="")),
        plan_address="/repair_plans/plan-1",
        address="/repair_plans/plan-1/items",
        later="/repair_plans/plan-1/items?after=49",
        is_later_page=True,
    )
    return {"plan-items": ("plan_items.html", "incidents", {"page": listed})} | {
        name: ("repair_plan.html" if page.is_shown_as_plan else "repair_progress.html", "incidents", {"page": page})
        for name, page in pages.items()
    }


def _draft(now: datetime) -> PlanView:
    row = RepairPlanRow(
        plan_id="plan-1",
        kind=PlanKind.INCIDENT,
        incident_id="i-mended",
        version=2,
        created_by="mei",
        created_at=now,
        changed_at=now,
        keeps_back_until=now + timedelta(minutes=14),
    )
    mail = Repeat(action="Mail_to_finance", operation="Send an email (V2)", count=5, key_is_honoured=False)
    order = replace(mail, action="Create_order", count=1, key_is_honoured=True)
    unsure = replace(mail, action="Post_invoice", count=1, is_certain=False)
    starts = replace(mail, action="Pick", operation="Pick and pack", count=2, starts_flow=True)
    both = (ItemMode.RESUBMIT,)
    first = _item(0, "Order 4711", now, ItemState.PLANNED)
    return PlanView(
        row=row,
        settings=PlanSettings(per_minute=50),
        incident=mended_incident(now),
        created_by="Mei Chen",
        started_by="",
        can_start=True,
        cannot_start_reason="",
        groups=(
            _group("a", _INTAKE, 96, mode=ItemMode.RESUME, from_action="Create_order_line", version="13", modes=both),
            _group("b", _STATUS, 41, mode=ItemMode.RESUME, from_action="Get_order", modes=both, left_out=41),
            _group("c", _CHECK, 5, mode=ItemMode.RESUBMIT, repeats=(mail, order, unsure, starts), modes=(ItemMode.RESUME,)),
            _group("d", _CHECK, 1, mode=ItemMode.NONE, version="3", reason="DefinitionDiffers", modes=both),
            _group("e", _INTAKE, 212, kind=ItemKind.EVENT, mode=ItemMode.START),
            _group("f", _STATUS, 88, kind=ItemKind.EVENT, mode=ItemMode.START),
        ),
        failed_runs=143,
        held_events=300,
        cannot=1,
        total=442,
        done=0,
        succeeded=0,
        failed=0,
        refused=0,
        running=0,
        waiting=0,
        to_go=442,
        left_out=0,
        first=(first,),
        recent=(),
        by_flow=(_progress(_INTAKE, 0, 308), _progress(_STATUS, 0, 129), _progress(_CHECK, 0, 5)),
        left=timedelta(minutes=9),
        stop_words="",
        now=now,
    )  # fmt: skip


def _running(now: datetime) -> PlanView:
    began = now - timedelta(minutes=4)
    view = _draft(now)
    states = (ItemState.BEGUN, ItemState.SUCCEEDED, ItemState.FAILED, ItemState.REFUSED, ItemState.SUCCEEDED)
    recent = tuple(
        _item(number, f"Order {4773 - number}", now - timedelta(seconds=number), state)
        for number, state in enumerate(states)
    )
    return replace(
        view,
        row=with_columns(view.row, state=PlanState.RUNNING, started_at=began, started_by="mei", canary_ended_at=began),
        started_by="Mei Chen",
        can_start=False,
        first=(replace(recent[-1], is_first=True),),
        recent=(*recent[:-1], replace(recent[-1], is_first=True)),
        done=181,
        succeeded=180,
        failed=1,
        running=1,
        waiting=2,
        to_go=259,
        by_flow=(_progress(_INTAKE, 140, 308), _progress(_STATUS, 41, 129), _progress(_CHECK, 0, 5)),
        left=timedelta(minutes=5),
    )


def _group(
    group_id: str,
    flow: str,
    count: int,
    *,
    mode: ItemMode,
    kind: ItemKind = ItemKind.RUN,
    from_action: str = "",
    version: str = "14",
    reason: str = "",
    modes: tuple[ItemMode, ...] = (),
    repeats: tuple[Repeat, ...] = (),
    left_out: int = 0,
) -> PlanGroup:
    return PlanGroup(
        group_id=group_id,
        flow_id=flow.lower().replace(" ", "-"),
        flow_name=flow,
        kind=kind,
        mode=mode,
        from_action=from_action,
        version=version,
        version_is_latest=version == "14",
        reason=reason,
        reason_words="",
        modes=modes,
        repeats=repeats,
        count=count,
        planned=count - left_out,
        left_out=left_out,
        begun=0,
        succeeded=0,
        failed=0,
        refused=0,
    )


def _item(position: int, headline: str, began: datetime, state: ItemState) -> ShownItem:
    has_begun = state is not ItemState.PLANNED
    return ShownItem(
        position=position,
        subject=f"0858{position}CU00",
        kind=ItemKind.RUN,
        flow_id="intake",
        flow_name=_INTAKE,
        headline=headline,
        mode=ItemMode.RESUME,
        state=state,
        is_first=False,
        new_run=f"0857{position}CU00" if has_begun else "",
        begun_at=began if has_begun else None,
        ended_at=began + timedelta(seconds=2) if has_begun and state is not ItemState.BEGUN else None,
        took=timedelta(seconds=2) if has_begun else None,
        error_code="BadRequest" if state is ItemState.FAILED else "",
    )


def _progress(flow: str, done: int, total: int) -> FlowProgress:
    return FlowProgress(flow_id=flow.lower().replace(" ", "-"), flow_name=flow, done=done, total=total, failed=0)
