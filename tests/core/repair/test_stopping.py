"""When a recovery stops by itself."""

import pytest

from flowmend.core.repair.stopping import Ending, StopCode, after

GOOD = Ending(is_good=True)
BAD = Ending(is_good=False)
REFUSED = Ending(is_good=False, is_auth_failure=True)


def stopped_after(*endings: Ending) -> tuple[int, StopCode | None]:
    """(after how many endings, why); (all of them, None) where nothing stopped it."""
    in_a_row = 0
    for number, ending in enumerate(endings, 1):
        in_a_row, stop = after(in_a_row, ending)
        if stop is not None:
            return number, stop
    return len(endings), None


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ((GOOD, GOOD, REFUSED, GOOD), (3, StopCode.AUTHENTICATION)),
        ((REFUSED,), (1, StopCode.AUTHENTICATION)),
        ((BAD, BAD, BAD), (3, StopCode.FAILURES)),
        ((BAD, BAD, GOOD, BAD, BAD), (5, None)),
        ((BAD, REFUSED), (2, StopCode.AUTHENTICATION)),
        ((Ending(is_good=False, is_first=True),), (1, StopCode.FAILURES)),
        ((Ending(is_good=True, is_first=True), BAD, BAD), (3, None)),
    ],
    ids=[
        "first refusal",
        "refused at once",
        "three in a row",
        "never three",
        "refused among others",
        "first one",
        "then two",
    ],
)
def test_it_stops(endings: tuple[Ending, ...], expected: tuple[int, StopCode | None]) -> None:
    assert stopped_after(*endings) == expected
