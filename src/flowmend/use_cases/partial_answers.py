"""Content that comes in pieces: a GET answered with 206 is asked on for, until all of it is there.

Source: learn.microsoft.com/azure/logic-apps/logic-apps-handle-large-messages (download content in chunks); RFC 9110 §14.
"""

import re
from datetime import timedelta
from typing import NamedTuple

from flowmend.core.connector import HttpRequest, HttpResponse, TransportFailure
from flowmend.transport import HttpTransport
from flowmend.transport.http import INVALID_RESPONSE, LARGEST_RESPONSE_BYTES, RESPONSE_TOO_LARGE

_PARTIAL = 206
_WHOLE = 200
_MOST_PIECES = 10_000
_CONTENT_RANGE = re.compile(r"\s*bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19})\s*", re.IGNORECASE | re.ASCII)
_OF_ONE_PIECE = frozenset({"content-range", "content-length", "content-md5"})


class _Piece(NamedTuple):
    start: int
    end: int
    total: int


async def send_whole(
    http: HttpTransport,
    request: HttpRequest,
    *,
    timeout: timedelta,  # noqa: ASYNC109  handed on, for each request
) -> HttpResponse | TransportFailure:
    """The answer to a request, a GET's with all of its content where the service sends that in pieces.

    The whole is told as 200. An answer that begins elsewhere than at the first byte, or does not say how much there is,
    stays as it came; the first piece that fails is the answer.
    """
    first = await http.send(request, timeout=timeout)
    if request.method != "GET" or isinstance(first, TransportFailure) or (piece := _piece(first)) is None:
        return first
    if piece.start:
        return first
    if piece.total > LARGEST_RESPONSE_BYTES:
        return _failure(RESPONSE_TOO_LARGE, f"The content is larger than the limit of {LARGEST_RESPONSE_BYTES} bytes.")
    content = bytearray(first.body)
    for _ in range(_MOST_PIECES):
        if len(content) == piece.total:
            kept = {name: text for name, text in first.headers.items() if name.lower() not in _OF_ONE_PIECE}
            headers = {**kept, "Content-Length": str(len(content))}
            return HttpResponse(status=_WHOLE, headers=headers, body=bytes(content))
        answer = await http.send(_next(request, first, len(content), piece), timeout=timeout)
        if isinstance(answer, TransportFailure) or answer.status != _PARTIAL:
            return answer  # also a 200: the content has changed meanwhile, and this is all of the new one
        following = _piece(answer)
        if following is None or following.start != len(content) or following.total != piece.total:
            return _failure(INVALID_RESPONSE, "The service sent another piece of the content than it was asked for.")
        content += answer.body
    return _failure(INVALID_RESPONSE, f"The service sends the content in more than {_MOST_PIECES:,} pieces.")


def _piece(answer: HttpResponse) -> _Piece | None:
    """What of the content an answer holds; None where it does not say, or holds something else."""
    found = _CONTENT_RANGE.fullmatch(answer.header("Content-Range")) if answer.status == _PARTIAL else None
    if found is None:
        return None
    piece = _Piece(int(found[1]), int(found[2]), int(found[3]))
    is_whole = piece.start <= piece.end < piece.total and len(answer.body) == piece.end - piece.start + 1
    return piece if is_whole else None


def _next(request: HttpRequest, first: HttpResponse, start: int, piece: _Piece) -> HttpRequest:
    """As large a piece as the service sent at first. By `If-Range` it sends all anew where the content has changed."""
    headers = {name: text for name, text in request.headers.items() if name.lower() not in {"range", "if-range"}}
    headers["Range"] = f"bytes={start}-{min(start + piece.end, piece.total - 1)}"
    tag = first.header("ETag")
    if tag and not tag.startswith("W/"):
        headers["If-Range"] = tag
    return HttpRequest(
        method=request.method, url=request.url, headers=headers, client_certificate=request.client_certificate
    )


def _failure(code: str, message: str) -> TransportFailure:
    return TransportFailure(code=code, message=message, was_sent=True, is_retryable=False)
