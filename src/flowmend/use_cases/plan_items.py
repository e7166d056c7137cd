"""From what a repair plan is about to what it would do with each: resume, resubmit, start or nothing, and what that repeats."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from flowmend.core.errors import NotFound
from flowmend.core.json_value import Json
from flowmend.core.run.effects import RepeatedEffect
from flowmend.store.repair_rows import ItemKind, ItemMode, ItemState, RepairItemRow
from flowmend.store.whole_runs import WholeRun
from flowmend.use_cases.plan_subjects import Subject
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resume_run import Origin, origin_of, resubmit_of, resume_of
from flowmend.use_cases.unreadable import CANNOT_BE_READ

#: Runs that are looked at before others have their turn: each journal is decoded, a millisecond or less.
_SLICE = 10
NOTHING_CHOSEN: Mapping[str, ItemMode] = {}
#: Reasons not to resume a run that are reasons not to resubmit it either, unless somebody wants it.
_NEVER_BY_ITSELF = frozenset({"ChildRun", "ConnectionNeedsRepair", "EndedByTerminate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How somebody wants a run done. mode: None for what repeats the least. latest: whether with the latest definition; None
    resumes with the one the run had, and resubmits with the latest.
    """

    mode: ItemMode | None
    latest: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an item would be done."""

    mode: ItemMode
    flow_version: str = ""
    from_action: str = ""
    from_repetition: str = ""
    repeats: tuple[RepeatedEffect, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _LatestFlow:
    """version: the newest. reason: why nothing of it can be done, "" where it can."""

    version: str = ""
    reason: str = ""


_GONE = Done(mode=ItemMode.NONE, reason="WorkflowRunNotFound")


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
    flows: dict[str, _LatestFlow] = {}
    for flow_id in dict.fromkeys(one.flow_id for one in subjects):
        flows[flow_id] = _flow(services, flow_id, mended)
        await asyncio.sleep(0)  # one that was not asked for lately is compiled
    # On a thread what grows with the plan and asks nobody: of a hundred thousand items it takes a while.
    ways, asked = await asyncio.to_thread(_apart, subjects, flows, mode, chosen)
    ways |= await ways_of(services, asked)
    return await asyncio.to_thread(
        lambda: [_item(plan_id, position, one, ways[one.name]) for position, one in enumerate(subjects)]
    )


async def ways_of(services: Services, asked: Mapping[str, Way]) -> dict[str, Done]:
    """{run: how it is done}: the way somebody wants, else the one that repeats the least; nothing where only repeating helps."""
    found = dict.fromkeys(asked, _GONE)
    reading = services.store.runs.whole(asked)
    while batch := await asyncio.to_thread(next, reading, ()):
        for number, run in enumerate(batch):
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            name = run.row.run_name
            found[name] = _way_of(services, run, asked[name])
    return found


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


def _apart(
    subjects: Sequence[Subject],
    flows: Mapping[str, _LatestFlow],
    mode: ItemMode | None,
    chosen: Mapping[str, ItemMode],
) -> tuple[dict[str, Done], dict[str, Way]]:
    """{subject: how it is done} where its journal has no say, and {run: how it is wanted} of the others."""
    ways: dict[str, Done] = {}
    asked: dict[str, Way] = {}
    for one in subjects:
        flow = flows[one.flow_id]
        if one.reason:
            ways[one.name] = Done(mode=ItemMode.NONE, flow_version=one.version, reason=one.reason)
        elif mode is ItemMode.CANCEL:
            ways[one.name] = Done(mode=ItemMode.CANCEL, flow_version=one.version)
        elif flow.reason:
            ways[one.name] = Done(mode=ItemMode.NONE, flow_version=one.version, reason=flow.reason)
        elif one.kind is ItemKind.EVENT:
            ways[one.name] = Done(mode=ItemMode.START, flow_version=flow.version)
        else:
            own = chosen.get(one.name)
            asked[one.name] = Way(mode=own or mode, latest=True if own is ItemMode.RESUME else None)
    return ways, asked


def _way_of(services: Services, run: WholeRun, way: Way) -> Done:
    """A run that cannot be resumed is resubmitted by itself only where nothing would happen twice, and one that another run
    called not even then: that run calls it again.
    """
    try:
        origin = origin_of(services, run)
        if way.mode is ItemMode.RESUBMIT:
            return _resubmitted(services, origin, original=way.latest is False)
        preview = resume_of(services, origin, original_definition=not way.latest)
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
    if way.mode is ItemMode.RESUME or preview.code in _NEVER_BY_ITSELF:
        return refused
    again = _resubmitted(services, origin, original=False, reason=preview.code)
    is_harmless = again.mode is ItemMode.RESUBMIT and all(one.key_is_honoured for one in again.repeats)
    return again if is_harmless else refused


def _resubmitted(services: Services, origin: Origin, *, original: bool, reason: str = "") -> Done:
    """reason: why it is not resumed, "" where somebody chose so."""
    try:
        preview = resubmit_of(services, origin, original_definition=original)
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


def _flow(services: Services, flow_id: str, mended: Collection[str]) -> _LatestFlow:
    try:
        loaded = services.flows.latest(flow_id)
    except (NotFound, *CANNOT_BE_READ):
        return _LatestFlow(reason="FlowUnreadable")
    needed = [one for one in loaded.certain_connections if one not in mended]
    return _LatestFlow(
        version=loaded.version, reason="ConnectionNeedsRepair" if services.health.first_broken(needed) else ""
    )
