"""Content that goes to a service in pieces, by the platform's own protocol.

    POST /files             x-ms-transfer-mode: chunked, x-ms-content-length: 10100, no body
      200                   Location: /files/7, x-ms-chunk-size: 4096
    PATCH /files/7          Content-Range: bytes 0-4095/10100
      200 or 206            Range: bytes=0-4095, perhaps another x-ms-chunk-size
    …until all of it is there; the last answer is the outcome of the call.

A piece says which bytes it is, so it may be sent again with no harm. The platform's page prints `bytes=0-4095/10100` for
what is sent; here it has the form of RFC 9110 §14.4, which is what servers of this protocol read.
Source: learn.microsoft.com/azure/logic-apps/logic-apps-handle-large-messages
"""

import re
from collections.abc import Mapping

from msgspec.structs import replace

from flowmend.core.connector.judging import refused_outcome
from flowmend.core.connector.request import HttpRequest
from flowmend.core.json_value import Json
from flowmend.core.outcome import ContentAwaited, Outcome, Status

#: Pieces of this size where the service suggests none.
_CHUNK_BYTES = 8 * 1024 * 1024
#: Each piece is a record of the run's history: a service that wants more of them than this is refused.
_MOST_PIECES = 10_000
_METHODS = frozenset({"POST", "PUT"})
_OPENING_HEADERS = frozenset({"x-ms-transfer-mode", "x-ms-content-length", "content-length"})
_RECEIVED = re.compile(r"\s*(?:bytes\s*[= ]\s*)?(\d{1,19})\s*-\s*(\d{1,19})", re.IGNORECASE | re.ASCII)


class TransferOpening(HttpRequest, frozen=True, kw_only=True):
    """The request that announces content of so many bytes and sends none of it."""

    total_bytes: int


class TransferPiece(HttpRequest, frozen=True, kw_only=True):
    """The request that sends the bytes from `start` up to, not including, `end`."""

    start: int
    end: int
    total_bytes: int


def opening_of(request: HttpRequest) -> HttpRequest:
    """The request as it begins a chunked transfer; itself where there is nothing to transfer so."""
    if request.method not in _METHODS or not request.body:
        return request
    headers = {name: text for name, text in request.headers.items() if name.lower() not in _OPENING_HEADERS}
    headers |= {"x-ms-transfer-mode": "chunked", "x-ms-content-length": str(len(request.body))}
    return TransferOpening(
        method=request.method,
        url=request.url,
        headers=headers,
        client_certificate=request.client_certificate,
        total_bytes=len(request.body),
    )


def piece_of(first: HttpRequest, target: HttpRequest, awaited: ContentAwaited) -> TransferPiece:
    """The next piece. first: the whole request, with its body. target: a request without one, to where pieces go."""
    content = first.body or b""
    start = min(awaited.start, len(content))
    end = min(start + (awaited.chunk_bytes or _CHUNK_BYTES), len(content))
    types = [text for name, text in first.headers.items() if name.lower() == "content-type"]
    headers = dict(target.headers)
    headers["Content-Type"] = types[0] if types else "application/octet-stream"
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return TransferPiece(
        method=target.method,
        url=target.url,
        headers=headers,
        body=content[start:end],
        client_certificate=target.client_certificate,
        start=start,
        end=end,
        total_bytes=len(content),
    )


def after_transfer(request: HttpRequest, outcome: Outcome) -> Outcome:
    """The outcome of a request that may be part of a transfer, with what its service awaits next."""
    if outcome.status is not Status.SUCCEEDED:
        return outcome
    if isinstance(request, TransferOpening):
        return _after_opening(request, outcome)
    if isinstance(request, TransferPiece):
        return _after_piece(request, outcome)
    return outcome


def _after_opening(request: TransferOpening, outcome: Outcome) -> Outcome:
    headers = _headers(outcome)
    if not headers.get("location"):
        return _refused(
            outcome,
            "ChunkedTransferNotSupported",
            "The service does not say where the content is to go, so it knows nothing of chunked transfers, and none of the "
            "content was sent. Turn 'Allow chunking' of the action off.",
        )
    return _awaiting(request.total_bytes, outcome, start=0, chunk_bytes=_chunk_bytes(headers))


def _after_piece(request: TransferPiece, outcome: Outcome) -> Outcome:
    headers = _headers(outcome)
    received = _RECEIVED.match(headers.get("range", ""))
    # Without a word about it, a good answer says that the piece is there.
    start = request.end if received is None else min(int(received[2]) + 1, request.total_bytes)
    if start <= request.start:
        return _refused(
            outcome,
            "ChunkedTransferStalled",
            f"The service took none of the bytes from {request.start} on, though it answered well.",
        )
    if start >= request.total_bytes:
        return outcome
    return _awaiting(
        request.total_bytes, outcome, start=start, chunk_bytes=_chunk_bytes(headers) or request.end - request.start
    )


def _awaiting(total_bytes: int, outcome: Outcome, *, start: int, chunk_bytes: int | None) -> Outcome:
    if (total_bytes - start) / (chunk_bytes or _CHUNK_BYTES) > _MOST_PIECES:
        return _refused(
            outcome,
            "ChunkSizeTooSmall",
            f"The service wants pieces of {chunk_bytes} bytes, which are more than {_MOST_PIECES:,} of {total_bytes:,} bytes.",
        )
    return replace(outcome, content_awaited=ContentAwaited(start=start, chunk_bytes=chunk_bytes))


def _chunk_bytes(headers: Mapping[str, str]) -> int | None:
    text = headers.get("x-ms-chunk-size", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 and int(text) > 0 else None


def _headers(outcome: Outcome) -> dict[str, str]:
    found: Json = outcome.outputs.get("headers") if isinstance(outcome.outputs, dict) else None
    return {name.lower(): str(text) for name, text in found.items()} if isinstance(found, dict) else {}


def _refused(outcome: Outcome, code: str, message: str) -> Outcome:
    refused = refused_outcome(code, message, connection_id=outcome.connection_id)
    return replace(refused, outputs=outcome.outputs, was_refused=False)
