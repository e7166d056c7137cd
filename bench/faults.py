"""Every fault there is, one after another, with one seed, and a verdict on each.

    python bench/faults.py [--seed N] [--slice] [--only NAME,…]

The whole takes about half an hour on two cores; --slice about one, in small sizes and two at once, since each part
mostly waits. Exit 0 where everything holds.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MOST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A script and its sizes. slice: of the small size; None where a test of its own kills there."""

    name: str
    says: str
    script: str
    whole: Sequence[str]
    slice: Sequence[str] | None = None


PARTS = (
    Part(
        name="kill",
        says="kill -9 with runs at every stage, and while the server starts",
        script="kill_test.py",
        whole=("--runs", "20000", "--kills", "100"),
        slice=("--runs", "60", "--kills", "2"),
    ),
    Part(
        name="migration",
        says="kill -9 while an older database is migrated",
        script="kill_migration.py",
        whole=("--kills", "60"),
        slice=("--kills", "2", "--rows", "500"),
    ),
    Part(
        name="waiting",
        says="kill -9 while triggers poll and are subscribed, to a service that fails one call in three",
        script="waiting_triggers.py",
        whole=("--items", "1000", "--subscriptions", "2000", "--kills", "10"),
        slice=("--items", "40", "--subscriptions", "4", "--kills", "1"),
    ),
    Part(
        name="held",
        says="kill -9 while held events are drained",
        script="held_events.py",
        whole=("--events", "10000", "--keys", "500", "--kill"),
    ),
    Part(
        name="repair",
        says="kill -9 in the middle of a repair plan, and a second break",
        script="repair.py",
        whole=("--runs", "2000", "--kill", "--second-break"),
    ),
    Part(
        name="full",
        says="the database full under load",
        script="full_database.py",
        whole=("--seconds", "30"),
        slice=("--seconds", "3", "--rate", "20", "--by", "pages"),
    ),
    Part(
        name="faulty",
        says="a slow, resetting and lying service",
        script="faulty_service.py",
        whole=("--runs", "1000"),
        slice=("--runs", "40", "--timeout", "PT8S"),
    ),
    Part(
        name="clock",
        says="the clock set forward and back",
        script="clock_jumps.py",
        whole=("--jumps", "60"),
        slice=("--jumps", "4", "--waits", "45"),
    ),
)


def carry_out(part: Part, sizes: Sequence[str], seed: int, *, is_slice: bool) -> tuple[Part, bool, float]:
    """(the part, whether everything holds, how long it took). What a slice says comes when it has ended."""
    title = f"== {part.name}: {part.says}"
    if not is_slice:
        print(title, flush=True)
    began, said = time.monotonic(), ""
    command = [sys.executable, str(HERE / part.script), *sizes, "--seed", str(seed)]
    output = subprocess.PIPE if is_slice else None
    try:
        ended = subprocess.run(
            command, cwd=HERE.parent, timeout=MOST_SECONDS, check=False, stdout=output, stderr=output, encoding="utf-8"
        )
        holds, said = ended.returncode == 0, f"{ended.stdout or ''}{ended.stderr or ''}"
    except subprocess.TimeoutExpired:
        print(f"WRONG: {part.name} did not end within {MOST_SECONDS:g} s", flush=True)
        holds = False
    if is_slice:
        print(f"{title}\n{said}", end="", flush=True)
    return part, holds, time.monotonic() - began


def main(seed: int, only: frozenset[str], *, is_slice: bool) -> int:
    print(f"seed {seed}", flush=True)
    unknown = only - {part.name for part in PARTS}
    if unknown:
        raise SystemExit(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(part.name for part in PARTS)}"
        )
    chosen = [
        (part, sizes)
        for part in PARTS
        if (sizes := part.slice if is_slice else part.whole) is not None and (not only or part.name in only)
    ]
    with ThreadPoolExecutor(2 if is_slice else 1) as pool:
        verdicts = list(pool.map(lambda one: carry_out(*one, seed, is_slice=is_slice), chosen))
    print(f"== seed {seed}")
    for part, holds, seconds in verdicts:
        print(f"{'holds' if holds else 'DOES NOT HOLD':<14}{part.name:<10} {seconds:5.0f} s  {part.says}")
    return 0 if all(holds for _, holds, _ in verdicts) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--slice", action="store_true")
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    wanted = frozenset(name for name in chosen.only.split(",") if name)
    sys.exit(main(chosen.seed, wanted, is_slice=chosen.slice))
