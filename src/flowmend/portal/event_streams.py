"""Which event streams are open, so that they are few and end with their session."""

import asyncio

#: More than the pages that one browser keeps connected to one server.
_MOST_OF_ONE_SESSION = 12


class EventStreams:
    """The open streams of each browser session, few of them; each ends once its `over` is set.

    With one more than there may be, the oldest ends: most likely nobody reads it any more.
    """

    def __init__(self, most_of_one: int = _MOST_OF_ONE_SESSION) -> None:
        self._most_of_one = most_of_one
        self._by_session: dict[str, list[asyncio.Event]] = {}

    def open(self, session: str) -> asyncio.Event:
        """A new stream of the session: what says that it is over."""
        open_ones = self._by_session.setdefault(session, [])
        open_ones.append(over := asyncio.Event())
        if len(open_ones) > self._most_of_one:
            open_ones.pop(0).set()
        return over

    def close(self, session: str, over: asyncio.Event) -> None:
        """The stream is read no longer."""
        open_ones = self._by_session.get(session, [])
        if over in open_ones:
            open_ones.remove(over)
        if not open_ones:
            self._by_session.pop(session, None)

    def end_all(self, session: str) -> None:
        """The session is over."""
        for over in self._by_session.pop(session, ()):
            over.set()
