"""Fuzzes the language and the definitions: random and mutated expressions, and mutated definitions.

    python bench/fuzz.py [--seed N] [--expressions 2000000] [--definitions 50000] [--seconds S] [--only KIND:INDEX]

Expressions are compiled and evaluated; definitions are read, checked, compiled and run as mocks. Only our own errors
may come out, each case must end within its time, and memory stays bounded. What goes into a case follows from the seed and
its index alone, so `--seed N --only expressions:INDEX` repeats it. Real expressions and definitions are mutated too where
they lie beside the project (../shared/data). Exit 1 on a finding. --seconds: stop earlier, half the time for each kind.
"""

import argparse
import faulthandler
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz_definitions import Definitions, try_definition
from fuzz_expressions import Expressions, corpus_of, try_expression
from fuzz_minimise import minimised

SHARED = Path(__file__).parents[2] / "shared" / "data"
SECONDS_PER_CASE = 10.0  # of CPU: a machine that many share makes no case slow
SECONDS_UNTIL_KILLED = 60.0  # for what does not even come back from C
MINIMISING_SECONDS = 20.0
MOST_MEGABYTES = 1500
MOST_FINDINGS = 20


class _TooSlow(BaseException):  # no `except Exception` on its way may swallow it
    pass


@dataclass(slots=True, kw_only=True)
class Findings:
    """kind: `expressions` or `definitions`. found: by signature, the first case with each."""

    kind: str
    cases: int = 0
    came_through: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    slowest_index: int = -1
    peak_megabytes: float = 0.0
    found: dict[str, str] = field(default_factory=dict)


class Fuzzer:
    """One kind of cases, made from the seed and tried one after another."""

    def __init__(self, kind: str, seed: int) -> None:
        expressions = Expressions(corpus_of(SHARED))
        self.seed = seed
        self.kind = kind
        self._make: Callable[[random.Random], Any]
        self._try: Callable[[Any], bool]
        if kind == "expressions":
            self._make, self._try = expressions.make, try_expression
        else:
            self._make, self._try = Definitions(SHARED, expressions).make, try_definition

    def case(self, index: int) -> Any:
        return self._make(random.Random(f"{self.seed}/{self.kind}/{index}"))

    def attempt(self, case: Any) -> tuple[bool, str, str]:
        """Whether it came through, and of a fault what tells it from others and its traceback."""
        signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
        try:
            came_through = self._try(case)
        except _TooSlow:
            return False, "too slow", traceback.format_exc(limit=-12)
        except Exception as error:  # noqa: BLE001  which error comes out is the very question
            return False, _signature(error), traceback.format_exc(limit=-12)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return came_through, "", ""

    def described(self, index: int, case: Any, signature: str, trace: str) -> str:
        small = minimised(case, lambda candidate: self.attempt(candidate)[1] == signature, MINIMISING_SECONDS)
        text = json.dumps(small)
        repeat = f"--seed {self.seed} --only {self.kind}:{index}"
        return f"{signature}\n  repeat: {repeat}\n  minimised: {text[:4000]}\n{trace}"


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "flowmend" in frame.filename]
    frame = ours[-1] if ours and not isinstance(error, RecursionError) else frames[0]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _raise_too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise _TooSlow


def _peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(kind: str, seed: int, cases: range, *, seconds: float, at: Any, pipe: Connection) -> None:
    """The process that tries cases. at: where it is, shared with who watches over it."""
    faulthandler.enable()
    signal.signal(signal.SIGPROF, _raise_too_slow)
    fuzzer = Fuzzer(kind, seed)
    findings = Findings(kind=kind)
    began = time.process_time()
    for index in cases:
        at.value = index
        case = fuzzer.case(index)
        started = time.process_time()
        came_through, signature, trace = fuzzer.attempt(case)
        ended = time.process_time()
        findings.cases += 1
        findings.came_through += came_through
        if ended - started > findings.slowest_seconds:
            findings.slowest_seconds, findings.slowest_index = ended - started, index
        if not signature and findings.peak_megabytes < MOST_MEGABYTES < (peak := _peak_megabytes()):
            findings.peak_megabytes = peak
            signature, trace = f"memory over {MOST_MEGABYTES} MB", ""
            findings.found[signature] = f"{signature}\n  repeat: --seed {seed} --only {kind}:{index}"
        elif signature and signature not in findings.found:
            findings.found[signature] = fuzzer.described(index, case, signature, trace)
        if ended - began > seconds or len(findings.found) >= MOST_FINDINGS:
            break
    findings.seconds = time.process_time() - began
    findings.peak_megabytes = _peak_megabytes()
    pipe.send(findings)


def watch(kind: str, seed: int, count: int, seconds: float) -> Findings:
    """Tries cases in a process of their own, and again behind each case that it does not survive."""
    total = Findings(kind=kind)
    first = 0
    until = time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    while first < count and time.monotonic() < until and len(total.found) < MOST_FINDINGS:
        at = context.Value("q", first, lock=False)
        receiving, sending = context.Pipe(duplex=False)
        limits = {"seconds": until - time.monotonic(), "at": at, "pipe": sending}
        worker = context.Process(target=work, args=(kind, seed, range(first, count)), kwargs=limits)
        worker.start()
        sending.close()
        last, since = -1, time.monotonic()
        while not receiving.poll(0.5):
            if at.value != last:
                last, since = at.value, time.monotonic()
            elif time.monotonic() - since > SECONDS_UNTIL_KILLED and worker.pid is not None:
                os.kill(worker.pid, signal.SIGABRT)  # faulthandler says where it hangs
                since = time.monotonic()
        try:
            _add(total, receiving.recv())
            worker.join()
            break
        except EOFError:
            worker.join()
            text = f"{kind}:{at.value} ended its process with {worker.exitcode}; repeat: --seed {seed} --only {kind}:{at.value}"
            total.found[text] = text
            total.cases += at.value - first + 1
            first = at.value + 1
    return total


def _add(total: Findings, more: Findings) -> None:
    total.cases += more.cases
    total.came_through += more.came_through
    total.seconds += more.seconds
    total.slowest_seconds, total.slowest_index = more.slowest_seconds, more.slowest_index
    total.peak_megabytes = max(total.peak_megabytes, more.peak_megabytes)
    total.found |= more.found


def main() -> None:
    given = _read_arguments()
    if not hasattr(signal, "SIGPROF"):
        sys.exit("Fuzzing bounds each case by a signal of the clock and so does not run on Windows.")
    if given.only:
        _repeat(given.seed, given.only)
        return
    print(f"seed {given.seed}", flush=True)
    is_clean = True
    for kind, count in (("expressions", given.expressions), ("definitions", given.definitions)):
        if not count:
            continue
        seconds = given.seconds / 2 if given.seconds else float("inf")
        findings = watch(kind, given.seed, count, seconds)
        rate = findings.cases / max(findings.seconds, 0.001)
        print(
            f"{kind}: {findings.cases:,} tried in {findings.seconds:.1f} s ({rate:,.0f}/s), {findings.came_through:,} came "
            f"through, slowest {findings.slowest_seconds:.2f} s (index {findings.slowest_index}), "
            f"peak memory {findings.peak_megabytes:.0f} MB, findings {len(findings.found)}",
            flush=True,
        )
        for text in findings.found.values():
            print(f"\nFINDING {text}", flush=True)
            is_clean = False
    print("everything holds" if is_clean else "there are findings")
    sys.exit(not is_clean)


def _repeat(seed: int, only: str) -> None:
    kind, _, index = only.partition(":")
    signal.signal(signal.SIGPROF, _raise_too_slow)
    fuzzer = Fuzzer(kind, seed)
    case = fuzzer.case(int(index))
    print(json.dumps(case))
    came_through, signature, trace = fuzzer.attempt(case)
    print(f"came through: {came_through}, peak memory {_peak_megabytes():.0f} MB")
    if signature:
        print(fuzzer.described(int(index), case, signature, trace))
    sys.exit(bool(signature))


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--expressions", type=int, default=2_000_000)
    parser.add_argument("--definitions", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, help="stop after about this long")
    parser.add_argument("--only", metavar="KIND:INDEX", help="repeat one case: expressions:17")
    return parser.parse_args()


if __name__ == "__main__":
    main()
