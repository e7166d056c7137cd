"""How an action ended, before it becomes a record; and the ways of failing that many actions share."""

import msgspec

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status


class Finish(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The end of an action: what its record will say. details: what the fold needs (`ActionRecord.details`)."""

    status: Status = Status.SUCCEEDED
    code: str = "NotSpecified"
    inputs: Json = None
    outputs: Json = None
    error: ErrorDetail | None = None
    details: dict[str, Json] | None = None


def failed(
    code: str, message: str, *, record_code: str = "BadRequest", inputs: Json = None, outputs: Json = None
) -> Finish:
    """A failure before anything left the engine. code: of the `error` object; record_code: of the record."""
    return Finish(
        status=Status.FAILED, code=record_code, error=ErrorDetail(code, message), inputs=inputs, outputs=outputs
    )


def failed_expression(name: str, error: ExpressionError) -> Finish:
    """An expression in the inputs did not parse or evaluate (wdl.md §2, Error text)."""
    return failed(error.code, inputs_message(name, error.message))


def inputs_message(name: str, detail: str) -> str:
    """The service's sentence around what went wrong in an expression."""
    return (
        f"Unable to process template language expressions in action '{name}' inputs at line '0' and column '0': "
        f"'{detail}'."
    )
