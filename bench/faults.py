"""Every fault there is, one after another, with one seed, and a verdict on each.

    python bench/faults.py [--seed N] [--slice] [--only NAME,…]

The whole takes about half an hour on two cores; --slice takes less than a minute, in small sizes. Exit 0 where everything holds.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MOST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A script and its sizes. slice: in a minute's slice; None where a test of its own has one."""

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


def carry_out(part: Part, sizes: Sequence[str], seed: int) -> tuple[bool, float]:
    """(whether everything holds, how long it took)."""
    print(f"== {part.name}: {part.says}", flush=True)
    began = time.monotonic()
    command = [sys.executable, str(HERE / part.script), *sizes, "--seed", str(seed)]
    try:
        holds = subprocess.run(command, cwd=HERE.parent, timeout=MOST_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"WRONG: it did not end within {MOST_SECONDS:g} s", flush=True)
        holds = False
    return holds, time.monotonic() - began


def main(seed: int, only: frozenset[str], *, is_slice: bool) -> int:
    print(f"seed {seed}", flush=True)
    unknown = only - {part.name for part in PARTS}
    if unknown:
        raise SystemExit(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(part.name for part in PARTS)}"
        )
    verdicts = []
    for part in PARTS:
        sizes = part.slice if is_slice else part.whole
        if sizes is not None and (not only or part.name in only):
            verdicts.append((part, *carry_out(part, sizes, seed)))
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
