"""How a run ends: by itself, by Terminate, or because somebody cancelled it."""

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.branches import ACTION_FAILED
from flowmend.core.run.compiling import LOOPS, Node
from flowmend.core.run.events import AbandonCall, EndRun
from flowmend.core.run.finish import Finish
from flowmend.core.run.later_answers import let_go
from flowmend.core.run.leaves import branch_failed
from flowmend.core.run.record import ActionRecord, CancelRecord, EndRecord, OverdueRecord
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Ending
from flowmend.core.run.turn import Turn
from flowmend.core.run.views import SANITIZED

_CANCELLED = Finish(status=Status.CANCELLED, code="ActionCancelled")
_TIMED_OUT = ErrorDetail("ActionTimedOut", "The action timed out: its 'limit.timeout' was over before it ended.")


def cancel_run(turn: Turn, by: str) -> None:
    """Nothing is started any more; what runs is cancelled by the steps that follow."""
    if turn.state.ending is None:
        turn.emit(CancelRecord(at=turn.moment.now, by=by))


def end_overdue(turn: Turn) -> None:
    """Ends a run whose time is over (wdl.md §6, §8), as a cancellation does; one that is ending already ends as it is."""
    state = turn.state
    ends_by = state.start.ends_by
    if ends_by is None or turn.moment.now < ends_by:
        return
    if state.ending is None and state.end is None and state.root.remaining:
        turn.emit(OverdueRecord(at=turn.moment.now))


def cancel_action(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """An action under way when its run or container ended."""
    turn.finish_begun(node, begun, _with_extent(turn, node, begun, _CANCELLED))
    _abandon(turn, node, begun)
    let_go(turn, node, begun)


def time_out(turn: Turn, node: Node, begun: ActionRecord) -> None:
    """An action or container whose `limit.timeout` is over."""
    finish = Finish(status=Status.TIMED_OUT, code=_TIMED_OUT.code, error=_TIMED_OUT)
    turn.finish_begun(node, begun, _with_extent(turn, node, begun, finish))
    _abandon(turn, node, begun)


def end_run(turn: Turn) -> None:
    """The run's last entry and command, once every action has ended."""
    state = turn.state
    ending = state.ending or _ending_of_leaves(turn)
    entry = EndRecord(
        status=ending.status,
        code=ending.code,
        error=ending.error,
        outputs=None if ending.status is Status.CANCELLED else _run_outputs(turn),
        at=turn.moment.now,
    )
    turn.emit(entry)
    turn.commands.append(EndRun(status=ending.status, code=ending.code, error=ending.error))


def _with_extent(turn: Turn, node: Node, begun: ActionRecord, finish: Finish) -> Finish:
    """The end of a container as it is told later: with its iterations so far, or the branch it took."""
    if not node.is_container:
        return finish
    loop = turn.state.loops.get((node.name, begun.repetition))
    if loop is not None:
        details = {"count": loop.next_index}
    elif node.type in LOOPS:
        details = {"count": _taken_over_passes(begun)}
    else:
        details = {"branch": begun.details["branch"]}
    return Finish(status=finish.status, code=finish.code, error=finish.error, details=details)


def _taken_over_passes(begun: ActionRecord) -> int:
    """Of a loop that did not go on where an earlier run left it."""
    details = begun.details
    return int(details["begun"] if "begun" in details else details["iteration"] + 1)


def _abandon(turn: Turn, node: Node, begun: ActionRecord) -> None:
    if not node.is_container and begun.status is Status.RUNNING and begun.wake_at is None:
        turn.commands.append(AbandonCall((node.name, begun.repetition)))


def _ending_of_leaves(turn: Turn) -> Ending:
    if branch_failed(turn.state.records, turn.compiled.root, ()):
        return Ending(status=Status.FAILED, code=ACTION_FAILED.code, error=ACTION_FAILED)
    return Ending(status=Status.SUCCEEDED, code="", error=None)


def _run_outputs(turn: Turn) -> Json:
    """`{name: {type, value, error?}}`: an output that does not evaluate says why and fails nothing."""
    outputs: dict[str, Json] = {}
    scope = RunScope(turn.state, turn.moment, (), ())
    for name, declared in turn.compiled.flow.definition.outputs.items():
        raw = declared if isinstance(declared, dict) else {"value": declared}
        output: dict[str, Json] = {"type": raw.get("type", "")}
        outputs[name] = output
        if turn.compiled.secrecy.is_mentioned(raw):
            output["value"] = SANITIZED
            continue
        try:
            output["value"] = turn.compiled.output_template(name, raw.get("value")).evaluate(scope)
        except ExpressionError as error:
            output["error"] = {"code": error.code, "message": error.message}
    return outputs or None
