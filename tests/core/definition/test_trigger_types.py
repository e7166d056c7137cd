"""Which triggers a flow may be turned on with, and which only say what is missing."""

from flowmend.core.definition.trigger_types import TRIGGER_TYPES, trigger_type


def test_only_triggers_somebody_waits_for_can_be_turned_on() -> None:
    hosted = {one.name for one in TRIGGER_TYPES.values() if one.has_host}
    assert {one.name for one in TRIGGER_TYPES.values()} - hosted == {"EventGrid"}


def test_names_ignore_case_and_manual_is_a_request() -> None:
    for written, name in (
        ("slidingWINDOW", "SlidingWindow"),
        ("Manual", "Request"),
        ("apiconnection", "ApiConnection"),
    ):
        known = trigger_type(written)
        assert known is not None
        assert known.name == name
    assert trigger_type("Telepathy") is None
