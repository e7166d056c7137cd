"""Every error Flowmend raises, as one tree with two branches a caller can tell apart.

    FlowmendError
    ├── AskedWrongly            the request, file or setting is at fault; nothing was changed
    │   ├── InvalidDocument     a document does not read; holds every problem with its JSON pointer
    │   ├── ExpressionError     an expression does not parse or evaluate
    │   ├── NotFound            the thing named does not exist
    │   ├── NotAllowed          no authorisation, a wrong signature, an origin that may not
    │   ├── Conflict            the thing is not in a state that allows this
    │   │   ├── Fenced          another worker has taken the run over; whoever gets this lets go of it
    │   │   └── StandsStill     a run of a restored backup, which nobody has let go on yet
    │   ├── TooLarge            a body, file or result is over its limit
    │   └── TooManyAttempts     refused for a while, to keep an account from being locked out
    └── TheyFailed              something outside or below did not do its part
        ├── ServiceUnreachable  no answer: name, connection, TLS, time-out
        ├── StoreUnavailable    the database did not answer or is full
        └── SecretUnreadable    a sealed secret does not open: key missing or text altered

What a flow can meet is an `Outcome`, a value, and never one of these.
"""

from collections.abc import Sequence
from datetime import datetime

from flowmend.core.problem import Problem


class FlowmendError(Exception):
    """Says what happened, to which thing, and what to do next; `code` is stable for machines."""

    code = "InternalError"

    def __init__(self, message: str, *, code: str | None = None, target: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        if code is not None:
            self.code = code


class AskedWrongly(FlowmendError):
    """The request, file or setting is at fault; nothing was changed."""

    code = "BadRequest"


class InvalidDocument(AskedWrongly):
    """A document does not read. problems: all of them, each with its JSON pointer."""

    code = "InvalidTemplate"

    def __init__(self, message: str, problems: Sequence[Problem] = (), *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.problems = tuple(problems)


class ExpressionError(AskedWrongly):
    """An expression does not parse or evaluate; the message is worded as the service words it."""

    code = "InvalidTemplate"


class NotFound(AskedWrongly):
    """The thing named does not exist."""

    code = "NotFound"


class NotAllowed(AskedWrongly):
    """No authorisation, a wrong signature, or an origin that may not."""

    code = "Unauthorized"


class Conflict(AskedWrongly):
    """The thing is not in a state that allows this."""

    code = "Conflict"


class Fenced(Conflict):
    """Another worker has taken the run over; whoever gets this lets go of the run."""

    code = "RunTakenOver"


class StandsStill(Conflict):
    """The run was under way when the backup was made that all this was restored from; nobody has let it go on yet.

    retry_after_seconds: when to try again.
    """

    code = "RestoredFromBackup"
    retry_after_seconds = 300


class TooLarge(AskedWrongly):
    """A body, file or result is over its limit."""

    code = "RequestEntityTooLarge"


class TooManyAttempts(AskedWrongly):
    """Refused for a while, to keep an account from being locked out. retry_after_seconds: how long that is."""

    code = "TooManyAttempts"

    def __init__(
        self, message: str, *, code: str | None = None, target: str | None = None, retry_after_seconds: int = 60
    ) -> None:
        super().__init__(message, code=code, target=target)
        self.retry_after_seconds = retry_after_seconds

    @classmethod
    def until(cls, free_at: datetime, now: datetime, why: str, *, target: str | None = None) -> "TooManyAttempts":
        """Refused until then. why: a sentence, which one that says how long to wait follows."""
        seconds = max(1, int((free_at - now).total_seconds()) + 1)
        message = f"{why} Try again in {_minutes(seconds)} minutes."
        return cls(message, target=target, retry_after_seconds=seconds)

    @property
    def retry_after_minutes(self) -> int:
        """Whole minutes, as people are told."""
        return _minutes(self.retry_after_seconds)


class TheyFailed(FlowmendError):
    """Something outside or below did not do its part."""

    code = "ServiceFailed"


class ServiceUnreachable(TheyFailed):
    """No answer: name, connection, TLS or time-out."""

    code = "ServiceUnreachable"


class StoreUnavailable(TheyFailed):
    """The database did not answer, or is full: code `StoreFull`. retry_after_seconds: when to try again."""

    code = "StoreUnavailable"
    retry_after_seconds = 10


class SecretUnreadable(TheyFailed):
    """A sealed secret does not open: its key is missing or its text was altered."""

    code = "SecretUnreadable"


def _minutes(seconds: int) -> int:
    return (seconds + 59) // 60
