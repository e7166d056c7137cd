"""Rules read from documents, ours and an operator's alike, with every mistake named by its place.

[defaults]                                    # for every rule of the document that does not say otherwise
protocols = ["http"]
source = "https://…"

[[rules]]
name = "acme.key_expired"                     # unique
verdict = "expired"                           # one of `verdicts.VERDICTS`
statuses = [401, "5xx"]                       # or "refusal"; these and the other conditions as `rules.Rule` says
codes = ["KEY_EXPIRED"]
examples = [{ status = 401, body = '{"code": "key-expired"}' }, { text = "535 key expired" }]
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import re2

from flowmend.core.connection.evidence import plain_code
from flowmend.core.connection.received import Phase
from flowmend.core.connection.rules import Rule, Trust
from flowmend.core.connection.verdicts import VERDICTS
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity

_LISTS = frozenset({"providers", "protocols", "phases", "statuses", "codes", "beside", "says", "unless", "examples"})
_KEYS = _LISTS | {"name", "verdict", "trust", "source", "headers", "only_named"}
_EXAMPLE_KEYS = frozenset({"status", "headers", "body", "text", "phase", "protocol", "failure_code"})
_SINGLE: dict[str, type] = {"trust": str, "source": str, "headers": dict, "only_named": bool}
_KIND_WORDS = {str: "text", dict: "a table", bool: "true or false"}
_CONDITIONS = ("codes", "headers", "says", "statuses")
#: The statuses with which a caller is refused: of an API call; while signing in a 400 is one more. A success counts
#: where the body says that the call failed.
_REFUSALS = frozenset({401, 403, *range(200, 300)})
_STATUS_CLASS = re.compile(r"[1-5]xx")
_LARGEST_PATTERN_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDocument:
    """A document of rules. name: what mistakes are told by, e.g. the file's. content: `{defaults, rules}`."""

    name: str
    content: Json


def read_rules(documents: Iterable[RuleDocument]) -> tuple[Rule, ...]:
    """The rules of documents, in their order.

    Errors: InvalidDocument with every mistake; a problem's pointer is `<document>#/rules/<number>/<key>`.
    """
    reading = _Reading()
    rules = tuple(rule for document in documents for rule in reading.rules(document))
    if reading.problems:
        first = reading.problems[0]
        more = f" (and {len(reading.problems) - 1} more)" if len(reading.problems) > 1 else ""
        raise InvalidDocument(f"{first.pointer}: {first.message}{more}", reading.problems, code="InvalidRules")
    return rules


@dataclass(slots=True)
class _Reading:
    problems: list[Problem] = field(default_factory=list)
    _named: dict[str, str] = field(default_factory=dict)

    def rules(self, document: RuleDocument) -> Iterable[Rule]:
        content = document.content
        if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
            self._problem(f"{document.name}#", "This is no document of rules: it needs a list `rules`.")
            return
        defaults = content.get("defaults", {})
        if not isinstance(defaults, dict):
            self._problem(f"{document.name}#/defaults", "The defaults must be a table.")
            return
        for unknown in sorted(content.keys() - {"defaults", "rules"}):
            self._problem(f"{document.name}#/{unknown}", "Only `defaults` and `rules` are known here.")
        for number, fields in enumerate(content["rules"]):
            place = f"{document.name}#/rules/{number}"
            if not isinstance(fields, dict):
                self._problem(place, "A rule must be a table.")
            elif (rule := self._rule(place, {**defaults, **fields})) is not None:
                yield rule

    def _rule(self, place: str, fields: Mapping[str, Json]) -> Rule | None:
        known = len(self.problems)
        self._check_shape(place, fields)
        if len(self.problems) > known:
            return None
        self._check_sense(place, fields)
        name = fields["name"]
        if name in self._named:
            self._problem(f"{place}/name", f"The rule {name!r} is already there, at {self._named[name]}.")
        self._named.setdefault(name, place)
        given = fields.get("statuses", ())
        statuses = self._statuses(f"{place}/statuses", given)
        headers = tuple(
            (header.lower(), pattern)
            for header, text in fields.get("headers", {}).items()
            if (pattern := self._pattern(f"{place}/headers/{header}", [text])) is not None
        )
        says = self._pattern(f"{place}/says", fields.get("says", ()))
        unless = self._pattern(f"{place}/unless", fields.get("unless", ()))
        if len(self.problems) > known:
            return None
        return Rule(
            name=name,
            verdict=VERDICTS[fields["verdict"]],
            trust=Trust[fields["trust"].upper()] if "trust" in fields else _trust(fields),
            source=fields.get("source", ""),
            providers=tuple(fields.get("providers", ())),
            only_named=fields.get("only_named", False),
            protocols=frozenset(fields.get("protocols", ())),
            phases=frozenset(Phase(one) for one in fields.get("phases", ())),
            statuses=statuses,
            sign_in_statuses=statuses | {400} if "refusal" in given else statuses,
            codes=frozenset(map(plain_code, fields.get("codes", ()))),
            beside=frozenset(map(plain_code, fields.get("beside", ()))),
            headers=headers,
            says=says,
            unless=unless,
            examples=tuple(fields.get("examples", ())),
        )

    def _check_shape(self, place: str, fields: Mapping[str, Json]) -> None:
        for key in sorted(fields.keys() - _KEYS):
            self._problem(f"{place}/{key}", f"A rule has no {key!r}; it may have {', '.join(sorted(_KEYS))}.")
        for key in ("name", "verdict"):
            if not isinstance(fields.get(key), str) or not fields[key]:
                self._problem(f"{place}/{key}", f"A rule needs its {key}.")
        for key in _LISTS & fields.keys():
            wanted: tuple[type, ...] = {"statuses": (int, str), "examples": (dict,)}.get(key, (str,))
            if not isinstance(fields[key], list) or not all(isinstance(one, wanted) for one in fields[key]):
                self._problem(f"{place}/{key}", f"{key!r} must be a list of {wanted[-1].__name__}.")
        for key, kind in _SINGLE.items():
            if key in fields and not isinstance(fields[key], kind):
                self._problem(f"{place}/{key}", f"{key!r} must be {_KIND_WORDS[kind]}.")
        headers = fields.get("headers")
        if isinstance(headers, dict) and not all(isinstance(pattern, str) for pattern in headers.values()):
            self._problem(f"{place}/headers", "Each header has a pattern, as text.")

    def _check_sense(self, place: str, fields: Mapping[str, Json]) -> None:
        if fields["verdict"] not in VERDICTS:
            self._problem(f"{place}/verdict", f"{fields['verdict']!r} is no verdict; known are {', '.join(VERDICTS)}.")
        if fields.get("trust", "code").upper() not in Trust.__members__:
            known = ", ".join(trust.name.lower() for trust in Trust)
            self._problem(f"{place}/trust", f"{fields['trust']!r} is not one of {known}.")
        for phase in fields.get("phases", ()):
            if phase not in set(Phase):
                self._problem(f"{place}/phases", f"{phase!r} is no phase; known are {', '.join(Phase)}.")
        for example in fields.get("examples", ()):
            self._check_example(f"{place}/examples", example)
        if not any(fields.get(condition) for condition in _CONDITIONS):
            self._problem(place, f"A rule needs at least one of {', '.join(_CONDITIONS)}: it would decide everything.")
        for code in (*fields.get("codes", ()), *fields.get("beside", ())):
            if not plain_code(code):
                self._problem(f"{place}/codes", f"{code!r} is no code: it has no letter and no digit.")

    def _check_example(self, place: str, example: Mapping[str, Json]) -> None:
        for key in sorted(example.keys() - _EXAMPLE_KEYS):
            self._problem(place, f"An example has no {key!r}; it may have {', '.join(sorted(_EXAMPLE_KEYS))}.")
        if not isinstance(example.get("status", 0), int) or not isinstance(example.get("headers", {}), dict):
            self._problem(place, "An example's status is a number, its headers are a table.")
        if example.get("phase", Phase.API_CALL) not in set(Phase):
            self._problem(place, f"{example['phase']!r} is no phase; known are {', '.join(Phase)}.")

    def _statuses(self, place: str, given: Sequence[int | str]) -> frozenset[int]:
        statuses: set[int] = set()
        for one in given:
            if one == "refusal":
                statuses.update(_REFUSALS)
            elif isinstance(one, str) and _STATUS_CLASS.fullmatch(one):
                statuses.update(range(int(one[0]) * 100, int(one[0]) * 100 + 100))
            elif isinstance(one, int) and 100 <= one <= 599:
                statuses.add(one)
            else:
                self._problem(
                    place, f"{one!r} is no status: write a number like 401, a class like '5xx', or 'refusal'."
                )
        return frozenset(statuses)

    def _pattern(self, place: str, patterns: Sequence[str]) -> "re2._Regexp | None":
        """One pattern for all of them. RE2 takes linear time whatever the text, so no rule can hang us."""
        if not patterns:
            return None
        options = re2.Options()
        options.max_mem = _LARGEST_PATTERN_BYTES * 8
        options.log_errors = False
        for pattern in patterns:
            try:
                re2.compile(pattern, options)
            except re2.error as error:
                reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
                self._problem(place, f"The pattern {pattern!r} does not read: {reason}.")
                return None
        try:
            return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options)
        except re2.error:
            self._problem(place, "The patterns are too large together; make two rules of them.")
            return None

    def _problem(self, place: str, message: str) -> None:
        self.problems.append(Problem(severity=Severity.ERROR, code="InvalidRules", pointer=place, message=message))


def _trust(fields: Mapping[str, Json]) -> Trust:
    if fields.get("codes") or fields.get("headers"):
        return Trust.CODE if fields.get("providers") else Trust.FIELD
    return Trust.PHRASE if fields.get("says") else Trust.STATUS
