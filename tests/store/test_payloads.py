import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import StoreUnavailable
from flowmend.core.outcome import Status
from flowmend.core.run.record import ActionRecord, EndRecord, Entry
from flowmend.store.payloads import decode_payload, encode_payload

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=15
)


def exact(value: Any) -> Any:
    """Equal only where the types are equal too: 1, 1.0, True and Decimal(1) compare equal otherwise."""
    if isinstance(value, dict):
        return {key: exact(part) for key, part in value.items()}
    if isinstance(value, list):
        return [exact(part) for part in value]
    return (type(value), repr(value))


@given(values)
def test_a_value_comes_back_with_its_types(value: Any) -> None:
    assert exact(decode_payload(encode_payload(value))) == exact(value)


def test_none_is_no_bytes() -> None:
    assert encode_payload(None) == b""
    assert decode_payload(b"") is None


def test_entries_come_back_as_entries_also_with_numbers_that_need_care() -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    entries: list[Entry] = [
        ActionRecord(
            name="Set_total",
            repetition=(3, 0),
            status=Status.SUCCEEDED,
            started_at=moment,
            inputs={"total": Decimal("12.30"), "large": 2**70},
            outputs=b"\0\xff",
        ),
        EndRecord(status=Status.FAILED, at=moment),
    ]
    assert decode_payload(encode_payload(entries), list[Entry]) == entries
    total = decode_payload(encode_payload(entries), list[Entry])[0].inputs["total"]
    assert isinstance(total, Decimal)


def test_lone_surrogates_are_replaced_not_refused() -> None:
    assert decode_payload(encode_payload({"a\ud800": ["b\udfff"]})) == {"a?": ["b?"]}


def test_only_large_values_are_deflated() -> None:
    small, large = encode_payload("x" * 1000), encode_payload("x" * 100_000)
    assert small[:1] == b"\0"
    assert large[:1] == b"\1"
    assert len(large) < 1000


@pytest.mark.parametrize(
    "damaged",
    [
        b"\0\xc1",
        b"\0\x92\x01",
        b"\1not deflated",
        b"\1" + zlib.compress(b"\xc1"),
        b"\7what",
        encode_payload("x" * 5000)[:-4],
    ],
)
def test_a_damaged_payload_is_named_as_such(damaged: bytes) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        decode_payload(damaged)
    assert refused.value.code == "PayloadDamaged"


def test_a_payload_of_another_shape_is_named_as_such() -> None:
    class Point(msgspec.Struct):
        x: int

    with pytest.raises(StoreUnavailable):
        decode_payload(encode_payload({"x": "one"}), Point)
