"""Orders, notes and the rest, and what the counts say of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

KEY = {"X-Api-Key": "ada-key-1001"}


def order(number: str, quantity: int = 1) -> dict[str, Any]:
    return {"number": number, "customer": "C-1", "lines": [{"sku": "BIKE-200", "quantity": quantity}]}


def test_an_order_is_created_and_read_back(caller: Any) -> None:
    created = caller.post("/key/orders", order("1001", 2), headers=KEY)
    assert created.status == 201
    assert created.json["total"] == 1098.0
    assert caller.get(f"/key/orders/{created.json['id']}", headers=KEY).json == created.json
    assert caller.counts()["orders"] == {
        "created": 1,
        "distinct_numbers": 1,
        "requests_by_number": {"1001": 1},
        "reads_by_id": {created.json["id"]: 1},
    }


def test_the_same_idempotency_key_gives_the_same_answer_and_one_order(caller: Any) -> None:
    headers = {**KEY, "Idempotency-Key": "run-1"}
    first, second = (caller.post("/key/orders", order("1001"), headers=headers) for _ in range(2))
    assert first.json == second.json
    assert (first.headers["Idempotency-Replayed"], second.headers["Idempotency-Replayed"]) == (None, "true")
    counts = caller.counts()
    assert counts["orders"]["created"] == 1
    assert counts["orders"]["requests_by_number"] == {"1001": 2}
    assert counts["idempotency"] == {"distinct_keys": 1, "repeated_requests": 1}


def test_an_idempotency_key_with_another_order_is_refused(caller: Any) -> None:
    headers = {**KEY, "Idempotency-Key": "run-1"}
    caller.post("/key/orders", order("1001"), headers=headers)
    reply = caller.post("/key/orders", order("1002"), headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == (422, "IdempotencyKeyReused")


def test_notes_ignore_the_idempotency_key(caller: Any) -> None:
    headers = {**KEY, "Idempotency-Key": "run-1"}
    for _ in range(2):
        assert caller.post("/key/notes", {"subject": "1001", "text": "late"}, headers=headers).status == 201
    assert caller.counts()["notes"] == {"requests": 2, "requests_by_subject": {"1001": 2}}


def test_counts_are_exact_under_many_callers(caller: Any) -> None:
    def place(turn: int) -> int:
        headers = {**KEY, "Idempotency-Key": f"key-{turn % 50}"}
        return int(caller.post("/key/orders", order(f"N-{turn % 50}"), headers=headers).status)

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert set(pool.map(place, range(200))) == {201}
    counts = caller.counts()
    assert counts["requests"]["POST /key/orders"] == 200
    assert counts["orders"]["created"] == counts["orders"]["distinct_numbers"] == 50
    assert counts["idempotency"] == {"distinct_keys": 50, "repeated_requests": 150}


def test_a_list_is_read_page_by_page(caller: Any) -> None:
    first = caller.get("/key/orders?top=2", headers=KEY).json
    assert [entry["number"] for entry in first["value"]] == ["S-1001", "S-1002"]
    last = caller.get(first["nextLink"].partition(f":{caller.port}")[2], headers=KEY).json
    assert [entry["number"] for entry in last["value"]] == ["S-1003"]
    assert "nextLink" not in last


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        pytest.param(lambda c: c.get("/key/orders?top=0", headers=KEY), 400, "InvalidQuery", id="page size"),
        pytest.param(lambda c: c.get("/key/orders/999", headers=KEY), 404, "NotFound", id="unknown order"),
        pytest.param(lambda c: c.get("/key/stock/NONE", headers=KEY), 404, "NotFound", id="unknown article"),
        pytest.param(lambda c: c.get("/key/nothing", headers=KEY), 404, "NotFound", id="unknown route"),
        pytest.param(lambda c: c.get("/key/orders/1/2", headers=KEY), 404, "NotFound", id="too deep"),
        pytest.param(lambda c: c.get("/key/customers", headers=KEY), 404, "NotFound", id="other prefix only"),
        pytest.param(lambda c: c.get("/key/notes", headers=KEY), 405, "MethodNotAllowed", id="method"),
        pytest.param(lambda c: c.post("/key/orders", order("1", 0), headers=KEY), 400, "InvalidBody", id="quantity"),
        pytest.param(lambda c: c.post("/key/orders", [], headers=KEY), 400, "InvalidBody", id="no object"),
        pytest.param(
            lambda c: c.post("/key/orders", order("1") | {"lines": [{"sku": "X", "quantity": 1}]}, headers=KEY),
            400,
            "UnknownSku",
            id="unknown article ordered",
        ),
        pytest.param(
            lambda c: c.send("POST", "/key/orders", headers={**KEY, "Content-Type": "application/json"}, body="{"),
            400,
            "InvalidBody",
            id="broken JSON",
        ),
        pytest.param(
            lambda c: c.send("POST", "/key/orders", headers={**KEY, "Content-Type": "text/plain"}, body="{}"),
            415,
            "UnsupportedMediaType",
            id="no JSON",
        ),
        pytest.param(
            lambda c: c.post("/key/notes", {"subject": "x", "text": "y" * 70_000}, headers=KEY),
            413,
            "RequestEntityTooLarge",
            id="too large",
        ),
    ],
)
def test_a_bad_request_gets_its_clear_error(caller: Any, ask: Callable[[Any], Any], status: int, code: str) -> None:
    reply = ask(caller)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert caller.counts()["orders"]["created"] == 0


def test_stock_and_shipments_answer(caller: Any) -> None:
    assert caller.get("/basic/stock/BIKE-200", headers=KEY).status == 401
    assert caller.get("/key/stock/bike-200", headers=KEY).json["available"] == 12
    shipped = caller.post("/key/shipments", {"orderNumber": "1001"}, headers=KEY)
    assert shipped.json == {"trackingNumber": "T-000001", "orderNumber": "1001", "carrier": "Parcel post"}
    assert caller.counts()["shipments"] == {"created": 1}
