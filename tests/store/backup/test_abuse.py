"""What is no backup, or one that was tampered with, is refused by the place where it is wrong, and changes nothing."""

import hashlib
import json
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowmend.core.errors import AskedWrongly, FlowmendError, StoreUnavailable
from flowmend.store import Store, open_store
from flowmend.store.backup import check_backup, make_backup, restore_backup
from flowmend.store.backup.archive import MOST_PART_BYTES
from flowmend.store.rows import PersonRow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FIRST_LINE = b"flowmend backup 1\n"
HEAD = struct.Struct(">cII")
PartValues = tuple[bytes, bytes]


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, examples: Any) -> Path:
    """A good backup with two people."""
    folder = tmp_path_factory.mktemp("abused")
    shutil.copy(sqlite_template, folder / "flowmend.db")
    store = open_store(f"sqlite:///{folder / 'flowmend.db'}")
    for name in ("ann", "ben"):
        store.access.add_person(examples.person(name))
    store.close()
    return make_backup(f"sqlite:///{folder / 'flowmend.db'}", folder / "good.backup", made_at=NOON).path


def parts_of(path: Path) -> list[PartValues]:
    """(kind, content) of each part."""
    content, at, found = path.read_bytes(), len(FIRST_LINE), []
    while at < len(content):
        kind, _, stored = HEAD.unpack_from(content, at)
        at += HEAD.size
        found.append((kind, zlib.decompress(content[at : at + stored])))
        at += stored + 32
    return found


def written(path: Path, parts: Sequence[PartValues | tuple[bytes, bytes, int]]) -> Path:
    """A file of these parts with good digests; a third value is how many bytes the head says."""
    digest, out = hashlib.sha256(FIRST_LINE).digest(), bytearray(FIRST_LINE)
    for kind, content, *says in parts:
        stored = zlib.compress(content)
        head = HEAD.pack(kind, says[0] if says else len(content), len(stored))
        digest = hashlib.sha256(digest + head + stored).digest()
        out += head + stored + digest
    path.write_bytes(out)
    return path


def refusal(path: Path) -> AskedWrongly:
    with pytest.raises(AskedWrongly) as refused:
        check_backup(path)
    return refused.value


def with_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[list[PartValues]], list[Any]]:
    def changed(parts: list[PartValues]) -> list[Any]:
        manifest = json.loads(parts[0][1])
        change(manifest)
        return [(b"M", json.dumps(manifest).encode()), *parts[1:]]

    return changed


def rows_of(position: int, *rows: Sequence[Any]) -> PartValues:
    return b"R", msgspec.msgpack.encode((position, rows))


def people_at(parts: list[PartValues]) -> int:
    return [name for name, _ in json.loads(parts[0][1])["tables"]].index("people")


ANN = ("eve", "Eve", "", "", 1)
TAMPERED: dict[str, tuple[Callable[[list[PartValues]], list[Any]], str]] = {
    "no manifest": (lambda parts: parts[1:], "begins with a manifest"),
    "two manifests": (lambda parts: [parts[0], *parts], "second manifest"),
    "a manifest that is no JSON": (lambda parts: [(b"M", b"{"), *parts[1:]], "manifest does not read"),
    "a foreign table": (
        with_manifest(lambda one: one["tables"].append(["../../etc/passwd", ["x"]])), "is none of Flowmend's"),
    "a foreign column": (
        with_manifest(lambda one: one["tables"][0][1].append("x); DROP TABLE runs; --")), "has columns of its own"),
    "a table left out": (with_manifest(lambda one: one["tables"].pop()), "does not name all tables"),
    "a table twice": (with_manifest(lambda one: one["tables"].append(one["tables"][0])), "does not name all tables"),
    "a newer revision": (with_manifest(lambda one: one.update(revision="0999")), "newer Flowmend"),
    "a revision that is a command": (with_manifest(lambda one: one.update(revision="head")), "newer Flowmend"),
    "a time without a zone": (with_manifest(lambda one: one.update(made_at="2026-01-01T00:00:00")), "no zone"),
    "a count that is not met": (with_manifest(lambda one: one["rows"].update(people=3)), "says another number"),
    "no end": (lambda parts: parts[:-1], "cut off between two parts"),
    "more after its end": (lambda parts: [*parts, parts[1]], "More follows"),
    "rows twice": (lambda parts: [*parts[:-1], parts[1], parts[-1]], "rows of"),
    "rows of no table": (lambda parts: [*parts[:-1], rows_of(999, ANN), parts[-1]], "of no table"),
    "rows of a negative table": (lambda parts: [parts[0], rows_of(-1, ANN), *parts[1:]], "of no table"),
    "a row that is too short": (lambda parts: [parts[0], rows_of(people_at(parts), ANN[:2]), *parts[1:]], "rows do not read"),
    "a number for a text": (
        lambda parts: [parts[0], rows_of(people_at(parts), (1, *ANN[1:])), *parts[1:]], "rows do not read"),
    "a number no column holds": (
        lambda parts: [parts[0], rows_of(people_at(parts), (*ANN[:4], 2**63)), *parts[1:]], "rows do not read"),
    "nothing where something must be": (
        lambda parts: [parts[0], rows_of(people_at(parts), (*ANN[:4], None)), *parts[1:]], "rows do not read"),
    "a text with a NUL": (
        lambda parts: [parts[0], rows_of(people_at(parts), ("e\0", *ANN[1:])), *parts[1:]], "NUL"),
    "a kind of part nobody knows": (lambda parts: [parts[0], (b"X", b""), *parts[1:]], "kind"),
    "a part that unpacks to more than it says": (lambda parts: [(b"M", b"\0" * 50_000_000, 10), *parts[1:]], "not as long"),
    "a part that says it is huge": (lambda parts: [(b"M", b"", MOST_PART_BYTES + 1), *parts[1:]], "which none does"),
    "a part that unpacks to less than it says": (lambda parts: [(*parts[0], MOST_PART_BYTES), *parts[1:]], "not as long"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_wrong_is_said_with_its_place(case: str, backup: Path, tmp_path: Path) -> None:
    change, says = TAMPERED[case]
    refused = refusal(written(tmp_path / "bad.backup", change(parts_of(backup))))
    assert says in refused.message
    assert refused.code in {"InvalidBackup", "DatabaseTooNew"}


def test_what_is_written_as_a_backup_is_one(backup: Path, tmp_path: Path) -> None:
    assert check_backup(written(tmp_path / "again.backup", parts_of(backup))).rows["people"] == 2


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_any_byte_changed_or_left_out_is_noticed(backup: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(backup.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path = tmp_path / "bad.backup"
    path.write_bytes(content)
    assert refusal(path).target


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"SQLite format 3\0", b"flowmend backup 2\n", b"\0" * 100])
def test_other_files_are_no_backups(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    assert refusal(tmp_path / "other").target == "the beginning"
    with pytest.raises(StoreUnavailable):
        check_backup(tmp_path)
    with pytest.raises(StoreUnavailable):
        check_backup(tmp_path / "none")


@pytest.mark.parametrize(
    "rows",
    [pytest.param([ANN, ANN], id="one key twice"), pytest.param([], id="fewer rows than were checked")],
)
def test_what_only_the_database_can_refuse_changes_nothing(
    rows: list[Any], backup: Path, store: Store, url: str, tmp_path: Path
) -> None:
    parts = parts_of(backup)
    bad = tmp_path / "bad.backup"
    shutil.copy(backup, bad)
    report = check_backup(bad)  # it was good when it was checked
    written(bad, [parts[0], rows_of(people_at(parts), *rows), parts[-1]])
    store.access.add_person(PersonRow(person_id="dear", name="Dear", created_at=NOON))

    with pytest.raises(FlowmendError):
        restore_backup(url, report, at=NOON, replace=True, go_on=True)

    assert [one.person_id for one in store.access.people()] == ["dear"]
    store.close()
    assert [path for path in tmp_path.iterdir() if "restoring" in path.name or "before" in path.name] == []


def test_a_row_that_belongs_to_nothing_is_refused(
    backup: Path, store: Store, url: str, tmp_path: Path, examples: Any
) -> None:
    parts = parts_of(backup)
    manifest = json.loads(parts[0][1])
    names = [name for name, _ in manifest["tables"]]
    manifest["rows"]["sessions"] = 1
    totals = {"rows": manifest["rows"]}
    stray = (b"digest", "nobody", 1, 2)
    before, after = [], []
    for kind, content in parts[1:-1]:
        position = msgspec.msgpack.decode(content)[0]
        (before if position <= names.index("sessions") else after).append((kind, content))
    bad = written(
        tmp_path / "bad.backup",
        [(b"M", json.dumps(manifest).encode()), *before, rows_of(names.index("sessions"), stray), *after,
         (b"Z", json.dumps(totals).encode())],
    )  # fmt: skip
    store.access.add_person(examples.person("dear"))
    with pytest.raises(FlowmendError):
        restore_backup(url, check_backup(bad), at=NOON, replace=True, go_on=True)
    assert [one.person_id for one in store.access.people()] == ["dear"]
    store.close()
