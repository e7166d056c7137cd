"""What came back of a call, judged: an HTTP answer or a transport failure to an `Outcome`.

Codes are the names of .NET Framework's HttpStatusCode, which is why 429 stays "429": that enumeration ends before it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from flowmend.core.connector.response import HttpResponse, TransportFailure
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import decode_body
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status

STATUS_NAMES = {
    100: "Continue",
    101: "SwitchingProtocols",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "NonAuthoritativeInformation",
    204: "NoContent",
    205: "ResetContent",
    206: "PartialContent",
    300: "MultipleChoices",
    301: "MovedPermanently",
    302: "Found",
    303: "SeeOther",
    304: "NotModified",
    305: "UseProxy",
    306: "Unused",
    307: "TemporaryRedirect",
    400: "BadRequest",
    401: "Unauthorized",
    402: "PaymentRequired",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    407: "ProxyAuthenticationRequired",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    411: "LengthRequired",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    414: "RequestUriTooLong",
    415: "UnsupportedMediaType",
    416: "RequestedRangeNotSatisfiable",
    417: "ExpectationFailed",
    426: "UpgradeRequired",
    500: "InternalServerError",
    501: "NotImplemented",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
    505: "HttpVersionNotSupported",
}
_REQUEST_ID_HEADERS = ("x-ms-request-id", "x-request-id", "request-id")
_INDEFINITE = frozenset({408, 425, 429})  # 429 comes from a gate before the service as often as from the service


def status_name(status: int) -> str:
    """`Unauthorized` of 401; the number as text where the enumeration has no name."""
    return STATUS_NAMES.get(status, str(status))


def outcome_of(answer: HttpResponse | TransportFailure, *, now: datetime, connection_id: str = "") -> Outcome:
    """How a call ended. Statuses from 300 on fail: redirects are not followed (observed, azure-docs issue 40772).

    A JSON answer that does not read fails without outputs. now: for a Retry-After that is a date.
    """
    if isinstance(answer, TransportFailure):
        return Outcome(
            status=Status.FAILED,
            code=answer.code,
            error=ErrorDetail(answer.code, answer.message),
            is_retryable=answer.is_retryable,
            connection_id=connection_id,
        )
    error: ErrorDetail | None = None
    outputs: dict[str, Json] | None = {"statusCode": answer.status, "headers": dict(answer.headers)}
    headers = {name.lower(): text for name, text in answer.headers.items()}
    try:
        body = decode_body(headers.get("content-type"), answer.body)
    except ExpressionError as problem:
        outputs, error = None, ErrorDetail(problem.code, problem.message)
    else:
        if outputs is not None and body is not None:
            outputs["body"] = body
    is_good = 200 <= answer.status < 300
    return Outcome(
        status=Status.SUCCEEDED if is_good and error is None else Status.FAILED,
        code=error.code if is_good and error is not None else status_name(answer.status),
        outputs=outputs,
        error=error,
        is_retryable=answer.status in {408, 429} or answer.status >= 500,
        retry_after_seconds=retry_after_seconds(headers.get("retry-after", ""), now),
        was_refused=400 <= answer.status < 500 and answer.status not in _INDEFINITE,
        service_request_id=_service_request_id(headers),
        connection_id=connection_id,
    )


def refused_outcome(code: str, message: str, *, connection_id: str = "") -> Outcome:
    """A call that was never sent, because of what it asks or because nobody may."""
    return Outcome(
        status=Status.FAILED,
        code=code,
        error=ErrorDetail(code, message),
        was_refused=True,
        connection_id=connection_id,
    )


def _service_request_id(headers: Mapping[str, str]) -> str:
    for name in _REQUEST_ID_HEADERS:
        if found := headers.get(name):
            return found
    return ""


def retry_after_seconds(text: str, now: datetime) -> float | None:
    """A Retry-After header in seconds from now, never negative; None where it is absent or unreadable (RFC 9110 §10.2.3)."""
    text = text.strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
