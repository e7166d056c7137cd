"""What stands in a backup: a manifest, the rows of each table in turn, and the totals.

A part of rows is MessagePack, `[table's place in the manifest, [row, …]]`, a row's values in the order of its columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from flowmend.core.errors import StoreUnavailable
from flowmend.store.backup.archive import ArchiveWriter, Part, damaged, read_parts
from flowmend.store.backup.table_shapes import TableShape, shapes_of

_ROWS_UP_TO_BYTES = 1024 * 1024
_MOST_MANIFEST_BYTES = 1024 * 1024

#: Called with a table and some of its rows.
SeeRows = Callable[[TableShape, Sequence[Sequence[Any]]], None]
#: Called now and then with how many rows are done, and of how many.
Progress = Callable[[int, int], None]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """tables: names with their columns, in the order in which their rows come. rows: of each table."""

    program: str
    made_at: datetime
    revision: str
    database: str
    damage: str
    tables: list[tuple[str, list[str]]]
    rows: dict[str, int]


class _Totals(msgspec.Struct, frozen=True, kw_only=True):
    rows: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """What a backup holds. database: what it was made of. damage: what that database's own check found, "" for nothing."""

    path: Path
    made_at: datetime
    program: str
    revision: str
    database: str
    damage: str
    bytes: int
    rows: dict[str, int]

    @property
    def row_count(self) -> int:
        return sum(self.rows.values())


class RowsWriter:
    """Gathers the rows of one table into parts of about a megabyte."""

    def __init__(self, archive: ArchiveWriter, position: int) -> None:
        self._archive = archive
        self._position = position
        self._encoder = msgspec.msgpack.Encoder()
        self._gathered = bytearray()
        self._rows = 0
        self.written = 0

    def add(self, row: Sequence[Any]) -> None:
        self._encoder.encode_into(row, self._gathered, -1)
        self._rows += 1
        if len(self._gathered) >= _ROWS_UP_TO_BYTES:
            self.finish()

    def finish(self) -> None:
        """Write what is gathered."""
        if self._rows:
            # As `encode((position, rows))` would spell it, without all rows in one list.
            head = b"\x92" + self._encoder.encode(self._position) + b"\xdd" + self._rows.to_bytes(4)
            self._archive.write(Part.ROWS, head + self._gathered)
            self.written += self._rows
            self._rows = 0
            self._gathered.clear()


def write_totals(archive: ArchiveWriter, rows: dict[str, int]) -> None:
    """The end of a backup, with how many rows of each table it holds."""
    archive.write(Part.TOTALS, msgspec.json.encode(_Totals(rows=rows)))


def check_backup(path: Path, *, see: SeeRows | None = None, progress: Progress | None = None) -> BackupReport:
    """Read a backup from end to end: every digest, every row's form, every count.

    see: is shown all rows, in blocks. Errors: AskedWrongly `InvalidBackup`, whose target is the place, or `DatabaseTooNew`;
    StoreUnavailable where the file cannot be read; what `see` raises.
    """
    try:
        with path.open("rb") as file:
            manifest = _read(file, see or _look_away, progress or _tell_nobody)
            size = file.tell()
    except OSError as error:
        words = f"The backup {path} cannot be read: {error.strerror}."
        raise StoreUnavailable(words, code="BackupNotReadable", target=str(path)) from error
    return BackupReport(
        path=path,
        made_at=manifest.made_at,
        program=manifest.program,
        revision=manifest.revision,
        database=manifest.database,
        damage=manifest.damage,
        bytes=size,
        rows=manifest.rows,
    )


def read_manifest(parts: Iterator[tuple[Part, bytes, str]]) -> tuple[Manifest, tuple[TableShape, ...]]:
    """The manifest, and the tables it names as their revision has them. Errors: as `check_backup`."""
    kind, content, place = next(parts, (None, b"", "the beginning"))
    if kind is not Part.MANIFEST or len(content) > _MOST_MANIFEST_BYTES:
        raise damaged(place, "A backup begins with a manifest, and this one does not.")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(place, f"Its manifest does not read: {error}.") from error
    shapes = shapes_of(manifest.revision)
    known = {shape.name: list(shape.column_names) for shape in shapes}
    for name, columns in manifest.tables:
        if known.get(name) != columns:
            what = f"has columns of its own: {', '.join(columns)!r:.200}" if name in known else "is none of Flowmend's"
            raise damaged(place, f"The table {name!r:.80} {what} (revision {manifest.revision}).")
    if [name for name, _ in manifest.tables] != list(known):
        raise damaged(
            place, f"It does not name all tables of revision {manifest.revision}, each once and in their order."
        )
    if manifest.made_at.tzinfo is None:
        raise damaged(place, "Its time has no zone.")
    return manifest, shapes


def _read(file: BinaryIO, see: SeeRows, progress: Progress) -> Manifest:
    parts = read_parts(file)
    manifest, shapes = read_manifest(parts)
    decoders = [msgspec.msgpack.Decoder(list[shape.row_type()]) for shape in shapes]  # type: ignore[misc]
    part_decoder = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
    counts, position, done, total = (
        dict.fromkeys((shape.name for shape in shapes), 0),
        0,
        0,
        sum(manifest.rows.values()),
    )
    for kind, content, place in parts:
        if kind is Part.TOTALS:
            _check_end(content, place, counts, manifest, parts)
            return manifest
        if kind is not Part.ROWS:
            raise damaged(place, "It has a second manifest.")
        try:
            at, raw = part_decoder.decode(content)
            if not position <= at < len(shapes):
                raise damaged(place, "Its rows are of no table, or of one that was over.")
            rows = decoders[at].decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise damaged(place, f"Its rows do not read: {error}.") from error
        position, shape = at, shapes[at]
        _refuse_nul(rows, shape, place)
        see(shape, rows)
        counts[shape.name] += len(rows)
        done += len(rows)
        progress(done, max(done, total))
    raise damaged("the end", "The file was cut off between two parts.")


def _check_end(
    content: bytes, place: str, counts: dict[str, int], manifest: Manifest, parts: Iterator[tuple[Part, bytes, str]]
) -> None:
    try:
        totals = msgspec.json.decode(content, type=_Totals)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise damaged(place, f"Its totals do not read: {error}.") from error
    wrong = next((name for name, count in counts.items() if count != totals.rows.get(name)), None)
    if wrong is not None or totals.rows != manifest.rows:
        raise damaged(
            place, f"It holds {counts.get(wrong or '', 0)} rows of {wrong or 'its tables'}, and says another number."
        )
    if next(parts, None) is not None:
        raise damaged(place, "More follows after its end.")


def _refuse_nul(rows: Sequence[Sequence[Any]], shape: TableShape, place: str) -> None:
    """PostgreSQL's text has no NUL, and the store writes none."""
    for row in rows:
        for value, name in zip(row, shape.column_names, strict=True):
            if type(value) is str and "\0" in value:
                raise damaged(place, f"A text of {shape.name}.{name} has a NUL in it.")


def _look_away(_shape: TableShape, _rows: Sequence[Sequence[Any]]) -> None:
    """For a check alone."""


def _tell_nobody(_done: int, _total: int) -> None:
    """Where no progress is shown."""
