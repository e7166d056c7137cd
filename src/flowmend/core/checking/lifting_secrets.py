"""Literal secrets taken out of a document: each becomes a secure parameter, read where the secret stood.

The definition then means what it meant, holds no secret, and exports without one. Equal secrets become one parameter.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from flowmend.core.checking.expressions import is_literal
from flowmend.core.checking.secrets import SECRET_IN_URI, literal_secrets
from flowmend.core.definition.flow import EMPTY, Flow
from flowmend.core.definition.json_pointer import pointer_to, tokens_of
from flowmend.core.definition.packages import parts_of
from flowmend.core.json_value import Json

#: A text of an expression, with its quotes, and an expression within a text.
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_INTERPOLATED = re.compile(r"(@\{(?:[^'}]|'(?:[^']|'')*')*\})")
_NOT_IN_NAMES = re.compile(r"\W+", re.ASCII)
# What a connection in `connections.json` is made with, and which of it is secret.
_CONNECTION_PARTS = frozenset({"parametervalues", "authentication", "parametervalueset"})
_SECRET_FIELD = re.compile(r"key|secret|password|pwd|token|connectionstring|sas|credential|pfx", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """A document without its literal secrets. values: `{parameter: secret}`. places: where they stood, as pointers."""

    document: Json
    values: Mapping[str, Json] = field(default_factory=lambda: EMPTY, repr=False)
    places: tuple[str, ...] = ()


def lift_secrets(document: Mapping[str, Json], flow: Flow) -> Lifted:
    """`document` without the secrets written out in it.

    document: holds its definition below a key of its own, and reads as `flow`. What is neither copied nor changed is
    shared with it.
    """
    lifting = _Lifting(document, flow)
    for pointer in (*literal_secrets(flow), *_secrets_of_references(document)):
        lifting.lift(pointer)
    return lifting.lifted()


class _Lifting:
    def __init__(self, document: Mapping[str, Json], flow: Flow) -> None:
        self._document: Json = document
        self._definition = flow.definition.pointer
        self._beside = flow.definition.pointer.removesuffix("/definition")
        self._taken = {name.lower() for name in (*flow.definition.parameters, *flow.parameter_values)}
        self._values: dict[str, Json] = {}
        self._declared: dict[str, Json] = {}
        self._places: list[str] = []

    def lift(self, pointer: str) -> None:
        """Take out the secret that stands at this place."""
        tokens = tokens_of(pointer)
        secret = _at(self._document, tokens)
        if pointer.startswith(f"{self._definition}/parameters/") and tokens[-1] == "defaultValue":
            # A value given beside the definition counts before its default, so that is found first or stays.
            self._values.setdefault(tokens[-2], secret)
            self._change(tokens[:-1], lambda parameter: _without(parameter, "defaultValue"))
        elif pointer.startswith(f"{self._beside}/parameters/") and tokens[-1] == "value":
            self._values[tokens[-2]] = secret
            self._change(tokens[:-2], lambda values: _without(values, tokens[-2]))
        elif tokens[-1] == "uri" and isinstance(secret, str):
            changed = self._without_signature(secret, f"{tokens[-3]}_signature")
            self._change(tokens, lambda _: changed)
        else:
            owner = tokens[-4] if tokens[-3] == "inputs" and len(tokens) > 4 else tokens[-3]
            self._change(tokens, lambda _: f"@{self._read(f'{owner}_{tokens[-1]}', secret)}")
        self._places.append(pointer)

    def lifted(self) -> Lifted:
        if self._declared:
            tokens = [*tokens_of(self._definition), "parameters"]
            self._change(
                tokens,
                lambda declared: {**(declared if isinstance(declared, Mapping) else {}), **self._declared},
            )
        return Lifted(document=self._document, values=self._values, places=tuple(self._places))

    def _without_signature(self, uri: str, name: str) -> str:
        """The address with its signatures read: in its text by an expression, in a text of an expression by a concat."""

        def in_text(match: re.Match[str]) -> str:
            return match[1] + f"@{{{self._read(name, match[2])}}}"

        def in_expression(match: re.Match[str]) -> str:
            inside = match[0][1:-1]
            cut = SECRET_IN_URI.sub(lambda one: f"{one[1]}', {self._read(name, one[2])}, '", inside)
            return match[0] if cut == inside else f"concat('{cut}')"

        if uri.startswith("@") and not uri.startswith(("@{", "@@")):
            return _QUOTED.sub(in_expression, uri)
        pieces = _INTERPOLATED.split(uri)
        return "".join(
            _QUOTED.sub(in_expression, piece) if index % 2 else SECRET_IN_URI.sub(in_text, piece)
            for index, piece in enumerate(pieces)
        )

    def _read(self, name: str, secret: Json) -> str:
        """The expression that reads a secret, a parameter of its own declared for it unless there is one."""
        known = next((one for one in self._declared if self._values[one] == secret), None)
        if known is None:
            known = self._free_name(_NOT_IN_NAMES.sub("_", name))
            self._declared[known] = {"type": "SecureString" if isinstance(secret, str) else "SecureObject"}
            self._values[known] = secret
        return f"parameters('{known}')"

    def _free_name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name.lower())
        return name

    def _change(self, tokens: list[str], change: Callable[[Json], Json]) -> None:
        self._document = _changed(self._document, tokens, change)


def _secrets_of_references(document: Mapping[str, Json]) -> Iterator[str]:
    parts = parts_of(document)
    yield from _literal_fields(parts.references, parts.references_pointer, is_inside=False, depth=0)


def _literal_fields(value: Json, pointer: str, *, is_inside: bool, depth: int) -> Iterator[str]:
    if not isinstance(value, Mapping) or depth > 8:
        return
    for key, inner in value.items():
        below = pointer_to(pointer, key)
        if isinstance(inner, str):
            if is_inside and _SECRET_FIELD.search(key) and inner.strip() and is_literal(inner):
                yield below
        else:
            is_part = is_inside or key.lower() in _CONNECTION_PARTS
            yield from _literal_fields(inner, below, is_inside=is_part, depth=depth + 1)


def _at(value: Json, tokens: list[str]) -> Json:
    for token in tokens:
        value = value[int(token)] if isinstance(value, list) else value[token]
    return value


def _changed(value: Json, tokens: list[str], change: Callable[[Json], Json]) -> Json:
    if not tokens:
        return change(value)
    first, rest = tokens[0], tokens[1:]
    if isinstance(value, list):
        index = int(first)
        return [*value[:index], _changed(value[index], rest, change), *value[index + 1 :]]
    return {**value, first: _changed(value.get(first), rest, change)}


def _without(value: Mapping[str, Json], key: str) -> dict[str, Json]:
    return {name: inner for name, inner in value.items() if name != key}
