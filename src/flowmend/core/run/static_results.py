"""Static results: the answer a call is given instead of being made."""

from collections.abc import Mapping
from http import HTTPStatus

from flowmend.core.definition.flow import Action, Flow
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status


def static_outcome(flow: Flow, action: Action) -> Outcome | None:
    """The outcome of the action's enabled static result, None where it has none."""
    name = action.runtime.static_result
    return outcome_of(flow.definition.static_results.get(name)) if name else None


def outcome_of(raw: Json) -> Outcome | None:
    """`{status, outputs: {statusCode, headers, body} | {errors}}` as an outcome, None where it is no object."""
    if not isinstance(raw, Mapping):
        return None
    status = next((one for one in Status if one.value.lower() == str(raw.get("status", "")).lower()), Status.SUCCEEDED)
    outputs = raw.get("outputs")
    outputs = dict(outputs) if isinstance(outputs, Mapping) else {}
    written = outputs.get("statusCode")
    if isinstance(written, str) and written.isdecimal():
        outputs["statusCode"] = int(written)
    elif isinstance(written, str):
        outputs["statusCode"] = _number(written)
    number = outputs.get("statusCode")
    code = status_name(number) if isinstance(number, int) else "OK" if status is Status.SUCCEEDED else "StaticResult"
    errors = outputs.get("errors") or outputs.get("error")
    error = errors[0] if isinstance(errors, list) and errors else errors
    detail = None
    if isinstance(error, Mapping):
        detail = ErrorDetail(str(error.get("code") or code), str(error.get("message") or ""))
    return Outcome(status=status, code=code, outputs=outputs or None, error=detail)


def status_name(number: int) -> str:
    """A status as codes spell it: `OK`, `NotFound`; 429 and what has no .NET name stay numbers (wdl.md §4)."""
    if number == HTTPStatus.TOO_MANY_REQUESTS:
        return str(number)
    try:
        status = HTTPStatus(number)
    except ValueError:
        return str(number)
    return "OK" if status is HTTPStatus.OK else "".join(word.capitalize() for word in status.name.split("_"))


def _number(name: str) -> int:
    """The number of a status written by name, as designers do; 200 for one nobody knows."""
    folded = name.lower()
    return next((int(status) for status in HTTPStatus if status_name(status).lower() == folded), 200)
