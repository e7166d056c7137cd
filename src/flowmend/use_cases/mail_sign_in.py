"""Whether the mail server of the settings lets Flowmend in, so that a wrong password is not tried for each message that waits."""

from datetime import datetime, timedelta

#: Between tries after refusals in a row; the last one again and again. A server locks an account after a few within minutes.
WAITS = tuple(timedelta(minutes=one) for one in (1, 5, 15, 60, 240))
#: While the first one finds out.
_WHILE_TRYING = timedelta(seconds=5)
_NOT_AT_ALL = timedelta()


class MailSignIn:
    """One message finds out, and after a refusal again at the next try; the others wait for it. In memory: a corrected
    password comes with a restart.
    """

    def __init__(self) -> None:
        self._is_let_in = False
        self._is_trying = False
        self._refusals = 0
        self._next_at: datetime | None = None

    def wait(self, now: datetime) -> timedelta:
        """How long a message leaves the server alone; zero for one that may try."""
        if self._next_at is not None and now < self._next_at:
            return self._next_at - now
        return _WHILE_TRYING if self._is_trying else _NOT_AT_ALL

    def begin(self) -> None:
        """A message tries now; the others wait, unless the server is known to let it in."""
        self._is_trying = not self._is_let_in

    def end(self) -> None:
        """It is known what became of it, or the server was not reached."""
        self._is_trying = False

    def let_in(self) -> bool:
        """The server did; whether that is news."""
        is_news = not self._is_let_in
        self._is_let_in, self._refusals, self._next_at = True, 0, None
        return is_news

    def refused(self, now: datetime) -> None:
        """The server did not; of several at once the first one counts."""
        self._is_let_in = False
        if self._next_at is None or now >= self._next_at:
            self._next_at = now + WAITS[min(self._refusals, len(WAITS) - 1)]
            self._refusals += 1
