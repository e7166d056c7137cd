"""How long pages, lists and the API take beside a million runs of history, how small a run is kept, and whether letting
history go keeps anybody waiting.

    python bench/history.py [--runs 1000000] [--engine 10000] [--rounds 20] [--data FOLDER] [--json FILE]

Some runs really run, with the benchmark's flow against the sample service; the others are multiplied in the store, with
varied flows, statuses, times, connections, categories and tracked values (`history_filling`). A tenth of all failed today.
What is asked for is asked over loopback by one client; figures are medians and 95th percentiles, in milliseconds. At the end
the oldest tenth of each flow's history is let go of while runs are written and pages read, beside the same without it.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode

from flowmend.assembly import open_services
from flowmend.settings import Settings
from flowmend.store.journal import AddTracked
from flowmend.store.rows import TrackedValueRow
from flowmend.use_cases.history import forget_history
from history_filling import CATEGORIES, CUSTOMERS, DAYS, Filled, fill
from served_pages import Served, ask, serving

GOAL_MS, GOAL_BYTES = 100.0, 2_000.0
#: Nobody may wait longer for a write or a page while history goes.
GOAL_WAIT_MS = 250.0


def main() -> None:
    given = _read_arguments()
    with tempfile.TemporaryDirectory(prefix="flowmend-history-") as name:
        folder = given.data or Path(name)
        filled = fill(folder, given.runs, through_engine=given.engine)
        database = folder / "data" / "flowmend.db"
        print(
            f"{filled.bytes_per_run:.0f} bytes per run of the engine; {database.stat().st_size / 1e6:,.0f} MB in all\n"
        )
        settings = Settings(data=folder / "data", port=0)
        with serving(open_services(settings)) as served:
            figures = measure(served, filled, given.rounds)
            let_go = let_go_of_the_oldest(served, filled, given.seconds)
        result = {
            "runs": given.runs,
            "bytes_per_run": round(filled.bytes_per_run),
            "pages": figures,
            "letting_go": let_go,
        }
        if given.json:
            given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    slow = [name for name, one in figures.items() if one["p95_ms"] > given.goal_ms]
    waits = [name for name, one in let_go.items() if name.endswith("p99_ms") and one > given.goal_wait_ms]
    if slow or waits or filled.bytes_per_run > GOAL_BYTES:
        sys.exit(f"Over the goal: {', '.join([*slow, *waits]) or 'bytes per run'}")


def measure(served: Served, filled: Filled, rounds: int) -> dict[str, dict[str, float]]:
    """{what is asked for: {"median_ms", "p95_ms", "cpu_ms"}}; CPU time on average, the client's included."""
    print(f"{'':44}{'median':>9}{'p95':>9}{'CPU':>9}")
    chance, figures = random.Random(11), {}  # repeatable
    for name, paths in _questions(filled, chance, rounds).items():
        if not paths:
            continue
        ask(served, paths[0])  # once without counting: templates and statements are compiled
        busy_before = time.process_time()
        taken = sorted(ask(served, path) for path in paths)
        cpu = (time.process_time() - busy_before) * 1000 / len(paths)
        p95 = quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
        figures[name] = {"median_ms": round(median(taken), 1), "p95_ms": round(min(p95, taken[-1]), 1)}
        figures[name]["cpu_ms"] = round(cpu, 1)
        print(f"{name:44}" + "".join(f"{value:>9.1f}" for value in figures[name].values()))
    return figures


def _questions(filled: Filled, chance: random.Random, rounds: int) -> dict[str, list[str]]:
    """Addresses to ask for, another each round where there is a choice."""
    flows, connections = filled.flow_ids, filled.connection_ids
    span = filled.now - filled.began_at

    def day() -> tuple[str, str]:
        begins = filled.began_at + span * chance.random() * 0.9
        return begins.isoformat(), (begins + timedelta(days=1)).isoformat()

    def each(**filters: Any) -> list[dict[str, str]]:
        return [
            {name: str(value() if callable(value) else value) for name, value in filters.items()} for _ in range(rounds)
        ]

    def between(**filters: Any) -> list[dict[str, str]]:
        days = [day() for _ in range(rounds)]
        return [
            {**one, "started_from": since, "started_to": to}
            for one, (since, to) in zip(each(**filters), days, strict=True)
        ]

    def number() -> str:
        return f"N{chance.randrange(filled.runs // 2)}"

    def customer() -> str:
        return f"C-{chance.randrange(CUSTOMERS)}"

    flow, connection = partial(chance.choice, flows), partial(chance.choice, connections)
    category = partial(chance.choice, CATEGORIES)
    filters: dict[str, list[dict[str, str]]] = {
        "all": each(),
        **{f"status {one}": each(status=one) for one in ("Succeeded", "Failed", "Running", "Cancelled", "TimedOut")},
        "flow": each(flow=flow),
        "rarest flow": each(flow=flows[-1]),
        "connection": each(connection=connection),
        "category": each(category=category),
        "incident": each(incident=partial(chance.choice, filled.incident_ids)),
        "open incident": each(incident=filled.incident_ids[0]),
        "a day": between(),
        "order number, whole": each(text=number),
        "customer, whole (2 % of all)": each(text=customer),
        "part of an error": each(text="refused order 99"),
        "text that is nowhere": each(text="no such thing"),
        "tracked order": each(tracked_name="Order number", tracked_value=number),
        "tracked customer": each(tracked_name="Customer", tracked_value=customer),
        "flow, Succeeded": each(flow=flow, status="Succeeded"),
        "flow, Failed": each(flow=flow, status="Failed"),
        "flow, connection": each(flow=flow, connection=connection),
        "flow, a day": between(flow=flow),
        "Failed, a day": between(status="Failed"),
        "Cancelled, a day": between(status="Cancelled"),
        "connection, a day": between(connection=connection),
        "connection, Failed": each(connection=connection, status="Failed"),
        "connection, category": each(connection=connection, category=category),
        "Failed, category": each(status="Failed", category=category),
        "flow, category": each(flow=flow, category=category),
        "customer, Failed": each(status="Failed", tracked_name="Customer", tracked_value=customer),
        "customer, Cancelled": each(status="Cancelled", tracked_name="Customer", tracked_value=customer),
        "Failed, part of a text": each(status="Failed", text="(BadReq"),
        "flow, part of a text": each(flow=flow, text="order 7"),
    }
    deep = filled.some_runs
    questions = {f"runs: {name}": [_address("/runs", one) for one in many] for name, many in filters.items()}
    questions |= {
        f"api: {name}": [_address("/api/v1/runs", _as_api(one)) for one in many] for name, many in filters.items()
    }
    questions |= {
        "runs: deep page": [_address("/runs", {"cursor": chance.choice(deep)}) for _ in range(rounds)],
        "runs: deep page, Failed": [
            _address("/runs", {"status": "Failed", "cursor": chance.choice(deep)}) for _ in range(rounds)
        ],
        "runs: held events": ["/runs?status=Held"] * rounds,
        # The others were multiplied: what is sealed in their journals belongs to another run.
        "run": [f"/runs/{chance.choice(filled.real_runs)}" for _ in range(rounds)],
        "api: run": [f"/api/v1/runs/{chance.choice(filled.real_runs)}" for _ in range(rounds)],
        "Home": ["/"] * rounds,
        "flows": ["/flows"] * rounds,
        "flow": [f"/flows/{flow()}" for _ in range(rounds)],
        "busiest flow": [f"/flows/{flows[0]}"] * rounds,
        "incidents": ["/incidents"] * rounds,
        "incident": [f"/incidents/{chance.choice(filled.incident_ids)}" for _ in range(rounds)],
        "open incident": [f"/incidents/{filled.incident_ids[0]}"] * rounds,
        "connections": ["/connections"] * rounds,
        "connection": [f"/connections/{connection()}" for _ in range(rounds)],
    }
    return questions


def _as_api(filters: Mapping[str, str]) -> dict[str, str]:
    words = {
        "flow": "flow_id",
        "connection": "connection_id",
        "incident": "incident_id",
        "category": "diagnosis_category",
    }
    asked = {words.get(name, name): value for name, value in filters.items() if not name.startswith("tracked_")}
    if "tracked_name" in filters:
        asked["tracked"] = f"{filters['tracked_name']}={filters['tracked_value']}"
    return asked


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def let_go_of_the_oldest(served: Served, filled: Filled, seconds: float) -> dict[str, float]:
    """How long a write and a list take at the 99th percentile, in ms, while history goes and while it does not."""
    services = served.application.services
    quiet = _waits(served, seconds)
    for flow_id in filled.flow_ids:
        services.store.flows.change(flow_id, settings={"history_days": int(DAYS * 0.9)})
    before = sum(services.store.runs.count_by_status().values())
    forgetting = asyncio.run_coroutine_threadsafe(forget_history(services, services.clock.now), served.loop)
    busy = _waits(served, seconds)
    forgetting.cancel()
    gone = before - sum(services.store.runs.count_by_status().values())
    print(f"\n{gone} runs let go of in {seconds:.0f} s")
    figures = {"runs_let_go": float(gone)}
    for name, quiet_ms, busy_ms in zip(("write", "list"), quiet, busy, strict=True):
        figures |= {f"{name}_quiet_p99_ms": quiet_ms, f"{name}_p99_ms": busy_ms}
        print(f"{name}: p99 {busy_ms:.1f} ms while history goes, {quiet_ms:.1f} ms else")
    return figures


def _waits(served: Served, seconds: float) -> tuple[float, float]:
    """p99 of a commit of the journal, and of a list, in ms; one writer and one reader, each again and again."""
    journal = served.application.services.store.journal
    writes: list[float] = []
    pages: list[float] = []
    stopped = threading.Event()

    def write() -> None:
        while not stopped.is_set():
            value = TrackedValueRow(run_name="bench", flow_id="bench", name="n", value=f"{time.monotonic_ns()}")
            began = time.perf_counter()
            asyncio.run_coroutine_threadsafe(journal.write([AddTracked(value)]), served.loop).result()
            writes.append((time.perf_counter() - began) * 1000)
            time.sleep(0.002)

    writing = threading.Thread(target=write)
    writing.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pages.append(ask(served, "/api/v1/runs?limit=10"))
    stopped.set()
    writing.join()
    return _p99(writes), _p99(pages)


def _p99(taken: Sequence[float]) -> float:
    return round(quantiles(taken, n=100)[-1], 1) if len(taken) > 1 else 0.0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--engine", type=int, default=10_000, help="how many of them really run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--goal-ms", type=float, default=GOAL_MS, help="what no 95th percentile may exceed")
    parser.add_argument("--goal-wait-ms", type=float, default=GOAL_WAIT_MS, help="what nobody waits longer than")
    parser.add_argument("--seconds", type=float, default=10.0, help="of letting go, and of quiet before it")
    parser.add_argument("--data", type=Path, help="an empty folder that is left there")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
