"""The run engine: what happened, and where the run stands, give what to journal and what to do.

An event touches one action; then `_advance` takes up whatever became ready, one action after the other,
until nothing is or the step budget is spent. Every change goes through a journal entry
(`transitions.apply`), so the state can always be read back. Time, chance and ids come with `moment`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from flowmend.core.errors import ExpressionError
from flowmend.core.outcome import Status
from flowmend.core.run.branches import finish_container, go_on, start_if, start_scope, start_switch, watch_timeout
from flowmend.core.run.call_making import CALLED_TYPES
from flowmend.core.run.calls import (
    IN_DOUBT,
    call_finished,
    call_in_doubt,
    connection_repaired,
    doubt_answered,
    recover_call,
    start_call,
    try_again,
    wait_more,
)
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.endings import cancel_action, cancel_run, end_overdue, end_run, time_out
from flowmend.core.run.events import (
    AnswerArrived,
    AnswerAwaited,
    CallerGone,
    CallFinished,
    CallInDoubt,
    CancelRequested,
    ConnectionRepaired,
    Decision,
    DoubtAnswered,
    Event,
    Moment,
    Recovered,
    RunOverdue,
    Started,
    TimerFired,
)
from flowmend.core.run.finish import failed, failed_expression
from flowmend.core.run.inline_actions import INLINE_ACTIONS
from flowmend.core.run.later_answers import AWAITS_CALLBACK, AWAITS_CHILD, answer_arrived, answer_awaited, look_or_wait
from flowmend.core.run.loops import continue_until, finish_foreach, start_foreach, start_until
from flowmend.core.run.pausing import resume_wait, start_wait
from flowmend.core.run.record import ActionKey, ActionRecord
from flowmend.core.run.responding import start_response
from flowmend.core.run.sending import END, deadline, phase_of
from flowmend.core.run.skipping import skip, skip_in, unsatisfied
from flowmend.core.run.state import Repetition, RunState
from flowmend.core.run.turn import Observer, Turn

#: The code of an action of a type nobody here runs; the checker says the same.
UNSUPPORTED = "UnsupportedAction"

Start = Callable[[Turn, Node, Repetition, datetime], None]

#: How actions begin that do not finish at once.
_STARTS: Mapping[str, Start] = MappingProxyType(
    {
        "If": start_if,
        "Switch": start_switch,
        "Scope": start_scope,
        "Foreach": start_foreach,
        "Until": start_until,
        "Wait": start_wait,
        "Response": start_response,
        **dict.fromkeys(CALLED_TYPES, start_call),
    }
)

#: What a container does when its branch, or an iteration, is through.
_GOES_ON: Mapping[str, Callable[[Turn, Node, ActionRecord], None]] = MappingProxyType(
    {
        "If": finish_container,
        "Switch": finish_container,
        "Scope": finish_container,
        "Foreach": finish_foreach,
        "Until": continue_until,
    }
)


def decide(
    compiled: CompiledFlow,
    state: RunState,
    event: Event,
    moment: Moment,
    *,
    budget: int = 500,
    observer: Observer | None = None,
) -> Decision:
    """What an event leads to. Changes only `state`, by exactly the entries it returns.

    budget: actions taken up before the decision comes back with `more`. observer: told of each action before
    its inputs are evaluated. An event that means nothing any more, such as a late answer, changes nothing.
    """
    turn = Turn(compiled, state, moment, observer)
    if state.end is not None:
        return Decision(turn.entries, turn.commands)
    _HANDLERS[type(event)](turn, event)
    end_overdue(turn)  # after the event: a call that ended in time, or just after it, is told as it ended
    return Decision(turn.entries, turn.commands, more=_advance(turn, budget))


# -- events ---------------------------------------------------------------------------------------------


def _started(turn: Turn, event: Started) -> None:
    """What is ready is taken up."""


def _overdue(turn: Turn, event: RunOverdue) -> None:
    """Every event looks at the time."""


def _recovered(turn: Turn, event: Recovered) -> None:
    end_overdue(turn)  # before the calls that were under way: they are not sent again
    turn.state.has_caller = turn.state.has_caller and (event.caller_waits or turn.state.start.is_patient)
    for record in tuple(turn.state.unfinished.values()):
        node = turn.compiled.nodes[record.name]
        if node.is_container:
            if node.type != "Until":
                watch_timeout(turn, node, record)
        elif node.type == "Wait":
            resume_wait(turn, node, record)
        elif turn.state.ending is None:
            recover_call(turn, node, record)


def _call_finished(turn: Turn, event: CallFinished) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is not None and (_is_on_its_way(record) or record.code == AWAITS_CHILD):
        call_finished(turn, turn.compiled.nodes[record.name], record, event)


def _answer_awaited(turn: Turn, event: AnswerAwaited) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is not None and (_is_on_its_way(record) or record.code == AWAITS_CHILD):
        answer_awaited(turn, turn.compiled.nodes[record.name], record)


def _answer_arrived(turn: Turn, event: AnswerArrived) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is not None:
        answer_arrived(turn, turn.compiled.nodes[record.name], record, event.outcome)


def _call_in_doubt(turn: Turn, event: CallInDoubt) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is not None and _is_on_its_way(record):
        call_in_doubt(turn, turn.compiled.nodes[record.name], record)


def _doubt_answered(turn: Turn, event: DoubtAnswered) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is not None and record.code == IN_DOUBT:
        doubt_answered(turn, turn.compiled.nodes[record.name], record, event)


def _timer_fired(turn: Turn, event: TimerFired) -> None:
    record = turn.state.unfinished.get(event.key)
    if record is None:
        return
    node, now = turn.compiled.nodes[record.name], turn.moment.now
    if node.type == "Wait":
        resume_wait(turn, node, record)
    elif record.code in {AWAITS_CALLBACK, AWAITS_CHILD}:
        look_or_wait(turn, node, record)
    elif event.key in turn.state.held_back:
        return  # its time begins when it goes on
    elif record.status is Status.RUNNING and node.type != "Until" and phase_of(record) != END:
        ends_at = deadline(node, record)
        if ends_at is not None and now >= ends_at:
            time_out(turn, node, record)
        elif node.is_container:
            watch_timeout(turn, node, record)
        elif record.wake_at is not None:
            if now >= record.wake_at:
                try_again(turn, node, record)
            else:
                wait_more(turn, node, record)


def _connection_repaired(turn: Turn, event: ConnectionRepaired) -> None:
    connection_repaired(turn, event.connection_id)


def _caller_gone(turn: Turn, _event: CallerGone) -> None:
    turn.state.has_caller = False


def _cancel_requested(turn: Turn, event: CancelRequested) -> None:
    cancel_run(turn, event.by)


_HANDLERS: Mapping[type, Callable[[Turn, Any], None]] = MappingProxyType(
    {
        Started: _started,
        Recovered: _recovered,
        CallFinished: _call_finished,
        AnswerAwaited: _answer_awaited,
        AnswerArrived: _answer_arrived,
        CallInDoubt: _call_in_doubt,
        DoubtAnswered: _doubt_answered,
        TimerFired: _timer_fired,
        ConnectionRepaired: _connection_repaired,
        CallerGone: _caller_gone,
        CancelRequested: _cancel_requested,
        RunOverdue: _overdue,
    }
)


def _is_on_its_way(record: ActionRecord) -> bool:
    return bool(record.key) and record.status is Status.RUNNING and record.wake_at is None


# -- steps ----------------------------------------------------------------------------------------------


def _advance(turn: Turn, budget: int) -> bool:
    """Takes up what is ready; True where the budget ended first."""
    state = turn.state
    ready = state.ready
    while ready:
        if budget <= 0:
            return True
        budget -= 1
        key = next(iter(ready))
        _step(turn, key, ready[key])
    if state.root.remaining == 0 and state.end is None:
        end_run(turn)
    return False


def _step(turn: Turn, key: ActionKey, node: Node) -> None:
    state, repetition = turn.state, key[1]
    opened = state.branches[node.branch.number, repetition]
    record = state.records.get(key)
    if opened.skip is not None:
        if record is None:
            skip_in(turn, node, opened)
        else:
            cancel_action(turn, node, record)
        return
    if key in state.held_back and record is not None:
        go_on(turn, node, record)
        return
    if record is not None:
        _GOES_ON[node.type](turn, node, record)
        return
    if node.predecessors:
        error = unsatisfied(state, node, repetition)
        if error is not None:
            skip(turn, node, repetition, error)
            return
    _start(turn, node, repetition)


def _start(turn: Turn, node: Node, repetition: Repetition) -> None:
    started_at = turn.moment.now
    if turn.observer is not None:
        turn.observer(node, repetition, turn.scope(node, repetition))
    try:
        run = INLINE_ACTIONS.get(node.type)
        if run is not None:
            turn.finish(node, repetition, run(node, turn.scope(node, repetition)), started_at)
            return
        start = _STARTS.get(node.type)
        if start is not None:
            start(turn, node, repetition, started_at)
            return
    except ExpressionError as error:
        turn.finish(node, repetition, failed_expression(node.name, error), started_at)
        return
    message = f"Flowmend cannot run actions of type '{node.type}' yet: '{node.name}' at {node.action.pointer}."
    turn.finish(node, repetition, failed(UNSUPPORTED, message, record_code=UNSUPPORTED), started_at)
