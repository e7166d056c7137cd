"""Requests that prove a key without showing it: signed with it.

A connector's security definition names the way by `x-flowmend-signature`; its first parameter that is no secret names the
account, its first secret is the key.
Source: learn.microsoft.com/azure/azure-monitor/logs/data-collector-api#authorization
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from msgspec.structs import replace

from flowmend.core.connector.draft import text_of
from flowmend.core.connector.operation import SignInMethod
from flowmend.core.connector.request import HttpRequest
from flowmend.core.json_value import Json

#: The ways to sign that are known.
SHARED_KEY = "azure-shared-key"
SIGNATURES = frozenset({SHARED_KEY})


def signed(request: HttpRequest, method: SignInMethod, parameters: Mapping[str, Json], now: datetime) -> HttpRequest:
    """The request with its signature; as it is where the way to sign in knows none, or the key cannot be one."""
    if method.signature != SHARED_KEY:
        return request
    account = next((one.name for one in method.parameters if not one.is_secret), "")
    secret = next((one.name for one in method.parameters if one.is_secret), "")
    try:
        key = base64.b64decode(text_of(parameters.get(secret) or ""), validate=True)
    except (binascii.Error, ValueError):
        return request
    date = format_datetime(now.astimezone(UTC), usegmt=True)
    content_type = next((text for name, text in request.headers.items() if name.lower() == "content-type"), "")
    lines = (
        request.method,
        str(len(request.body or b"")),
        content_type,
        f"x-ms-date:{date}",
        urlsplit(request.url).path,
    )
    proof = base64.b64encode(hmac.digest(key, "\n".join(lines).encode(), hashlib.sha256)).decode()
    authorization = f"SharedKey {text_of(parameters.get(account) or '')}:{proof}"
    return replace(request, headers={**request.headers, "x-ms-date": date, "Authorization": authorization})
