"""Deployment template expressions, `[concat(parameters('a'), '-b')]`, evaluated as far as what is known reaches.

The grammar is that of the workflow language between square brackets instead of behind `@`, so one parser does for both.
An expression that needs what nobody said yet stays as it is written, and what it needs is told.
Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-expressions
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from flowmend.core.definition.flow import EMPTY
from flowmend.core.definition.template_copies import Copy, passes_of, property_copies
from flowmend.core.definition.template_functions import (
    GROUP_NAME,
    SUBSCRIPTION_ID,
    TEMPLATE_FUNCTIONS,
    Unresolved,
    place_facts,
    resource_path,
    unresolved_in,
)
from flowmend.core.errors import ExpressionError, TooLarge
from flowmend.core.expression import FUNCTIONS
from flowmend.core.expression.functions.function import Kind
from flowmend.core.expression.parsing import parse
from flowmend.core.expression.syntax import Call, Node
from flowmend.core.json_value import Json

_DEEPEST = 100
# No template people deploy comes near; variables that double each other reach any number.
_MOST_STEPS = 1_000_000
_SIGNS_A_STEP = 64
_EXPRESSION_START = re.compile(r"\[\s*[A-Za-z_]")
# In a text that is put together from pieces, a secret stands as the workflow expression that reads it.
_KEEP_SECRETS_WHOLE = frozenset({"concat", "format", "if", "coalesce", "createobject", "createarray"})
_SECRET_MARK = "@{parameters('"  # noqa: S105  the beginning of an expression


@dataclass(slots=True)
class Spent:
    """The steps that a whole template has taken so far, shared by everything evaluated for it."""

    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateScope:
    """What a template's expressions see.

    parameters, variables: as the template writes them. values: given by whoever imports, by name, before the defaults.
    secrets: `{template parameter in lower case: flow parameter}`: these read as the workflow expression that gets the
    secret at run time, so that no definition holds it. passes: `{loop in lower case: its pass}` of the copy loops around,
    that of the resource also under "".
    """

    parameters: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    variables: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    values: Mapping[str, Json] = field(default_factory=lambda: EMPTY, repr=False)
    secrets: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    passes: Mapping[str, int] = field(default_factory=lambda: EMPTY)
    spent: Spent = field(default_factory=Spent)


class TemplateEvaluator:
    """Evaluates against one scope. facts: of its place where they are known already. unresolved: names of the values that were
    missing, in the order met.

    Errors of its methods: TooLarge `TemplateTooLarge` for a template that takes more than any real one; what a copy loop
    is refused with (`template_copies.passes_of`).
    """

    def __init__(self, scope: TemplateScope, facts: Mapping[str, Json] | None = None) -> None:
        self.unresolved: dict[str, None] = {}
        self._scope = scope
        self._facts = facts if facts is not None else place_facts(scope.values)
        self._under_way: list[tuple[str, str]] = []

    def evaluate(self, value: Json, depth: int = 0) -> Json:
        """`value` with every expression at any depth evaluated; those that need more stay as written."""
        if isinstance(value, str):
            return self.evaluate_text(value)
        if depth > _DEEPEST:
            return value
        if isinstance(value, Mapping):
            made = self._copied(value, TemplateEvaluator.evaluate, depth)
            if isinstance(made, Unresolved):
                self.unresolved.update(dict.fromkeys(made.names))
                made = {"copy": value["copy"]}
            kept = value if made is None else {key: inner for key, inner in value.items() if key != "copy"}
            return {key: self.evaluate(inner, depth + 1) for key, inner in kept.items()} | (made or {})
        if isinstance(value, list):
            return [self.evaluate(inner, depth + 1) for inner in value]
        return value

    def evaluate_text(self, text: str) -> Json:
        """What one string comes to: itself where it is no expression, or needs what is not known."""
        found = self.resolve(text)
        missing = unresolved_in(found)
        if missing:
            self.unresolved.update(dict.fromkeys(missing))
            return text
        if isinstance(found, str) and found.startswith(_SECRET_MARK) and found.count("@{") == 1 and found[-2:] == ")}":
            return f"@{found[2:-1]}"
        return found

    def resolve(self, text: str) -> Json | Unresolved:
        """As `evaluate_text`, with Unresolved where something is missing."""
        if text.startswith("[["):
            return text[1:] if text.endswith("]") else text
        if not (_EXPRESSION_START.match(text) and text.endswith("]")):
            return text
        try:
            return self._node(parse(text[1:-1]), 0)
        except ExpressionError:
            return text  # `[Internal]` and other plain text in brackets
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return Unresolved((text[1:-1].strip(),))

    def _node(self, node: Node, depth: int) -> Json | Unresolved:
        self.spend(1)
        if not isinstance(node, Call):
            return node.value
        if depth > _DEEPEST:
            raise ExpressionError("The expression nests too deep.")
        value = self._call(node, depth)
        self.spend(_weight(value))
        for hop in node.hops:
            key = self._node(hop.key, depth + 1)
            if isinstance(value, Unresolved) or isinstance(key, Unresolved):
                return value if isinstance(value, Unresolved) else key
            value = _selected(value, key)
        return value

    def spend(self, steps: int) -> None:
        """Count work that was done. Errors: TooLarge."""
        self._scope.spent.steps += steps
        if self._scope.spent.steps > _MOST_STEPS:
            raise _too_large()

    def _call(self, call: Call, depth: int) -> Json | Unresolved:
        name = call.name.lower()
        if name in {"if", "coalesce"}:
            return self._chosen(name, call, depth)
        arguments = [self._node(argument, depth + 1) for argument in call.arguments]
        missing = [inner for argument in arguments for inner in unresolved_in(argument)]
        if missing:
            return Unresolved(tuple(dict.fromkeys(missing)))
        has_secret = any(isinstance(argument, str) and _SECRET_MARK in argument for argument in arguments)
        if has_secret and name not in _KEEP_SECRETS_WHOLE:
            return Unresolved((_spelled(call, arguments),))
        special = self._SPECIAL.get(name)
        if special is not None:
            return special(self, arguments)
        if name in self._facts and not arguments:
            return self._facts[name]
        value = _applied(name, call, arguments)
        if isinstance(value, Unresolved):
            given, said = find(self._scope.values, value.names[0])
            return said if given else value
        return value

    def _chosen(self, name: str, call: Call, depth: int) -> Json | Unresolved:
        for index, argument in enumerate(call.arguments):
            value = self._node(argument, depth + 1)
            if isinstance(value, Unresolved):
                return value
            if name == "if" and len(call.arguments) == 3:
                return self._node(call.arguments[1 if value is True else 2], depth + 1)
            if name == "coalesce" and (value is not None or index == len(call.arguments) - 1):
                return value
        raise ExpressionError(f"'{call.name}' has too few arguments.")

    def _parameter(self, arguments: list[Json]) -> Json | Unresolved:
        name = str(arguments[0]) if arguments else ""
        secret = self._scope.secrets.get(name.lower())
        if secret is not None:
            return f"{_SECRET_MARK}{secret.replace(chr(39), chr(39) * 2)}')}}"
        given, value = find(self._scope.values, name)
        if given:
            return value
        _, declared = find(self._scope.parameters, name)
        if not isinstance(declared, Mapping) or "defaultValue" not in declared:
            return Unresolved((name,))
        return self._named("parameter", name, declared["defaultValue"])

    def _variable(self, arguments: list[Json]) -> Json | Unresolved:
        name = str(arguments[0]) if arguments else ""
        is_there, written = find(self._scope.variables, name)
        if is_there:
            return self._named("variable", name, written)
        for copy in property_copies(self._scope.variables):
            if copy.name.lower() == name.lower():
                alone: Json = {"copy": [{"name": copy.name, "count": copy.count, "input": copy.input}]}
                made = self._named("variable", name, alone)
                return made if isinstance(made, Unresolved) else made[copy.name]
        return Unresolved((f"variables('{name}')",))

    def _named(self, kind: str, name: str, written: Json) -> Json | Unresolved:
        """The value of a parameter's default or of a variable, which may read others but not itself."""
        place = (kind, name.lower())
        if place in self._under_way or len(self._under_way) > _DEEPEST:
            return Unresolved((name,))
        self._under_way.append(place)
        try:
            return self._within(written, 0)
        finally:
            self._under_way.pop()

    def _within(self, value: Json, depth: int) -> Json | Unresolved:
        if isinstance(value, str):
            return self.resolve(value)
        if depth <= _DEEPEST and isinstance(value, Mapping):
            made = self._copied(value, TemplateEvaluator._within, depth)
            if isinstance(made, Unresolved):
                return made
            kept = value if made is None else {key: inner for key, inner in value.items() if key != "copy"}
            return {key: self._within(inner, depth + 1) for key, inner in kept.items()} | (made or {})
        if depth <= _DEEPEST and isinstance(value, list):
            return [self._within(inner, depth + 1) for inner in value]
        return value

    def _copied(
        self, holder: Mapping[str, Json], evaluate: Callable[["TemplateEvaluator", Json, int], Json], depth: int
    ) -> dict[str, Json] | Unresolved | None:
        """The arrays that the copy loops among an object's properties make; None where it has none."""
        copies = property_copies(holder)
        if not copies or depth > _DEEPEST:
            return None
        made: dict[str, Json] = {}
        for copy in copies:
            count = self._within(copy.count, 0)
            missing = unresolved_in(count)
            if missing:
                return Unresolved(tuple(dict.fromkeys(missing)))
            items = made[copy.name] = []
            for index in passes_of(copy, count):
                item = evaluate(self._in_pass(copy, index), copy.input, depth + 1)
                self.spend(_weight(item))
                items.append(item)
        return made

    def _in_pass(self, copy: Copy, index: int) -> "TemplateEvaluator":
        """An evaluator for one pass of a loop; what is missing there is missing here."""
        passes = {**self._scope.passes, copy.name.lower(): index}
        inside = TemplateEvaluator(replace(self._scope, passes=passes), self._facts)
        inside.unresolved, inside._under_way = self.unresolved, self._under_way
        return inside

    def _copy_index(self, arguments: list[Json]) -> Json | Unresolved:
        name = arguments[0].lower() if arguments and isinstance(arguments[0], str) else ""
        offset = arguments[-1] if arguments and isinstance(arguments[-1], int) else 0
        index = self._scope.passes.get(name)
        if index is None:
            return Unresolved((f"copyIndex({', '.join(map(repr, arguments))})",))
        return index + offset

    def _resource_id(self, arguments: list[Json]) -> Json | Unresolved:
        known = {name: find(self._scope.values, name)[1] for name in (SUBSCRIPTION_ID, GROUP_NAME)}
        texts = [str(argument) for argument in arguments]
        # `resourceId([subscription], [group], type, names…)`: what is named in front need not be known.
        named_before = next((index for index, text in enumerate(texts) if "/" in text), 0)
        missing = [name for name in list(known)[: max(2 - named_before, 0)] if known[name] is None]
        if missing:
            return Unresolved(tuple(missing))
        return resource_path(str(known[SUBSCRIPTION_ID] or ""), str(known[GROUP_NAME] or ""), texts)

    def _subscription_resource_id(self, arguments: list[Json]) -> Json | Unresolved:
        _, subscription = find(self._scope.values, SUBSCRIPTION_ID)
        texts = [str(argument) for argument in arguments]
        if texts and "/" not in texts[0]:
            subscription, texts = texts[0], texts[1:]
        if subscription is None:
            return Unresolved((SUBSCRIPTION_ID,))
        return resource_path(str(subscription), "", texts)

    def _tenant_resource_id(self, arguments: list[Json]) -> Json | Unresolved:
        return resource_path("", "", [str(argument) for argument in arguments])

    _SPECIAL: ClassVar[Mapping[str, Callable[["TemplateEvaluator", list[Json]], Json | Unresolved]]] = {
        "parameters": _parameter,
        "variables": _variable,
        "copyindex": _copy_index,
        "resourceid": _resource_id,
        "subscriptionresourceid": _subscription_resource_id,
        "tenantresourceid": _tenant_resource_id,
    }


def find(entries: Mapping[str, Json], name: str) -> tuple[bool, Json]:
    """Whether there is an entry of that name, ignoring case, and its value."""
    if name in entries:
        return True, entries[name]
    for key, value in entries.items():
        if key.lower() == name.lower():
            return True, value
    return False, None


def _applied(name: str, call: Call, arguments: list[Json]) -> Json | Unresolved:
    own = TEMPLATE_FUNCTIONS.get(name)
    if own is not None:
        return own(*arguments)
    shared = FUNCTIONS.get(name)
    if shared is None or shared.kind is not Kind.PURE:
        # `listKeys`, `reference` and their like ask the cloud itself, so a person has to say what they give.
        return Unresolved((_spelled(call, arguments),))
    fits = all(shared.takes_at(index).accepts(argument) for index, argument in enumerate(arguments))
    if not fits or not shared.accepts_count(len(arguments)):
        return Unresolved((_spelled(call, arguments),))
    value: Json = shared.implementation(*arguments)
    return value


def _selected(value: Json, key: Json) -> Json | Unresolved:
    if isinstance(value, Mapping) and isinstance(key, str):
        is_there, found = find(value, key)
        return found if is_there else Unresolved((key,))
    if isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
        return value[key]
    return Unresolved((str(key),))


def _weight(value: Json | Unresolved) -> int:
    """How much a value is, in steps. Parts that stand in it several times count each time, as they do when written."""
    weight, waiting = 0, [value]
    while waiting and weight <= _MOST_STEPS:
        inner = waiting.pop()
        weight += 1
        if isinstance(inner, str):
            weight += len(inner) // _SIGNS_A_STEP
        elif isinstance(inner, Mapping):
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return weight


def _spelled(call: Call, arguments: list[Json]) -> str:
    """The call with what its arguments came to: the name under which a person may give its value."""
    return f"{call.name}({', '.join(map(repr, arguments))})"


def _too_large() -> TooLarge:
    return TooLarge(
        "The template's expressions compute more than any deployment allows, and it is not opened.",
        code="TemplateTooLarge",
    )
