from datetime import UTC, datetime
from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.run.views import RUN_NAMESPACE, client_request_id, timestamp


@given(name=st.text(st.characters(exclude_categories=("Cs",)), max_size=40), repetition=st.lists(st.integers(0, 9)))
def test_a_calls_id_is_a_uuid_of_version_5(name: str, repetition: list[int]) -> None:
    place = f"call/run/{name}/{'-'.join(map(str, repetition))}"
    assert client_request_id("run", name, tuple(repetition)) == str(uuid5(RUN_NAMESPACE, place))


def test_a_time_has_seven_digits() -> None:
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)) == "2026-01-02T03:04:05.1234560Z"
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.0000000Z"
