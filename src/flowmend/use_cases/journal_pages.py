"""Journal entries as the bytes of a page and back; secure values go sealed.

A record that marks its inputs or outputs as secure (`details["secure"]`, core.run.record) is written with these
values sealed and bound to run, action, repetition and field, so a copied page opens nowhere else.
"""

from collections.abc import Iterable, Sequence

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run import ActionKey, ActionRecord, Entry, RunStart
from flowmend.store.payloads import decode_payload, encode_payload
from flowmend.vault import Binding, Vault

_SEALED = "$flowmend.sealed"
#: Stands for inputs that the action's earlier record holds.
_AS_BEFORE: Json = {"$flowmend.as": "before"}
#: The same as it is written.
SAME_INPUTS = msgspec.msgpack.encode(_AS_BEFORE)


class PageWriter:
    """Writes the pages of one run.

    An action has a record when it begins and one when it ends, both with its inputs: the later one is written with a
    mark instead, which saves half the bytes and half the sealing.
    """

    __slots__ = ("_inputs", "_run_name", "_vault")

    def __init__(self, run_name: str, vault: Vault, written: Iterable[Entry] = ()) -> None:
        self._run_name = run_name
        self._vault = vault
        self._inputs = {
            (one.name, one.repetition): one.inputs
            for one in written
            if isinstance(one, ActionRecord) and not one.status.is_terminal
        }

    def encode(self, entries: Sequence[Entry]) -> bytes:
        """The entries as one payload."""
        return encode_payload([self._written(entry) for entry in entries])

    def _written(self, entry: Entry) -> Entry:
        if type(entry) is not ActionRecord:
            return entry
        key = (entry.name, entry.repetition)
        if entry.status.is_terminal:
            known = self._inputs.pop(key, None)
        else:
            known = self._inputs.get(key)
            if entry.inputs is not None:
                self._inputs[key] = entry.inputs
        if known is not None and known is entry.inputs:
            entry = msgspec.structs.replace(entry, inputs=_AS_BEFORE)
        return entry if entry.details is None else _changed(self._run_name, entry, self._vault, opening=False)


def decode_pages(run_name: str, pages: Iterable[bytes], vault: Vault) -> list[Entry]:
    """The entries of a run in order. Errors: SecretUnreadable."""
    entries: list[Entry] = []
    inputs: dict[ActionKey, Json] = {}
    for page in pages:
        for written in decode_payload(page, list[Entry]):
            entry: Entry = written
            if isinstance(written, ActionRecord):
                entry = _changed(run_name, written, vault, opening=True)
                key = (entry.name, entry.repetition)
                if entry.inputs == _AS_BEFORE:
                    entry = msgspec.structs.replace(entry, inputs=inputs.get(key))
                inputs[key] = entry.inputs
            entries.append(entry)
    return entries


def opened_record(run_name: str, latest: ActionRecord, with_inputs: ActionRecord | None, vault: Vault) -> ActionRecord:
    """An action's latest record as it was before it was written. with_inputs: the record that holds its inputs.

    Errors: SecretUnreadable.
    """
    opened = _changed(run_name, latest, vault, opening=True)
    if opened.inputs != _AS_BEFORE:
        return opened
    inputs = None if with_inputs is None else _changed(run_name, with_inputs, vault, opening=True).inputs
    return msgspec.structs.replace(opened, inputs=inputs)


def encode_start(start: RunStart, vault: Vault, *, has_secure_outputs: bool) -> bytes:
    """A run's beginning, without its parameters: the flow version gives the same ones back."""
    trigger = start.trigger
    if has_secure_outputs:
        sealed = _seal(trigger.get("outputs"), _outputs_binding(start.run_name), vault)
        trigger = trigger | {"outputs": sealed}
    return encode_payload(msgspec.structs.replace(start, trigger=trigger, parameters={}))


def decode_start(payload: bytes, vault: Vault, parameters: dict[str, Json] | None = None) -> RunStart:
    """A run's beginning with the parameters of its flow version. Errors: SecretUnreadable."""
    start = decode_payload(payload, RunStart)
    outputs = start.trigger.get("outputs")
    trigger = start.trigger
    if _is_sealed(outputs):
        trigger = trigger | {"outputs": _open(outputs, _outputs_binding(start.run_name), vault)}
    return msgspec.structs.replace(start, trigger=trigger, parameters=parameters or {})


def _outputs_binding(run_name: str) -> Binding:
    return Binding(kind="run_start", parts=(run_name, "trigger.outputs"))


def _secure_fields(entry: ActionRecord) -> Sequence[str]:
    if isinstance(entry.details, dict):
        fields = entry.details.get("secure", ())
        return [
            field for field in fields if getattr(entry, field) is not None and getattr(entry, field) is not _AS_BEFORE
        ]
    return ()


def _changed(run_name: str, entry: ActionRecord, vault: Vault, *, opening: bool) -> ActionRecord:
    fields = _secure_fields(entry)
    if not fields:
        return entry
    change = _open if opening else _seal
    place = (run_name, entry.name, ".".join(map(str, entry.repetition)))
    return msgspec.structs.replace(
        entry,
        **{
            field: change(getattr(entry, field), Binding(kind="record", parts=(*place, field)), vault)
            for field in fields
        },
    )


def _seal(value: Json, binding: Binding, vault: Vault) -> Json:
    return {_SEALED: vault.seal_json(value, bound_to=binding)}


def _open(value: Json, binding: Binding, vault: Vault) -> Json:
    return vault.open_json(value[_SEALED], bound_to=binding) if _is_sealed(value) else value


def _is_sealed(value: Json) -> bool:
    return isinstance(value, dict) and _SEALED in value
