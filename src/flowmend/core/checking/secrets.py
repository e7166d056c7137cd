"""Secrets that stand in a definition as plain text. They are named by their place and never shown."""

import re
from collections.abc import Iterator, Mapping

from flowmend.core.checking.expressions import is_literal, is_template_expression
from flowmend.core.connector.request import SIGN_IN_HEADERS
from flowmend.core.definition.flow import Action, Flow, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json

_AUTHENTICATION_KEYS = ("password", "secret", "pfx", "value")
#: The signature of a signed URL, and the key of an Azure function, written out rather than computed: what leads to it, it.
SECRET_IN_URI = re.compile(r"([?&](?:sig|code)=)([^&@{}\s']+)", re.IGNORECASE)


def literal_secrets(flow: Flow) -> Iterator[str]:
    """The pointers of secrets written out: secure parameters, inline authentication, headers, signed addresses."""
    definition = flow.definition
    beside = definition.pointer.removesuffix("/definition")
    for name, parameter in definition.parameters.items():
        if not parameter.is_secret:
            continue
        if _is_written_out(parameter.default):
            yield pointer_to(definition.pointer, "parameters", name, "defaultValue")
        if name not in flow.sealed_parameters and _is_written_out(flow.parameter_values.get(name)):
            yield pointer_to(beside, "parameters", name, "value")
    steps: tuple[Action | Trigger, ...] = (*definition.triggers.values(), *definition.walk())
    for step in steps:
        yield from _in_inputs(step.inputs, pointer_to(step.pointer, "inputs"))


def _in_inputs(inputs: Json, pointer: str) -> Iterator[str]:
    if not isinstance(inputs, Mapping):
        return
    authentication = inputs.get("authentication")
    if isinstance(authentication, Mapping):
        for key in _AUTHENTICATION_KEYS:
            if _is_written_out(authentication.get(key)):
                yield pointer_to(pointer, "authentication", key)
    headers = inputs.get("headers")
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            if name.lower() in SIGN_IN_HEADERS and _is_written_out(value):
                yield pointer_to(pointer, "headers", name)
    uri = inputs.get("uri")
    if isinstance(uri, str) and SECRET_IN_URI.search(uri) and not is_template_expression(uri):
        yield pointer_to(pointer, "uri")
    for key in ("subscribe", "unsubscribe", "fetch"):
        yield from _in_inputs(inputs.get(key), pointer_to(pointer, key))


def _is_written_out(value: Json) -> bool:
    """Whether a value, or any string inside it, is a text of its own rather than an expression or nothing."""
    if isinstance(value, str):
        return bool(value.strip()) and is_literal(value)
    if isinstance(value, Mapping):
        return any(_is_written_out(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_is_written_out(inner) for inner in value)
    return False
