"""A plan's settings, as a request says them."""

import pytest

from flowmend.core.errors import AskedWrongly
from flowmend.core.repair.first_ones import Canary
from flowmend.use_cases.repair_plan import PlanSettings, read_plan_settings


def test_unsaid_they_are_the_usual_ones() -> None:
    assert read_plan_settings(None) == PlanSettings()
    assert read_plan_settings({"canary": "none", "per_minute": 50}) == PlanSettings(canary=Canary.NONE, per_minute=50)


@pytest.mark.parametrize(
    "settings",
    [{"per_minute": 0}, {"at_once": 65}, {"calls_at_once": 0}, {"canary": "all"}, {"faster": True}, [1]],
)
def test_settings_that_do_not_read_are_named(settings: object) -> None:
    with pytest.raises(AskedWrongly):
        read_plan_settings(settings)
