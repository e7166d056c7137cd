"""The run engine: a pure state machine over a compiled flow.

`compile_flow` prepares a flow version once. `new_state` and `decide` run it: an event in, journal entries and
commands out. `fold` gives the state back from the journal after a restart, and `Recovered` its commands.
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
    "Recovered",
    "ResponseRecord",
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
