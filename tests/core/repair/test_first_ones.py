"""Which runs of a recovery go first."""

import pytest

from flowmend.core.repair.first_ones import Canary, Lined, first_ones

EVENT, RUN = False, True


def line(*of: tuple[str, str, bool]) -> list[Lined]:
    return [Lined(position=place, flow_id=flow, key=key, is_run=is_run) for place, (flow, key, is_run) in enumerate(of)]


@pytest.mark.parametrize(
    ("of", "canary", "first"),
    [
        ([("orders", "", RUN), ("orders", "", RUN)], Canary.ONE, (0,)),
        ([("orders", "", EVENT), ("orders", "", RUN)], Canary.ONE, (1,)),
        ([("orders", "a", EVENT), ("orders", "a", RUN)], Canary.ONE, (0,)),
        ([("orders", "a", EVENT), ("orders", "a", RUN), ("orders", "b", RUN)], Canary.ONE, (2,)),
        ([("orders", "", EVENT)], Canary.ONE, (0,)),
        ([("orders", "", RUN), ("mails", "", EVENT), ("orders", "", RUN)], Canary.ONE_PER_FLOW, (0, 1)),
        ([("orders", "", RUN)], Canary.NONE, ()),
        ([], Canary.ONE, ()),
    ],
    ids=[
        "the first",
        "a run before an event",
        "never past its own key",
        "the run of another key",
        "events alone",
        "one of each flow",
        "nobody",
        "nothing to begin",
    ],
)
def test_first_ones(of: list[tuple[str, str, bool]], canary: Canary, first: tuple[int, ...]) -> None:
    assert first_ones(line(*of), canary) == first
