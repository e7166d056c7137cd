"""Flattened parameters (`id`, `body/customer/name`) to their places in a request."""

from collections.abc import Mapping
from urllib.parse import urlencode

from flowmend.core.connector.body_kinds import FORM_TYPE, BodyKind, body_kind, body_of, multipart_body
from flowmend.core.connector.draft import RequestDraft, check_path_value, encode_path_value, joined, text_of
from flowmend.core.connector.operation import Location, Operation, Parameter
from flowmend.core.connector.request import UnbuildableRequest
from flowmend.core.expression.content import is_envelope
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
            draft.queries.extend(_pairs(parameter, value))
        elif parameter.location is Location.HEADER:
            draft.set_header(parameter.name, _one_text(value, parameter))
        elif parameter.location is Location.FORM:
            form.append((parameter, value))
        else:
            bodies.setdefault("", value)
    return _place_body(operation, bodies, form, draft)


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


def _pairs(parameter: Parameter, value: Json) -> list[tuple[str, str]]:
    """A query or form value by name; of a list of format `multi` each item by itself."""
    if isinstance(value, list) and parameter.collection_format == "multi":
        return [(parameter.name, text_of(item)) for item in value]
    return [(parameter.name, _one_text(value, parameter))]


def _place_body(
    operation: Operation, bodies: dict[str, Json], form: list[tuple[Parameter, Json]], draft: RequestDraft
) -> UnbuildableRequest | None:
    if form:
        draft.body, content_type = _form_body(operation, form)
    elif bodies:
        whole = bodies.pop("", None)
        for path, value in bodies.items():
            if value is not None:
                whole = _with_property(whole, path.split("/")[:_DEEPEST_BODY], value)
        declared = next((one for one in operation.parameters if one.location is Location.BODY), None)
        said = draft.header("content-type")  # real connectors ask for the type as a parameter
        try:
            draft.body, content_type = body_of(
                {} if whole is None else whole,
                (said,) if said else operation.consumes,
                declared.xml if declared is not None else None,
                declared.name if declared is not None else "body",
            )
        except ValueError as error:
            return UnbuildableRequest(code="InvalidBody", message=f"The body cannot be written as XML: {error}.")
    else:
        return None
    # The boundary of parts is known only now, whatever a parameter said of the type.
    if content_type and (draft.header("content-type") is None or content_type.startswith("multipart/")):
        draft.set_header("Content-Type", content_type)
    return None


def _with_property(whole: Json, steps: list[str], value: Json) -> dict[str, Json]:
    result = dict(whole) if isinstance(whole, dict) else {}
    result[steps[0]] = value if len(steps) == 1 else _with_property(result.get(steps[0]), steps[1:], value)
    return result


def _form_body(operation: Operation, form: list[tuple[Parameter, Json]]) -> tuple[bytes, str | None]:
    is_multipart = any(parameter.type == "file" for parameter, _ in form)
    if not is_multipart and body_kind(operation.consumes) is not BodyKind.MULTIPART:
        pairs = [pair for parameter, value in form for pair in _pairs(parameter, value)]
        return urlencode(pairs).encode(), FORM_TYPE
    parts: list[tuple[str, Json, bool]] = []
    for parameter, value in form:
        if isinstance(value, str) or is_envelope(value):
            parts.append((parameter.name, value, parameter.type == "file"))
        else:
            parts += [(name, text, parameter.type == "file") for name, text in _pairs(parameter, value)]
    return multipart_body(parts)
