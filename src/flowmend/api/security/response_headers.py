"""The headers every answer bears, by audience."""

from flowmend.api.security.entrances import Audience

HeaderList = list[tuple[bytes, bytes]]

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# What a flow answers may be any HTML or script under our own origin: the sandbox gives it an origin of its own.
_FOREIGN_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]

_NOT_STORED = (b"cache-control", b"no-store")

_BY_AUDIENCE: dict[Audience, HeaderList] = {
    Audience.PAGE: [*_ALWAYS, (b"content-security-policy", _PAGE_POLICY.encode()), _NOT_STORED],
    Audience.ASSET: [*_ALWAYS, (b"content-security-policy", _PAGE_POLICY.encode())],
    Audience.API: [*_ALWAYS, (b"content-security-policy", _FOREIGN_POLICY.encode()), _NOT_STORED],
    Audience.SIGNED: [*_ALWAYS[:2], (b"content-security-policy", _FOREIGN_POLICY.encode()), _NOT_STORED],
}

#: Ours alone to say, also where a flow's Response names them.
_RESERVED = frozenset({b"content-security-policy", b"x-content-type-options", b"set-cookie"})


def protected_headers(audience: Audience, given: HeaderList, request_id: bytes) -> HeaderList:
    """The answer's headers with ours added; on signed URLs ours win over what a flow says."""
    if audience is Audience.SIGNED:
        given = [pair for pair in given if pair[0].lower() not in _RESERVED]
    names = {name.lower() for name, _ in given}
    added = [pair for pair in _BY_AUDIENCE[audience] if pair[0] not in names]
    if audience in {Audience.API, Audience.SIGNED}:
        added += [
            (name, request_id) for name in (b"x-ms-request-id", b"x-ms-correlation-request-id") if name not in names
        ]
    return given + added
