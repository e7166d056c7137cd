"""Which connection reference an action or trigger means, in every spelling of its `host` (wdl.md §1)."""

import re

from flowmend.core.json_value import Json

# `@parameters('$connections')['office365']['connectionId']`, also with `?` and with `.` selection
_CLASSIC = re.compile(
    r"parameters\(\s*'\$connections'\s*\)\??(?:\[\s*'(?P<quoted>(?:[^']|'')+)'\s*\]|\.(?P<plain>[^.\[\]?@{}()\s,']+))"
)


def reference_key(inputs: Json) -> str | None:
    """The key into the flow's connection references, or None for inputs that use no connection."""
    if not isinstance(inputs, dict):
        return None
    service_provider = inputs.get("serviceProviderConfiguration")
    if isinstance(service_provider, dict):
        return _text(service_provider.get("connectionName"))
    host = inputs.get("host")
    if not isinstance(host, dict):
        return None
    connection = host.get("connection")
    if isinstance(connection, dict):
        return _text(connection.get("referenceName")) or _classic_key(connection.get("name"))
    return _text(host.get("connectionReferenceName")) or _text(host.get("connectionName"))


def _classic_key(name: Json) -> str | None:
    if not isinstance(name, str):
        return None
    found = _CLASSIC.search(name)
    if found is None:
        return None
    return found["plain"] or found["quoted"].replace("''", "'")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
