"""Names of runs and versions: they count down, so that the plain order of names is newest first.

Source: rest-api §4; observed names are Int64.MaxValue minus .NET ticks (100 ns since year 1), 20 digits,
followed in a run's name by 9 digits and `CU` with a number.
"""

from datetime import UTC, datetime, timedelta

_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INT64_MAX = 9_223_372_036_854_775_807


def countdown_ticks(moment: datetime) -> int:
    """What is left of Int64 after the .NET ticks of `moment`; smaller is later."""
    return _INT64_MAX - (moment - _YEAR_ONE) // _MICROSECOND * 10


def version_name(ticks: int) -> str:
    """A flow version's name of 20 digits."""
    return f"{ticks:020d}"


def run_name(ticks: int, draw: float) -> str:
    """A run's name, e.g. `08585265143234327272054208430CU00`. draw: in [0, 1), tells apart runs of two processes."""
    return f"{ticks:020d}{int(draw * 1_000_000_000):09d}CU00"
