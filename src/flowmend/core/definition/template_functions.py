"""Functions that only deployment templates have, and what is known of the place a template deploys to.

Source: learn.microsoft.com/azure/azure-resource-manager/templates/template-functions
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urljoin
from uuid import NAMESPACE_OID, uuid5

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json


@dataclass(frozen=True, slots=True)
class Unresolved:
    """What an expression gives that cannot be evaluated here. names: the values that are missing for it."""

    names: tuple[str, ...]


SUBSCRIPTION_ID = "subscription().subscriptionId"
TENANT_ID = "subscription().tenantId"
GROUP_NAME = "resourceGroup().name"
LOCATION = "resourceGroup().location"

# Where a template deploys to is a person's to say; the endpoints of the public cloud are the same for all.
_CLOUD: Mapping[str, Json] = MappingProxyType(
    {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": "https://management.azure.com/",
        "graph": "https://graph.windows.net/",
        "authentication": {"loginEndpoint": "https://login.microsoftonline.com/", "tenant": "common"},
        "suffixes": {
            "keyvaultDns": ".vault.azure.net",
            "sqlServerHostname": ".database.windows.net",
            "storage": "core.windows.net",
        },
    }
)
_DEEPEST = 100
_PLACEHOLDER = re.compile(r"\{(\d{1,3})[^}]*\}")


def place_facts(values: Mapping[str, Json]) -> dict[str, Json]:
    """`{function in lower case: what it gives}` of the place a template deploys to.

    values: what is known, by the names above; the rest is Unresolved.
    """

    def known(name: str) -> Json:
        return values.get(name, Unresolved((name,)))

    subscription, group = known(SUBSCRIPTION_ID), known(GROUP_NAME)
    subscription_path = _joined("/subscriptions/", subscription)
    return {
        "subscription": {"subscriptionId": subscription, "tenantId": known(TENANT_ID), "id": subscription_path},
        "tenant": {"tenantId": known(TENANT_ID)},
        "resourcegroup": {
            "name": group,
            "location": known(LOCATION),
            "id": _joined(subscription_path, "/resourceGroups/", group),
        },
        "environment": dict(_CLOUD),
    }


def unresolved_in(value: Json, depth: int = 0) -> list[str]:
    """The names of all that is missing at any depth of a value."""
    if isinstance(value, Unresolved):
        return list(value.names)
    if depth > _DEEPEST:
        return []
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [name for one in inner for name in unresolved_in(one, depth + 1)]


def _joined(*parts: Json) -> Json:
    missing = tuple(name for part in parts if isinstance(part, Unresolved) for name in part.names)
    return Unresolved(tuple(dict.fromkeys(missing))) if missing else "".join(map(str, parts))


def _concat(*parts: Json) -> Json:
    if all(isinstance(part, list) for part in parts):
        return [item for part in parts for item in part]
    return "".join(_text(part) for part in parts)


def _format(form: Json, *arguments: Json) -> Json:
    def filled(match: re.Match[str]) -> str:
        index = int(match[1])
        if index >= len(arguments):
            raise ExpressionError(f"The format has no argument {index}.")
        return _text(arguments[index])

    return _PLACEHOLDER.sub(filled, _text(form))


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int | float):
        return str(value)
    raise ExpressionError("Only texts, numbers and booleans can be joined to a text.")


def _create_object(*pairs: Json) -> Json:
    return {_text(name): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _unique_string(*seeds: Json) -> Json:
    # Thirteen letters as the service gives them; which ones is its secret, and no flow depends on it.
    digest = hashlib.sha256("-".join(map(_text, seeds)).encode()).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:13]


def _guid(*seeds: Json) -> Json:
    return str(uuid5(NAMESPACE_OID, "-".join(map(_text, seeds))))


def _pad_left(value: Json, width: Json, sign: Json = " ") -> Json:
    if not isinstance(width, int) or not 0 <= width <= 1000:
        raise ExpressionError("The width to pad to is not a number from 0 to 1000.")
    return _text(value).rjust(width, _text(sign)[:1] or " ")


def resource_path(subscription: str, group: str, arguments: list[str]) -> str:
    """The id of a resource. arguments: its type, then a name for each part of the type after the provider.

    Errors: ExpressionError where names and types do not go together.
    """
    start = next((index for index, argument in enumerate(arguments) if "/" in argument), -1)
    if start < 0:
        raise ExpressionError("A resource id needs a resource type such as 'Microsoft.Web/connections'.")
    before, (resource_type, *names) = arguments[:start], arguments[start:]
    if len(before) == 2:
        subscription, group = before
    elif len(before) == 1:
        group = before[0]
    provider, *types = resource_type.split("/")
    if len(types) != len(names):
        raise ExpressionError(f"The resource type '{resource_type}' needs {len(types)} names, not {len(names)}.")
    scope = f"/subscriptions/{subscription}" if subscription else ""
    scope += f"/resourceGroups/{group}" if group else ""
    return f"{scope}/providers/{provider}" + "".join(f"/{kind}/{name}" for kind, name in zip(types, names, strict=True))


#: {name in lower case: function of evaluated arguments}; those that the workflow language has too are taken from there.
TEMPLATE_FUNCTIONS: Mapping[str, Callable[..., Json]] = MappingProxyType(
    {
        "concat": _concat,
        "createobject": _create_object,
        "false": lambda: False,
        "format": _format,
        "guid": _guid,
        "null": lambda: None,
        "padleft": _pad_left,
        "true": lambda: True,
        "uniquestring": _unique_string,
        "uri": lambda base, relative: urljoin(_text(base), _text(relative)),
    }
)
