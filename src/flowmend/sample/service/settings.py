"""What the order service starts with: who may sign in, the registered application, and how long tokens live."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Someone the service knows. The same password signs in by HTTP basic and on the OAuth page."""

    user: str
    display_name: str
    email: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A registered OAuth 2 client. redirect_uris: compared exactly, but for the port of a loopback address."""

    client_id: str
    client_secret: str = field(repr=False)
    name: str
    redirect_uris: tuple[str, ...]

    def may_redirect_to(self, uri: str) -> bool:
        """Whether codes may be sent there.

        Source: RFC 8252 §7.3, a loopback redirect may use any port.
        """
        return _without_loopback_port(uri) in {_without_loopback_port(known) for known in self.redirect_uris}


def _without_loopback_port(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        is_portless = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and parts.username is None
        return parts._replace(netloc=str(parts.hostname)).geturl() if is_portless else uri
    except ValueError:
        return uri


# No secrets (hence each noqa): these open nothing but the sample, which answers on loopback only and shows them itself.
_ACCOUNTS = (
    Account(
        user="ada",
        display_name="Ada Lund",
        email="ada@orders.example",
        password="sunny-harbour",  # noqa: S106
        api_key="ada-key-1001",
    ),
    Account(
        user="ben",
        display_name="Ben Okoro",
        email="ben@orders.example",
        password="quiet-forest",  # noqa: S106
        api_key="ben-key-2002",
    ),
)
_APPLICATION = Application(
    client_id="flowmend-sample",
    client_secret="sample-application-secret",  # noqa: S106
    name="Flowmend on this computer",
    redirect_uris=("http://127.0.0.1/oauth/callback", "http://localhost/oauth/callback"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """host: a loopback name or address; `localhost` listens on IPv4 and IPv6. port: 0 takes a free one."""

    host: str = "localhost"
    port: int = 8081
    access_token_seconds: float = 3600.0
    accounts: tuple[Account, ...] = _ACCOUNTS
    application: Application = _APPLICATION
