"""What reached the outside in a run, and would again if it were run again."""

from collections.abc import Callable, Collection, Iterable

import msgspec

from flowmend.core.outcome import Status
from flowmend.core.run.call_making import CALLED_TYPES
from flowmend.core.run.compiling import CompiledFlow, Node
from flowmend.core.run.record import ActionKey, ActionRecord, KeptKey
from flowmend.core.run.resume import may_have_happened


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a call. honours_key: its service knows a repeat by the key. words: what people call it."""

    is_read: bool
    honours_key: bool
    words: str


class RepeatedEffect(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one action that are made again.

    operation: in words, e.g. `Send an email`. count: how many. is_certain: False where it is not known whether they
    happened before. key_is_honoured: they carry their first key, and their service knows a repeat by it. only_on_failure: they
    ran because something failed, and will only if it does again. starts_flow: what they do is to start another flow.
    """

    action: str
    operation: str
    count: int
    is_certain: bool = True
    key_is_honoured: bool = False
    only_on_failure: bool = False
    starts_flow: bool = False


def repeated_effects(
    compiled: CompiledFlow,
    records: Iterable[ActionRecord],
    facts_of: Callable[[Node, ActionRecord], CallFacts],
    *,
    kept_keys: Iterable[KeptKey] = (),
    on_failure: Collection[ActionKey] = (),
) -> tuple[RepeatedEffect, ...]:
    """The effects of these records that would be repeated, in the order they first happened; reads are none.

    records: the last of each action and pass that is done again. kept_keys: of calls that go out with their first key.
    on_failure: what of it ran only because something failed.
    """
    first_keys = {(kept.action, kept.repetition) for kept in kept_keys}
    counts: dict[RepeatedEffect, int] = {}
    for record in records:
        node = compiled.nodes[record.name]
        if node.type not in CALLED_TYPES or not record.key:  # a static result has no key: nothing was sent
            continue
        is_certain = record.status is Status.SUCCEEDED
        has_first_key = (record.name, record.repetition) in first_keys  # an earlier run may have got through by it
        if not is_certain and not has_first_key and not may_have_happened(record):
            continue
        facts = facts_of(node, record)
        if facts.is_read:
            continue
        effect = RepeatedEffect(
            action=record.name,
            operation=facts.words,
            count=0,
            is_certain=is_certain,
            key_is_honoured=facts.honours_key and has_first_key,
            only_on_failure=(record.name, record.repetition) in on_failure,
            starts_flow=node.type == "Workflow",
        )
        counts[effect] = counts.get(effect, 0) + 1
    return tuple(msgspec.structs.replace(effect, count=count) for effect, count in counts.items())
