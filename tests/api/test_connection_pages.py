"""The pages of connections, their tests and ends, and of who leaves, met by foreign pages and odd requests."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connection.health import HealthState
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.sealed_credentials import seal_credential

from .conftest import Flowmend
from .test_connection_health import DEFINITION, PROPERTIES
from .test_editing_pages import submit, visit

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def connections(flowmend: Flowmend) -> None:
    body = {"name": "paged", "definition": DEFINITION, "properties": {"properties": PROPERTIES}}
    assert flowmend.api("POST", "/connectors", body).status == 201
    services = flowmend.application.services
    now = services.clock.now
    for number in range(60):
        row = ConnectionRow(
            connection_id=f"page-{number}",
            connector_id="paged",
            display_name=f"Paged {number:02} {EVIL}",
            account_name=f"paula{EVIL}",
            owner_id="nobody",
            parameters={},
            allowed_origins=["http://127.0.0.1:9"],
            health=HealthState.BROKEN if number == 59 else HealthState.CONNECTED,
            health_changed_at=now,
            created_at=now,
            changed_at=now,
        )
        sealed = seal_credential(services.vault, row, BasicCredential(user="paula", password="s3cret"))
        services.store.connections.add(replace(row, sealed_credential=sealed))


def text_of(flowmend: Flowmend, path: str) -> str:
    answer = visit(flowmend, path)
    assert answer.status == 200, path
    text = answer.content.decode()
    assert EVIL not in text
    assert "s3cret" not in text
    return text


def test_the_page_shows_those_in_need_first_and_the_rest_by_and_by(flowmend: Flowmend) -> None:
    first = text_of(flowmend, "/connections?text=Paged")
    assert first.index("Paged 59") < first.index("Paged 00")
    assert "Paged 58" not in first
    (more,) = [part.partition('"')[0] for part in first.split('href="/connections?') if "cursor=" in part]
    second = text_of(flowmend, "/connections?" + more.replace("&amp;", "&"))
    assert "Paged 58" in second
    assert "Paged 00" not in second


@pytest.mark.parametrize(
    "query", ["only=broken", "only=attention", "only=%00", "text=%25", "text=" + quote(EVIL), "only=untested"]
)
def test_every_filter_answers(flowmend: Flowmend, query: str) -> None:
    text_of(flowmend, f"/connections?{query}")


def test_a_cursor_nobody_gave_is_refused(flowmend: Flowmend) -> None:
    assert visit(flowmend, "/connections?cursor=%7B%7D").status == 400


def test_a_test_is_chosen_and_forgotten_on_its_page(flowmend: Flowmend) -> None:
    assert "ListThings" in text_of(flowmend, "/connections/page-1/health")
    fields = {"operation_id": "GetThing", "arguments": "id = 7\r\n"}
    answer = submit(flowmend, "/connections/page-1/probe", fields)
    assert (answer.status, answer.headers["location"]) == (303, "/connections/page-1/health?done=chosen")
    assert "id=7" in text_of(flowmend, "/connections/page-1/health")
    assert submit(flowmend, "/connections/page-1/probe", {"operation_id": ""}).status == 303


@pytest.mark.parametrize(
    "fields",
    [
        {"operation_id": "CreateThing"},
        {"operation_id": "Reset"},
        {"operation_id": EVIL},
        {"operation_id": "GetThing", "arguments": "id"},
        {"operation_id": "GetThing", "arguments": f"id={EVIL}" + "x" * 3000},
    ],
)
def test_what_cannot_be_a_test_is_refused_with_what_was_typed(flowmend: Flowmend, fields: dict[str, str]) -> None:
    answer = submit(flowmend, "/connections/page-2/probe", fields)
    assert answer.status == 400
    assert EVIL.encode() not in answer.content
    assert flowmend.api("GET", "/connections/page-2/probe").json["chosen"] is None


def test_an_end_is_noted_on_its_page(flowmend: Flowmend) -> None:
    assert submit(flowmend, "/connections/page-3/ends_at", {"ends_on": "2031-05-06"}).status == 303
    assert 'value="2031-05-06"' in text_of(flowmend, "/connections/page-3/health")
    day = (flowmend.application.services.clock.now + timedelta(days=5)).date().isoformat()
    assert submit(flowmend, "/connections/page-3/ends_at", {"ends_on": day}).status == 303
    assert "Paged 03" in text_of(flowmend, "/forecast")
    assert submit(flowmend, "/connections/page-3/ends_at", {"ends_on": ""}).status == 303
    assert "Paged 03" not in text_of(flowmend, "/forecast")
    for odd in ("soon", "9999-12-31", EVIL):
        answer = submit(flowmend, "/connections/page-3/ends_at", {"ends_on": odd})
        assert answer.status == 400
        assert EVIL.encode() not in answer.content


def test_who_leaves_is_asked_and_answered(flowmend: Flowmend) -> None:
    assert "paula" in text_of(flowmend, "/leaving")
    assert "Paged 00" in text_of(flowmend, "/leaving?person=" + quote(f"PAULA{EVIL}"))
    for odd in ("nobody", "x" * 1000, "%00", quote(EVIL)):
        text_of(flowmend, f"/leaving?person={odd}")


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/connections/page-4/probe", {"operation_id": "GetThing", "arguments": "id=1"}), ("/connections/page-4/ends_at", {"ends_on": "2031-01-01"})],
)  # fmt: skip
def test_a_foreign_page_changes_nothing(flowmend: Flowmend, path: str, fields: dict[str, Any]) -> None:
    for origin in ("https://evil.example", "null"):
        assert submit(flowmend, path, fields, Origin=origin).status == 403
    shown = flowmend.api("GET", "/connections/page-4").json
    assert shown["ends"] == []
    assert flowmend.api("GET", "/connections/page-4/probe").json["chosen"] is None


@pytest.mark.parametrize("path", ["health", "probe", "ends_at"])
def test_of_no_connection_there_is_no_page(flowmend: Flowmend, path: str) -> None:
    if path == "health":
        assert visit(flowmend, "/connections/none/health").status == 404
    else:
        assert submit(flowmend, f"/connections/none/{path}", {}).status == 404
