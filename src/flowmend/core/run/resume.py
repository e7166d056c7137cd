"""Resume: which records of a run that ended a new run takes over, so that exactly the failed work is left to do.

Theory of operation. `failed_work` says what the run failed by. Each branch is then gone through in the order its actions
run. What is neither failed nor behind a failure is taken over whole. A container that failed by what is in it is opened
again where it stood: the same branch, the same items, at the same pass. What ran behind a failure is judged by
whether it would have run without it. If not (a failure handler, a skip), it goes. If so, it stays where it succeeded
and nothing in it reads what is done again; a call stays in any case: finished calls are not repeated.

A new run's state is not made by replaying these records, whose order belongs to another run's events, but by
`transitions.fold` taking them as they stand and counting what is left.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace

from flowmend.core.outcome import Status
from flowmend.core.run.compiling import LOOPS, CompiledFlow, Node
from flowmend.core.run.record import ActionKey, ActionRecord, Entry, KeptKey, RunStart
from flowmend.core.run.same_definition import Difference, differences, is_moved
from flowmend.core.run.taken_over import Judgement, judge
from flowmend.core.run.variables import replayed_variables

#: Why a run cannot be resumed.
NOTHING_FAILED = "NothingToResume"
ENDED_BY_FLOW = "EndedByTerminate"
DEFINITION_DIFFERS = "DefinitionDiffers"

_ANY_TIME = datetime.min.replace(tzinfo=UTC)


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One pass of a loop. number: from 1. of: how many there are, None where nobody knows yet."""

    loop: str
    number: int
    of: int | None


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """What a resumed run begins with.

    entries: taken over, in order; the finished ones say by `from_run` where they come from. kept_keys: of calls made
    again whose fate is not known. begins_with: the failed action that came first. passes: where it is in loops, outermost
    first. kept: how many finished actions are not repeated. dropped: the last records of what is done again; on_failure: of
    these, what ran only because something failed.
    """

    entries: tuple[ActionRecord, ...]
    kept_keys: tuple[KeptKey, ...]
    begins_with: ActionKey
    passes: tuple[Pass, ...]
    kept: int
    dropped: tuple[ActionRecord, ...]
    on_failure: frozenset[ActionKey]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run cannot be resumed. differences: in what a finished action is another one in the definition asked for."""

    code: str
    message: str
    differences: tuple[Difference, ...] = ()


def resume_entries(
    compiled: CompiledFlow,
    start: RunStart,
    entries: Sequence[Entry],
    *,
    now: datetime,
    onto: CompiledFlow | None = None,
) -> Resumption | Refusal:
    """What a run that ended hands on to the one that resumes it.

    compiled, start, entries: of the run that ended. onto: the definition the new one runs, where it is another one.
    """
    judgement = judge(compiled, entries, now)
    first = judgement.first_failed
    if first is None:
        if judgement.has_terminated:
            return Refusal(
                code=ENDED_BY_FLOW, message="No action failed: the flow itself ended the run, by a Terminate."
            )
        return Refusal(code=NOTHING_FAILED, message="No action of the run failed or was stopped.")
    if onto is not None and onto is not compiled:
        ran = (key for key in judgement.kept if judgement.records[key].status is not Status.SKIPPED)
        found = differences(
            onto,
            finished=_nodes_of(compiled, ran),
            opened=_nodes_of(compiled, judgement.opened),
            skipped=_nodes_of(compiled, _skipped_by_order(compiled, judgement)),
        )
        if found:
            names = ", ".join(dict.fromkeys(one.action for one in found))
            message = f"The definition changed where the run has been: {names}."
            return Refusal(code=DEFINITION_DIFFERS, message=message, differences=found)
    taken = _entries(compiled, start, entries, judgement, onto or compiled)
    dropped = tuple(
        record for key, record in judgement.records.items() if key not in judgement.kept and key not in judgement.opened
    )
    return Resumption(
        entries=taken,
        kept_keys=_kept_keys(compiled, start, judgement, dropped),
        begins_with=first,
        passes=tuple(
            Pass(loop=loop.name, number=index + 1, of=judgement.lengths.get((loop.name, first[1][:depth])))
            for depth, (loop, index) in enumerate(zip(compiled.nodes[first[0]].loops, first[1], strict=False))
        ),
        kept=sum(1 for one in taken if one.status is Status.SUCCEEDED),
        dropped=dropped,
        on_failure=frozenset(judgement.on_failure),
    )


def _entries(
    compiled: CompiledFlow,
    start: RunStart,
    entries: Sequence[Entry],
    judgement: Judgement,
    onto: CompiledFlow,
) -> tuple[ActionRecord, ...]:
    taken: list[ActionRecord] = []
    written: set[ActionKey] = set()
    for entry in entries:
        if not isinstance(entry, ActionRecord) or entry.name not in onto.nodes:
            continue
        if entry.status is Status.SKIPPED and is_moved(compiled.nodes[entry.name], onto):
            continue  # what stands around it now decides on it
        key = (entry.name, entry.repetition)
        again = judgement.opened.get(key)
        if again is not None:
            if key not in written:
                written.add(key)
                taken.append(again)
        elif key in judgement.kept and (entry.status.is_terminal or compiled.nodes[entry.name].type in LOOPS):
            # The beginning of a loop stays with it: its items are what the expressions inside it saw.
            taken.append(replace(entry, from_run=entry.from_run or start.run_name))
    return replayed_variables({name: node.type for name, node in onto.nodes.items()}, taken)


def _kept_keys(
    compiled: CompiledFlow, start: RunStart, judgement: Judgement, dropped: Sequence[ActionRecord]
) -> tuple[KeptKey, ...]:
    """Of calls whose fate is not known. A key that was kept before stays until its call succeeds: that a later try was
    refused, or never made, says nothing of the first.
    """
    keys = {
        (kept.action, kept.repetition): kept.key
        for kept in start.kept_keys
        if (kept.action, kept.repetition) not in judgement.kept | judgement.opened.keys()
    }
    keys |= {
        (record.name, record.repetition): record.key
        for record in dropped
        if is_fate_unknown(compiled.nodes[record.name], record)
    }
    return tuple(KeptKey(name, repetition, key) for (name, repetition), key in keys.items())


def ran_on_failure(compiled: CompiledFlow, entries: Sequence[Entry]) -> frozenset[ActionKey]:
    """What of a run that ended ran only because something in it failed."""
    return frozenset(judge(compiled, entries, _ANY_TIME).on_failure)


def may_have_happened(record: ActionRecord) -> bool:
    """Whether a call that did not succeed may have been carried out all the same: not every try of it was refused."""
    if not record.key or record.status in {Status.SUCCEEDED, Status.SKIPPED}:
        return False
    return not record.attempts or not all(attempt.was_refused for attempt in record.attempts)


def is_fate_unknown(node: Node, record: ActionRecord) -> bool:
    """Whether a call may have been carried out and goes out again with its first key, for its service to know it by.

    A webhook subscribes anew, to another URL; a child that ended would only give its old answer again.
    """
    return may_have_happened(record) and not node.is_webhook and node.type != "Workflow"


def _skipped_by_order(compiled: CompiledFlow, judgement: Judgement) -> Iterator[ActionKey]:
    """What stands as skipped though the branch it is in was taken."""
    for key in judgement.kept:
        node, repetition = compiled.nodes[key[0]], key[1]
        if judgement.records[key].status is not Status.SKIPPED:
            continue
        owner = node.branch.owner
        around = None if owner is None else judgement.records.get((owner.name, repetition[: owner.depth]))
        details = around.details if around is not None and isinstance(around.details, dict) else {}
        if owner is None or (
            around is not None
            and around.status is not Status.SKIPPED
            and details.get("branch", node.branch.name) == node.branch.name
        ):
            yield key


def _nodes_of(compiled: CompiledFlow, keys: Iterable[ActionKey]) -> list[Node]:
    names = {name for name, _ in keys}
    return [node for node in compiled.walk() if node.name in names]
