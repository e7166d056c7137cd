"""What a plan was made from, in one word."""

import pytest

from flowmend.core.repair.world import world_of

BEFORE = {
    "runs": ["r1", "r2"],
    "events": ["e1"],
    "flows": {"orders": ("v1", "On"), "mails": ("v7", "On")},
    "connections": {"crm": True},
}


@pytest.mark.parametrize(
    "changed",
    [
        {"runs": ["r1"]},
        {"runs": ["r1", "r2", "e1"], "events": []},
        {"events": ["e2"]},
        {"flows": {"orders": ("v2", "On"), "mails": ("v7", "On")}},
        {"flows": {"orders": ("v1", "Off"), "mails": ("v7", "On")}},
        {"connections": {"crm": False}},
    ],
    ids=["a run less", "a run for an event", "another event", "a new version", "turned off", "broken"],
)
def test_another_world_has_another_word(changed: dict[str, object]) -> None:
    assert world_of(**(BEFORE | changed)) != world_of(**BEFORE)  # type: ignore[arg-type]


def test_order_says_nothing() -> None:
    turned = BEFORE | {"runs": ["r2", "r1"], "flows": dict(reversed(list(BEFORE["flows"].items())))}  # type: ignore[attr-defined]
    assert world_of(**turned) == world_of(**BEFORE)  # type: ignore[arg-type]
