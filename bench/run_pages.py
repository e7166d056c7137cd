"""How long the page of one long run takes: of many actions, and of a loop of very many passes.

    python bench/run_pages.py [--actions 500] [--passes 100000] [--rounds 10] [--json FILE]

The runs really run; the loop fails in one pass. Asked for over loopback by one client, whose time and CPU time are counted too.
The first look maps the journal; what is told is that look, and the median of those after it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from flowmend.assembly import open_services
from flowmend.settings import Settings
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.access import ensure_owner
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.ports import Services
from loops import many_actions
from served_pages import Served, ask, serving

GOAL_MS = 100.0
_PAGES = ("", "?view=list")


def main() -> None:
    given = _read_arguments()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="flowmend-run-pages-") as name:
        application = open_services(Settings(data=Path(name), port=0, probe_period_minutes=0))
        with serving(application) as served:
            flows = {
                f"{given.actions} actions": many_actions(given.actions),
                f"{given.passes:,} passes, one failed": failing_loop(given.passes),
            }
            for title, document in flows.items():
                run_name = asyncio.run_coroutine_threadsafe(_run(served, title, document), served.loop).result()
                for query in (*_PAGES, "/compare"):
                    figures[f"{title}{query or ' (graph)'}"] = _measure(
                        served, f"/runs/{run_name}{query}", given.rounds
                    )
    print(f"{'':44}{'first':>9}{'median':>9}{'CPU':>9}")
    for title, one in figures.items():
        print(f"{title:44}{one['first_ms']:>9.1f}{one['median_ms']:>9.1f}{one['cpu_ms']:>9.1f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    slow = [title for title, one in figures.items() if one["median_ms"] > given.goal_ms]
    if slow:
        sys.exit(f"Over the goal: {', '.join(slow)}")


def failing_loop(count: int) -> dict[str, Any]:
    """A Foreach that fails seven tenths through, one item after the other."""
    item = {"type": "Compose", "inputs": f"@div(1, sub(item(), {count * 7 // 10}))", "runAfter": {}}
    each = {
        "type": "Foreach",
        "foreach": f"@range(0, {count})",
        "operationOptions": "Sequential",
        "actions": {"Item": item},
    }
    document = many_actions(1)
    document["definition"]["actions"] = {"Each": {**each, "runAfter": {}}}
    return document


async def _run(served: Served, name: str, document: dict[str, Any]) -> str:
    """The second of two runs, once it has ended: so there is one to compare with."""
    services = served.application.services
    owner = (await ensure_owner(services)).person_id
    (flow,) = await import_flows(services, json.dumps(document).encode(), f"{name}.json", person_id=owner)
    await turn_on(services, flow.flow_id, owner)
    run_name = ""
    for _ in range(2):
        run_name = await _run_once(services, flow.flow_id, owner)
    return run_name


async def _run_once(services: Services, flow_id: str, owner: str) -> str:
    accepted = await run_now(services, flow_id, {}, owner)
    while True:
        row = services.store.runs.get(accepted.run_name)
        if row is not None and row.ended_at is not None:
            return accepted.run_name
        await asyncio.sleep(0.2)


def _measure(served: Served, path: str, rounds: int) -> dict[str, float]:
    first = ask(served, path)
    busy_before = time.process_time()
    taken = [ask(served, path) for _ in range(rounds)]
    cpu = (time.process_time() - busy_before) * 1000 / rounds
    return {"first_ms": round(first, 1), "median_ms": round(median(taken), 1), "cpu_ms": round(cpu, 1)}


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--passes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--goal-ms", type=float, default=GOAL_MS)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
