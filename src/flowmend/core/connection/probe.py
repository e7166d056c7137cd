"""Probes: the one harmless call that says whether a connection's credential works, and which call that is.

The owner's choice comes first, then what the connector declares, then the safe form of the call that failed, then a guess,
then a refresh of the tokens. A guess may be a public address: it is trusted only once the same call without a good
credential was seen to be refused, and what was seen is remembered until the connector changes.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from flowmend.core.connector import Connector, Operation, SignInKind, match_operation
from flowmend.core.json_value import Json

_SPEAKS_OF_IDENTITY = re.compile(
    r"(?:^|[^a-z])(?:me|user|account|profile|who_?am_?i|current_?user|self|identity)(?:[^a-z]|$)"
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OF_MANY_THINGS = re.compile(r"\b(?:list|search|all|create|delete|update)\b")
#: So many operations seen to be public are remembered; a connector with more has nothing to guess from.
_MOST_REMEMBERED = 20


class ProbeKind(StrEnum):
    """Where a probe comes from, in the order they are preferred."""

    CHOSEN = "chosen"  # by the connection's owner
    DECLARED = "declared"  # `x-ms-capabilities.testConnection`
    FAILED_CALL = "failed_call"  # the read that was refused last: it was seen to fail with a bad credential
    INFERRED = "inferred"  # a read without required parameters; trusted once seen to refuse
    REFRESH = "refresh"  # the token endpoint says whether the grant lives
    NONE = "none"  # judged by runs


class SafeCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that only reads, without what signs it in.

    Either operation_id with arguments (flattened names), or method with path, queries and headers. path: relative to the
    connector, or the whole address where the connector has no operations (`http`).
    """

    operation_id: str = ""
    arguments: dict[str, Json] = {}
    method: str = "GET"
    path: str = ""
    queries: dict[str, Json] = {}
    headers: dict[str, Json] = {}

    def __repr__(self) -> str:  # what it asks for may be nobody else's business
        return f"SafeCall(operation_id={self.operation_id!r}, method={self.method!r})"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """kind: REFRESH and NONE have no call. evidence: names the call at this connector, see `ProbeMemory`."""

    kind: ProbeKind
    call: SafeCall = SafeCall()
    evidence: str = ""


NO_PROBE = Probe(kind=ProbeKind.NONE)
REFRESH_PROBE = Probe(kind=ProbeKind.REFRESH)


class ProbeMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a connection's probes, in its column `probe`.

    chosen: the owner's choice. refusing: the evidence of the call that was seen to refuse without a good credential.
    public: the evidences of calls that answered without one, which are not asked again.
    """

    chosen: SafeCall | None = None
    refusing: str = ""
    public: tuple[str, ...] = ()

    def trusts(self, probe: Probe) -> bool:
        """Whether a good answer proves the credential, as far as is known."""
        return probe.kind is not ProbeKind.INFERRED or (bool(probe.evidence) and self.refusing == probe.evidence)

    def has_seen(self, probe: Probe, *, refusing: bool) -> "ProbeMemory":
        """The memory after the call was made without a good credential."""
        if refusing:
            return msgspec.structs.replace(self, refusing=probe.evidence)
        return msgspec.structs.replace(self, public=(*self.public, probe.evidence)[-_MOST_REMEMBERED:])


def decode_memory(stored: Json) -> ProbeMemory:
    """The memory of a column; an empty one of what does not read, for it is learnt again."""
    try:
        return _decode_memory(stored)
    except msgspec.ValidationError:
        return ProbeMemory()


def _decode_memory(stored: Json) -> ProbeMemory:
    memory: ProbeMemory = msgspec.convert(stored or {}, ProbeMemory)
    return memory


def encode_memory(memory: ProbeMemory) -> Json:
    return msgspec.to_builtins(memory)


def probes_of(
    connector: Connector,
    memory: ProbeMemory = ProbeMemory(),  # noqa: B008  a frozen value
    *,
    failed_call: SafeCall | None = None,
    can_refresh: bool = False,
    kind: SignInKind = SignInKind.NONE,
) -> Iterator[Probe]:
    """Every probe a connection has, the best first; none where nothing could tell.

    failed_call: what was refused last, in its safe form. can_refresh: the sign-in renews tokens. kind: how it signs in.
    """
    if memory.chosen is not None and is_safe(connector, memory.chosen):
        yield _probe(ProbeKind.CHOSEN, connector, memory.chosen)
    declared = connector.test_operation
    if declared is not None and not connector.operations[declared.operation_id].unsupported:
        call = SafeCall(operation_id=declared.operation_id, arguments=dict(declared.arguments))
        yield _probe(ProbeKind.DECLARED, connector, call)
    if failed_call is not None and is_safe(connector, failed_call):
        yield _probe(ProbeKind.FAILED_CALL, connector, failed_call)
    if kind is not SignInKind.NONE:
        # New tokens say more of a grant than an answer that only might need it.
        yield from _inferred(connector, memory, needs_identity=can_refresh)
    if can_refresh:
        yield REFRESH_PROBE


def is_safe(connector: Connector, call: SafeCall) -> bool:
    """Whether the call may serve as a probe here: a read, and not one its connector keeps from tests."""
    if call.operation_id:
        operation = connector.operation(call.operation_id)
        return operation is not None and _is_harmless(operation)
    if call.method.upper() not in {"GET", "HEAD"} or not call.path:
        return False
    found = match_operation(connector, call.method, call.path.partition("?")[0]) if connector.operations else None
    return found is None or _is_harmless(found.operation)


def choosable(connector: Connector) -> tuple[Operation, ...]:
    """The operations an owner may choose for a probe, by id."""
    return tuple(
        sorted(
            (operation for operation in connector.operations.values() if _is_harmless(operation)),
            key=lambda operation: operation.operation_id.lower(),
        )
    )


def _inferred(connector: Connector, memory: ProbeMemory, *, needs_identity: bool) -> Iterator[Probe]:
    candidates = sorted(
        (
            operation
            for operation in connector.operations.values()
            if _is_harmless(operation) and _needs_nothing(operation)
        ),
        key=lambda operation: (not _names_identity(operation), len(operation.path), operation.operation_id),
    )
    for operation in candidates:
        if needs_identity and not _names_identity(operation):
            return
        probe = _probe(ProbeKind.INFERRED, connector, SafeCall(operation_id=operation.operation_id))
        if probe.evidence not in memory.public:
            yield probe


def _probe(kind: ProbeKind, connector: Connector, call: SafeCall) -> Probe:
    return Probe(kind=kind, call=call, evidence=_evidence(connector, call))


def _evidence(connector: Connector, call: SafeCall) -> str:
    """Changes with whatever decides where the call goes and how it is signed in."""
    operation = connector.operation(call.operation_id) if call.operation_id else None
    where = (operation.method, operation.path) if operation is not None else (call.method, call.path)
    parts = (connector.base_url, connector.sign_in, connector.policies, where)
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:32]


def _is_harmless(operation: Operation) -> bool:
    return operation.method == "GET" and operation.may_probe and not operation.is_trigger and not operation.unsupported


def _needs_nothing(operation: Operation) -> bool:
    return not any(one.is_required and one.default is None for one in operation.parameters)


def _names_identity(operation: Operation) -> bool:
    name = _WORD_START.sub("_", operation.operation_id).lower()
    last = operation.path.rstrip("/").rpartition("/")[2].lower()
    if _OF_MANY_THINGS.search(name.replace("_", " ")):
        return False
    return bool(_SPEAKS_OF_IDENTITY.search(name) or _SPEAKS_OF_IDENTITY.search(last))


def encode_call(call: SafeCall) -> Json:
    return msgspec.to_builtins(call)


def decode_call(value: Mapping[str, Json]) -> SafeCall | None:
    """None where it is of a form this version does not know."""
    try:
        return _decode_call(value)
    except msgspec.ValidationError:
        return None


def _decode_call(value: Mapping[str, Json]) -> SafeCall:
    call: SafeCall = msgspec.convert(value, SafeCall)
    return call
