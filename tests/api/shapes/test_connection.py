"""The Connection body: health in both vocabularies, and never a secret."""

from datetime import UTC, datetime

import msgspec
import pytest

from flowmend.api.shapes.connection import connection_shape
from flowmend.store.rows import ConnectionRow, ConnectorRow, HealthState
from flowmend.use_cases.connection_views import ConnectionView
from flowmend.use_cases.connections import SecretField

AT = datetime(2026, 1, 2, tzinfo=UTC)


def view(health: HealthState, **changes: object) -> ConnectionView:
    row = ConnectionRow(
        connection_id="C1",
        connector_id="orders",
        display_name="Orders",
        account_name="ada",
        owner_id="P1",
        parameters={"username": "ada"},
        allowed_origins=["https://orders.example"],
        sealed_credential=b"sealed-bytes-4711",
        sealed_candidate=b"sealed-bytes-4712",
        health=health,
        health_changed_at=AT,
        refused_code="Unauthorized",
        refused_message="Invalid user name or password.",
        created_at=AT,
        changed_at=AT,
    )
    return ConnectionView(
        row=msgspec.structs.replace(row, **changes),
        connector=ConnectorRow(
            connector_id="orders",
            display_name="Order service",
            definition={},
            properties={},
            fingerprint="",
            installed_at=AT,
        ),
        sign_in="basic",
        used_by=(("F1", "Order intake"),),
        failed_runs=2,
        held_events=1,
        held_runs=0,
        failed_run=None,
        ticks=(),
        test=None,
        fields=(
            SecretField(name="password", title="Password", description="", is_secret=True, required=True, value=""),
        ),
    )


REFUSED = {"code": "Unauthorized", "message": "Invalid user name or password."}


@pytest.mark.parametrize(
    ("health", "status_text", "status"),
    [
        (HealthState.UNTESTED, "Not tested yet", {"status": "Unknown"}),
        (HealthState.CONNECTED, "Connected", {"status": "Connected"}),
        (HealthState.SUSPECT, "Connected (checking)", {"status": "Connected"}),
        (HealthState.BROKEN, "Needs repair", {"status": "Error", "error": REFUSED}),
        (HealthState.REPAIRING, "Repairing", {"status": "Error", "error": REFUSED}),
        (
            HealthState.PENDING_CONSENT,
            "Sign-in not finished",
            {
                "status": "Error",
                "target": "token",
                "error": {"code": "Unauthenticated", "message": "Invalid user name or password."},
            },
        ),
    ],
)
def test_each_health_has_its_word_and_its_status(
    health: HealthState, status_text: str, status: dict[str, object]
) -> None:
    body = msgspec.to_builtins(connection_shape(view(health)))

    assert body["health"] == health.value
    assert body["status_text"] == status_text
    assert body["statuses"] == [status]


def test_an_error_is_never_without_words() -> None:
    body = msgspec.to_builtins(connection_shape(view(HealthState.BROKEN, refused_code="", refused_message="")))
    assert body["statuses"][0]["error"] == {"code": "Unauthorized", "message": "Needs repair"}


def test_what_is_sealed_stays_out() -> None:
    text = msgspec.json.encode(connection_shape(view(HealthState.BROKEN))).decode()
    assert "sealed" not in text
    assert "4711" not in text
