"""What of a connector its connections' secrets were entrusted to: its hosts, its ways to sign in, its policies.

Words that people read are left out, and so is what forms are drawn by: a new title asks nobody for a secret again.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from flowmend.core.connector.operation import ConnectionParameter, Connector, SignInMethod
from flowmend.core.json_value import Json


def fingerprint_of(connector: Connector) -> str:
    """Another one where hosts, sign-in or policies are others. Errors: none."""
    parts = (
        connector.protocol,
        connector.base_url,
        [_method(method) for method in connector.sign_in],
        # Their order counts: one works on what the other made.
        [(one.template, one.parameters, sorted(one.operations), one.is_for_response) for one in connector.policies],
    )
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _method(method: SignInMethod) -> Sequence[Json]:
    return [
        method.kind,
        method.name,
        sorted(map(_parameter, method.parameters), key=lambda one: str(one[0])),
        method.placements,
        method.user_parameter,
        method.password_parameter,
        method.certificate_parameter,
        method.oauth,
        method.signature,
    ]


def _parameter(parameter: ConnectionParameter) -> Sequence[Json]:
    """What decides about requests: its default stands in for a value that is not given, in a host as well."""
    return [parameter.name, parameter.type, parameter.is_secret, parameter.default, parameter.connection_of]
