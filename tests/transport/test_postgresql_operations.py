"""The operations of PostgreSQL at a real one: what comes back, what is refused, and rows that are never missed or doubled."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from certificates import Authority
from flowmend.core.connector import ProtocolRefusal, TransportFailure, UnbuildableRequest
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.transport import sql_operations
from password_database import PasswordDatabase
from performing import Performer

pytestmark = pytest.mark.anyio
TABLES = '''
DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop AUTHORIZATION ada;
CREATE TABLE shop.orders (id serial PRIMARY KEY, "the ""name""" text, price numeric(12,2), at timestamptz, day date,
  data bytea, extra jsonb, tags text[], ok boolean, token uuid UNIQUE);
ALTER TABLE shop.orders OWNER TO ada;
'''


@pytest.fixture
async def shop(
    password_database: PasswordDatabase, trusted_authority: Authority, anyio_backend: str
) -> AsyncIterator[Performer]:
    password_database.tell("DROP SCHEMA IF EXISTS shop CASCADE")
    password_database.set_role("ada", "right-password")
    password_database.tell(TABLES)
    place = {"host": "localhost", "port": str(password_database.port), "database": "postgres"}
    performer = Performer("postgresql", place)
    yield performer
    await performer.close()
    password_database.tell("DROP SCHEMA shop CASCADE")


async def insert(shop: Performer, **row: Any) -> Any:
    answer = await shop("InsertRow", table="shop.orders", row=row)
    assert isinstance(answer, ProtocolAnswer), answer
    return answer.body


async def test_every_type_comes_back_as_it_went_in(shop: Performer) -> None:
    token = str(uuid.uuid4())
    row = {
        'the "name"': "a'; DROP TABLE shop.orders; --",
        "price": 12.5,
        "at": "2026-03-01T09:00:00+01:00",
        "day": "2026-03-01",
        "data": {"$content-type": "application/octet-stream", "$content": "AAEC"},
        "extra": {"a": [1, None]},
        "tags": "{x,y}",
        "ok": True,
        "token": token,
    }
    stored = await insert(shop, **row)
    assert stored == {**row, "id": 1, "at": "2026-03-01T08:00:00Z", "tags": ["x", "y"]}
    assert (await shop("GetRow", table="shop.orders", id="1")).body == stored
    assert (await shop("GetRow", table="shop.orders", id=token, keyColumn="token")).body == stored


async def test_a_decimal_that_no_number_holds_comes_as_its_digits(shop: Performer) -> None:
    answer = await shop("ReadQuery", query="SELECT 12345678901234567890.25::numeric AS price, 'NaN'::float8 AS none")
    assert answer.body["value"] == [{"price": "12345678901234567890.25", "none": "nan"}]


async def test_rows_are_filtered_ordered_and_paged(shop: Performer) -> None:
    for number in range(5):
        await insert(shop, price=number, ok=number % 2 == 0)
    answer = await shop(
        "GetRows", table="shop.orders", filter={"OK": True, "day": None}, orderBy="price desc", select="id,price", top=2
    )
    assert answer.body == {"value": [{"id": 5, "price": 4.0}, {"id": 3, "price": 2.0}], "isTruncated": True}
    rest = await shop("GetRows", table="shop.orders", filter={"ok": True}, orderBy="price desc", top=2, skip=2)
    assert [row["id"] for row in rest.body["value"]] == [1]


async def test_a_row_is_changed_and_deleted_by_its_key(shop: Performer) -> None:
    await insert(shop, price=1)
    changed = await shop("UpdateRow", table="shop.orders", id=1, row={"price": "2.50", "ok": None})
    assert changed.body["price"] == 2.5
    assert (await shop("DeleteRow", table="shop.orders", id=1)).body["price"] == 2.5
    gone = await shop("DeleteRow", table="shop.orders", id=1)
    assert (gone.status, gone.code) == (404, "RowNotFound")


async def test_parameters_of_a_query_are_bound_by_the_types_of_its_placeholders(shop: Performer) -> None:
    statement = (
        "SELECT $1::int + 1 AS one, $2::text AS two, $3::timestamptz AS three, $4::int[] AS four, $5::date AS five"
    )
    values = ["41", "'; --", "2026-03-01T08:00:00Z", [1, "2"], None]
    answer = await shop("ExecuteQuery", query=statement, parameters=values)
    (row,) = answer.body["value"]
    assert row == {"one": 42, "two": "'; --", "three": "2026-03-01T08:00:00Z", "four": [1, 2], "five": None}


async def test_a_query_that_changes_rows_says_how_many_and_a_reading_one_may_not(shop: Performer) -> None:
    statement = "INSERT INTO shop.orders (price) SELECT generate_series(1, 30)"
    assert (await shop("ReadQuery", query=statement)).code == "25006"
    answer = await shop("ExecuteQuery", query=statement)
    assert answer.body == {"value": [], "rowsAffected": 30, "isTruncated": False}
    few = await shop("ReadQuery", query="SELECT id FROM shop.orders ORDER BY id", top=7)
    assert (len(few.body["value"]), few.body["isTruncated"]) == (7, True)


REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "wrong syntax": ("ExecuteQuery", {"query": "SELEC 1"}, 400, "42601"),
    "two statements": ("ExecuteQuery", {"query": "SELECT 1; SELECT 2"}, 400, "42601"),
    "no table in a query": ("ExecuteQuery", {"query": "SELECT * FROM nowhere"}, 404, "42P01"),
    "no table": ("GetRows", {"table": 'orders"; DROP SCHEMA shop CASCADE; --'}, 404, "TableNotFound"),
    "not allowed": ("ExecuteQuery", {"query": "SELECT * FROM pg_authid"}, 403, "42501"),
    "no such value": ("InsertRow", {"table": "shop.orders", "row": {"price": "much"}}, 400, "22P02"),
    "a double": ("ExecuteQuery", {"query": "INSERT INTO shop.orders (id) VALUES (1), (1)"}, 409, "23505"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_the_database_refuses_says_why(shop: Performer, case: str) -> None:
    operation, given, status, code = REFUSED[case]
    answer = await shop(operation, **given)
    assert isinstance(answer, ProtocolRefusal)
    assert (answer.status, answer.code) == (status, code)


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown column": ("InsertRow", {"table": "shop.orders", "row": {'x") VALUES (1); --': 1}}, "UnknownColumn"),
    "unknown order": ("GetRows", {"table": "shop.orders", "orderBy": "1; DROP TABLE x"}, "UnknownColumn"),
    "column not unique": ("OnNewRow", {"table": "shop.orders", "column": "price", "cursor": {}}, "InvalidParameter"),
    "too many values": ("ExecuteQuery", {"query": "SELECT 1", "parameters": [1]}, "InvalidParameter"),
    "no number": ("ExecuteQuery", {"query": "SELECT $1::int", "parameters": ["x"]}, "InvalidParameter"),
    "no table": ("GetRows", {}, "MissingParameter"),
    "unknown parameter": ("GetRows", {"table": "x", "where": "1=1"}, "UnknownParameter"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_wrong_arguments_are_refused_before_anything_happens(shop: Performer, case: str) -> None:
    operation, given, code = WRONG[case]
    answer = await shop(operation, **given)
    assert isinstance(answer, UnbuildableRequest)
    assert answer.code == code


async def test_a_session_that_breaks_off_may_have_done_its_work(
    shop: Performer, password_database: PasswordDatabase
) -> None:
    password_database.tell("ALTER ROLE ada SUPERUSER")
    answer = await shop("ExecuteQuery", query="SELECT pg_terminate_backend(pg_backend_pid())")
    assert isinstance(answer, ProtocolRefusal | TransportFailure)
    if isinstance(answer, TransportFailure):
        assert (answer.was_sent, answer.is_retryable) == (True, False)


async def test_a_row_of_a_transaction_that_ended_late_is_not_missed_and_none_comes_twice(
    shop: Performer, password_database: PasswordDatabase
) -> None:
    started = await shop("OnNewRow", table="shop.orders", start="2026-03-01T08:00:00Z")
    assert started.body == {"value": []}
    cursor, seen = started.cursor, []

    async def poll(**more: Any) -> None:
        nonlocal cursor
        answer = await shop("OnNewRow", table="shop.orders", cursor=cursor, **more)
        cursor = answer.cursor
        seen.extend(row["id"] for row in answer.body["value"])

    late = password_database.administrator()
    try:
        late.execute("INSERT INTO shop.orders (price) VALUES (1)")
        await insert(shop, price=2)
        await insert(shop, price=3)
        await poll()
        assert seen == [2, 3]
        await poll()
        late.commit()
    finally:
        late.close()
    await poll()
    await insert(shop, price=4)
    await poll()
    await poll()
    assert seen == [2, 3, 1, 4]
    await poll()
    assert cursor["seen"] == []


async def test_rows_of_a_transaction_so_long_that_no_more_are_remembered_come_once_each(
    shop: Performer, password_database: PasswordDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_operations, "_MOST_SEEN", 3)
    cursor, seen = (await shop("OnNewRow", table="shop.orders")).cursor, list[int]()

    async def poll() -> None:
        nonlocal cursor
        answer = await shop("OnNewRow", table="shop.orders", cursor=cursor, top=2)
        cursor = answer.cursor
        seen.extend(row["id"] for row in answer.body["value"])

    late = password_database.administrator()
    try:
        late.execute("INSERT INTO shop.orders (price) SELECT generate_series(1, 3)")
        for price in range(4, 10):
            await insert(shop, price=price)
        for _ in range(4):
            await poll()
        late.commit()
    finally:
        late.close()
    for _ in range(8):
        await poll()
    assert sorted(seen) == list(range(1, 10))
    assert (cursor["low"], cursor["seen"]) == (9, [])


async def test_a_thousand_new_rows_come_once_each(shop: Performer) -> None:
    started = await shop("OnNewRow", table="shop.orders")
    await shop("ExecuteQuery", query="INSERT INTO shop.orders (price) SELECT generate_series(1, 1000)")
    cursor, seen, polls = started.cursor, [], 0
    while True:
        answer = await shop("OnNewRow", table="shop.orders", cursor=cursor)
        cursor, polls = answer.cursor, polls + 1
        seen += [row["id"] for row in answer.body["value"]]
        if not answer.has_more:
            break
    assert seen == list(range(1, 1001))
    assert polls <= 11
