"""What came back when a call failed, as diagnosis is given it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """When the answer was received."""

    API_CALL = "api_call"
    TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105  the name of a phase
    CONNECT = "connect"  # a session is opened or a connection tested: whatever is refused now leaves nothing that works


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """What came back, secrets removed.

    protocol: `http`, or what else was spoken (`smtp`, `imap`, `postgresql`, `ldap`, `tls`, …, as the rules name them).
    status: of HTTP; None where no HTTP answer came. body: of HTTP, else the text that was received or that the client
    library wrote about it. failure_code: the transport's, where no answer came at all. provider: whose service it is,
    "" if unknown; rules that name it are believed before others.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    phase: Phase = Phase.API_CALL
    failure_code: str = ""
    protocol: str = "http"
    provider: str = ""
