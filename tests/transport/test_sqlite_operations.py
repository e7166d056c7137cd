"""The operations of SQLite at a file: what comes back, what the file's connection may never do, and rows that come once."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connector import ProtocolRefusal, SignedIn, UnbuildableRequest
from flowmend.transport import Protocols
from performing import Performer, connector

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "roots").mkdir()
    place = tmp_path / "roots" / "shop.db"
    connection = sqlite3.connect(place)
    connection.executescript(
        'CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, "the name" TEXT, price REAL, data BLOB, code TEXT UNIQUE)'
    )
    connection.close()
    return place


@pytest.fixture
async def shop(file: Path, anyio_backend: str) -> AsyncIterator[Performer]:
    performer = Performer("sqlite", {"file": str(file)}, roots=(file.parent,))
    yield performer
    await performer.close()


async def test_rows_are_written_read_changed_and_deleted(shop: Performer) -> None:
    row = {"the name": "a'; DROP TABLE orders; --", "price": 2.5, "code": "x"}
    row["data"] = {"$content-type": "application/octet-stream", "$content": "AAEC"}
    stored = (await shop("InsertRow", table="Orders", row=row)).body
    assert stored == {"id": 1, **row}
    assert (await shop("GetRow", table="orders", id="x", keyColumn="code")).body == stored
    assert (await shop("UpdateRow", table="orders", id=1, row={"price": None})).body["price"] is None
    found = await shop("GetRows", table="orders", filter={"price": None}, select="id,the name")
    assert found.body == {"value": [{"id": 1, "the name": row["the name"]}], "isTruncated": False}
    assert (await shop("DeleteRow", table="orders", id=1)).body["id"] == 1
    assert (await shop("GetRow", table="orders", id=1)).code == "RowNotFound"


async def test_a_query_has_its_values_bound_and_says_what_it_changed(shop: Performer) -> None:
    statement = "INSERT INTO orders (code) VALUES (?1), (?2)"
    answer = await shop("ExecuteQuery", query=statement, parameters=["a", "b"])
    assert answer.body["rowsAffected"] == 2
    again = await shop("ExecuteQuery", query=statement, parameters=["c", "a"])
    assert (again.status, again.code) == (409, "SQLITE_CONSTRAINT_UNIQUE")
    counted = await shop("ReadQuery", query="SELECT count(*) AS n FROM orders")
    assert counted.body["value"] == [{"n": 2}]


FORBIDDEN = {
    "another file": "ATTACH DATABASE '{other}' AS other",
    "a copy elsewhere": "VACUUM INTO '{other}'",
    "a setting": "PRAGMA journal_mode = DELETE",
    "code": "SELECT load_extension('{other}')",
    "a transaction left open": "SAVEPOINT x",
}


@pytest.mark.parametrize("case", FORBIDDEN)
async def test_a_query_reaches_nothing_but_the_file(shop: Performer, file: Path, case: str) -> None:
    other = file.parent / "other.db"
    refused = await shop("ExecuteQuery", query=FORBIDDEN[case].format(other=other))
    assert isinstance(refused, ProtocolRefusal)
    assert not other.exists()


async def test_a_reading_query_changes_nothing_and_two_statements_are_none(shop: Performer) -> None:
    refused = await shop("ReadQuery", query="INSERT INTO orders (code) VALUES ('a') RETURNING id")
    assert (refused.status, refused.code) == (403, "SQLITE_READONLY")
    both = await shop("ExecuteQuery", query="SELECT 1; DELETE FROM orders")
    assert isinstance(both, UnbuildableRequest)


@pytest.mark.parametrize("path", ["/etc/passwd", "shop.db", "{roots}/../secret.db", "{roots}/link.db"])
async def test_a_file_outside_of_the_roots_is_not_opened(file: Path, path: str) -> None:
    (file.parents[1] / "secret.db").write_bytes(b"")
    (file.parent / "link.db").symlink_to(file.parents[1] / "secret.db")
    performer = Performer("sqlite", {"file": path.format(roots=file.parent)}, roots=(file.parent,))
    refused = await performer("ReadQuery", query="SELECT 1")
    assert (refused.status, refused.code) == (403, "FolderNotAllowed")
    protocols = Protocols((), files_roots=(file.parent,))
    assert await protocols.sign_in(connector("sqlite"), {"file": str(file)}, None) == SignedIn()


async def test_a_thousand_new_rows_come_once_each(shop: Performer) -> None:
    await shop("InsertRow", table="orders", row={})
    started = await shop("OnNewRow", table="orders")
    assert started.body == {"value": []}
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO orders (price) SELECT i FROM n"
    await shop("ExecuteQuery", query=many)
    cursor: Any = started.cursor
    seen: list[int] = []
    while True:
        answer = await shop("OnNewRow", table="orders", cursor=cursor)
        cursor = answer.cursor
        seen += [row["id"] for row in answer.body["value"]]
        if not answer.has_more:
            break
    assert seen == list(range(2, 1002))
    assert cursor == {"low": 1001, "seen": [], "pending": []}


async def test_rows_without_a_value_in_the_column_watched_do_not_come_again_and_again(shop: Performer) -> None:
    started = await shop("OnNewRow", table="orders", column="code")
    await shop("InsertRow", table="orders", row={})
    empty = await shop("OnNewRow", table="orders", column="code", cursor=started.cursor)
    await shop("InsertRow", table="orders", row={"code": "a"})
    filled = await shop("OnNewRow", table="orders", column="code", cursor=empty.cursor)
    assert (empty.body["value"], [row["code"] for row in filled.body["value"]]) == ([], ["a"])


async def test_a_value_larger_than_any_answer_is_not_made(shop: Performer) -> None:
    refused = await shop("ReadQuery", query="SELECT zeroblob(500000000) AS one")
    assert (refused.status, refused.code) == (413, "SQLITE_TOOBIG")
