"""How much of an old history is let go of at once."""

import pytest

from flowmend.use_cases.history import next_block


@pytest.mark.parametrize(
    ("most", "seconds", "following"),
    [(100, 0.01, 200), (100, 0.05, 100), (100, 0.2, 50), (20, 5.0, 20), (800, 0.001, 800), (600, 0.001, 800)],
)
def test_a_block_grows_until_it_takes_its_time(most: int, seconds: float, following: int) -> None:
    assert next_block(most, seconds) == following
