"""From one broken connection to everything right again: at Home, with a new password, a plan, and the rest by itself."""

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Page, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

#: `FLOWMEND_JOURNEY_RUNS=200 FLOWMEND_JOURNEY_EVENTS=300` is the size that issue 7 asks for.
_RUNS = int(os.environ.get("FLOWMEND_JOURNEY_RUNS", "24"))
_EVENTS = int(os.environ.get("FLOWMEND_JOURNEY_EVENTS", "30"))
_REPAIR = re.compile("Repair ?: Sample orders")
_FLOWS = ("Orders of the shop", "Orders by mail", "Orders by telephone")
#: The service answers so late that every run has begun before the first refusal arrives.
_SLOW_MILLISECONDS = 2000 + 25 * _RUNS


def flow(name: str) -> bytes:
    """Places the order that its request names."""
    order = {"number": "@triggerBody()?['number']", "customer": "C-2", "lines": [{"sku": "LAMP-030", "quantity": 1}]}
    host = {
        "connectionName": "shared_sample_orders",
        "operationId": "CreateOrder",
        "apiId": "/providers/Microsoft.PowerApps/apis/shared_sample_orders",
    }
    placed = {
        "type": "OpenApiConnection",
        "runAfter": {"Look_first": ["Succeeded"]},
        "inputs": {"host": host, "parameters": {"body": order}, "retryPolicy": {"type": "none"}},
    }
    definition = {
        "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {"flowmend": {"businessKey": "@triggerBody()?['number']"}},
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {
            "Look_first": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}},
            "Place_order": placed,
        },
    }
    references = {"shared_sample_orders": {"connectionName": "", "id": "/apis/shared_sample_orders"}}
    return json.dumps({"name": name, "definition": definition, "connectionReferences": references}).encode()


class Shop:
    """Three flows on the order connection, and the numbers of what they were given."""

    def __init__(self, demo: Demonstration, prefix: str) -> None:
        self.demo, self.prefix = demo, prefix
        self.connection_id = demo.mend_orders()
        self._callbacks: list[str] = []
        for name in _FLOWS:
            path = demo.data.parent / f"{name}.json"
            path.write_bytes(flow(name))
            flow_id = json.loads(demo.command("import", str(path), "--turn-on", "--json"))[0]["id"]
            self._callbacks.append(demo.get(f"/flows/{flow_id}")["callback_url"]["value"])
        self.runs = [f"{prefix}-{number:04}" for number in range(_RUNS)]
        self.events = [f"{prefix}-{number:04}" for number in range(_RUNS, _RUNS + _EVENTS)]

    def break_it(self) -> None:
        """Runs that are under way when the first refusal arrives fail; what comes after that is held."""
        self.demo.change_password()
        self.demo.at_service("latency", ms=_SLOW_MILLISECONDS)
        self.send(self.runs)
        self._until(lambda: self._failed() >= len(self.runs), "the runs have failed")
        self.demo.at_service("latency", ms=0)
        self.send(self.events)
        self._until(lambda: self._held() == len(self.events), "the events are held")

    def send(self, numbers: Iterable[str]) -> None:
        def post(numbered: tuple[int, str]) -> None:
            index, number = numbered
            content = json.dumps({"number": number}).encode()
            url = self._callbacks[index % len(self._callbacks)]
            request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method="POST")
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202

        first, *others = enumerate(numbers)
        post(first)  # alone, so that it is the first to arrive, with which the plan starts
        with ThreadPoolExecutor(4) as senders:
            list(senders.map(post, others))

    def placed(self) -> dict[str, int]:
        """How often the service was asked to place each order."""
        return self.demo.requests_for(self.prefix)

    def incident(self) -> Any:
        (one,) = self.demo.get("/incidents?state=open")["value"]
        return one

    def _failed(self) -> int:
        found = self.demo.get("/incidents?state=open")["value"]
        return int(found[0]["failed_runs"]) if found else 0

    def _held(self) -> int:
        return int(self.demo.connection("sample_orders")["held_events"])

    def _until(self, happens: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + 60
        while not happens():
            assert time.monotonic() < deadline, f"{words}: {self._failed()} failed, {self._held()} held"
            time.sleep(0.1)


class Clicks:
    """Counts what somebody presses, and how long it takes from the first look at Home."""

    def __init__(self, page: Page) -> None:
        self.page, self.count, self.began = page, 0, time.monotonic()

    def click(self, role: Any, name: Any) -> None:
        self.count += 1
        self.page.get_by_role("main").get_by_role(role, name=name).first.click()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


def test_from_home_to_all_right_again(demo: Demonstration, visit: Visit) -> None:
    shop = Shop(demo, "9101")
    shop.break_it()
    assert shop.incident()["failed_runs"] == _RUNS
    assert shop.placed() == {}

    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("you")
    expect(page.get_by_role("main")).to_contain_text(f"{_RUNS} runs failed")
    visitor.shoot("90-home")
    hand = Clicks(page)
    hand.click("link", _REPAIR)
    expect(page.get_by_role("heading", level=1)).to_have_text("Verify password")
    visitor.shoot("91-verify")
    page.get_by_label("Password", exact=True).fill(demo.password)
    hand.click("button", "Verify password")
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair plan")
    main = page.get_by_role("main")
    expect(main).to_contain_text(f"{_RUNS} failed runs")
    expect(main).to_contain_text(f"{_EVENTS} held events")
    expect(main).to_contain_text("Resume at Place order")
    assert shop.placed() == {}, "the plan is a dry run"
    visitor.shoot("92-plan")
    hand.click("button", f"Start with {shop.runs[0]}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sample orders is mended", timeout=60_000)
    seconds = hand.seconds
    visitor.shoot("94-done")
    expect(main).to_contain_text(f"{_RUNS + _EVENTS} of {_RUNS + _EVENTS}")
    hand.click("link", "Home")
    expect(main.get_by_role("link", name=_REPAIR)).to_have_count(0)
    expect(main.get_by_role("listitem").filter(has_text="Sample orders")).to_contain_text("Connected")
    visitor.shoot("95-home-calm")
    print(f"{_RUNS} runs and {_EVENTS} events: {hand.count} clicks, {seconds:.1f} s from Home to all green")
    assert hand.count <= 4
    assert shop.placed() == dict.fromkeys([*shop.runs, *shop.events], 1)


def test_a_second_break_stops_the_recovery_and_a_second_repair_ends_it(demo: Demonstration, visit: Visit) -> None:
    shop = Shop(demo, "9102")
    shop.break_it()
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/")
    hand = Clicks(page)
    hand.click("link", _REPAIR)
    page.get_by_label("Password", exact=True).fill(demo.password)
    hand.click("button", "Verify password")
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair plan")
    demo.at_service("latency", ms=400)
    hand.click("button", f"Start with {shop.runs[0]}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Repairing Sample orders")
    visitor.shoot("93-progress")
    demo.change_password()
    main = page.get_by_role("main")
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair stopped", timeout=60_000)
    expect(main).to_contain_text("a credential was refused again")
    visitor.shoot("96-stopped")
    assert set(shop.placed().values()) <= {1}

    demo.at_service("latency", ms=0)
    hand.click("link", _REPAIR)
    page.get_by_label("Password", exact=True).fill(demo.password)
    hand.click("button", "Verify password")
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair plan")
    hand.click("button", "Start with")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sample orders is mended", timeout=60_000)
    assert set(shop.placed()) == {*shop.runs, *shop.events}
    assert set(shop.placed().values()) == {1}


def test_a_proof_that_was_begun_anywhere_leads_to_the_plan_where_the_order_matters(
    demo: Demonstration, visit: Visit
) -> None:
    shop = Shop(demo, "9103")
    shop.break_it()
    failed = demo.get("/runs?status=Failed")["value"][0]["name"]
    page = visit().page
    page.goto(f"{demo.url}/runs/{failed}")
    main = page.get_by_role("main")
    main.get_by_role("link", name="Verify password").first.click()
    expect(main).to_contain_text("Held events wait for it")
    page.get_by_label("Password", exact=True).fill(demo.password)
    main.get_by_role("button", name="Verify password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Repair plan")
    expect(main).to_contain_text(f"{_EVENTS} held events")
    assert shop.placed() == {}, "no event went before the failed runs"
    main.get_by_role("link", name="Back to the run you came from").click()
    expect(page).to_have_url(f"{demo.url}/runs/{failed}")
    page.go_back()
    main.get_by_role("button", name="Start with").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sample orders is mended", timeout=60_000)
    assert shop.placed() == dict.fromkeys([*shop.runs, *shop.events], 1)
