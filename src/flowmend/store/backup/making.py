"""Making a backup: a snapshot written beside its place, and given its name once it is whole."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

import flowmend
from flowmend.core.errors import Conflict, StoreUnavailable
from flowmend.store.after_restore import MADE
from flowmend.store.audit import Audit
from flowmend.store.backup.archive import ArchiveWriter, Part, is_archive
from flowmend.store.backup.contents import BackupReport, Manifest, Progress, RowsWriter, check_backup, write_totals
from flowmend.store.backup.snapshot import Snapshot, snapshot
from flowmend.store.backup.table_shapes import shapes_of
from flowmend.store.database import Database
from flowmend.store.opening import engine_as_it_is

_TELL_EVERY_ROWS = 1000
_PART = ".part"
_IS_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part")
#: Longer than reading one back takes: nothing is written to it meanwhile.
_ABANDONED_AFTER_SECONDS = 6 * 3600


def make_backup(url: str, path: Path, *, made_at: datetime, progress: Progress | None = None) -> BackupReport:
    """Write everything the database at an SQLAlchemy URL holds into a new file that its owner alone may read.

    The database is read as it is, whether or not a server runs on it, and nothing of it is changed or migrated. The file is
    read back before it gets its name. Errors: Conflict `BackupExists`; NotFound `NoDatabase`; AskedWrongly `DatabaseTooNew`;
    StoreUnavailable where the database does not answer or the disk is full: then no file is left.
    """
    if path.exists():
        raise Conflict(f"{path} exists already; a backup replaces no file.", code="BackupExists", target=str(path))
    engine = engine_as_it_is(url)
    try:
        with _new_file(path) as (file, beside):
            with snapshot(engine) as moment:
                _write(file, moment, made_at, progress)
            file.flush()
            os.fsync(file.fileno())
            report = check_backup(beside)
            _publish(beside, path)
    finally:
        engine.dispose()
    return replace(report, path=path)


def note_made(url: str, report: BackupReport) -> bool:
    """Say in the database's audit that it was backed up; False where it does not take that, which harms nothing."""
    engine = engine_as_it_is(url)
    details = {"path": str(report.path.resolve()), "bytes": report.bytes, "rows": report.row_count}
    try:
        Audit(Database(engine)).note("", MADE, MADE, details, at=report.made_at)
    except StoreUnavailable:
        return False
    finally:
        engine.dispose()
    return True


def _write(file: BinaryIO, moment: Snapshot, made_at: datetime, progress: Progress | None) -> None:
    revision = moment.revision()
    shapes = shapes_of(revision)
    counts = {shape.name: moment.count(shape) for shape in shapes}
    archive, done, total = ArchiveWriter(file), 0, sum(counts.values())
    manifest = Manifest(
        program=flowmend.__version__,
        made_at=made_at,
        revision=revision,
        database=moment.database,
        damage=moment.damage(),
        tables=[(shape.name, list(shape.column_names)) for shape in shapes],
        rows=counts,
    )
    archive.write(Part.MANIFEST, msgspec.json.encode(manifest))
    written: dict[str, int] = {}
    for position, shape in enumerate(shapes):
        writer = RowsWriter(archive, position)
        for row in moment.rows(shape):
            writer.add(row)
            done += 1
            if progress is not None and done % _TELL_EVERY_ROWS == 0:
                progress(done, total)
        writer.finish()
        written[shape.name] = writer.written
    write_totals(archive, written)


@contextmanager
def _new_file(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside the place, gone at the end; whoever wants it gives it its name before."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        _remove_abandoned(path.parent)
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w+b", buffering=1024 * 1024) as file:
                yield file, beside
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        words = f"The backup {path} cannot be written: {error.strerror}."
        raise StoreUnavailable(words, code="BackupNotWritable", target=str(path)) from error


def _remove_abandoned(folder: Path) -> None:
    """Take away what backups left that were killed: files of theirs that nobody has written to for hours."""
    for found in folder.glob(f".*{_PART}"):
        with suppress(OSError):  # another one takes it away as well, or it is not ours to take
            seen = found.stat()
            is_old = time.time() - seen.st_mtime > _ABANDONED_AFTER_SECONDS
            if is_old and _IS_PART.fullmatch(found.name) and (not seen.st_size or is_archive(found)):
                found.unlink()


def _publish(beside: Path, path: Path) -> None:
    """Give the whole file its name, unless the name is taken meanwhile."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise Conflict(
            f"{path} exists already; a backup replaces no file.", code="BackupExists", target=str(path)
        ) from None
    except OSError:  # a file system without hard links
        beside.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Let a name in it survive a power cut; Windows cannot open folders, and needs not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
