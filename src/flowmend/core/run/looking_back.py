"""Where a run stood at one of its actions, told by its journal and with its secrets taken out.

For whoever wants to know how a value came about: the expressions of that place can be evaluated once more, and no
expression, however it is written, can reach what the flow marks as secure.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.events import Moment
from flowmend.core.run.history import readable
from flowmend.core.run.record import ActionRecord, Entry, RunStart
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Repetition, RunState
from flowmend.core.run.transitions import fold
from flowmend.core.run.views import SANITIZED


class PastScope(RunScope):
    """A `RunScope` of a moment that is over: a webhook's address is a secret and stays one."""

    __slots__ = ()

    def callback_url(self) -> str:
        return SANITIZED


def entries_before(node: Node, repetition: Repetition, entries: Sequence[Entry]) -> Sequence[Entry] | None:
    """What the journal held when the action's own expressions were computed; None where they never were.

    Those of an Until are computed after each pass: before its last entry.
    """
    places = [
        index
        for index, entry in enumerate(entries)
        if isinstance(entry, ActionRecord) and (entry.name, entry.repetition) == (node.name, repetition)
    ]
    if not places:
        return None
    first = entries[places[0]]
    if isinstance(first, ActionRecord) and first.status is Status.SKIPPED:
        return None
    if node.type != "Until":
        return entries[: places[0]]
    return entries[: places[-1]] if len(places) > 1 else None


def past_state(compiled: CompiledFlow, start: RunStart, entries: Iterable[Entry]) -> RunState:
    """Where the run stood after these entries; `*sanitized*` stands for every secret.

    Errors: KeyError where the journal belongs to another version of the flow.
    """
    state = fold(compiled, _readable_start(compiled, start), entries)
    secret_names = compiled.secrecy.names
    for key, record in state.records.items():
        state.records[key] = readable(record)
    for name, variable in state.variables.items():
        if f"variables('{name}')" in secret_names:
            variable.value = SANITIZED
            variable.type = "string"
    for (name, _), loop in state.loops.items():
        if f"items('{name.lower()}')" in secret_names:
            loop.items = [SANITIZED] * len(loop.items)
    return state


def past_scope(state: RunState, moment: Moment, node: Node, repetition: Repetition) -> PastScope:
    """What the expressions of this action saw."""
    record = state.records.get((node.name, repetition))
    if node.type != "Until" or record is None:
        return PastScope(state, moment, node.loops, repetition)
    # The condition stands inside the loop: it sees the last pass, and `action()` is the loop itself.
    last_pass = max(state.loops[node.name, repetition].next_index - 1, 0)
    return PastScope(state, moment, (*node.loops, node), (*repetition, last_pass), current=record)


def last_scope(state: RunState, moment: Moment) -> PastScope:
    """What an expression sees outside of loops, as far as the run has come."""
    return PastScope(state, moment, (), ())


def _readable_start(compiled: CompiledFlow, start: RunStart) -> RunStart:
    declared = compiled.flow.definition.parameters
    secret = {name.lower() for name, parameter in declared.items() if parameter.is_secret}
    parameters: dict[str, Json] = {
        name: SANITIZED if name.lower() in secret else value for name, value in start.parameters.items()
    }
    trigger = start.trigger
    if "outputs" in trigger and any(one.runtime.secure_outputs for one in compiled.flow.definition.triggers.values()):
        trigger = trigger | {"outputs": SANITIZED}
    if "inputs" in trigger and any(one.runtime.secure_inputs for one in compiled.flow.definition.triggers.values()):
        trigger = trigger | {"inputs": SANITIZED}
    return replace(start, parameters=parameters, trigger=trigger)
