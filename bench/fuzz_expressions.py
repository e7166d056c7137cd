"""Random and mutated expressions, and what is done with each: compiled, evaluated, now and then traced."""

import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import FUNCTIONS, Function, compile_condition, compile_expression, compile_template
from flowmend.core.expression.context_scope import ContextScope, evaluate_case
from flowmend.core.expression.functions.function import Refers, Takes
from flowmend.store.payloads import encode_payload
from fuzz_vocabulary import CONTEXT, CORPUS, NUMBERS, TEXTS, TOKENS

NOW = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=UTC)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\w+|\s+|.", re.DOTALL)
_FUNCTIONS: tuple[Function, ...] = tuple(FUNCTIONS.values())
_WORDS = TOKENS + tuple(f"{function.name}(" for function in _FUNCTIONS)
_BY_RESULT = {
    Takes.STRING: (
        "concat",
        "string",
        "toLower",
        "replace",
        "base64",
        "formatDateTime",
        "utcNow",
        "join",
        "guid",
        "substring",
    ),
    Takes.ARRAY: ("createArray", "range", "split", "union", "sort", "skip", "chunk", "reverse", "body", "array"),
    Takes.OBJECT: ("json", "setProperty", "addProperty", "triggerBody", "binary", "mergeObjects", "trigger", "item"),
    Takes.NUMBER: ("add", "mul", "div", "length", "int", "float", "decimal", "ticks", "indexOf", "rand", "pow"),
    Takes.INTEGER: ("length", "int", "indexOf", "dayOfWeek", "mod"),
    Takes.BOOLEAN: ("equals", "contains", "empty", "greater", "startsWith", "not", "and"),
}
_KINDS = tuple(Takes)
_NAMES = {
    Refers.ACTION: ("A", "B", "C"),
    Refers.PARAMETER: tuple(CONTEXT["parameters"]),
    Refers.VARIABLE: tuple(CONTEXT["variables"]),
    Refers.LOOP: ("loop", "until"),
    Refers.RESULT: ("scope",),
}


@dataclass(frozen=True, slots=True)
class _Moment:
    now: datetime = NOW

    def guid(self) -> UUID:
        return UUID(int=7)

    def draw(self) -> float:
        return 0.5


class _ForgivingScope(ContextScope):
    """Knows every name, so that expressions taken from flows get beyond it."""

    def parameter(self, name: str) -> Any:
        return super().parameter(_known("parameters", name))

    def variable(self, name: str) -> Any:
        return super().variable(_known("variables", name))

    def action(self, name: str) -> dict[str, Any]:
        return super().action(_known("actions", name))

    def items(self, loop: str) -> Any:
        return super().items(_known("items", loop))

    def iteration_index(self, loop: str) -> int:
        return super().iteration_index(_known("iterationIndexes", loop))

    def result(self, container: str) -> list[Any]:
        return super().result(_known("results", container))


def _known(part: str, name: str) -> str:
    names = tuple(CONTEXT[part])
    return name if name in names else names[len(name) % len(names)]


SCOPE = _ForgivingScope(CONTEXT, _Moment())


class Expressions:
    """Makes cases `{mode, value}` and tries them. corpus: expressions without a leading `@`."""

    def __init__(self, corpus: tuple[str, ...]) -> None:
        self._corpus = corpus

    def make(self, random: Random) -> dict[str, Any]:
        chance = random.random()
        if chance < 0.5:
            return {"mode": "expr", "value": self.text(random)}
        if chance < 0.75:
            return {"mode": "template", "value": self._template(random)}
        if chance < 0.9:
            return {"mode": "template", "value": self.json(random, 3)}
        if chance < 0.95:
            return {"mode": "condition", "value": self._condition(random, 3)}
        return {"mode": "action", "value": self._data_operation(random)}

    def text(self, random: Random) -> str:
        """One bare expression, valid or nearly so."""
        text = generated(random, random.randint(0, 4)) if random.random() < 0.5 else random.choice(self._corpus)
        for _ in range(random.choice((0, 0, 0, 1, 1, 3))):
            text = self.mutated(random, text)
        return text

    def mutated(self, random: Random, text: str) -> str:
        tokens = _TOKEN.findall(text)
        if not tokens:
            return random.choice(_WORDS)
        at = random.randrange(len(tokens))
        match random.randrange(10):
            case 0:
                del tokens[at : at + random.randint(1, 4)]
            case 1:
                tokens.insert(at, random.choice(_WORDS))
            case 2:
                tokens[at] = random.choice(_WORDS)
            case 3:
                tokens[at] = literal(random, random.choice(_KINDS))
            case 4:
                tokens[at] = random.choice(_TOKEN.findall(random.choice(self._corpus)) or [""])
            case 5:
                tokens[at:at] = tokens[at : at + random.randint(1, 6)] * random.randint(1, 3)
            case 6:
                tokens[at] = generated(random, 2)
            case 7:
                return _with_byte_changed(random, text)
            case 8:
                return text[: random.randrange(len(text) + 1)]
            case _:
                return _wrapped(random, text)
        return "".join(tokens)

    def _template(self, random: Random) -> str:
        if random.random() < 0.4:
            return "@" + self.text(random)
        pieces = [
            f"@{{{self.text(random)}}}" if random.random() < 0.6 else random.choice(TOKENS + TEXTS)
            for _ in range(random.randint(1, 5))
        ]
        return "".join(pieces)

    def json(self, random: Random, depth: int) -> Any:
        """A JSON value with templates in it."""
        chance = random.random()
        if depth and chance < 0.25:
            return [self.json(random, depth - 1) for _ in range(random.randint(0, 4))]
        if depth and chance < 0.6:
            keys = [random.choice(TEXTS) if random.random() < 0.8 else self._template(random) for _ in range(3)]
            return {key: self.json(random, depth - 1) for key in keys}
        if chance < 0.85:
            return self._template(random)
        return random.choice((None, True, 0, -1, 1.5, 2**63, 1e308, random.choice(TEXTS)))

    def _condition(self, random: Random, depth: int) -> Any:
        if not depth or random.random() < 0.2:
            return self.json(random, 1)
        name = random.choice(("and", "or", "not", "equals", "greater", "less", "contains", "startsWith", "empty", "x"))
        parts: Any = [self._condition(random, depth - 1) for _ in range(random.randint(0, 3))]
        return {name: parts if random.random() < 0.8 else self._condition(random, depth - 1)}

    def _data_operation(self, random: Random) -> dict[str, Any]:
        value = self.json(random, 2)
        source = "@triggerBody()['items']" if random.random() < 0.5 else value
        inputs = {"from": source, "content": value, "schema": self.json(random, 2), "where": self._template(random)}
        inputs |= {
            "select": self.json(random, 1),
            "joinWith": random.choice(TEXTS),
            "format": random.choice(("CSV", "HTML", 3)),
        }
        if random.random() < 0.4:
            inputs["columns"] = [{"header": random.choice(TEXTS), "value": self.json(random, 1)}]
        return {"type": random.choice(("ParseJson", "Query", "Select", "Join", "Table", "Compose")), "inputs": inputs}


def try_expression(case: dict[str, Any]) -> bool:
    """Whether it has a value; raises whatever is not an error of the language, and what cannot be kept as JSON."""
    value = case["value"]
    try:
        match case["mode"]:
            case "expr":
                template = compile_expression(value if isinstance(value, str) else str(value))
            case "condition":
                template = compile_condition(value)
            case "action":
                evaluate_case({"mode": "action", "action": value, "context": CONTEXT}, _Moment())
                return True
            case _:
                template = compile_template(value)
        try:
            encode_payload(template.evaluate(SCOPE))
        finally:
            if len(str(value)) % 8 == 0:  # the same cases are traced each time
                template.trace(SCOPE)
    except ExpressionError:
        return False
    return True


def generated(random: Random, depth: int, takes: Takes = Takes.ANYTHING) -> str:
    """A grammatical expression whose arguments are mostly of the kinds that its functions take."""
    if depth <= 0 or random.random() < 0.2:
        return literal(random, takes)
    names = _BY_RESULT.get(takes, ())
    function = FUNCTIONS[random.choice(names).lower()] if names and random.random() < 0.8 else random.choice(_FUNCTIONS)
    most = function.least + 2 if function.most is None else function.most
    count = random.randint(function.least, most) if random.random() < 0.95 else random.randint(0, 5)
    kinds = [function.takes_at(at) if random.random() < 0.96 else random.choice(_KINDS) for at in range(count)]
    arguments = [generated(random, depth - 1, kind) for kind in kinds]
    if arguments and random.random() < 0.8:
        arguments[0] = _fitting(random, function) or arguments[0]
    text = f"{function.name}({', '.join(arguments)})"
    while random.random() < 0.15:
        key = generated(random, depth - 2, random.choice((Takes.STRING, Takes.INTEGER)))
        text += random.choice((f"[{key}]", f"?[{key}]", ".body", "?.items", "?['id']"))
    return text


def _fitting(random: Random, function: Function) -> str:
    """A first argument with which the function gets beyond reading it, where a text does not do."""
    names = _NAMES.get(function.refers)
    if names:
        return f"'{random.choice(names)}'"
    if function.takes_at(0) is Takes.STRING and getattr(function.implementation, "__module__", "").endswith(
        ".datetime"
    ):
        return random.choice(
            ("utcNow()", "'2026-01-31T23:59:59.1234567+02:00'", "'2024-02-29'", "'9999-12-31'", "'0001-01-01'")
        )
    return ""


def literal(random: Random, takes: Takes) -> str:
    wanted = takes.types or (str, int, bool, list, dict)
    kind = random.choice(wanted)
    if kind is str:
        return "'" + random.choice(TEXTS).replace("'", "''") + "'"
    if kind is bool:
        return random.choice(("true", "false"))
    if kind is list:
        return random.choice(("createArray(1, 'a', null)", "body('A')", "parameters('list')", "range(0, 3)"))
    if kind is dict:
        return random.choice(("triggerBody()", "item()", "parameters('object')", "json('{}')"))
    if kind is type(None):
        return "null"
    if takes is Takes.INTEGER and random.random() < 0.7:
        return str(random.randint(-3, 12))
    return random.choice(NUMBERS)


def _with_byte_changed(random: Random, text: str) -> str:
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    at = random.randrange(len(raw) + 1)
    raw[at : at + random.randint(0, 1)] = bytes([random.randrange(256)])
    return raw.decode("utf-8", random.choice(("replace", "surrogateescape", "ignore")))


def _wrapped(random: Random, text: str) -> str:
    times = random.choice((1, 2, 3, 3, 10, 60, 400, 3000)) if random.random() < 0.2 else 1
    before, after = random.choice(
        (
            ("(", ")"),
            ("not(", ")"),
            ("string(", ")"),
            ("createArray(", ")"),
            ("json(", ")"),
            ("concat(", ", 'x')"),
            ("", "[0]"),
        )
    )
    return before * times + text + after * times


def corpus_of(shared: Path) -> tuple[str, ...]:
    """Our own small expressions, and real ones where they lie beside the project."""
    found = dict.fromkeys(CORPUS)
    vectors = shared / "expression_vectors.json"
    if vectors.is_file():
        found |= dict.fromkeys(str(case["expr"]) for case in json.loads(vectors.read_text("utf-8")) if case.get("expr"))
    for path in sorted((shared / "flows").rglob("*.json")):
        for written in _strings(json.loads(path.read_text("utf-8-sig"))):
            if written[:1] == "@" and 2 < len(written) < 400 and written[1] in string.ascii_letters:
                found[written[1:]] = None
    return tuple(found)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(part)
