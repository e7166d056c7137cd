"""Claims challenges: a service wants a sign-in that proves more, such as a second factor, and says so in a text that the next
sign-in must bring along.

Source: learn.microsoft.com/entra/identity-platform/claims-challenge; OpenID Connect Core §5.5.
"""

import base64
import binascii
import re

import msgspec

_CLAIMS = re.compile(r'\bclaims\s*=\s*"([A-Za-z0-9+/=_-]+)"')
_LONGEST = 4_000


def claims_in_header(challenge: str) -> str:
    """The claims of a `WWW-Authenticate` header, as JSON text; "" for none."""
    found = _CLAIMS.search(challenge)
    if found is None:
        return ""
    encoded = found[1].translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
        return claims_text(decoded.decode())
    except (binascii.Error, ValueError):
        return ""


def claims_text(claims: object) -> str:
    """What a token endpoint says under `claims`, if it is the JSON text of an object; else ""."""
    if not isinstance(claims, str) or len(claims) > _LONGEST:
        return ""
    try:
        return claims if isinstance(msgspec.json.decode(claims), dict) else ""
    except (msgspec.DecodeError, RecursionError):
        return ""
