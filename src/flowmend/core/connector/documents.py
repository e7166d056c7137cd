"""The text of a connector's document, JSON or YAML, to its value. What YAML has beyond JSON is refused or read as text."""

import re
from typing import Any

import yaml

from flowmend.core.connector.lenient_json import parse_lenient_json
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

#: Of one document; the largest connector that is published takes 3 MB.
LARGEST_DOCUMENT_BYTES = 16 * 1024 * 1024
_MOST_NODES = 1_000_000
_DEEPEST = 200
#: The C parser where the library was built with it: ten times as fast.
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DATE = "tag:yaml.org,2002:timestamp"


#: Makes only what JSON has: dates stay the text they are written as.
_JsonLoader: Any = type(
    "_JsonLoader",
    (_SAFE,),
    {
        "yaml_implicit_resolvers": {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
            for first, resolvers in _SAFE.yaml_implicit_resolvers.items()
        }
    },
)


def parse_document(content: bytes) -> Json:
    """The value of a JSON or YAML document.

    Errors: InvalidDocument naming line and column, also for one that is too large or, its aliases followed, would be.
    """
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise InvalidDocument(f"The document is larger than {LARGEST_DOCUMENT_BYTES:,} bytes.", code="DocumentTooLarge")
    if re.match(rb"^(?:\xef\xbb\xbf)?\s*[\[{]", content):
        return parse_lenient_json(content)
    try:
        _check_depth(content)
        value = yaml.load(content, Loader=_JsonLoader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1} column {mark.column + 1}" if mark is not None else ""
        message = f"The document is neither valid JSON nor valid YAML{where}."
        raise InvalidDocument(message, code="InvalidYAML") from error
    return _plain(value, [0], 0)


def _check_depth(content: bytes) -> None:
    """Stop at a document that nests too deep before it is put together, which the C parser does by recursion and without a
    limit: it would take the process with it.
    """
    depth = 0
    for event in yaml.parse(content, Loader=_SAFE):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise InvalidDocument("The document is nested too deeply.", code="DocumentTooLarge")
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1


def _plain(value: Any, counted: list[int], depth: int) -> Json:
    """The value as JSON has it. Aliases are copied, and counted as often as they stand there."""
    counted[0] += 1
    if counted[0] > _MOST_NODES or depth > _DEEPEST:
        raise InvalidDocument("The document holds too much, its aliases followed.", code="DocumentTooLarge")
    if isinstance(value, dict):
        return {_name(name): _plain(one, counted, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, counted, depth + 1) for one in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise InvalidDocument("The document holds a value that JSON has no form for.", code="InvalidYAML")


def _name(name: Any) -> str:
    """A key as text: the status codes of an OpenAPI document are numbers in YAML."""
    if isinstance(name, bool):
        return str(name).lower()
    return str(name)
