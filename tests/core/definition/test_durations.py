from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.durations import parse_duration
from flowmend.core.errors import InvalidDocument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT7.5S", timedelta(seconds=7.5)),
        ("PT.5S", timedelta(seconds=0.5)),
        ("PT05S", timedelta(seconds=5)),
        ("P1DT12H", timedelta(days=1, hours=12)),
        ("P1Y2M3DT4H5M6S", timedelta(days=365 + 60 + 3, hours=4, minutes=5, seconds=6)),
        ("P2W", timedelta(weeks=2)),
        ("-PT1M", timedelta(minutes=-1)),
        ("PT0S", timedelta()),
    ],
)
def test_a_duration_is_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "20S", "1H", "P1", "PT1X", "P1H", "PT1S ago", "P999999999999999Y", "PT" + "9" * 400 + "S"]
)
def test_a_text_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        parse_duration(text)
    assert refusal.value.code == "InvalidDuration"
    assert text[:60] in refusal.value.message


@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(InvalidDocument):
        parse_duration(text)
