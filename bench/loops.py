"""Long runs on a started Flowmend, the journal on: loops over many items, and many actions in a row.

    python bench/loops.py [--items 1000,100000] [--actions 500] [--rounds 3] [--json FILE]

Each flow is called and answers when it is through; what it answers is checked. Seconds are those the caller waited.
Meanwhile another caller asks for the health page, over and over: its 99th percentile says how long one long run holds up
everybody else. Memory is the server's peak so far, written bytes are what it handed to write calls, and the store is what
its database and log grew by.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from measure import cpu_seconds, peak_megabytes, written_bytes
from servers import Server, api_token, call, flowmend_server, import_flow

TRIGGERS = {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}}
HEALTH_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One call of one flow. store_bytes: what the database grew by."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    written_bytes: int
    store_bytes: int
    health_p50_ms: float
    health_p99_ms: float


@dataclass(slots=True)
class Health:
    """Asks for the health page until it is told to stop."""

    address: str
    milliseconds: list[float] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        parts = urlsplit(self.address)
        connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        while not self.is_over.is_set():
            began = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            self.milliseconds.append((time.perf_counter() - began) * 1000)
            time.sleep(HEALTH_PAUSE_SECONDS)
        connection.close()


def main() -> None:
    given = _read_arguments()
    if not Path("/proc/self/io").exists():
        sys.exit("The bench reads memory and written bytes from /proc and so runs on Linux only.")
    flows: dict[str, tuple[dict[str, Any], Any]] = {
        f"Foreach over {count:,}": (loop_over(count), {"length": count}) for count in given.items
    }
    flows[f"{given.actions} actions"] = (many_actions(given.actions), given.actions)
    measured: list[Measured] = []
    for name, (document, expected) in flows.items():
        # A server of its own for each, so that a peak of memory is this flow's.
        with tempfile.TemporaryDirectory(prefix="flowmend-bench-") as folder:
            measured += _measure(name, document, expected, Path(folder), given.rounds)
    _print(measured)
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in measured], indent=1) + "\n", encoding="utf-8")


def loop_over(count: int) -> dict[str, Any]:
    """A Foreach with a Compose and an append, one item after the other, then the length of what was gathered."""
    body = {
        "Item": {"type": "Compose", "inputs": {"number": "@item()", "text": "@{item()}"}, "runAfter": {}},
        "Keep": {
            "type": "AppendToArrayVariable",
            "inputs": {"name": "kept", "value": "@outputs('Item')"},
            "runAfter": {"Item": ["Succeeded"]},
        },
    }
    variables = [{"name": "kept", "type": "array", "value": []}]
    return _document(
        {
            "Start": {"type": "InitializeVariable", "inputs": {"variables": variables}, "runAfter": {}},
            "Each": {
                "type": "Foreach",
                "foreach": f"@range(0, {count})",
                "actions": body,
                "runAfter": {"Start": ["Succeeded"]},
                "operationOptions": "Sequential",
            },
            "Answer": _answer({"length": "@length(variables('kept'))"}, "Each"),
        }
    )


def many_actions(count: int) -> dict[str, Any]:
    """Compose after Compose, each reading the one before; all but the first and the answer."""
    actions: dict[str, Any] = {"A1": {"type": "Compose", "inputs": 1, "runAfter": {}}}
    for number in range(2, count + 1):
        actions[f"A{number}"] = {
            "type": "Compose",
            "inputs": f"@add(outputs('A{number - 1}'), 1)",
            "runAfter": {f"A{number - 1}": ["Succeeded"]},
        }
    actions["Answer"] = _answer(f"@outputs('A{count}')", f"A{count}")
    return _document(actions)


def _answer(body: Any, after: str) -> dict[str, Any]:
    return {"type": "Response", "kind": "Http", "inputs": {"body": body}, "runAfter": {after: ["Succeeded"]}}


def _document(actions: Mapping[str, Any]) -> dict[str, Any]:
    return {"definition": {"contentVersion": "1.0.0.0", "triggers": TRIGGERS, "actions": actions}}


def _measure(name: str, document: dict[str, Any], expected: Any, folder: Path, rounds: int) -> list[Measured]:
    with flowmend_server(folder, "http://127.0.0.1:1") as server:
        url = import_flow(server, api_token(folder), document, "loops.json")
        return [_measure_once(name, server, url, expected, folder) for _ in range(rounds)]


def _measure_once(name: str, server: Server, url: str, expected: Any, folder: Path) -> Measured:
    health = Health(server.address)
    asking = threading.Thread(target=health.ask)
    asking.start()
    time.sleep(0.2)
    health.milliseconds.clear()
    cpu, written, stored = cpu_seconds(server.pid), written_bytes(server.pid), _stored(folder)
    began = time.perf_counter()
    answered = call(url, {})
    seconds = time.perf_counter() - began
    health.is_over.set()
    asking.join()
    if answered != expected:
        sys.exit(f"{name} answered {answered!r}, not {expected!r}.")
    found = sorted(health.milliseconds)
    return Measured(
        name=name,
        seconds=seconds,
        cpu_seconds=cpu_seconds(server.pid) - cpu,
        peak_megabytes=peak_megabytes(server.pid),
        written_bytes=written_bytes(server.pid) - written,
        store_bytes=_stored(folder) - stored,
        health_p50_ms=found[len(found) // 2],
        health_p99_ms=found[min(len(found) - 1, len(found) * 99 // 100)],
    )


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.db*"))


def _print(measured: list[Measured]) -> None:
    print(f"{'':24}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'written MB':>12}{'store MB':>10}{'health p50/p99 ms':>20}")
    for name in dict.fromkeys(one.name for one in measured):
        rounds = [one for one in measured if one.name == name]
        print(
            f"{name:24}{median(one.seconds for one in rounds):9.3f}{median(one.cpu_seconds for one in rounds):8.2f}"
            f"{max(one.peak_megabytes for one in rounds):9.0f}"
            f"{median(one.written_bytes for one in rounds) / 1e6:12.1f}"
            f"{median(one.store_bytes for one in rounds) / 1e6:10.1f}"
            f"{median(one.health_p50_ms for one in rounds):12.1f} /{max(one.health_p99_ms for one in rounds):6.1f}"
        )


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--items", type=lambda text: [int(one) for one in text.split(",")], default=[1000, 100_000])
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
