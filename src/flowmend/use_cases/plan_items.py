"""From what a repair plan is about to what it would do with each: resume, resubmit, start or nothing, and what that repeats."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from flowmend.core.errors import NotFound
from flowmend.core.json_value import Json
from flowmend.core.run.effects import RepeatedEffect
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, RepairItemRow
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.plan_subjects import Subject
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resume_run import preview_resubmit, preview_resume
from flowmend.use_cases.unreadable import CANNOT_BE_READ

#: Items that are looked at before others have their turn: each reads a journal, a millisecond or less.
SLICE = 10
NOTHING_CHOSEN: Mapping[str, ItemMode] = {}
#: Reasons not to resume a run that are reasons not to resubmit it either, unless somebody wants it.
_NEVER_BY_ITSELF = frozenset({"ChildRun", "ConnectionNeedsRepair", "EndedByTerminate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an item would be done."""

    mode: ItemMode
    flow_version: str = ""
    from_action: str = ""
    from_repetition: str = ""
    repeats: tuple[RepeatedEffect, ...] = ()
    reason: str = ""


async def items_of(
    services: Services,
    plan_id: str,
    subjects: Sequence[Subject],
    *,
    mode: ItemMode | None = None,
    mended: Collection[str] = (),
    chosen: Mapping[str, ItemMode] = NOTHING_CHOSEN,
) -> list[RepairItemRow]:
    """The items of a plan, in the order of its subjects. Nothing is begun.

    mode: what somebody wants done with the runs, None for what repeats the least. mended: connections that the plan takes for
    repaired. chosen: {run: what somebody chose for it alone}, RESUME there meaning with the latest definition.
    """
    flows = {flow_id: _loaded(services, flow_id) for flow_id in dict.fromkeys(one.flow_id for one in subjects)}
    made: list[RepairItemRow] = []
    for position, one in enumerate(subjects):
        if position % SLICE == SLICE - 1:
            await asyncio.sleep(0)
        loaded = flows[one.flow_id]
        if one.reason:
            done = Done(mode=ItemMode.NONE, flow_version=one.version, reason=one.reason)
        elif mode is ItemMode.CANCEL:
            done = Done(mode=ItemMode.CANCEL, flow_version=one.version)
        elif loaded is None:
            done = Done(mode=ItemMode.NONE, flow_version=one.version, reason="FlowUnreadable")
        elif services.health.first_broken([each for each in loaded.certain_connections if each not in mended]):
            done = Done(mode=ItemMode.NONE, flow_version=one.version, reason="ConnectionNeedsRepair")
        elif one.kind is ItemKind.EVENT:
            done = Done(mode=ItemMode.START, flow_version=loaded.version)
        else:
            own = chosen.get(one.name)
            done = way_of(services, one.name, own or mode, latest=True if own is ItemMode.RESUME else None)
        made.append(_item(plan_id, position, one, done))
    return made


def way_of(services: Services, run_name: str, mode: ItemMode | None, *, latest: bool | None = None) -> Done:
    """How a run is done: the way somebody wants, else the one that repeats the least; nothing where only repeating helps.

    latest: whether with the latest definition; None resumes with the one the run had, and resubmits with the latest. A run
    that cannot be resumed is resubmitted by itself only where nothing would happen twice, and one that another run called
    not even then: that run calls it again.
    """
    if mode is ItemMode.RESUBMIT:
        return _resubmitted(services, run_name, original=latest is False)
    try:
        preview = preview_resume(services, run_name, original_definition=not latest)
    except (NotFound, *CANNOT_BE_READ) as error:
        return Done(mode=ItemMode.NONE, reason=error.code)
    if preview.can_resume:
        return Done(
            mode=ItemMode.RESUME,
            flow_version=preview.version,
            from_action=preview.from_action,
            from_repetition=",".join(map(str, preview.from_repetition)),
            repeats=preview.repeats,
        )
    refused = Done(mode=ItemMode.NONE, reason=preview.code)
    if mode is ItemMode.RESUME or preview.code in _NEVER_BY_ITSELF:
        return refused
    again = _resubmitted(services, run_name, original=False, reason=preview.code)
    is_harmless = again.mode is ItemMode.RESUBMIT and all(one.key_is_honoured for one in again.repeats)
    return again if is_harmless else refused


def changed(item: RepairItemRow, done: Done) -> RepairItemRow:
    """The item, done another way."""
    return msgspec.structs.replace(
        item,
        mode=done.mode,
        flow_version=done.flow_version,
        from_action=done.from_action,
        from_repetition=done.from_repetition,
        repeats=_kept(done.repeats),
        reason=done.reason,
        state=_first_state(done),
    )


def _resubmitted(services: Services, run_name: str, *, original: bool, reason: str = "") -> Done:
    """reason: why it is not resumed, "" where somebody chose so."""
    try:
        preview = preview_resubmit(services, run_name, original_definition=original)
    except (NotFound, *CANNOT_BE_READ) as error:
        return Done(mode=ItemMode.NONE, reason=error.code)
    if not preview.can_resubmit:
        return Done(mode=ItemMode.NONE, reason=preview.code)
    return Done(mode=ItemMode.RESUBMIT, flow_version=preview.version, repeats=preview.repeats, reason=reason)


def _item(plan_id: str, position: int, one: Subject, done: Done) -> RepairItemRow:
    return RepairItemRow(
        plan_id=plan_id,
        position=position,
        subject=one.name,
        kind=one.kind,
        flow_id=one.flow_id,
        business_key=one.key,
        arrived_at=one.arrived_at,
        mode=done.mode,
        flow_version=done.flow_version or one.version,
        from_action=done.from_action,
        from_repetition=done.from_repetition,
        repeats=_kept(done.repeats),
        reason=done.reason,
        state=_first_state(done),
    )


def _first_state(done: Done) -> ItemState:
    return ItemState.LEFT_OUT if done.mode is ItemMode.NONE else ItemState.PLANNED


def _kept(repeats: Sequence[RepeatedEffect]) -> Json:
    return [
        {
            "action": one.action,
            "operation": one.operation,
            "count": one.count,
            "key_is_honoured": one.key_is_honoured,
            "is_certain": one.is_certain,
            "starts_flow": one.starts_flow,
        }
        for one in repeats
    ]


def _loaded(services: Services, flow_id: str) -> LoadedFlow | None:
    try:
        return services.flows.latest(flow_id)
    except (NotFound, *CANNOT_BE_READ):
        return None
