"""Flattened parameters (`id`, `body/customer/name`) to their places in a request."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from flowmend.core.connector.draft import RequestDraft, check_path_value, encode_path_value, joined, text_of
from flowmend.core.connector.operation import Location, Operation, Parameter
from flowmend.core.connector.request import UnbuildableRequest
from flowmend.core.expression.content import encode_body, is_envelope, is_json_type, media_type
from flowmend.core.json_value import Json

_DEEPEST_BODY = 100


def place(operation: Operation, arguments: Mapping[str, Json], draft: RequestDraft) -> UnbuildableRequest | None:
    """Put every argument where the operation declares it; None is "not given".

    Refused: a name the operation does not know, and a path parameter without value.
    """
    values, bodies, unknown = _sorted_out(operation, arguments)
    if unknown:
        known = ", ".join(sorted(parameter.name for parameter in operation.parameters)) or "none"
        return UnbuildableRequest(
            code="UnknownParameter",
            message=f"The operation '{operation.operation_id}' has no parameter '{unknown[0]}'. It has: {known}.",
        )
    form: list[tuple[Parameter, Json]] = []
    for parameter in operation.parameters:
        value = values.get((parameter.name, parameter.location))
        if value is None and parameter.is_sent_by_default:
            value = parameter.default
        if parameter.location is Location.PATH:
            refusal = _place_in_path(operation, parameter, value, draft)
            if refusal is not None:
                return refusal
        elif value is None:
            continue
        elif parameter.location is Location.QUERY:
            if isinstance(value, list) and parameter.collection_format == "multi":
                draft.queries.extend((parameter.name, text_of(item)) for item in value)
            else:
                draft.queries.append((parameter.name, _one_text(value, parameter)))
        elif parameter.location is Location.HEADER:
            draft.set_header(parameter.name, _one_text(value, parameter))
        elif parameter.location is Location.FORM:
            form.append((parameter, value))
        else:
            bodies.setdefault("", value)
    _place_body(operation, bodies, form, draft)
    return None


def body_of(value: Json, consumes: Sequence[str]) -> tuple[bytes, str | None]:
    """(bytes, content type) of a body for an operation that takes these media types."""
    preferred = next((kind for kind in consumes if not media_type(kind).startswith("multipart/")), "")
    if is_envelope(value) or (isinstance(value, dict) and "$multipart" in value):
        return encode_body(value)
    if not isinstance(value, str):
        encoded, content_type = encode_body(value)
        return encoded, preferred if is_json_type(preferred) else content_type
    if preferred and not is_json_type(preferred):
        return value.encode("utf-8", "replace"), preferred
    if is_json_type(preferred):
        return _json_text(value), preferred
    return encode_body(value)


def _json_text(value: str) -> bytes:
    """A string for a JSON operation: text that is JSON already goes as it stands, other text as a JSON string."""
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(value)
    return value.encode("utf-8", "replace")


def _sorted_out(
    operation: Operation, arguments: Mapping[str, Json]
) -> tuple[dict[tuple[str, Location], Json], dict[str, Json], list[str]]:
    """(values by parameter, body by property path with "" for the whole, names not known)."""
    by_name: dict[str, Parameter] = {}
    for parameter in operation.parameters:
        by_name.setdefault(parameter.name.lower(), parameter)
    values: dict[tuple[str, Location], Json] = {}
    bodies: dict[str, Json] = {}
    unknown: list[str] = []
    for name, value in arguments.items():
        named = by_name.get(name.lower())
        if named is not None:
            values[named.name, named.location] = value
            continue
        head, slash, rest = name.partition("/")
        holder = by_name.get(head.lower())
        if slash and holder is not None and holder.location is Location.BODY:
            bodies[rest] = value
        elif value is not None:
            unknown.append(name)
    return values, bodies, unknown


def _place_in_path(
    operation: Operation, parameter: Parameter, value: Json, draft: RequestDraft
) -> UnbuildableRequest | None:
    text = _one_text(value, parameter) if value is not None else ""
    if not text:
        return UnbuildableRequest(
            code="MissingParameter",
            message=f"The operation '{operation.operation_id}' needs a value for the path parameter '{parameter.name}'.",
        )
    draft.path_values[parameter.name] = encode_path_value(text, is_double=parameter.is_double_encoded)
    return check_path_value(parameter.name, text)


def _one_text(value: Json, parameter: Parameter) -> str:
    return joined(value, parameter.collection_format) if isinstance(value, list) else text_of(value)


def _place_body(
    operation: Operation, bodies: dict[str, Json], form: list[tuple[Parameter, Json]], draft: RequestDraft
) -> None:
    if form:
        draft.body, content_type = _form_body(operation, form)
    elif bodies:
        whole = bodies.pop("", None)
        for path, value in bodies.items():
            if value is not None:
                whole = _with_property(whole, path.split("/")[:_DEEPEST_BODY], value)
        if whole is None:
            whole = {}
        draft.body, content_type = body_of(whole, operation.consumes)
    else:
        return
    if content_type and draft.header("content-type") is None:
        draft.set_header("Content-Type", content_type)


def _with_property(whole: Json, steps: list[str], value: Json) -> dict[str, Json]:
    result = dict(whole) if isinstance(whole, dict) else {}
    result[steps[0]] = value if len(steps) == 1 else _with_property(result.get(steps[0]), steps[1:], value)
    return result


def _form_body(operation: Operation, form: list[tuple[Parameter, Json]]) -> tuple[bytes, str | None]:
    is_multipart = any(parameter.type == "file" for parameter, _ in form) or (
        bool(operation.consumes) and media_type(operation.consumes[0]).startswith("multipart/")
    )
    if not is_multipart:
        pairs = [(parameter.name, _one_text(value, parameter)) for parameter, value in form]
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    parts = []
    for parameter, value in form:
        name = parameter.name.replace('"', "%22")
        disposition = f'form-data; name="{name}"'
        if parameter.type == "file":
            disposition += f'; filename="{name}"'
        body = value if isinstance(value, str) or is_envelope(value) else _one_text(value, parameter)
        parts.append({"headers": {"Content-Disposition": disposition}, "body": body})
    return encode_body({"$content-type": "multipart/form-data", "$multipart": parts})
