"""What can be handed to the journal."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from flowmend.store.rows import RunRow, SecretUseRow, TrackedValueRow, TriggerEventRow


class StartRun(msgspec.Struct, frozen=True, gc=False):
    """A new run, and the trigger event that started it; an event of that name that was held is replaced.

    Fails with Conflict where the store has a run of this name.
    """

    run: RunRow
    event: TriggerEventRow | None = None


class AppendPage(msgspec.Struct, frozen=True, gc=False):
    """The next page of a run's journal. sequence: 1 for the first, then without gaps.

    Fails with Fenced where the run has another epoch, lacks the page before, or has another page there. The very same
    page again changes nothing.
    """

    run_name: str
    epoch: int
    sequence: int
    page: bytes


class ChangeRun(msgspec.Struct, frozen=True, gc=False):
    """Set columns of a run's row, any but its name, epoch and start. Fails with Fenced as `AppendPage` does."""

    run_name: str
    epoch: int
    changes: Mapping[str, Any]


class AddTracked(msgspec.Struct, frozen=True, gc=False):
    """A tracked value; the same again changes nothing."""

    row: TrackedValueRow


class AddSecretUse(msgspec.Struct, frozen=True, gc=False):
    """A use of a connection's secret."""

    row: SecretUseRow


class HoldEvent(msgspec.Struct, frozen=True, gc=False):
    """A trigger event that starts no run: held, skipped or failed; one of the same name is replaced."""

    event: TriggerEventRow


class ChangeEvent(msgspec.Struct, frozen=True, gc=False):
    """Set columns of a trigger event. Fails with Conflict where it does not exist."""

    event_name: str
    changes: Mapping[str, Any]


class Statement(msgspec.Struct, frozen=True, gc=False):
    """Anything rare, carried out in the same transaction after the other writes of its group."""

    carry_out: Callable[[Connection], object]


Write = StartRun | AppendPage | ChangeRun | AddTracked | AddSecretUse | HoldEvent | ChangeEvent | Statement
