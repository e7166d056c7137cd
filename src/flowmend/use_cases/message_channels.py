"""How messages leave: by mail and as signed webhooks. What became of one is a value; nothing here is tried twice.

Webhooks are signed as the specification of Standard Webhooks says, so that receivers in any language have a library for it.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from flowmend.core.connection.credentials import BasicCredential
from flowmend.core.connector import ProtocolRefusal, TransportFailure, UnbuildableRequest, server_of
from flowmend.core.connector.protocol_call import ProtocolAnswer
from flowmend.core.connector.request import HttpRequest
from flowmend.core.connector.server import PROTOCOLS
from flowmend.core.json_value import Json
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import ConnectorCall
from flowmend.settings import MailServer
from flowmend.store.notice_rows import MessageRouteRow, NoticeRow
from flowmend.transport import Protocols
from flowmend.transport.address_guard import ADDRESS_NOT_ALLOWED
from flowmend.transport.http import INVALID_REQUEST
from flowmend.use_cases.mail_sign_in import MailSignIn
from flowmend.use_cases.message_settings import MAIL_CONNECTION_BROKEN, MAIL_CONNECTOR, NO_MAIL
from flowmend.use_cases.ports import Services
from flowmend.vault import Binding

_SEND = "SendEmail"
_HOOK_WITHIN = timedelta(seconds=15)
_MOST_ANSWER_BYTES = 64 * 1024
_SECRET_BYTES = 32
_LONGEST_REASON = 300
#: Of a mail that may have been handed over.
_PERHAPS_SENT = frozenset({"RequestTimeout", "ConnectionReset"})


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in somebody's language. subject: one line. link: where it is repaired, "" where no address is known."""

    subject: str
    plain: str
    html: str
    link: str


#: Writes a notice in a language (`en`, `zh-Hant`).
Write = Callable[[NoticeRow, str], Message]


class Result(StrEnum):
    """What became of a message."""

    SENT = "sent"
    AGAIN = "again"  # it did not leave, and may the next time
    UNKNOWN = "unknown"  # it may have arrived
    REFUSED = "refused"  # it will never be taken


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """code, message: why it was not sent, secrets removed; "" where it was. is_let_in: the server was not known to let us in, and did."""

    result: Result
    code: str = ""
    message: str = ""
    is_let_in: bool = False


class MailDoor:
    """The way to the mail server of the settings. It alone may be reached, also where it is at home: whoever runs this server named it."""

    def __init__(self, mail: MailServer | None) -> None:
        self._mail = mail
        self._protocols: Protocols | None = None
        self._sign_in = MailSignIn()

    def wait(self, now: datetime) -> timedelta:
        """How long a message leaves the server alone until it is known whether it lets another in; zero for one that may go."""
        return self._sign_in.wait(now)

    async def send(self, services: Services, mail: Mapping[str, Json], key: str) -> Sent:
        """Hand one mail over. mail: as `emailMessage` of the connector. key: the same for the same mail."""
        if self._mail is None:
            return Sent(result=Result.AGAIN, code=NO_MAIL)
        where, port = self._mail, self._mail.port or PROTOCOLS["smtp"][1][self._mail.security]
        server = server_of("smtp", {"host": where.host, "port": str(port), "security": where.security})
        operation = services.connectors.get(MAIL_CONNECTOR).operation(_SEND)
        if isinstance(server, UnbuildableRequest) or operation is None:
            return Sent(result=Result.REFUSED, code="InvalidHost")
        if self._protocols is None:
            self._protocols = Protocols([f"{server.host}:{server.port}"])
        self._sign_in.begin()
        try:
            answer = await self._protocols.perform(
                server,
                operation,
                {"emailMessage": dict(mail)},
                BasicCredential(user=where.user, password=where.password),
                key=key,
            )
        finally:
            self._sign_in.end()
        # While signing in there is no status: whoever set the password may correct it.
        is_shut_out = isinstance(answer, ProtocolRefusal) and not answer.status
        if is_shut_out:
            self._sign_in.refused(services.clock.now)
        has_answered = not isinstance(answer, UnbuildableRequest | TransportFailure)
        is_news = has_answered and not is_shut_out and self._sign_in.let_in()
        return msgspec.structs.replace(_sent(answer), is_let_in=is_news)

    def close(self) -> None:
        if self._protocols is not None:
            self._protocols.close()


async def send_by_connection(services: Services, connection_id: str, mail: Mapping[str, Json], key: str) -> Sent:
    """As `MailDoor.send`, by a connection that flows send with too; its health is judged as by any call.

    Errors: StoreUnavailable.
    """
    call = ConnectorCall(
        reference=MAIL_CONNECTOR,
        connector=MAIL_CONNECTOR,
        operation_id=_SEND,
        parameters={"emailMessage": dict(mail)},
    )
    outcome = await services.operations.call(
        call,
        flow_id="",
        mappings={MAIL_CONNECTOR: connection_id},
        client_request_id=key,
        trace_headers={},
        attempt=1,
    )
    if outcome.status is Status.SUCCEEDED:
        return Sent(result=Result.SENT)
    text = _reason(outcome.error.message if outcome.error is not None else "")
    if outcome.diagnosis is not None and outcome.diagnosis.is_auth_failure:
        return Sent(result=Result.AGAIN, code=MAIL_CONNECTION_BROKEN, message=text)
    return Sent(result=_result_of(outcome), code=outcome.code, message=text)


async def send_webhook(
    services: Services, route: MessageRouteRow, notice: NoticeRow, message: Message, key: str
) -> Sent:
    """POST a notice. key: its id there, by which a repetition is known. Errors: StoreUnavailable, SecretUnreadable."""
    stamp = str(int(services.clock.now.timestamp()))
    body = msgspec.json.encode(
        {
            "type": f"flowmend.{notice.kind.value}",
            "timestamp": notice.at,
            "text": f"{message.subject}\n{message.link}".strip(),
            "data": {
                "notice_id": notice.notice_id,
                "link": message.link,
                "message": message.plain,
                "facts": notice.facts,
            },
        }
    )
    message_id = hashlib.sha256(key.encode()).hexdigest()[:40]
    secret = open_secret(services, route)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Flowmend",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(secret, message_id, stamp, body),
    }
    answer = await services.http.send(
        HttpRequest(method="POST", url=route.address, headers=headers, body=body),
        timeout=_HOOK_WITHIN,
        max_response_bytes=_MOST_ANSWER_BYTES,
    )
    if isinstance(answer, TransportFailure):
        is_final = answer.code in {ADDRESS_NOT_ALLOWED, INVALID_REQUEST}
        return Sent(
            result=Result.REFUSED if is_final else Result.AGAIN, code=answer.code, message=_reason(answer.message)
        )
    if 200 <= answer.status < 300:
        return Sent(result=Result.SENT)
    # 410 says that it is over (Standard Webhooks); a redirect could lead a signed message anywhere.
    is_final = answer.status == 410 or 300 <= answer.status < 400
    return Sent(result=Result.REFUSED if is_final else Result.AGAIN, code=str(answer.status))


def signature(secret: bytes, message_id: str, stamp: str, body: bytes) -> str:
    """`v1,<base64>` of HMAC-SHA256 over id, time and body."""
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def new_secret(draw: Callable[[int], bytes]) -> tuple[bytes, str]:
    """(secret, as its receiver is given it). draw: so many random bytes."""
    secret = draw(_SECRET_BYTES)
    return secret, "whsec_" + base64.b64encode(secret).decode()


def seal_secret(services: Services, route_id: str, address: str, secret: bytes) -> bytes:
    """The secret sealed for this route and its address."""
    return services.vault.seal(secret, bound_to=webhook_binding(route_id, address))


def open_secret(services: Services, route: MessageRouteRow) -> bytes:
    """Errors: SecretUnreadable."""
    return services.vault.open(route.sealed_secret, bound_to=webhook_binding(route.route_id, route.address))


def webhook_binding(route_id: str, address: str) -> Binding:
    """What the secret of a webhook's route is bound to."""
    return Binding(kind="webhook", parts=(route_id, address))


def _sent(answer: ProtocolAnswer | ProtocolRefusal | TransportFailure | UnbuildableRequest) -> Sent:
    if isinstance(answer, UnbuildableRequest):
        return Sent(result=Result.REFUSED, code=answer.code, message=_reason(answer.message))
    if isinstance(answer, TransportFailure):
        result = Result.UNKNOWN if answer.was_sent else Result.AGAIN
        return Sent(result=result, code=answer.code, message=_reason(answer.message))
    if isinstance(answer, ProtocolRefusal):
        result = Result.REFUSED if 400 <= answer.status < 500 else Result.AGAIN
        return Sent(result=result, code=answer.code or "Refused", message=_reason(answer.text))
    return Sent(result=Result.SENT)


def _result_of(outcome: Outcome) -> Result:
    if outcome.was_refused:
        return Result.AGAIN if outcome.is_retryable else Result.REFUSED
    is_lost = outcome.code in _PERHAPS_SENT and not outcome.is_retryable
    return Result.UNKNOWN if is_lost else Result.AGAIN


def _reason(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]
