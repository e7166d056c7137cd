"""Answers in JSON: encoding, the error body, and which status an error of ours becomes."""

import logging
from collections.abc import Mapping
from uuid import uuid4

import msgspec
from starlette.responses import Response

from flowmend.api.shapes.error import ErrorDetailShape, ErrorEnvelope, ErrorShape
from flowmend.core.errors import (
    AskedWrongly,
    Conflict,
    FlowmendError,
    InvalidDocument,
    NotAllowed,
    NotFound,
    ServiceUnreachable,
    StandsStill,
    StoreUnavailable,
    TooLarge,
    TooManyAttempts,
)
from flowmend.core.json_value import Json

logger = logging.getLogger("flowmend.api")

#: The first class that fits decides.
_STATUS_BY_ERROR: tuple[tuple[type[FlowmendError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 401),
    (StandsStill, 503),  # whoever calls back is to come again
    (Conflict, 409),
    (TooLarge, 413),
    (TooManyAttempts, 429),
    (AskedWrongly, 400),
    (StoreUnavailable, 503),
    (ServiceUnreachable, 502),
    (FlowmendError, 500),
)

_encoder = msgspec.json.Encoder(decimal_format="number")


class JsonAnswer(Response):
    """A value as JSON; msgspec does in microseconds what the standard library does in milliseconds."""

    media_type = "application/json"

    def render(self, content: Json) -> bytes:
        return json_bytes(content)


def json_bytes(value: Json) -> bytes:
    """The value as compact UTF-8 JSON; decimals as numbers."""
    return _encoder.encode(value)


def error_status(error: FlowmendError) -> int:
    """The HTTP status for an error of ours."""
    return next(status for kind, status in _STATUS_BY_ERROR if isinstance(error, kind))


def error_answer(
    error: FlowmendError,
    *,
    status: int | None = None,
    closes: bool = False,
    extra_headers: Mapping[str, str] | None = None,
) -> "JsonAnswer":
    """The error as `{"error": {"code", "message", "target"?, "details"?}}`.

    closes: the rest of the request is not read, so the connection cannot be used again.
    """
    headers = dict(extra_headers or {})
    if closes:
        headers["connection"] = "close"
    if isinstance(error, TooManyAttempts | StandsStill | StoreUnavailable):
        headers["retry-after"] = str(error.retry_after_seconds)
    details = [
        ErrorDetailShape(code=problem.code, message=problem.message, target=problem.pointer)
        for problem in (error.problems if isinstance(error, InvalidDocument) else ())
    ]
    body = ErrorEnvelope(
        error=ErrorShape(code=error.code, message=error.message, target=error.target, details=details or None)
    )
    return JsonAnswer(body, status_code=status or error_status(error), headers=headers)


def unexpected_answer(error: Exception) -> "JsonAnswer":
    """A generic 500 whose reference id stands in the log beside the traceback; the caller learns nothing else."""
    reference = str(uuid4())
    logger.error("Unexpected error, reference %s", reference, exc_info=error)
    message = f"Something went wrong here. The server's log has the details under reference {reference}."
    return error_answer(FlowmendError(message, code="InternalServerError"), status=500)
