"""What goes into `decide` (events) and what comes out of it (commands)."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.outcome import ContentAwaited, ErrorDetail, Outcome, Status
from flowmend.core.run.record import ActionKey, Entry


class Moment(Protocol):
    """Time and chance, given from outside so that `decide` stays pure."""

    @property
    def now(self) -> datetime: ...

    def guid(self) -> UUID: ...

    def draw(self) -> float:
        """In [0, 1)."""
        ...


# -- events -----------------------------------------------------------------------------------------


class Started(msgspec.Struct, frozen=True):
    """The run begins, or goes on after a slice that ended with `more`."""


class Recovered(msgspec.Struct, frozen=True):
    """The run was read back after a restart: commands of everything unfinished are given again.

    caller_waits: the synchronous caller is still there (after a rest, not after a restart of the process).
    """

    caller_waits: bool = False


class CallFinished(msgspec.Struct, frozen=True):
    """A call ended; times are of this attempt."""

    key: ActionKey
    outcome: Outcome
    started_at: datetime
    ended_at: datetime


class TimerFired(msgspec.Struct, frozen=True):
    """A `WaitUntil` came due."""

    key: ActionKey


class AnswerAwaited(msgspec.Struct, frozen=True):
    """What was called has taken it up and answers later, with `AnswerArrived`: a child flow under way."""

    key: ActionKey


class AnswerArrived(msgspec.Struct, frozen=True):
    """The answer an action waits for: the request of a webhook's callback, or a child flow's response."""

    key: ActionKey
    outcome: Outcome


class CallInDoubt(msgspec.Struct, frozen=True):
    """A call was sent, its answer is not known, and it may not be repeated unasked."""

    key: ActionKey


class DoubtAnswered(msgspec.Struct, frozen=True):
    """The owner said what became of a call in doubt. answer: `happened`, `send_again` or `fail`."""

    key: ActionKey
    answer: str
    by: str = ""


class ConnectionRepaired(msgspec.Struct, frozen=True):
    """A connection that held actions of this run works again."""

    connection_id: str


class CallerGone(msgspec.Struct, frozen=True):
    """The synchronous caller waits no longer: a Response after this is skipped."""


class CancelRequested(msgspec.Struct, frozen=True):
    by: str = ""


class RunOverdue(msgspec.Struct, frozen=True):
    """The time the run may take is over. Any other event that comes after it ends the run as well."""


Event = (
    Started
    | Recovered
    | CallFinished
    | AnswerAwaited
    | AnswerArrived
    | TimerFired
    | CallInDoubt
    | DoubtAnswered
    | ConnectionRepaired
    | CallerGone
    | CancelRequested
    | RunOverdue
)


# -- commands ---------------------------------------------------------------------------------------


class HttpCall(msgspec.Struct, frozen=True, kw_only=True):
    """An Http action's evaluated inputs. authentication: evaluated, with secrets; never journalled. embedded: the key
    under which the flow's mapping may name a connection for it, whose credential then counts instead; "" for none.

    minimum_items: pages are followed until there are so many; None where pages are not followed. is_chunked: the body
    goes in pieces, each a `FollowUp`.
    """

    method: str
    uri: str
    headers: dict[str, Json]
    queries: dict[str, Json]
    body: Json
    has_body: bool
    authentication: Json
    embedded: str = ""
    options: frozenset[str] = frozenset()
    minimum_items: int | None = None
    is_chunked: bool = False


class ConnectorCall(msgspec.Struct, frozen=True, kw_only=True):
    """A connector action's evaluated inputs, in either spelling.

    reference: key into the flow's connection references. connector: the API's short name.
    operation_id + parameters (OpenApiConnection, `a/b` flattened names; queries and headers are besides what these make), or method + path + queries +
    headers + body (ApiConnection; path without the `/{connectionId}` prefix). notification_url: where a webhook's
    service is to call back, for the parameter its operation declares for that. minimum_items: as of `HttpCall`. is_chunked:
    the body may go in pieces, which it does where the operation declares that it takes them.
    """

    reference: str
    connector: str
    operation_id: str = ""
    parameters: dict[str, Json] | None = None
    method: str = ""
    path: str = ""
    queries: dict[str, Json] | None = None
    headers: dict[str, Json] | None = None
    body: Json = None
    options: frozenset[str] = frozenset()
    notification_url: str = ""
    minimum_items: int | None = None
    is_chunked: bool = False


class FollowUp(msgspec.Struct, frozen=True, kw_only=True):
    """One more request of a call that has begun, with its sign-in: a poll, the end of a subscription, a piece of content.

    location: absolute or relative to where the call went. The sign-in and headers go only to the call's own origin;
    is_page: nothing at all goes to another one. content: which bytes of the call's body go with it, None for none.
    """

    call: HttpCall | ConnectorCall
    method: str
    location: str
    is_page: bool = False
    content: ContentAwaited | None = None


class ChildCall(msgspec.Struct, frozen=True, kw_only=True):
    """Start another flow and wait for its Response.

    flow: its id or name. trigger: "" is its only one. is_awaited: False asks for no more than that it starts.
    """

    flow: str
    trigger: str
    headers: dict[str, Json]
    body: Json
    has_body: bool
    is_awaited: bool = True


class BatchCall(msgspec.Struct, frozen=True, kw_only=True):
    """Leave a message with another flow's Batch trigger. message_id: "" is chosen by the receiver."""

    flow: str
    trigger: str
    batch: str
    partition: str
    message_id: str
    content: Json


class TypedCall(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluated inputs of an outward action that only a mock run can answer: nothing here performs it.

    code: why a real run fails, `Missing…` where something is not installed.
    """

    type: str
    inputs: Json
    code: str = "UnsupportedAction"


Call = HttpCall | ConnectorCall | FollowUp | ChildCall | BatchCall | TypedCall


class CallOperation(msgspec.Struct, frozen=True, kw_only=True):
    """Perform a call and answer with `CallFinished`.

    client_request_id: deterministic (run, action, repetition), the same for every attempt and repeat.
    is_repeat: the call may have been sent before a crash; whoever performs it asks the operation
    whether repeating is safe, and answers `CallInDoubt` where it is not. on_interruption: what the action
    itself says about that, `repeat`, `ask` or `fail`, else "".
    """

    key: ActionKey
    call: Call
    client_request_id: str
    attempt: int = 1
    is_repeat: bool = False
    timeout_at: datetime | None = None
    on_interruption: str = ""


class WaitUntil(msgspec.Struct, frozen=True):
    """Answer with `TimerFired` at that time; a later one for the same key replaces the earlier."""

    key: ActionKey
    at: datetime


class AbandonCall(msgspec.Struct, frozen=True):
    """The answer of this call no longer matters (time-out, cancel, terminate)."""

    key: ActionKey


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True):
    """End a subscription whose action is over already. At best: nobody waits for it, nothing remembers it."""

    key: ActionKey
    call: Call
    client_request_id: str


class SendResponse(msgspec.Struct, frozen=True, kw_only=True):
    """Answer the synchronous caller, once what was decided so far is durable."""

    status_code: int
    headers: dict[str, str]
    body: Json


class EndRun(msgspec.Struct, frozen=True, kw_only=True):
    """The run is finished."""

    status: Status
    code: str
    error: ErrorDetail | None


Command = CallOperation | WaitUntil | AbandonCall | Unsubscribe | SendResponse | EndRun


class Decision(msgspec.Struct, frozen=True):
    """entries: to journal, in order, already applied to the state. commands: to carry out after that.

    more: the step budget ran out; call `decide` again with `Started`, after letting others run.
    """

    entries: list[Entry]
    commands: list[Command]
    more: bool = False
