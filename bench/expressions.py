"""How many expressions a second are evaluated: simple, nested, in text, and over a whole JSON value.

    python bench/expressions.py [--rounds 7] [--json FILE]

Each is compiled once, as a flow version is, and evaluated for a fifth of a second per round; the middle round counts.
Compilations per second are those of the same text. No values are remembered between evaluations.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from flowmend.core.expression import compile_template
from fuzz_expressions import SCOPE

ROUND_SECONDS = 0.2
BATCH = 200

CASES: dict[str, Any] = {
    "simple: a property": "@triggerBody()?['$content']",
    "simple: a call": "@add(variables('n'), 1)",
    "nested: six calls": (
        "@if(and(greater(variables('n'), 5), not(empty(variables('s')))), "
        "toUpper(concat(parameters('p'), '-', string(variables('n')))), null)"
    ),
    "nested: dates": "@formatDateTime(addDays(utcNow(), variables('n')), 'yyyy-MM-dd')",
    "interpolated: two in text": "Order @{variables('n')} of @{parameters('p')} is ready.",
    "interpolated: a JSON body": {
        "id": "@item()['id']",
        "name": "@{triggerBody()?['items']?[0]?['name']}",
        "tags": ["@first(item()?['tags'])", "fixed"],
        "total": "@mul(variables('n'), 2.5)",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    name: str
    evaluations_per_second: float
    microseconds: float
    compilations_per_second: float


def main() -> None:
    given = _read_arguments()
    measured = [_measure(name, value, given.rounds) for name, value in CASES.items()]
    print(f"{'expression':<28}{'evaluations/s':>15}{'µs each':>10}{'compilations/s':>16}")
    for row in measured:
        print(
            f"{row.name:<28}{row.evaluations_per_second:>15,.0f}{row.microseconds:>10.2f}"
            f"{row.compilations_per_second:>16,.0f}"
        )
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in measured], indent=2) + "\n")


def _measure(name: str, value: Any, rounds: int) -> Measured:
    template = compile_template(value)
    evaluations = median(_rate(lambda: template.evaluate(SCOPE)) for _ in range(rounds))
    compilations = median(_rate(lambda: compile_template(value)) for _ in range(rounds))
    return Measured(
        name=name,
        evaluations_per_second=evaluations,
        microseconds=1_000_000 / evaluations,
        compilations_per_second=compilations,
    )


def _rate(act: Callable[[], object]) -> float:
    """Times a second, in batches so that asking for the time costs nothing."""
    count = 0
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < ROUND_SECONDS:
        for _ in range(BATCH):
            act()
        count += BATCH
    return count / passed


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
