"""A body in pieces: what is announced, which bytes each piece holds, and what the service's answers mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flowmend.core.connector import HttpRequest, TransferPiece, after_transfer, opening_of, piece_of
from flowmend.core.connector.chunked_transfer import TransferOpening
from flowmend.core.outcome import ContentAwaited, Outcome, Status

TEXT = {"Content-Type": "text/plain", "X-Own": "1"}
WHOLE = HttpRequest(method="POST", url="https://service/files", headers=TEXT, body=b"0123456789")
TARGET = HttpRequest(method="PATCH", url="https://service/files/7", headers={"X-Own": "1"})


def answer(status: int = 200, **headers: Any) -> Outcome:
    named = {name.replace("_", "-"): str(text) for name, text in headers.items()}
    return Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": status, "headers": named})


def piece(start: int, size: int | None = 4) -> TransferPiece:
    return piece_of(WHOLE, TARGET, ContentAwaited(start=start, chunk_bytes=size))


def test_the_opening_announces_and_sends_nothing() -> None:
    opening = opening_of(WHOLE)
    assert isinstance(opening, TransferOpening)
    assert (opening.method, opening.url, opening.body) == ("POST", WHOLE.url, None)
    assert opening.headers == {**TEXT, "x-ms-transfer-mode": "chunked", "x-ms-content-length": "10"}


@pytest.mark.parametrize("request_", [replace(WHOLE, method="GET"), replace(WHOLE, method="PATCH"), replace(WHOLE, body=None), replace(WHOLE, body=b"")])  # fmt: skip
def test_what_has_no_content_to_transfer_goes_as_it_is(request_: HttpRequest) -> None:
    assert opening_of(request_) is request_


def test_a_piece_says_which_bytes_it_holds() -> None:
    sent = piece(4)
    assert (sent.method, sent.url, sent.body) == ("PATCH", TARGET.url, b"4567")
    assert sent.headers == {**TEXT, "Content-Range": "bytes 4-7/10"}
    assert piece(8).headers["Content-Range"] == "bytes 8-9/10"
    assert piece(0, None).body == WHOLE.body


def test_content_without_a_type_is_bytes() -> None:
    sent = piece_of(replace(WHOLE, headers={}), TARGET, ContentAwaited(start=0))
    assert sent.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Location": "/f/7", "x_ms_chunk_size": 4}, ContentAwaited(start=0, chunk_bytes=4)),
        ({"location": "/f/7"}, ContentAwaited(start=0)),
        ({"Location": "/f/7", "X_MS_CHUNK_SIZE": "many"}, ContentAwaited(start=0)),
        ({"Location": "/f/7", "X_MS_CHUNK_SIZE": 0}, ContentAwaited(start=0)),
    ],
)
def test_the_service_says_where_the_content_goes(headers: Any, expected: ContentAwaited) -> None:
    assert after_transfer(opening_of(WHOLE), answer(**headers)).content_awaited == expected


@pytest.mark.parametrize(
    ("request_", "outcome", "code"),
    [
        (opening_of(WHOLE), answer(), "ChunkedTransferNotSupported"),
        (opening_of(replace(WHOLE, body=b"x" * 20_000)), answer(Location="/f", x_ms_chunk_size=1), "ChunkSizeTooSmall"),
        (piece(4), answer(Range="bytes=0-3"), "ChunkedTransferStalled"),
        (piece(4), answer(Range="bytes=0-1"), "ChunkedTransferStalled"),
    ],
)
def test_a_service_that_cannot_be_served_is_refused(request_: HttpRequest, outcome: Outcome, code: str) -> None:
    refused = after_transfer(request_, outcome)
    assert (refused.status, refused.code, refused.is_retryable) == (Status.FAILED, code, False)
    assert refused.outputs == outcome.outputs


@pytest.mark.parametrize(
    ("start", "headers", "expected"),
    [
        (0, {"Range": "bytes=0-3"}, ContentAwaited(start=4, chunk_bytes=4)),
        (0, {"Range": "bytes 0-3/10"}, ContentAwaited(start=4, chunk_bytes=4)),
        (0, {"Range": "0-3"}, ContentAwaited(start=4, chunk_bytes=4)),
        (0, {}, ContentAwaited(start=4, chunk_bytes=4)),
        (0, {"Range": "all of it"}, ContentAwaited(start=4, chunk_bytes=4)),
        (0, {"Range": "bytes=0-1"}, ContentAwaited(start=2, chunk_bytes=4)),
        (0, {"Range": "bytes=0-3", "x_ms_chunk_size": 2}, ContentAwaited(start=4, chunk_bytes=2)),
        (8, {"Range": "bytes=0-9"}, None),
        (8, {}, None),
        (4, {"Range": "bytes=0-99"}, None),
    ],
)
def test_an_answer_to_a_piece_says_what_comes_next(start: int, headers: Any, expected: ContentAwaited | None) -> None:
    after = after_transfer(piece(start), answer(206, **headers))
    assert (after.status, after.content_awaited) == (Status.SUCCEEDED, expected)


def test_what_is_no_part_of_a_transfer_and_what_failed_stays_as_it_is() -> None:
    good, bad = answer(Location="/x"), Outcome(status=Status.FAILED, code="BadRequest")
    assert after_transfer(WHOLE, good) is good
    assert after_transfer(opening_of(WHOLE), bad) is bad


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_the_pieces_together_are_the_content(content: bytes, size: int) -> None:
    whole = replace(WHOLE, body=content)
    awaited = after_transfer(opening_of(whole), answer(Location="/f", x_ms_chunk_size=size)).content_awaited
    received = b""
    while awaited is not None:
        sent = piece_of(whole, TARGET, awaited)
        received += sent.body or b""
        awaited = after_transfer(sent, answer(Range=f"bytes=0-{len(received) - 1}")).content_awaited
    assert received == content
