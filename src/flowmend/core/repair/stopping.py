"""When a recovery stops by itself."""

from enum import StrEnum

import msgspec

#: So many runs that fail one after another, for whatever reason, are no accident.
MOST_IN_A_ROW = 3


class StopCode(StrEnum):
    """Why a recovery stopped or paused by itself."""

    AUTHENTICATION = "NewAuthenticationFailure"  # a credential was refused again: a second break
    FAILURES = "FailuresInARow"  # some other reason, which a person looks at
    CANARY = "FirstOnesDone"  # the first ones went well, and a person wanted to be asked before the rest
    UNDECIDED = "FirstOnesUndecided"  # the first ones wait for long, or were ended or done by somebody else


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How one run of a recovery ended. is_auth_failure: it failed because a credential was refused.

    is_first: it was one of those that go first, alone.
    """

    is_good: bool
    is_auth_failure: bool = False
    is_first: bool = False


def after(in_a_row: int, ending: Ending) -> tuple[int, StopCode | None]:
    """(how many runs have failed one after another now, why to stop or None). in_a_row: before this one.

    One of the first ones that fails stops at once: that is what they are for.
    """
    if ending.is_good:
        return 0, None
    in_a_row += 1
    if ending.is_auth_failure:
        return in_a_row, StopCode.AUTHENTICATION
    if ending.is_first or in_a_row >= MOST_IN_A_ROW:
        return in_a_row, StopCode.FAILURES
    return in_a_row, None
