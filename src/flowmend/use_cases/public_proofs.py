"""What this server expects to hear from itself, while it asks its own public address."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from flowmend.use_cases.recent_counts import RecentCounts

_MOST_CHECKS = 6
_MOST_CHECKS_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """token: what the request carries. answer: what only this server can say to it."""

    token: str = field(repr=False)
    answer: str = field(repr=False)


class PublicProofs:
    """In memory: good for one request each, and for no longer than somebody waits for it. checks: how many there were."""

    def __init__(self) -> None:
        self.checks = RecentCounts(most=_MOST_CHECKS, within=_MOST_CHECKS_WITHIN)
        self._expected: dict[str, str] = {}

    @contextmanager
    def expecting(self, proof: Proof) -> Iterator[None]:
        self._expected[proof.token] = proof.answer
        try:
            yield
        finally:
            self._expected.pop(proof.token, None)

    def take(self, token: str) -> str | None:
        """The answer to this token, once."""
        return self._expected.pop(token, None)
