"""What came back of an HTTP request, as values."""

from collections.abc import Mapping

import msgspec


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status.

    headers: names as received, several values of one name joined by `, `; Content-Encoding already undone.
    The repr shows no header and no body: a service may echo a secret.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"

    def header(self, name: str) -> str:
        """The value of a header, its name compared ignoring case; "" where absent."""
        value = self.headers.get(name)
        if value is not None:
            return value
        wanted = name.lower()
        return next((text for key, text in self.headers.items() if key.lower() == wanted), "")


class TransportFailure(msgspec.Struct, frozen=True, kw_only=True):
    """No answer came. code: one of the constants of `transport.http`, e.g. `ConnectionRefused`.

    was_sent: False where the request certainly never left; True where the service may have received it.
    is_retryable: the cause is one that another try may not meet.
    """

    code: str
    message: str
    was_sent: bool
    is_retryable: bool = True
