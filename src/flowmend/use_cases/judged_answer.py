"""An answer judged: its outcome without secrets, and what it says of the credential that was used."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from flowmend.core.connection.diagnosis import ReceivedAnswer, diagnose
from flowmend.core.connection.evidence import may_hide_a_refusal
from flowmend.core.connection.redaction import Redactor
from flowmend.core.connector import HttpResponse, SignInKind, TransportFailure, outcome_of
from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis, ErrorDetail, Outcome, Status

_READ_FOR_DIAGNOSIS = 20_000


class JudgedAnswer(Struct, frozen=True, kw_only=True):
    """diagnosis: None where the answer is good."""

    outcome: Outcome
    diagnosis: Diagnosis | None


def judge(
    answer: HttpResponse | TransportFailure,
    redactor: Redactor,
    *,
    now: datetime,
    kind: SignInKind,
    connection_id: str = "",
    had_credential: bool = True,
    provider: str = "",
) -> JudgedAnswer:
    """The outcome of an answer and its diagnosis.

    redactor: knows the secrets that were sent. kind: how the connection signs in. connection_id: "" for an Http action,
    whose good status stands whatever the body says. provider: whose service it is, "" if unknown.
    """
    if isinstance(answer, HttpResponse):
        answer = redactor.answer(answer)
    outcome = outcome_of(answer, now=now, connection_id=connection_id)
    cleaned = redactor.json(outcome.outputs)
    if outcome.status is Status.SUCCEEDED and not _may_hide_a_refusal(cleaned):
        return JudgedAnswer(outcome=_with_outputs(outcome, cleaned), diagnosis=None)
    diagnosis = _diagnosis(answer, redactor, kind, had_credential=had_credential, provider=provider)
    if outcome.status is Status.SUCCEEDED:
        if not (diagnosis.connection_broken and connection_id):
            return JudgedAnswer(outcome=_with_outputs(outcome, cleaned), diagnosis=None)
        error = ErrorDetail("Unauthorized", diagnosis.message)
        outcome = replace(outcome, status=Status.FAILED, code="Unauthorized", error=error, was_refused=True)
    return JudgedAnswer(outcome=replace(_with_outputs(outcome, cleaned), diagnosis=diagnosis), diagnosis=diagnosis)


def _diagnosis(
    answer: HttpResponse | TransportFailure,
    redactor: Redactor,
    kind: SignInKind,
    *,
    had_credential: bool,
    provider: str,
) -> Diagnosis:
    if isinstance(answer, TransportFailure):
        received = ReceivedAnswer(failure_code=answer.code, body=redactor.text(answer.message))
    else:
        received = ReceivedAnswer(
            status=answer.status,
            headers=answer.headers,
            body=redactor.text(answer.body[:_READ_FOR_DIAGNOSIS].decode("utf-8", "replace")),
            provider=provider,
        )
    return diagnose(received, had_credential=had_credential, kind=kind)


def _may_hide_a_refusal(outputs: Json) -> bool:
    """Whether a good status could carry a failure in its body: worth a diagnosis, which the common answer is spared."""
    body = outputs.get("body") if isinstance(outputs, dict) else None
    if isinstance(body, dict):
        return may_hide_a_refusal(body)
    return isinstance(body, str) and "type=" in body and "password" in body


def _with_outputs(outcome: Outcome, outputs: Json) -> Outcome:
    return outcome if outputs is outcome.outputs else replace(outcome, outputs=outputs)
