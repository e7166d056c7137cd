"""Held events and a flow's settings over the API and the portal's forms."""

from datetime import timedelta

import pytest

from flowmend.store.journal import HoldEvent
from flowmend.store.rows import TriggerEventRow

from .conftest import Flowmend, imported

NAMES = [f"0858490000000000000{number}" for number in range(5, 0, -1)]


@pytest.fixture
def flow_id(flowmend: Flowmend, request: pytest.FixtureRequest) -> str:
    """A flow that is off and holds five events."""
    name = f"{request.node.name[:40]}"
    flow_id = imported(flowmend, name, {"A": {"type": "Compose", "inputs": 1, "runAfter": {}}})
    flowmend.api("POST", f"/flows/{flow_id}/turn_off")
    services = flowmend.application.services
    for position, event_name in enumerate(NAMES):
        event = TriggerEventRow(
            event_name=f"{event_name}{name[-6:]}",
            flow_id=flow_id,
            trigger_name="manual",
            status="Waiting",
            code="ConnectionNeedsRepair",
            fired=False,
            started_at=services.clock.now + timedelta(milliseconds=position),
            tracking_id="t",
            client_tracking_id=event_name,
            business_key=f"order {position}",
        )
        flowmend.run(services.store.journal.write([HoldEvent(event)]))
    return flow_id


def held(flowmend: Flowmend, flow_id: str) -> list[str]:
    return [one["name"] for one in flowmend.api("GET", f"/held_events?flow={flow_id}").json["value"]]


def test_they_are_listed_page_by_page_and_counted(flowmend: Flowmend, flow_id: str) -> None:
    first = flowmend.api("GET", f"/held_events?flow={flow_id}&limit=3").json
    assert [one["business_key"] for one in first["value"]] == ["order 0", "order 1", "order 2"]
    assert {one["waits_for"] for one in first["value"]} == {"flow"}
    rest = flowmend.api("GET", first["nextLink"].partition("/api/v1")[2]).json
    assert [one["business_key"] for one in rest["value"]] == ["order 3", "order 4"]
    (flow,) = [one for one in flowmend.api("GET", "/held_events/flows").json["value"] if one["flow"] == flow_id]
    assert (flow["count"], flow["waits_for"], flow["held_days"]) == (5, "flow", 0)
    assert flowmend.api("GET", "/held_events?flow=nobody").status == 404
    assert flowmend.api("GET", "/held_events?cursor=odd").error_code == "InvalidCursor"


def test_chosen_ones_and_all_of_a_flow_are_discarded(flowmend: Flowmend, flow_id: str) -> None:
    names = held(flowmend, flow_id)
    assert flowmend.api("POST", "/held_events/discard", {"events": names[:2]}).json == {"discarded": 2}
    assert flowmend.api("POST", "/held_events/discard", {"events": names[:2]}).json == {"discarded": 0}
    assert flowmend.api("POST", "/held_events/discard", {"events": []}).status == 400
    assert flowmend.api("POST", "/held_events/discard", {"events": ["x"] * 501}).error_code == "TooManyEvents"
    before = {"arrived_before": "2020-01-01T00:00:00Z"}
    assert flowmend.api("POST", f"/flows/{flow_id}/held_events/discard_all", before).json == {"discarded": 0}
    zoneless = {"arrived_before": "2020-01-01T00:00:00"}
    assert flowmend.api("POST", f"/flows/{flow_id}/held_events/discard_all", zoneless).status == 400
    assert held(flowmend, flow_id) == names[2:]
    assert flowmend.api("POST", f"/flows/{flow_id}/held_events/discard_all", {}).json == {"discarded": 3}
    assert held(flowmend, flow_id) == []


def test_settings_are_read_and_changed_and_odd_ones_refused(flowmend: Flowmend, flow_id: str) -> None:
    changed = flowmend.api("PATCH", f"/flows/{flow_id}", {"onBrokenConnection": "holdAtAction", "held_days": 30})
    assert changed.json["settings"] == {"onBrokenConnection": "holdAtAction", "held_days": 30}
    found = flowmend.api("GET", f"/flows/{flow_id}/settings").json
    assert (found["on_broken_connection"], found["on_broken_connection_is_chosen"]) == ("holdAtAction", True)
    for odd in (
        {"held_days": -1},
        {"held_days": "many"},
        {"held_days": True},
        {"onBrokenConnection": []},
        {"color": 1},
    ):
        assert flowmend.api("PATCH", f"/flows/{flow_id}", odd).error_code == "InvalidSetting", odd


def test_a_form_from_elsewhere_discards_nothing_and_one_asks_before_it_does(flowmend: Flowmend, flow_id: str) -> None:
    names = held(flowmend, flow_id)
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}", "Content-Type": "application/x-www-form-urlencoded"}
    body = f"event={names[0]}".encode()
    foreign = flowmend.ask("POST", "/held/discard", content=body, headers={**cookie, "Origin": "https://evil.example"})
    assert foreign.status == 403
    own = {**cookie, "Origin": flowmend.origin}
    asked = flowmend.ask("POST", "/held/discard", content=body, headers=own)
    assert (asked.status, b"Discard one held event?" in asked.content) == (200, True)
    assert held(flowmend, flow_id) == names
    done = flowmend.ask("POST", "/held/discard", content=body + b"&confirmed=true", headers=own)
    assert done.status == 303
    assert held(flowmend, flow_id) == names[1:]
    odd = flowmend.ask(
        "POST", "/held/discard", content=f"flow={flow_id}&before=never&confirmed=true".encode(), headers=own
    )
    assert odd.status == 400
    assert len(held(flowmend, flow_id)) == 4
