"""Test the credential of a connection that is not HTTP: signing in is the test."""

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.connection.probe import ProbeKind
from flowmend.core.connector import ProtocolRefusal, SignedIn, SignInKind, UnbuildableRequest
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import CredentialTest

SIGN_IN = "SignIn"


async def try_sign_in(services: Services, opened: OpenedConnection) -> CredentialTest:
    """Sign in with the credential of `opened`, and leave.

    Errors: AskedWrongly where a parameter of the connection names no server.
    """
    if opened.credential is None and opened.method.kind is not SignInKind.NONE:
        message = "Nobody has signed in to this connection yet."
        return CredentialTest(is_testable=False, is_proven=False, code="NoCredential", message=message)
    answer = await services.protocols.sign_in(opened.connector, opened.row.parameters or {}, opened.credential)
    if isinstance(answer, SignedIn):
        return CredentialTest(
            is_testable=True, is_proven=True, operation_id=SIGN_IN, code="OK", kind=ProbeKind.DECLARED
        )
    if isinstance(answer, UnbuildableRequest):
        raise AskedWrongly(answer.message, code=answer.code)
    if isinstance(answer, ProtocolRefusal):
        code, message = answer.code or "SignInRefused", opened.redactor.text(answer.text)
        received = ReceivedAnswer(
            body=message, phase=Phase.CONNECT, protocol=answer.protocol, provider=opened.connector.display_name
        )
    else:
        code, message = answer.code, opened.redactor.text(answer.message)
        received = ReceivedAnswer(failure_code=code, body=message, phase=Phase.CONNECT)
    diagnosis = diagnose(received, had_credential=True, kind=opened.method.kind)
    return CredentialTest(
        is_testable=True,
        is_proven=False,
        operation_id=SIGN_IN,
        code=code,
        message=message,
        diagnosis=diagnosis,
        kind=ProbeKind.DECLARED,
    )
