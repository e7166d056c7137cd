"""The run engine: a pure state machine over a compiled flow.

Theory of operation
-------------------
`compile_flow` turns a flow version into nodes that know their neighbours, once. A run is a journal of entries
(`record`) and the state they fold to (`state`). `transitions.apply` is the only code that changes a state, one
entry at a time; `decide` and recovery share it, so what a restart reads back is what wrote it.

`decide` takes an event (a call answered, a timer due, somebody's word), lets it touch the one action it is
about, and then takes up whatever became *ready*, until nothing is or the step budget is spent. Taking up an
action evaluates its inputs and emits an entry. Three kinds of action exist. Most finish at once
(`inline_actions`). Containers (`branches`, `loops`) emit a Running entry that says which branch or items were
chosen; applying it opens branches, and a branch counts down its unfinished actions to zero, which makes its
container ready again. Outward ones (`calls`, `pausing`) emit a Running or Waiting entry and leave a command; what
such an action waits for can be read from its record alone.

Whether something starts is a matter of counters: each open branch knows for each action how many predecessors
have not ended. What is not to run is *ready* too, in a branch marked with a reason to skip (`skipping`): an untaken
branch, the inside of a container that did not run, everything after a Terminate, a cancellation or a time-out
(`endings`). So ending a run is no special case: its open branches are marked, and the steps that follow skip
what has not begun and cancel what is under way.

How a branch ended is told by its leaves (`leaves`). Nothing an expression gave is evaluated twice: chance and
time come with `moment`, and results are in the journal before anything depends on them. Secrets lie only in fields
the store seals (`secrecy`).

The journal is the run history that people read; `views`, `history` and `cards` shape it for them.
"""

from flowmend.core.run.compiling import CompiledFlow, compile_flow
from flowmend.core.run.decide import decide
from flowmend.core.run.events import (
    AbandonCall,
    AnswerArrived,
    AnswerAwaited,
    BatchCall,
    Call,
    CallerGone,
    CallFinished,
    CallInDoubt,
    CallOperation,
    CancelRequested,
    ChildCall,
    Command,
    ConnectionRepaired,
    ConnectorCall,
    Decision,
    DoubtAnswered,
    EndRun,
    Event,
    FollowUp,
    HttpCall,
    Moment,
    Recovered,
    RunOverdue,
    SendResponse,
    Started,
    TimerFired,
    TypedCall,
    Unsubscribe,
    WaitUntil,
)
from flowmend.core.run.record import (
    ActionKey,
    ActionRecord,
    CancelRecord,
    EndRecord,
    Entry,
    OverdueRecord,
    ResponseRecord,
    RunStart,
)
from flowmend.core.run.state import RunState
from flowmend.core.run.transitions import fold, new_state
from flowmend.core.run.views import action_view

__all__ = [
    "AbandonCall",
    "ActionKey",
    "ActionRecord",
    "AnswerArrived",
    "AnswerAwaited",
    "BatchCall",
    "Call",
    "CallFinished",
    "CallInDoubt",
    "CallOperation",
    "CallerGone",
    "CancelRecord",
    "CancelRequested",
    "ChildCall",
    "Command",
    "CompiledFlow",
    "ConnectionRepaired",
    "ConnectorCall",
    "Decision",
    "DoubtAnswered",
    "EndRecord",
    "EndRun",
    "Entry",
    "Event",
    "FollowUp",
    "HttpCall",
    "Moment",
    "OverdueRecord",
    "Recovered",
    "ResponseRecord",
    "RunOverdue",
    "RunStart",
    "RunState",
    "SendResponse",
    "Started",
    "TimerFired",
    "TypedCall",
    "Unsubscribe",
    "WaitUntil",
    "action_view",
    "compile_flow",
    "decide",
    "fold",
    "new_state",
]
