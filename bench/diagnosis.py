"""How well refusals are diagnosed: against people's judgements, without what names a provider, and against false alarms.

    python bench/diagnosis.py [--cases FILE] [--answers 2000] [--seed 1] [--json FILE]

Judged cases come from `../shared/data/auth_failures.json` where it is there; each miss is printed. The same again with
the rules that name the case's provider switched off, and with hosts and ids replaced by random ones. Then answers that
are no authentication failure (`failures_of_other_kinds`): how many are called a broken connection. Last, the time.
"""

import argparse
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from failures_of_other_kinds import other_failures
from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.diagnosis_rules import shipped_rules
from flowmend.core.connection.rules import Rules
from flowmend.core.outcome import Diagnosis

CASES = Path(__file__).parents[2] / "shared" / "data" / "auth_failures.json"
FIELDS = ("category", "user_fixable_by", "is_auth_failure", "connection_status", "try_silent_refresh_first")
_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{12,}\b")
_ADDRESS = re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_HOST = re.compile(r"\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|me)\b", re.IGNORECASE)
_NAMES = re.compile(r"contoso|acme|'app'|\"app\"|orders|sales")

Case = dict[str, Any]


def main() -> None:
    given = _read_arguments()
    figures: dict[str, Any] = {}
    if given.cases.is_file():
        cases = json.loads(given.cases.read_text("utf-8"))
        figures |= _judged(cases, given.seed)
    else:
        print(f"No judged cases: {given.cases} is not there.")
    figures |= _false_alarms(given.answers, given.seed)
    figures["microseconds"] = _microseconds()
    print(f"one diagnosis: {figures['microseconds']:.0f} µs")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


def _judged(cases: list[Case], seed: int) -> dict[str, Any]:
    rules, draw = shipped_rules(), random.Random(seed)
    print(f"{len(cases)} judged cases")
    whole = _accuracy("with the provider's name known", cases, received, lambda _: rules, show=True)
    unnamed = _accuracy("with the provider unknown", cases, lambda one: received(one, named=False), lambda _: rules)
    without = _accuracy(
        "rules that name the provider switched off",
        cases,
        lambda one: received(one, named=False),
        lambda one: rules.without_provider(one["provider"]),
        show=True,
    )
    replaced = _accuracy("hosts and ids replaced", cases, lambda one: received(_replaced(one, draw)), lambda _: rules)
    return {"judged": whole, "provider unknown": unnamed, "provider's rules off": without, "replaced": replaced}


def _accuracy(
    title: str,
    cases: list[Case],
    answer_of: Callable[[Case], ReceivedAnswer],
    rules_for: Callable[[Case], Rules],
    *,
    show: bool = False,
) -> dict[str, float]:
    right: Counter[str] = Counter()
    by_provider: dict[str, list[bool]] = {}
    misses = []
    for case in cases:
        diagnosis = diagnose(answer_of(case), had_credential=True, rules=rules_for(case))
        found = told(diagnosis)
        right.update(name for name in FIELDS if found[name] == case[name])
        by_provider.setdefault(case["provider"], []).append(found["category"] == case["category"])
        if found != {name: case[name] for name in FIELDS}:
            misses.append((case, diagnosis))
    shares = {name: right[name] / len(cases) for name in FIELDS}
    print(f"\n{title}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    if show:
        for provider, judged in sorted(by_provider.items()):
            if not all(judged):
                print(f"  {provider}: {sum(judged)} of {len(judged)} categories")
        for case, diagnosis in misses:
            found = {name: value for name, value in told(diagnosis).items() if value != case[name]}
            wanted = {name: case[name] for name in found}
            print(f"  miss {case['id']} ({case['provider']}, {diagnosis.rule}): {found}, judged {wanted}")
    return shares


def told(diagnosis: Diagnosis) -> dict[str, Any]:
    """A diagnosis in the words of the judged cases."""
    return {
        "category": diagnosis.category.value,
        "user_fixable_by": diagnosis.fixable_by.value,
        "is_auth_failure": diagnosis.is_auth_failure,
        "connection_status": "Error" if diagnosis.connection_broken else "Connected",
        "try_silent_refresh_first": diagnosis.try_silent_refresh_first,
    }


def received(case: Case, *, named: bool = True) -> ReceivedAnswer:
    """A case as it would have been received."""
    sample, provider = case["sample"], case["provider"] if named else ""
    if "raw" in sample:
        return ReceivedAnswer(
            body=sample["raw"], protocol=case["protocol"], phase=Phase(case["phase"]), provider=provider
        )
    body = sample["body"] if isinstance(sample["body"], str) else json.dumps(sample["body"])
    return ReceivedAnswer(
        status=sample["status"], headers=sample["headers"], body=body, phase=Phase(case["phase"]), provider=provider
    )


def _replaced(case: Case, draw: random.Random) -> Case:
    def other(match: re.Match[str]) -> str:
        letters = "0123456789abcdef"
        return re.sub(r"[0-9a-f]", lambda _: draw.choice(letters), match[0])

    text = json.dumps(case["sample"])
    text = _ID.sub(other, text)
    text = _ADDRESS.sub(lambda _: ".".join(str(draw.randint(1, 254)) for _ in range(4)), text)
    text = _HOST.sub(lambda _: f"{_name(draw)}.{_name(draw)}.example", text)
    text = _NAMES.sub(
        lambda match: match[0][0] + _name(draw) + match[0][-1] if match[0][0] in "'\"" else _name(draw), text
    )
    return {**case, "sample": json.loads(text) if _reads(text) else case["sample"]}


def _reads(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _name(draw: random.Random) -> str:
    return "".join(draw.choice("bcdfghklmnprst") + draw.choice("aeiou") for _ in range(4))


def _false_alarms(count: int, seed: int) -> dict[str, Any]:
    broken: list[tuple[str, ReceivedAnswer, Diagnosis]] = []
    blamed = 0
    for kind, answer in other_failures(count, seed):
        diagnosis = diagnose(answer, had_credential=True)
        blamed += diagnosis.is_auth_failure
        if diagnosis.connection_broken:
            broken.append((kind, answer, diagnosis))
    print(
        f"\n{count} answers that are no authentication failure: {len(broken)} called broken ({len(broken) / count:.2%})"
    )
    for kind, answer, diagnosis in broken[:20]:
        print(f"  {kind}: {answer.status} {answer.body[:160]} ({diagnosis.rule})")
    return {"false broken": len(broken) / count, "called a refusal of access": blamed / count}


def _microseconds() -> float:
    answers = [answer for _, answer in other_failures(200, 7)]
    for answer in answers:
        diagnose(answer, had_credential=True)
    began = time.perf_counter()
    for _ in range(10):
        for answer in answers:
            diagnose(answer, had_credential=True)
    return (time.perf_counter() - began) / (10 * len(answers)) * 1e6


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--answers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
