"""Runs read piece by piece: a map of the whole journal, kept for runs that were looked at, and of records only those asked for.

Reading 200,000 records takes seconds, mapping them a fraction of one, and once mapped a page costs what it shows. A run under
way is mapped on from where its map ended; a journal only grows, so a map is never wrong, only short.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import msgspec

from flowmend.core.outcome import Attempt, Diagnosis, ErrorDetail, Status
from flowmend.core.run import ActionKey, ActionRecord, EndRecord
from flowmend.core.run.record import CancelRecord, OverdueRecord, ResponseRecord
from flowmend.core.run.run_map import RunMap
from flowmend.store import Store
from flowmend.store.payloads import decode_payload
from flowmend.use_cases.heavy_work import HEAVY_FROM_BYTES, beside_the_loop
from flowmend.use_cases.journal_pages import SAME_INPUTS, opened_record
from flowmend.vault import Vault

_MOST_MAPS = 64
#: Of all maps together; a record takes some twenty bytes.
_MOST_RECORDS = 2_000_000
#: A place is a page's sequence and the record's position in it.
_POSITION_BITS = 32
_POSITION = (1 << _POSITION_BITS) - 1


class _Mark(msgspec.Struct, frozen=True, kw_only=True, tag="action", gc=False):
    """What the map needs of a record."""

    name: str
    repetition: tuple[int, ...] = ()
    status: Status
    inputs: msgspec.Raw = msgspec.Raw()


class RecordHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="action", gc=False):
    """A record without its inputs and outputs, which can be megabytes; as `ActionRecord`. details stay as bytes until asked for."""

    name: str
    repetition: tuple[int, ...] = ()
    status: Status
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: ErrorDetail | None = None
    attempts: tuple[Attempt, ...] = ()
    diagnosis: Diagnosis | None = None
    connection_id: str = ""
    wake_at: datetime | None = None
    details: msgspec.Raw = msgspec.Raw()
    from_run: str = ""

    @property
    def branch(self) -> str:
        """The branch that an If or Switch took, "" where none."""
        try:
            return msgspec.msgpack.decode(self.details, type=_Taken).branch if self.details else ""
        except msgspec.ValidationError:
            return ""  # details of another action


class _Taken(msgspec.Struct):
    branch: str = ""


class _StatusCode(msgspec.Struct):
    """statusCode: of a call's outputs."""

    statusCode: int = 0  # noqa: N815  # as it is written


class _Outputs(msgspec.Struct):
    outputs: msgspec.Raw = msgspec.Raw()


_Marks: TypeAlias = list[_Mark | ResponseRecord | CancelRecord | OverdueRecord | EndRecord]
_Raws: TypeAlias = list[msgspec.Raw]


class RunJournal:
    """One run's journal. Errors of all methods: StoreUnavailable; of those that open records: SecretUnreadable."""

    def __init__(self, run_name: str, store: Store, vault: Vault, mapped: RunMap, pages: dict[int, bytes]) -> None:
        self.map = mapped
        self._run_name = run_name
        self._store = store
        self._vault = vault
        self._pages = pages
        self._raws: dict[int, _Raws] = {}

    def head(self, key: ActionKey) -> RecordHead | None:
        """The latest record without its values; None where it was not reached."""
        places = self.map.places(key)
        return None if places is None else _heads.decode(self._raw(places[0]))

    def status_number(self, key: ActionKey) -> int:
        """The HTTP status that a call's outputs hold, 0 where they hold none."""
        places = self.map.places(key)
        if places is None:
            return 0
        outputs = _outputs.decode(self._raw(places[0])).outputs
        try:
            return _numbers.decode(outputs).statusCode if outputs else 0
        except msgspec.MsgspecError:
            return 0  # outputs of another kind, or sealed

    def record(self, key: ActionKey) -> ActionRecord | None:
        """The latest record whole; its secure values are the real ones."""
        places = self.map.places(key)
        if places is None:
            return None
        latest, with_inputs = (None if place < 0 else self._decoded(place) for place in places)
        return None if latest is None else opened_record(self._run_name, latest, with_inputs, self._vault)

    def _decoded(self, place: int) -> ActionRecord:
        return decode_payload(b"\x00" + bytes(self._raw(place)), ActionRecord)

    def _raw(self, place: int) -> msgspec.Raw:
        sequence, position = place >> _POSITION_BITS, place & _POSITION
        raws = self._raws.get(sequence)
        if raws is None:
            page = self._pages.get(sequence)
            if page is None:
                self._pages = dict(self._store.runs.pages(self._run_name, sequence=sequence))
                page = self._pages[sequence]
            raws = self._raws[sequence] = decode_payload(page, _Raws)
        return raws[position]


@dataclass(slots=True, kw_only=True)
class _Mapped:
    """How far a run's journal is mapped."""

    map: RunMap = field(default_factory=RunMap)
    sequence: int = 0
    is_ended: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RunJournals:
    """Journals of the runs that people look at. The maps of the latest are kept."""

    def __init__(self) -> None:
        self._mapped: OrderedDict[str, _Mapped] = OrderedDict()

    async def open(self, store: Store, vault: Vault, run_name: str) -> RunJournal:
        """The run's journal as it is now. Errors: StoreUnavailable."""
        mapped = self._mapped.setdefault(run_name, _Mapped())
        self._mapped.move_to_end(run_name)
        async with mapped.lock:
            pages = [] if mapped.is_ended else store.runs.pages(run_name, after=mapped.sequence)
            if sum(len(page) for _, page in pages) > HEAVY_FROM_BYTES:
                await beside_the_loop(lambda: _extend(mapped, pages))
            else:
                _extend(mapped, pages)
        self._let_go(run_name)
        return RunJournal(run_name, store, vault, mapped.map, dict(pages))

    def _let_go(self, run_name: str) -> None:
        while len(self._mapped) > 1 and (
            len(self._mapped) > _MOST_MAPS or sum(one.map.count for one in self._mapped.values()) > _MOST_RECORDS
        ):
            oldest = next(iter(self._mapped))
            if oldest == run_name:
                return
            del self._mapped[oldest]


def _extend(mapped: _Mapped, pages: Sequence[tuple[int, bytes]]) -> None:
    note = mapped.map.note
    for sequence, page in pages:
        place = sequence << _POSITION_BITS
        for entry in decode_payload(page, _Marks):
            if type(entry) is _Mark:
                note(entry.name, entry.repetition, entry.status, place, has_inputs=bytes(entry.inputs) != SAME_INPUTS)
            elif type(entry) is EndRecord:
                mapped.is_ended = True
            place += 1
        mapped.sequence = sequence


_heads = msgspec.msgpack.Decoder(RecordHead)
_outputs = msgspec.msgpack.Decoder(_Outputs)
_numbers = msgspec.msgpack.Decoder(_StatusCode)
