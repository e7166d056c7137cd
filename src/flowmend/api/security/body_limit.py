"""Refuses a body over its limit as it arrives, whatever its Content-Length says."""

from starlette.types import Message, Receive, Send

from flowmend.core.errors import TooLarge


def declared_length(text: bytes | None) -> int | None:
    """The request's Content-Length, None where absent or no number."""
    return int(text) if text is not None and text.isdigit() else None


class BoundedBody:
    """Counts the bytes passing `receive` and raises `TooLarge` at the first one over.

    Once that happened `was_exceeded` is True, and what the application sends is dropped: whoever
    wrapped it answers instead. Unless lets_app_answer: a page says it in the words of pages.
    declared: the Content-Length; one over the limit is refused before anything is read.
    """

    def __init__(
        self, receive: Receive, send: Send, limit: int, *, declared: int | None = None, lets_app_answer: bool = False
    ) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self._limit = limit
        self._is_declared_over = declared is not None and declared > limit
        self._lets_app_answer = lets_app_answer
        self._has_begun = False
        self.was_exceeded = False

    @property
    def may_still_answer(self) -> bool:
        return not self._has_begun

    async def receive(self) -> Message:
        if self._is_declared_over:
            self.was_exceeded = True
            raise body_too_large(self._limit)
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.was_exceeded = True
                raise body_too_large(self._limit)
        return message

    async def send(self, message: Message) -> None:
        if self.was_exceeded and not self._has_begun and not self._lets_app_answer:
            return
        self._has_begun = True
        await self._send(message)


def body_too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {limit:,} bytes for this address. Send a smaller one.")
