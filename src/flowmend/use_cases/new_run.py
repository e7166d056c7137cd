"""A run that is about to begin, as the use cases hand it to whoever advances it."""

import msgspec

from flowmend.core.run import ActionRecord, RunStart
from flowmend.store.journal import Write
from flowmend.store.rows import RunRow, TriggerEventRow
from flowmend.use_cases.loaded_flows import LoadedFlow


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run to begin. event: the history entry to store with it, None where it is stored already. together_with: what
    else is written in the same transaction. taken_over: what it begins with, of the run it resumes.
    """

    loaded: LoadedFlow
    start: RunStart
    row: RunRow
    event: TriggerEventRow | None
    awaits_response: bool = False
    taken_over: tuple[ActionRecord, ...] = ()
    together_with: tuple[Write, ...] = ()
