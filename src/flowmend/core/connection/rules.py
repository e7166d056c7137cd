"""The rules of diagnosis: read from documents, checked, and found by what they concern.

A rule says: where these codes, headers or phrases are received, under these conditions, this is the verdict. Each is
believed as much as what it reads deserves: a provider's code before a field of the protocol, before a documented
phrase, before codes that only say *that* the caller was refused and not why, before the bare status.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

import re2

from flowmend.core.connection.received import Phase
from flowmend.core.connection.verdicts import Verdict
from flowmend.core.json_value import Json

#: In place of a protocol: every one whose answers are text. On `network` there was no answer at all.
ANY_TEXT = "text"
_NOT_TEXT = frozenset({"http", "network"})


class Trust(IntEnum):
    """How much a rule is believed; the first that holds decides."""

    CODE = 0  # a provider's own error code
    FIELD = 1  # a field of the protocol: `error`, a header, SQLSTATE, an enhanced status code
    PHRASE = 2  # a documented sentence
    VAGUE = 3  # a code or field that says that the caller was refused, and not why
    STATUS = 4  # the bare status


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Every condition that is given must hold.

    providers: who says so, () for whoever speaks the protocol. only_named: it counts only where the answer is known to
    be theirs, for others say the same and mean another thing. protocols, phases, statuses: where it counts, empty is
    everywhere; sign_in_statuses: the same, where one signs in rather than calls. codes: one of them was received, `beside`: and one of these too (both normalised by `plain_code`).
    headers: name → pattern its value must hold. says, unless: patterns of the text, in lower case.
    source: the public document that says so. examples: answers that this rule decides, as `{text}` or
    `{status, headers, body}`, with `phase` where it is not an API call.
    """

    name: str
    verdict: Verdict
    trust: Trust
    source: str = ""
    providers: tuple[str, ...] = ()
    only_named: bool = False
    protocols: frozenset[str] = frozenset()
    phases: frozenset[Phase] = frozenset()
    statuses: frozenset[int] = frozenset()
    sign_in_statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    headers: tuple[tuple[str, "re2._Regexp"], ...] = ()
    says: "re2._Regexp | None" = None
    unless: "re2._Regexp | None" = None
    examples: tuple[Mapping[str, Json], ...] = ()

    def concerns(self, protocol: str, phase: Phase, status: int | None) -> bool:
        """Whether the rule counts for such answers. status: None where the protocol has none."""
        is_text = protocol not in _NOT_TEXT
        spoken = not self.protocols or protocol in self.protocols or (is_text and ANY_TEXT in self.protocols)
        statuses = self.statuses if phase is Phase.API_CALL else self.sign_in_statuses
        received = status is None or not statuses or status in statuses
        return spoken and received and (not self.phases or phase in self.phases)

    def names(self, provider: str) -> bool:
        return any(name.lower() in provider.lower() for name in self.providers)


@dataclass(frozen=True, slots=True)
class Concerned:
    """The rules for one kind of answer: by code for those that need one, and in order for the rest, per trust."""

    by_code: Mapping[Trust, Mapping[str, tuple[Rule, ...]]]
    without_code: Mapping[Trust, tuple[Rule, ...]]


class Rules:
    """All rules. An operator's are believed before all of ours; within each, the more trusted first."""

    def __init__(self, shipped: Sequence[Rule], operators: Sequence[Rule] = ()) -> None:
        self.shipped = tuple(shipped)
        self.operators = tuple(operators)
        self._protocols = frozenset({"http"}).union(*(rule.protocols for rule in self))
        self._found: dict[tuple[str, Phase, int | None], tuple[Concerned, ...]] = {}

    def __iter__(self) -> Iterator[Rule]:
        yield from self.operators
        yield from self.shipped

    def with_operators(self, rules: Sequence[Rule]) -> "Rules":
        """Our rules with these before them."""
        return Rules(self.shipped, rules)

    def without_provider(self, provider: str) -> "Rules":
        """These rules less those that name the provider."""
        parts = (self.shipped, self.operators)
        return Rules(*(tuple(rule for rule in part if not rule.names(provider)) for part in parts))

    def concerned(self, protocol: str, phase: Phase, status: int | None) -> tuple[Concerned, ...]:
        """The operator's rules for such an answer, then ours. Remembered: there are few kinds of answers."""
        kind = (protocol if protocol in self._protocols else "", phase, status)
        if kind not in self._found:
            parts = (self.operators, self.shipped)
            self._found[kind] = tuple(
                _sorted_out([rule for rule in part if rule.concerns(*kind)]) for part in parts if part
            )
        return self._found[kind]


def _sorted_out(rules: Sequence[Rule]) -> Concerned:
    by_code: dict[Trust, dict[str, list[Rule]]] = {trust: {} for trust in Trust}
    without: dict[Trust, list[Rule]] = {trust: [] for trust in Trust}
    for rule in rules:
        for code in rule.codes:
            by_code[rule.trust].setdefault(code, []).append(rule)
        if not rule.codes:
            without[rule.trust].append(rule)
    return Concerned(
        MappingProxyType({
            trust: {code: tuple(sorted(found, key=_conditions, reverse=True)) for code, found in codes.items()}
            for trust, codes in by_code.items()
        }),
        MappingProxyType({trust: tuple(found) for trust, found in without.items()}),
    )  # fmt: skip


def _conditions(rule: Rule) -> tuple[bool, int]:
    """Of rules for one code the one for this very protocol says more, then the one with more conditions."""
    is_of_one = bool(rule.protocols) and ANY_TEXT not in rule.protocols
    given = (rule.beside, rule.says, rule.headers, rule.statuses, rule.phases, rule.unless)
    return is_of_one, sum(map(bool, given))
