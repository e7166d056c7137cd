"""Flowmend beside the bare app: the same two calls and the same durability, in one run, round by round in turn.

    python bench/run_bench.py [--rounds 3] [--seconds 4] [--concurrency 1,16,64] [--only bare|flowmend]
                              [--no-strace] [--json FILE]

Four processes on loopback: the sample order service, the bare app (bare.py), Flowmend with flow.json, and a closed-loop
load generator (load.py). The figures are medians of the rounds; the ratio is the median of each round's own ratio, so
that a machine that slows down meanwhile slows both. Every round is checked at the service: as many orders placed as
requests answered with 200. Commits are counted in every round; the calls of fsync themselves in short rounds of their
own afterwards, where strace is installed and may be used.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from measure import busy_share, commits, counted_fsyncs, cpu_seconds, fsync_calls, resident_megabytes
from servers import IDLE_SECONDS, Server, bare_app, call, flowmend_server, import_bench_flow, sample_service

BODY = '{"orderNumber":"B-{n}"}'
WARM_UP_SECONDS = 0.5
MAX_REQUESTS = 40_000
TRACED_REQUESTS = 300
QUIET_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is driven. url: receives the order. folder: where its databases are."""

    server: Server
    url: str
    folder: Path
    idle_megabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round's figures, per run where the name says so."""

    target: str
    concurrency: int
    runs_per_second: float
    p50_ms: float
    p95_ms: float
    cpu_ms_per_run: float
    commits_per_run: float


def main() -> None:
    given = _read_arguments()
    if not Path("/proc/self/stat").exists():
        sys.exit("The bench reads CPU time and memory from /proc and so runs on Linux only.")
    with tempfile.TemporaryDirectory(prefix="flowmend-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        service = stack.enter_context(sample_service(folder / "service"))
        targets = _start_targets(stack, folder, service.address, given.only)
        _print_starts(targets)
        rounds = [
            _measure(target, service.address, concurrency, given.seconds)
            for concurrency in given.concurrency
            for number in range(given.rounds)
            for target in (targets if number % 2 == 0 else targets[::-1])
        ]
        fsyncs = {
            (target.server.name, concurrency): _traced_fsyncs(target, folder, concurrency)
            for concurrency in (given.concurrency if given.strace and shutil.which("strace") else ())
            for target in targets
        }
        _print_table(rounds, fsyncs, given.concurrency, given.rounds)
        for target in targets:
            print(f"{target.server.name}: {resident_megabytes(target.server.pid):.0f} MB resident after the load")
        if given.json:
            given.json.write_text(json.dumps([asdict(one) for one in rounds], indent=1) + "\n", encoding="utf-8")


def _start_targets(stack: ExitStack, folder: Path, service: str, only: str | None) -> list[Target]:
    servers: list[tuple[Server, Path]] = []
    if only != "flowmend":
        servers.append((stack.enter_context(bare_app(folder / "bare", service)), folder / "bare"))
    if only != "bare":
        servers.append((stack.enter_context(flowmend_server(folder / "flowmend", service)), folder / "flowmend"))
    others = busy_share(IDLE_SECONDS)
    if others > QUIET_SHARE:
        print(
            f"Other work takes {others:.0%} of this machine: what follows is slower, and the ratio is not to be quoted."
        )
    idle = {server.name: resident_megabytes(server.pid) for server, _ in servers}
    targets = []
    for server, place in servers:
        url = f"{server.address}/order" if server.name == "bare" else import_bench_flow(server, place, service)
        answered = call(url, {"orderNumber": "B-0"})
        if set(answered) != {"orderId", "total"}:
            sys.exit(f"{server.name} answered {answered!r}, not the order's id and total.")
        targets.append(Target(server=server, url=url, folder=place, idle_megabytes=idle[server.name]))
    return targets


def _measure(target: Target, service: str, concurrency: int, seconds: float) -> Round:
    _drive(target.url, concurrency, WARM_UP_SECONDS, MAX_REQUESTS)
    call(f"{service}/admin/reset", {})
    cpu_before, commits_before = cpu_seconds(target.server.pid), commits(target.folder)
    driven = _drive(target.url, concurrency, seconds, MAX_REQUESTS)
    runs: int = driven["runs"]
    cpu = cpu_seconds(target.server.pid) - cpu_before
    committed = commits(target.folder) - commits_before
    placed = call(f"{service}/admin/counts")["orders"]
    if driven["statuses"] != {"200": runs} or placed["distinct_numbers"] != runs or placed["created"] != runs:
        sys.exit(
            f"{target.server.name} at {concurrency}: {runs} requests, answers {driven['statuses']}, placed {placed['created']}."
        )
    return Round(
        target=target.server.name,
        concurrency=concurrency,
        runs_per_second=runs / driven["seconds"],
        p50_ms=driven["p50_ms"],
        p95_ms=driven["p95_ms"],
        cpu_ms_per_run=1000 * cpu / runs,
        commits_per_run=committed / runs,
    )


def _drive(url: str, concurrency: int, seconds: float, max_requests: int) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("load.py")), url, "--body", BODY]
    command += ["--concurrency", str(concurrency), "--seconds", str(seconds), "--max-requests", str(max_requests)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if finished.returncode != 0:
        sys.exit(f"The load generator failed:\n{finished.stderr[-2000:]}")
    return dict(json.loads(finished.stdout))


def _traced_fsyncs(target: Target, folder: Path, concurrency: int) -> float | None:
    """None where strace may not look into the process."""
    report = folder / f"{target.server.name}.{concurrency}.strace"
    with counted_fsyncs(target.server.pid, report):
        driven = _drive(target.url, concurrency, 20.0, TRACED_REQUESTS)
    calls, runs = fsync_calls(report), int(driven["runs"])
    return calls / runs if calls else None


def _print_starts(targets: Sequence[Target]) -> None:
    for target in targets:
        server = target.server
        print(
            f"{server.name}: first page {server.first_page_seconds:.2f} s after the command, {target.idle_megabytes:.0f} MB idle"
        )
    print()


def _print_table(
    rounds: Sequence[Round],
    fsyncs: Mapping[tuple[str, int], float | None],
    concurrencies: Sequence[int],
    number: int,
) -> None:
    print(
        f"{'callers':>7}  {'':9}{'runs/s':>8}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms/run':>12}{'commits/run':>13}{'fsyncs/run':>12}"
    )
    for concurrency in concurrencies:
        here = [one for one in rounds if one.concurrency == concurrency]
        by_target = {name: [one for one in here if one.target == name] for name in ("bare", "flowmend")}
        for name, mine in by_target.items():
            if mine:
                traced = fsyncs.get((name, concurrency))
                print(
                    f"{concurrency:>7}  {name:9}{median(one.runs_per_second for one in mine):>8.0f}"
                    f"{median(one.p50_ms for one in mine):>9.2f}{median(one.p95_ms for one in mine):>9.2f}"
                    f"{median(one.cpu_ms_per_run for one in mine):>12.2f}{median(one.commits_per_run for one in mine):>13.2f}"
                    f"{'-' if traced is None else f'{traced:.2f}':>12}"
                )
        pairs = list(zip(by_target["bare"], by_target["flowmend"], strict=False))
        if pairs:
            ratios = sorted(ours.runs_per_second / theirs.runs_per_second for theirs, ours in pairs)
            print(f"{'':9}{'ratio':9}{median(ratios):>8.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f} in {number} rounds)")
    print()


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Flowmend beside a bare Starlette app that does the same work.")
    parser.add_argument("--rounds", type=int, choices=range(1, 21), default=3, metavar="1-20")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round (default: %(default)g)")
    parser.add_argument(
        "--concurrency", type=lambda text: [int(part) for part in text.split(",")], default=[1, 16, 64], metavar="N,N,…"
    )
    parser.add_argument("--only", choices=("bare", "flowmend"))
    parser.add_argument("--no-strace", dest="strace", action="store_false", help="do not count the calls of fsync")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
