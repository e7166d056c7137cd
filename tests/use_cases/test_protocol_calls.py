"""Calls of runs at servers that do not speak HTTP: outcomes as of any call, and what a refusal says of the connection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.connector import allowed_origins
from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Category, Outcome, Status
from flowmend.core.run.events import ConnectorCall
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.secret_uses import list_uses
from password_database import PasswordDatabase

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(password_database: PasswordDatabase) -> Iterator[PasswordDatabase]:
    password_database.tell("DROP SCHEMA IF EXISTS calls CASCADE")
    password_database.set_role("cal", "pl4nted-secret")
    password_database.tell("CREATE SCHEMA calls AUTHORIZATION cal")
    password_database.tell("CREATE TABLE calls.orders (id int PRIMARY KEY, note text)")
    password_database.tell("ALTER TABLE calls.orders OWNER TO cal")
    yield password_database
    password_database.tell("DROP SCHEMA calls CASCADE")


def connect(house: Any, database: PasswordDatabase, **columns: Any) -> None:
    place = {"host": "127.0.0.1", "port": str(database.port), "database": "postgres", "sslmode": "disable"}
    credential = BasicCredential(user="cal", password="pl4nted-secret")
    house.connect("postgresql", credential, parameters={**place, "user": "cal"}, **columns)


async def called(house: Any, operation_id: str = "", *, connector: str = "postgresql", **more: Any) -> Outcome:
    call = ConnectorCall(reference="c", connector=connector, operation_id=operation_id, **more)
    return await house.services.operations.call(
        call, flow_id="f", mappings={"c": f"{connector}-1"}, client_request_id="k1", trace_headers={}, attempt=1
    )


async def test_an_operation_answers_as_a_call_by_http_does(house: Any, database: PasswordDatabase) -> None:
    connect(house, database)
    inserted = await called(
        house, "InsertRow", parameters={"table": "calls.orders", "row/id": 1, "row/note": "pl4nted-secret"}
    )
    assert (inserted.status, inserted.code, inserted.outputs["statusCode"]) == (Status.SUCCEEDED, "Created", 201)
    assert inserted.outputs["body"] == {"id": 1, "note": "*sanitized*"}
    by_path = await called(house, method="get", path="/tables/calls.orders/rows/1")
    assert by_path.outputs["body"]["id"] == 1
    (use, *_) = (await list_uses(house.services, "postgresql-1")).rows
    assert use.host == f"127.0.0.1:{database.port}"


async def test_what_may_be_repeated_is_known_of_an_operation(house: Any, database: PasswordDatabase) -> None:
    connect(house, database)
    facts = {}
    for name in ("ReadQuery", "ExecuteQuery", "InsertRow", "UpdateRow"):
        call = ConnectorCall(reference="c", connector="postgresql", operation_id=name)
        found = house.services.operations.facts(call, {"c": "postgresql-1"})
        facts[name] = (found.is_read, found.honours_key)
    assert facts == {
        "ReadQuery": (True, False),
        "ExecuteQuery": (False, False),
        "InsertRow": (False, False),
        "UpdateRow": (False, True),
    }


async def test_a_password_that_went_bad_breaks_the_connection_and_no_call_is_made_any_more(
    house: Any, database: PasswordDatabase
) -> None:
    connect(house, database)
    database.tell("ALTER ROLE cal PASSWORD 'another'")
    refused = await called(house, "GetRows", parameters={"table": "calls.orders"})
    assert (refused.status, refused.code) == (Status.FAILED, "Unauthorized")
    assert refused.diagnosis is not None
    assert (refused.diagnosis.category, refused.diagnosis.remedy) == (Category.WRONG_PASSWORD, "verify_password")
    assert house.connection("postgresql-1").health is HealthState.BROKEN
    database.tell("ALTER ROLE cal PASSWORD 'pl4nted-secret'")
    stopped = await called(house, "GetRows", parameters={"table": "calls.orders"})
    assert (stopped.status, stopped.diagnosis is not None and stopped.diagnosis.rule) == (
        Status.FAILED,
        "connection_needs_repair",
    )


REFUSED = {
    "no table": ("GetRows", {"table": "nowhere"}, "NotFound", False),
    "wrong statement": ("ExecuteQuery", {"query": "SELEC"}, "BadRequest", False),
    "no right": ("ExecuteQuery", {"query": "SELECT * FROM pg_authid"}, "Forbidden", False),
    "unknown operation": ("DropEverything", {}, "OperationNotFound", False),
    "wrong argument": ("GetRows", {"table": "calls.orders", "top": "many"}, "InvalidParameter", False),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_of_what_is_asked_for_breaks_nothing(house: Any, database: PasswordDatabase, case: str) -> None:
    connect(house, database)
    operation, parameters, code, is_retryable = REFUSED[case]
    refused = await called(house, operation, parameters=parameters)
    assert (refused.status, refused.code, refused.is_retryable) == (Status.FAILED, code, is_retryable)
    assert refused.was_refused
    assert house.connection("postgresql-1").health is HealthState.CONNECTED


async def test_a_credential_goes_nowhere_but_to_the_server_it_was_given_for(
    house: Any, database: PasswordDatabase
) -> None:
    connect(house, database, allowed_origins=["postgresql+verify-full://elsewhere:5432"])
    refused = await called(house, "GetRows", parameters={"table": "calls.orders"})
    assert refused.code == "OriginNotAllowed"


async def test_a_server_that_is_away_breaks_nothing_and_may_be_asked_again(house: Any) -> None:
    place = {"host": "127.0.0.1", "port": "1", "sslmode": "disable"}
    house.connect("postgresql", BasicCredential(user="cal", password="x"), parameters=place)
    away = await called(house, "ReadQuery", parameters={"query": "SELECT 1"})
    assert (away.code, away.is_retryable, away.was_refused) == ("ConnectionRefused", True, False)
    assert house.connection("postgresql-1").health is HealthState.CONNECTED


async def test_a_folder_is_a_connection_without_a_credential(house: Any, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    with pytest.raises(AskedWrongly) as refused:
        await create_connection(house.services, "files", "Mine", {"folder": str(tmp_path)}, "p1")
    assert (refused.value.code, refused.value.target) == ("CredentialRefused", "folder")
    assert ".." not in refused.value.message
    assert "FLOWMEND_FILES_ROOTS" in refused.value.message
    view = await create_connection(
        house.services, "files", "Mine", {"folder": str(folder)}, "p1", connection_id="files-1"
    )
    assert view.row.health is HealthState.CONNECTED
    written = await called(house, "WriteFile", connector="files", parameters={"path": "a.txt", "content": "text"})
    assert written.outputs["body"]["path"] == "/a.txt"
    started = await called(
        house, "OnNewFile", connector="files", parameters={"x-flowmend-from": "2100-01-01T00:00:00Z"}
    )
    assert started.outputs["body"] == {"value": []}
    assert started.outputs["x-flowmend-cursor"]["growing"] == {}


def test_every_built_in_connector_is_bound_to_where_it_goes(house: Any) -> None:
    parameters = {"host": "mail.example", "folder": "/in", "file": "/in/a.db"}
    bound = {
        name: allowed_origins(house.services.connectors.get(name), parameters) for name in ("smtp", "files", "sqlite")
    }
    assert bound == {
        "smtp": ("smtp+tls://mail.example:465",),
        "files": ("files:/in",),
        "sqlite": ("sqlite:/in/a.db",),
    }
