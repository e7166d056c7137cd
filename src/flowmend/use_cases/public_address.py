"""Whether services outside reach this very Flowmend by the address it gives out.

The server asks its own public address with a token that is good once, and looks whether what comes back is what it alone
knows. It asks no other address: nobody chooses where to. A server behind a router that lets nobody inside use the outer
address looks unreachable to itself though it is not; no server can tell these two apart.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from flowmend.core.connector.request import HttpRequest
from flowmend.core.connector.response import HttpResponse, TransportFailure
from flowmend.core.errors import NotFound, TooManyAttempts
from flowmend.store.rows import FlowState
from flowmend.transport import http
from flowmend.transport.address_guard import ADDRESS_NOT_ALLOWED
from flowmend.use_cases.poll_states import NOTIFIED_TYPES
from flowmend.use_cases.ports import Services
from flowmend.use_cases.public_proofs import Proof
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES
from flowmend.use_cases.unreadable import CANNOT_BE_READ

PATH = "/reachable"

_WITHIN = timedelta(seconds=10)
_MOST_BYTES = 16 * 1024
_MISDIRECTED = "MisdirectedRequest"


class Verdict(StrEnum):
    """What came of asking ourselves."""

    REACHABLE = "Reachable"  # our own proof came back
    HOST_CHANGED = "HostChanged"  # it came back, but what stands between tells us another host name
    NOT_SET = "NotSet"  # no public address is set
    NAME_UNKNOWN = "NameUnknown"  # no address for the name
    PRIVATE = "Private"  # the name leads into a private network, which is not asked
    TLS_FAILED = "TlsFailed"  # no secure connection: certificate or protocol
    NO_ANSWER = "NoAnswer"  # refused, reset or too late
    REDIRECTED = "Redirected"  # the answer leads elsewhere; services that call do not follow
    HOST_REFUSED = "HostRefused"  # we were reached under a host name we do not answer to
    OTHER_SERVER = "OtherServer"  # somebody answered who is not us


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressCheck:
    """detail: what is known besides, in English, e.g. the failure of the connection; "" for nothing."""

    address: str
    verdict: Verdict
    checked_at: datetime
    detail: str = ""

    @property
    def is_reachable(self) -> bool:
        return self.verdict in {Verdict.REACHABLE, Verdict.HOST_CHANGED}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideTrigger:
    """A trigger that is called from outside. is_subscribed: by a service that was told the address; else by whoever has it."""

    flow_id: str
    flow_name: str
    trigger_name: str
    trigger_type: str
    is_on: bool
    is_subscribed: bool


class _Answer(msgspec.Struct, frozen=True):
    flowmend: str = ""
    host: str = ""


_FAILURES = {
    http.UNRESOLVABLE_HOST_NAME: Verdict.NAME_UNKNOWN,
    http.TLS_FAILED: Verdict.TLS_FAILED,
    ADDRESS_NOT_ALLOWED: Verdict.PRIVATE,
}


async def check_public_address(services: Services, person_id: str) -> AddressCheck:
    """Ask our own public address now. Errors: TooManyAttempts, so that nobody makes us knock at a door without end."""
    address, now = services.settings.public_url, services.clock.now
    if not address:
        return AddressCheck(address=services.settings.base_url, verdict=Verdict.NOT_SET, checked_at=now)
    if services.public_proofs.checks.free_at("", now) is not None:
        raise TooManyAttempts("The address was checked several times just now. Wait a minute.", code="TooManyChecks")
    services.public_proofs.checks.add("", now)
    proof = Proof(token=secrets.token_urlsafe(24), answer=secrets.token_urlsafe(24))
    with services.public_proofs.expecting(proof):
        request = HttpRequest(
            method="GET", url=f"{address}{PATH}/{proof.token}", headers={"Accept": "application/json"}
        )
        answer = await services.http.send(request, timeout=_WITHIN, max_response_bytes=_MOST_BYTES)
    verdict, detail = _judged(answer, proof, urlsplit(address).netloc.lower())
    services.store.audit.note(person_id, "check_public_address", address, {"verdict": verdict.value}, at=now)
    return AddressCheck(address=address, verdict=verdict, checked_at=now, detail=detail)


def answer_proof(services: Services, token: str) -> str:
    """What a request with this token is told, once. Errors: NotFound for any other."""
    answer = services.public_proofs.take(token)
    if answer is None:
        raise NotFound("There is nothing at this address.")
    return answer


def outside_triggers(services: Services) -> list[OutsideTrigger]:
    """Every trigger that is called from outside, by flow; those that cannot work without a public address first."""
    found = []
    for row in services.store.flows.list():
        try:
            triggers = services.flows.latest(row.flow_id).flow.definition.triggers.values()
        except CANNOT_BE_READ:
            continue
        found += [
            OutsideTrigger(
                flow_id=row.flow_id,
                flow_name=row.name,
                trigger_name=trigger.name,
                trigger_type=trigger.type,
                is_on=row.state is FlowState.ON,
                is_subscribed=trigger.type != "Request",
            )
            for trigger in triggers
            if trigger.type in SUBSCRIBED_TYPES | NOTIFIED_TYPES or _is_called(trigger.type, trigger.kind)
        ]
    return sorted(found, key=lambda one: (not one.is_subscribed, one.flow_name.casefold()))


def _is_called(trigger_type: str, kind: str) -> bool:
    """Whether programs call it: what people start in the portal needs no address outside."""
    return trigger_type == "Request" and kind.lower() not in {"button", "apiconnection"}


def _judged(answer: HttpResponse | TransportFailure, proof: Proof, host: str) -> tuple[Verdict, str]:
    if isinstance(answer, TransportFailure):
        return _FAILURES.get(answer.code, Verdict.NO_ANSWER), answer.message
    if 300 <= answer.status < 400:
        return Verdict.REDIRECTED, f"HTTP {answer.status}"
    if _MISDIRECTED.encode() in answer.body:
        return Verdict.HOST_REFUSED, f"HTTP {answer.status}"
    try:
        told = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Verdict.OTHER_SERVER, f"HTTP {answer.status}"
    if not hmac.compare_digest(told.flowmend.encode(), proof.answer.encode()):
        return Verdict.OTHER_SERVER, f"HTTP {answer.status}"
    if told.host.lower() != host:
        return Verdict.HOST_CHANGED, f"Host: {told.host[:200]}"
    return Verdict.REACHABLE, ""
