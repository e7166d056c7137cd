"""How heavy each page of the portal is and how long a server takes to make it, beside 100,000 runs of history.

    python bench/pages.py [--runs 100000] [--engine 1000] [--rounds 20] [--goal-ms 100] [--data FOLDER] [--json FILE]

The store is filled as for `history.py` (a tenth of all runs failed today, for one open incident), a plan is made for the
incident, and a server in a process of its own is asked for every page by one client, signed in, over loopback. Figures: median
and 95th percentile in milliseconds until the page is read whole; the server's CPU time for one; kilobytes of HTML; kilobytes of script and of all that the page
names, as a browser without a memory would load them; and how many requests that makes. A route that is neither measured nor
named as no page ends the bench.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import cast
from urllib.parse import urlencode, urlsplit

from starlette.routing import Route

from flowmend.portal.routes import portal_routes
from flowmend.sample import connector_folders
from flowmend.use_cases.ports import Services
from history_filling import Filled, fill
from measure import cpu_seconds
from servers import Server, api_token, call, flowmend_server

GOAL_MS, MOST_SCRIPT_BYTES = 100.0, 200_000
_NAMED = re.compile(r'(?:src|href)="(/static/[^"#]+)')

#: {route: addresses}; `{…}` are filled from the history
PAGES: dict[str, tuple[str, ...]] = {
    "/": ("/",),
    "/flows": ("/flows",),
    "/flows/{flow_id}": ("/flows/{flow}", "/flows/{rare_flow}"),
    "/flows/{flow_id}/edit": ("/flows/{flow}/edit",),
    "/flows/{flow_id}/versions": ("/flows/{flow}/versions",),
    "/flows/{flow_id}/versions/{version}": ("/flows/{flow}/versions/{version}",),
    "/flows/{flow_id}/parameters": ("/flows/{flow}/parameters",),
    "/flows/{flow_id}/test": ("/flows/{flow}/test",),
    "/flows/{flow_id}/settings": ("/flows/{flow}/settings",),
    "/flows/{flow_id}/run": ("/flows/{flow}/run",),
    "/flows/{flow_id}/cancel_runs": ("/flows/{flow}/cancel_runs",),
    "/flows/{flow_id}/delete": ("/flows/{flow}/delete",),
    "/held": ("/held", "/held?flow={flow}"),
    "/held/discard": ("/held/discard?flow={flow}",),
    "/import": ("/import",),
    "/runs": (
        "/runs",
        "/runs?status=Failed",
        "/runs?status=Held",
        "/runs?flow={flow}",
        "/runs?connection={connection}",
        "/runs?incident={incident}",
        "/runs?text=N77",
    ),
    "/runs/{run_name}": ("/runs/{run}", "/runs/{run}?view=list", "/runs/08584000000000000000000000000CU00"),
    "/runs/{run_name}/action": ("/runs/{run}/action",),
    "/runs/{run_name}/again": ("/runs/{run}/again",),
    "/runs/{run_name}/compare": ("/runs/{run}/compare", "/runs/{run}/compare?view=list"),
    "/runs/{run_name}/try": ("/runs/{run}/try",),
    "/connections": ("/connections",),
    "/connections/new": ("/connections/new?connector=sample_orders",),
    "/connections/{connection_id}": ("/connections/{connection}",),
    "/connections/{connection_id}/health": ("/connections/{connection}/health",),
    "/connections/{connection_id}/verify": ("/connections/{connection}/verify",),
    "/connections/{connection_id}/swap": ("/connections/{connection}/swap",),
    "/connections/{connection_id}/uses": ("/connections/{connection}/uses",),
    "/connections/{connection_id}/repair_link": ("/connections/{connection}/repair_link",),
    "/connections/{connection_id}/delete": ("/connections/{connection}/delete",),
    "/forecast": ("/forecast",),
    "/approvals": ("/approvals", "/approvals?state=done"),
    "/connectors": ("/connectors",),
    "/connectors/add": ("/connectors/add",),
    "/connectors/{connector_id}": ("/connectors/sample_orders",),
    "/leaving": ("/leaving",),
    "/incidents": ("/incidents", "/incidents?state=closed"),
    "/incidents/{incident_id}": ("/incidents/{incident}", "/incidents/{closed_incident}"),
    "/repair_plans/{plan_id}": ("/repair_plans/{plan}",),
    "/repair_plans/{plan_id}/items": ("/repair_plans/{plan}/items",),
    "/settings": ("/settings",),
    "/settings/apps": ("/settings/apps",),
    "/settings/apps/new": ("/settings/apps/new",),
    "/settings/messages": ("/settings/messages",),
    "/settings/reachable": ("/settings/reachable",),
    "/notices": ("/notices",),
    "/login": ("/login",),
    "/repair": ("/repair",),
    "/approve": ("/approve",),
    "/{rest:path}": ("/nothing-is-here",),
}

#: What there is to measure only after somebody did something a history does not hold, or what is no page.
LEFT_OUT = {
    "/static/{name}",
    "/events",
    "/runs.csv",
    "/flows/{flow_id}/export",
    "/runs/{run_name}/action/{part}.json",
    "/runs/{run_name}/trace",
    "/connections/{connection_id}/consent",
    "/connections/{connection_id}/device",
    "/connections/{connection_id}/device/open",
    "/approvals/{approval_id}",
    "/approve/question",
    "/repair/connection",
    "/repair/sign_in",
    "/settings/apps/{app_id}",
    "/settings/apps/{app_id}/delete",
    "/oauth/callback",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Of one page. cpu_ms: of the server, on average, in steps of 10 ms for all rounds. html, script, all: bytes; requests: a browser's that has loaded nothing yet."""

    median_ms: float
    p95_ms: float
    cpu_ms: float
    html: int
    script: int
    all: int
    requests: int


class Client:
    """One connection to a server, signed in."""

    def __init__(self, server: Server, folder: Path) -> None:
        parts = urlsplit(server.address)
        self._pid = server.pid
        self._connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
        self._sizes: dict[str, int] = {}
        command = [sys.executable, "-m", "flowmend.cli", "login", "--data", str(folder / "data")]
        link = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
        form = urlencode({"link": link.partition("link=")[2], "return_to": "/"})
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": server.address}
        self._connection.request("POST", "/login", form, sent)
        answer = self._connection.getresponse()
        answer.read()
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str) -> tuple[int, bytes]:
        self._connection.request("GET", path, headers={"Cookie": self._cookie, "Accept": "text/html"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def weigh(self, path: str, rounds: int) -> Weight:
        """Errors: SystemExit for an answer that is no page."""
        status, content = self.get(path)  # not counted: templates and statements are compiled
        if status not in {200, 401, 404}:
            raise SystemExit(f"{path} was answered with {status}: {content[:300]!r}")
        busy_before = cpu_seconds(self._pid)
        taken = sorted(self._milliseconds(path) for _ in range(rounds))
        busy = cpu_seconds(self._pid) - busy_before
        named = sorted(set(_NAMED.findall(content.decode())))
        sizes = {one: self._size(one) for one in named}
        return Weight(
            median_ms=round(median(taken), 1),
            p95_ms=round(min(quantiles(taken, n=20)[-1], taken[-1]), 1),
            cpu_ms=round(busy * 1000 / rounds, 1),
            html=len(content),
            script=sum(size for one, size in sizes.items() if one.partition("?")[0].endswith(".js")),
            all=len(content) + sum(sizes.values()),
            requests=1 + len(named),
        )

    def _milliseconds(self, path: str) -> float:
        began = time.perf_counter()
        self.get(path)
        return (time.perf_counter() - began) * 1000

    def _size(self, asset: str) -> int:
        if asset not in self._sizes:
            self._sizes[asset] = len(self.get(asset.replace("&amp;", "&"))[1])
        return self._sizes[asset]


def main() -> None:
    given = _read_arguments()
    _leave_no_route_out()
    with tempfile.TemporaryDirectory(prefix="flowmend-pages-") as name:
        folder = given.data or Path(name)
        filled = fill(folder, given.runs, through_engine=given.engine)
        with flowmend_server(folder, "http://127.0.0.1:9") as server:
            places = _places(server, filled, folder)
            weights = measure(Client(server, folder), places, given.rounds)
    if given.json:
        found = {"runs": given.runs, "pages": {path: asdict(one) for path, one in weights.items()}}
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    over = [path for path, one in weights.items() if one.p95_ms > given.goal_ms or one.script > MOST_SCRIPT_BYTES]
    if over:
        sys.exit(
            f"Over the goal of {given.goal_ms:g} ms or {MOST_SCRIPT_BYTES // 1000} kB of script: {', '.join(over)}"
        )


def measure(client: Client, places: Mapping[str, str], rounds: int) -> dict[str, Weight]:
    """By address as in `PAGES`."""
    print(
        f"{'':42}{'median ms':>10}{'p95 ms':>8}{'CPU ms':>8}{'HTML kB':>9}{'script kB':>11}{'all kB':>8}{'requests':>10}"
    )
    weights = {}
    for path in (path for paths in PAGES.values() for path in paths):
        one = weights[path] = client.weigh(path.format_map(places), rounds)
        sizes = f"{one.html / 1000:>9.1f}{one.script / 1000:>11.1f}{one.all / 1000:>8.1f}{one.requests:>10}"
        print(f"{path:42}{one.median_ms:>10.1f}{one.p95_ms:>8.1f}{one.cpu_ms:>8.1f}{sizes}")
    return weights


def _places(server: Server, filled: Filled, folder: Path) -> dict[str, str]:
    api = f"{server.address}/api/v1"
    for connector in connector_folders():
        command = [
            sys.executable,
            "-m",
            "flowmend.cli",
            "connector",
            "add",
            str(connector),
            "--data",
            str(folder / "data"),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    token = api_token(folder)
    flow, incident = filled.flow_ids[0], filled.incident_ids[0]
    began = time.perf_counter()
    plan = call(f"{api}/repair_plans", {"incident": incident}, token=token)
    print(f"A plan for {plan['counts']['total']} runs and events was made in {time.perf_counter() - began:.1f} s\n")
    return {
        "flow": flow,
        "rare_flow": filled.flow_ids[-1],
        "version": call(f"{api}/flows/{flow}/versions", token=token)["value"][0]["version"],
        "run": filled.real_runs[0],
        "connection": filled.connection_ids[0],
        "incident": incident,
        "closed_incident": filled.incident_ids[-1],
        "plan": plan["id"],
    }


def _leave_no_route_out() -> None:
    routes = portal_routes(cast(Services, None))  # the table alone needs nothing that happens behind it
    read = {route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())}
    if missing := read ^ (PAGES.keys() | LEFT_OUT):
        raise SystemExit(f"Not as the portal's routes are: {', '.join(sorted(missing))}")


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--engine", type=int, default=1_000, help="how many of them really run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--goal-ms", type=float, default=GOAL_MS, help="what no 95th percentile may exceed")
    parser.add_argument("--data", type=Path, help="an empty folder that is left there")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
