"""The attempts of a call as people read them: when, how each ended, why it was tried again or not, and the wait between."""

from dataclasses import dataclass
from datetime import timedelta

from flowmend.core.outcome import Attempt
from flowmend.portal.graph import Step
from flowmend.portal.language import marked

_PASSES = marked("Tried again: such a failure can pass by itself.")
_NOT_CURED = marked("Not tried again: a refused sign-in is not cured by trying again.")
_NO_MORE = marked("Not tried again: the retry policy allows no more attempts.")
_SAME_ANSWER = marked("Not tried again: the same question would get the same answer.")

_PASSING_NUMBERS = frozenset({408, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptWords:
    """number: from 1. why: to be translated, "" where there is nothing to say. waited: until the next one."""

    number: int
    attempt: Attempt
    is_good: bool
    why: str = ""
    waited: timedelta | None = None


def attempt_words(step: Step) -> tuple[AttemptWords, ...]:
    """A step's attempts in order."""
    tries = step.attempts
    later = (*tries[1:], None)
    return tuple(
        AttemptWords(
            number=number,
            attempt=attempt,
            is_good=following is None and not step.is_broken and attempt.error is None,
            why=_PASSES if following is not None else _why_ended(step),
            waited=None if following is None else following.started_at - attempt.ended_at,
        )
        for number, (attempt, following) in enumerate(zip(tries, later, strict=True), start=1)
    )


def _why_ended(step: Step) -> str:
    if not step.is_broken:
        return ""
    if step.diagnosis is not None and step.diagnosis.is_auth_failure:
        return _NOT_CURED
    if not step.status_number:
        return ""
    return _NO_MORE if step.status_number in _PASSING_NUMBERS or step.status_number >= 500 else _SAME_ANSWER
