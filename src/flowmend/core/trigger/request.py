"""What a Request trigger makes of a call: whether it is taken, and the outputs that start the run.

Source: wdl.md §3, rest-api.md §3 (Invoking)
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote

from flowmend.core.definition.flow import EMPTY, Trigger
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.trigger.callback_url import SIGNATURE_QUERIES

_VALIDATE = "enableschemavalidation"
_INCLUDE_AUTHORIZATION = "includeauthorizationheadersinoutputs"
_DEFAULT_METHOD = "POST"
_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")


def accept_request(
    trigger: Trigger,
    *,
    method: str,
    headers: Mapping[str, str],
    queries: Mapping[str, str],
    relative_path: str,
    body: Json,
    has_body: bool,
) -> dict[str, Json]:
    """The trigger's outputs, `{headers, queries?, relativePathParameters?, body?}`.

    method: "" for a run started by hand, which is held to the schema and to nothing else. queries: those of the
    signature are left out. relative_path: what follows `/paths/invoke`, still percent-encoded.
    Errors: AskedWrongly `TriggerRequestMethodNotValid`, `TriggerInputSchemaMismatch`; NotFound for another path;
    ExpressionError where the trigger's schema itself is wrong.
    """
    inputs = trigger.inputs if isinstance(trigger.inputs, Mapping) else EMPTY
    parameters = None
    if method:
        _check_method(trigger, str(inputs.get("method") or _DEFAULT_METHOD), method)
        parameters = _match_path(trigger, str(inputs.get("relativePath") or ""), relative_path)
    if checks_body(trigger):
        _check_body(trigger, inputs["schema"], body)
    # What a caller signs in with stays out of the history unless the flow asks for it (wdl.md §4, operationOptions).
    has_authorization = _INCLUDE_AUTHORIZATION in trigger.operation_options
    kept = {name: value for name, value in headers.items() if has_authorization or name.lower() != "authorization"}
    outputs: dict[str, Json] = {"headers": kept}
    if own := {name: value for name, value in queries.items() if name.lower() not in SIGNATURE_QUERIES}:
        outputs["queries"] = own
    if parameters:
        outputs["relativePathParameters"] = parameters
    if has_body:
        outputs["body"] = body
    return outputs


def checks_body(trigger: Trigger) -> bool:
    """Whether `accept_request` holds bodies to the trigger's schema, which may take long."""
    inputs = trigger.inputs if isinstance(trigger.inputs, Mapping) else EMPTY
    return _VALIDATE in trigger.operation_options and isinstance(inputs.get("schema"), dict)


def _check_method(trigger: Trigger, expected: str, actual: str) -> None:
    if expected.upper() != actual.upper():
        raise AskedWrongly(
            f"Trigger '{trigger.name}' is invoked by {expected.upper()}; this request used {actual.upper()}.",
            code="TriggerRequestMethodNotValid",
            target=trigger.name,
        )


def _match_path(trigger: Trigger, template: str, path: str) -> dict[str, str]:
    if not template and not path:
        return {}
    match = _path_pattern(template.strip("/")).fullmatch(path.strip("/"))
    if match is None:
        wanted = f"/{template.strip('/')}" if template else "nothing"
        raise NotFound(
            f"Trigger '{trigger.name}' has no such path: after 'paths/invoke' it expects {wanted}.", target=trigger.name
        )
    names = _PLACEHOLDER.findall(template)
    return {name: unquote(value) for name, value in zip(names, match.groups(), strict=True)}


def _check_body(trigger: Trigger, schema: dict[str, Json], body: Json) -> None:
    # Loads jsonschema, which few flows need.
    from flowmend.core.expression.json_schema import schema_errors

    errors = schema_errors(body, schema)
    if errors:
        # The keyword instead of the message, which would carry the value into logs.
        details = " ".join(
            f"{error['path'] or 'The body'} does not fit the schema's '{error['errorType']}'." for error in errors[:10]
        )
        raise AskedWrongly(
            f"The input body for trigger '{trigger.name}' of type 'Request' did not match its schema definition. "
            f"Error details: '{details}'",
            code="TriggerInputSchemaMismatch",
            target=trigger.name,
        )


@lru_cache(maxsize=256)
def _path_pattern(template: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(template)
    # Literal text and placeholder names alternate; a placeholder is one segment or a part of one.
    return re.compile("".join("([^/]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)))
