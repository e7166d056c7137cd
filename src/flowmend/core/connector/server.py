"""A server that is not spoken to over HTTP: where it is, and what it says when one signs in.

Host, port and the way the connection is kept private are parameters of the connection, so a credential is bound to
all three: another host or port, and less privacy than it was given for, ask for the secret again.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from flowmend.core.connector.draft import text_of
from flowmend.core.connector.request import UnbuildableRequest
from flowmend.core.json_value import Json

_Ports = Mapping[str, int]
#: protocol → (the parameter that says how the connection is kept private, {its values: the port where none is given}).
#: The first value counts where none is given.
PROTOCOLS: Mapping[str, tuple[str, _Ports]] = MappingProxyType({
    "smtp": ("security", MappingProxyType({"tls": 465, "starttls": 587, "none": 25})),  # RFC 8314 §7.3, RFC 6409 §3.1
    "imap": ("security", MappingProxyType({"tls": 993, "starttls": 143, "none": 143})),  # RFC 8314 §7.2, RFC 9051 §2.1
    # https://www.postgresql.org/docs/current/libpq-ssl.html
    "postgresql": ("sslmode", MappingProxyType({"verify-full": 5432, "require": 5432, "disable": 5432})),
    "sftp": ("", MappingProxyType({"ssh": 22})),  # RFC 4253 §4.1
    "files": ("", MappingProxyType({"": 0})),
    "sqlite": ("", MappingProxyType({"": 0})),
    "rss": ("", MappingProxyType({"": 0})),
})  # fmt: skip
#: Protocols without a server of their own → the parameter that says what they work on, "" where each call does.
WITHOUT_SERVER: Mapping[str, str] = MappingProxyType({"files": "folder", "sqlite": "file", "rss": ""})
# A name or address and nothing that a library could read as a path, a list or an option.
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]+)"
)


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect. host: lower case, an IPv6 address without brackets. security: one of its protocol's values.

    database: "" where the protocol has none, or the server's own choice. path: the file or folder that a connection is made to,
    "" for none. fingerprint: of the key the server must prove to hold, "" where its protocol has none.
    """

    protocol: str
    host: str
    port: int
    security: str
    database: str = ""
    path: str = ""
    fingerprint: str = ""

    @property
    def origin(self) -> str:
        """What a credential is bound to, e.g. `smtp+starttls://mail.example:587`."""
        if self.protocol in WITHOUT_SERVER:
            return f"{self.protocol}:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        proof = self.fingerprint.replace(":", "=") or self.security  # another key is another server
        return f"{self.protocol}+{proof}://{host}:{self.port}"


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The server accepted the credential, and the session was ended in good order."""


class ProtocolRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """The server answered, and it was no. text: as received, secrets removed. code: the server's own, "" for none.

    protocol: as the rules of diagnosis name it. status: 0 where it was said while signing in; of an operation, what HTTP
    would say of it.
    """

    text: str
    code: str
    protocol: str
    status: int = 0


def server_of(protocol: str, parameters: Mapping[str, Json]) -> Server | UnbuildableRequest:
    """The server that a connection's parameters name. protocol: one of `PROTOCOLS`."""
    by_name = {name.lower(): text_of(value).strip() for name, value in parameters.items() if value is not None}
    if protocol in WITHOUT_SERVER:
        return _without_server(protocol, by_name)
    parameter, ports = PROTOCOLS[protocol]
    host = by_name.get("host", "")
    if not _HOST.fullmatch(host):
        return UnbuildableRequest(code="InvalidHost", message="The host must be a host name or an IP address.")
    security = by_name.get(parameter) or next(iter(ports))
    if security not in ports:
        return UnbuildableRequest(
            code="InvalidSecurity", message=f"{parameter} must be one of {', '.join(ports)}, not {security!r}."
        )
    port = by_name.get("port") or str(ports[security])
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        return UnbuildableRequest(code="InvalidPort", message=f"The port must be between 1 and 65535, not {port!r}.")
    return Server(
        protocol=protocol,
        host=host.strip("[]").lower(),
        port=int(port),
        security=security,
        database=by_name.get("database", ""),
        path=by_name.get("folder", ""),
        fingerprint=by_name.get("fingerprint", ""),
    )


def _without_server(protocol: str, parameters: Mapping[str, str]) -> Server | UnbuildableRequest:
    name = WITHOUT_SERVER[protocol]
    path = parameters.get(name, "") if name else ""
    if (name and not path) or "\0" in path:
        return UnbuildableRequest(code="InvalidPath", message=f"The connection's {name} must be the path of one.")
    return Server(protocol=protocol, host="", port=0, security="", path=path)
