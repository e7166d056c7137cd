"""What other protocols than HTTP say, in words of our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer, diagnose
from flowmend.core.outcome import Category, Diagnosis, FixableBy

C, F = Category, FixableBy
BROKEN, FINE = True, False


def said(protocol: str, text: str, phase: Phase = Phase.CONNECT) -> Diagnosis:
    return diagnose(ReceivedAnswer(body=text, protocol=protocol, phase=phase), had_credential=True)


#: (protocol, what was received while connecting, category, who can fix it, broken)
CONNECTING = [
    ("smtp", "535 5.7.8 nope", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("smtp", "535 5.7.8 Your password has expired, choose another", C.EXPIRED, F.REVERIFY, BROKEN),
    ("smtp", "534 5.7.9 an app password is wanted here", C.MFA, F.REVERIFY, BROKEN),
    ("smtp", "535 5.7.139 SMTP sign-in has been turned off for this mailbox", C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("smtp", "525 5.7.13 that user is out", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("smtp", "454 4.7.0 our directory is away", C.UNKNOWN, F.WAIT, FINE),
    ("smtp", "421 4.7.0 too many connections of yours", C.RATE_LIMITED_NOT_AUTH, F.WAIT, FINE),
    ("smtp", "530 5.7.0 say STARTTLS before anything", C.UNKNOWN, F.NONE, FINE),
    ("smtp", "The mail server does not offer to sign in with a user name and a password here.", C.POLICY_BLOCKED, F.ADMIN, FINE),
    ("smtp", "502 5.5.1 AUTH not implemented", C.POLICY_BLOCKED, F.ADMIN, FINE),
    ("imap", "b7 NO [AUTHENTICATIONFAILED] try again", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("imap", "b7 NO [EXPIRED] that was last year's", C.EXPIRED, F.REVERIFY, BROKEN),
    ("imap", "b7 NO [CONTACTADMIN] ask upstairs", C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("imap", "b7 NO [CONTACTADMIN] that account has been suspended", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("imap", "b7 NO [INUSE] somebody is in there", C.UNKNOWN, F.WAIT, FINE),
    ("pop3", "-ERR [AUTH] no", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("pop3", "-ERR [SYS/TEMP] soon", C.UNKNOWN, F.WAIT, FINE),
    ("postgresql", 'FATAL: password authentication failed for user "eve" (SQLSTATE 28P01)', C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("postgresql", 'FATAL: pg_hba.conf rejects connection for host "192.0.2.1"', C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("postgresql", 'FATAL: role "eve" does not exist', C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("postgresql", 'FATAL: permission denied for database "shop" (SQLSTATE 42501)', C.INSUFFICIENT_PERMISSION, F.GRANT_PERMISSION, BROKEN),
    ("postgresql", "FATAL: the cluster starts up (SQLSTATE 57P03)", C.UNKNOWN, F.WAIT, FINE),
    ("postgresql", "FATAL: no more slots (SQLSTATE 53300)", C.RATE_LIMITED_NOT_AUTH, F.WAIT, FINE),
    ("postgresql", 'FATAL: there is no database "28P01x" (SQLSTATE 3D000)', C.UNKNOWN, F.NONE, FINE),
    ("mysql", "ERROR 1045 (28000): not you, 'eve'@'%'", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("mysql", "ERROR 3118 (HY000): it is shut", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("mariadb", "ERROR 1130 (HY000): Host '192.0.2.9' may not come in", C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("tds", "Msg 18456, State 1: no entry for 'eve'", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("sqlserver", "Msg 18488: change it first", C.EXPIRED, F.REVERIFY, BROKEN),
    ("mssql", "Msg 18470: 'eve' is off", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("tds", "Msg 40613: away for a moment", C.UNKNOWN, F.WAIT, FINE),
    ("oracle", "ORA-01017: no", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("tns", "ORA-28000: shut", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("tns", "ORA-28002: seven days left", C.UNKNOWN, F.NONE, FINE),
    ("odbc", "[28P01] no such pair", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("ldap", "LDAP: error code 49 - AcceptSecurityContext error, data 52e", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("ldap", "LDAP: error code 49 - AcceptSecurityContext error, data 530", C.POLICY_BLOCKED, F.WAIT, BROKEN),
    ("ldap", "LDAP: error code 49 - AcceptSecurityContext error, data 532", C.EXPIRED, F.REVERIFY, BROKEN),
    ("ldap", "LDAP: error code 49 - AcceptSecurityContext error, data 775", C.DISABLED_ACCOUNT, F.WAIT, BROKEN),
    ("ldap", "ldap_bind: strong(er) authentication (8)", C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("ldap", "LDAP: error code 52 - later", C.UNKNOWN, F.WAIT, FINE),
    ("kerberos", "KRB5KDC_ERR_PREAUTH_FAILED", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("kerberos", "KRB_AP_ERR_SKEW (37)", C.CLOCK_SKEW, F.ADMIN, BROKEN),
    ("kerberos", "KDC_ERR_CLIENT_REVOKED (18)", C.DISABLED_ACCOUNT, F.ADMIN, BROKEN),
    ("smb", "NT_STATUS_PASSWORD_MUST_CHANGE", C.EXPIRED, F.REVERIFY, BROKEN),
    ("smb", "0xC0000234 at session setup", C.DISABLED_ACCOUNT, F.WAIT, BROKEN),
    ("ssh", "eve@files.example: Permission denied (publickey).", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("sftp", "Host key verification failed for files.example", C.UNKNOWN, F.ADMIN, FINE),
    ("ftp", "530 no entry", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("ftp", "421 too many of you", C.RATE_LIMITED_NOT_AUTH, F.WAIT, FINE),
    ("tls", "TLSV13_ALERT_CERTIFICATE_REQUIRED", C.UNKNOWN, F.REVERIFY, BROKEN),
    ("tls", "SSLV3_ALERT_CERTIFICATE_EXPIRED", C.EXPIRED, F.REVERIFY, BROKEN),
    ("tls", "Received fatal alert: certificate_revoked", C.REVOKED, F.REVERIFY, BROKEN),
    ("tls", "tlsv1 alert unknown ca", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("tls", "CERTIFICATE_VERIFY_FAILED: certificate has expired", C.UNKNOWN, F.ADMIN, FINE),
    ("redis", "WRONGPASS no", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("redis", "LOADING, a moment", C.UNKNOWN, F.WAIT, FINE),
    ("mongodb", "MongoServerError: no (code 18, AuthenticationFailed)", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("amqp", "ACCESS_REFUSED - Login was refused", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("mqtt", "CONNACK return code 4", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("kafka", "SASL_AUTHENTICATION_FAILED", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("nats", "-ERR 'Authorization Violation'", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("snowflake", "390422 (08004): 192.0.2.4 is not allowed by the network policy", C.POLICY_BLOCKED, F.ADMIN, BROKEN),
    ("network", "getaddrinfo ENOTFOUND api.example", C.UNKNOWN, F.WAIT, FINE),
    ("a-protocol-nobody-listed", "the password you gave is incorrect", C.WRONG_PASSWORD, F.REVERIFY, BROKEN),
    ("a-protocol-nobody-listed", "hello there", C.UNKNOWN, F.NONE, FINE),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "text", "category", "fixable_by", "is_broken"), CONNECTING)
def test_a_refusal_while_connecting_is_judged_by_what_the_protocol_says(
    protocol: str, text: str, category: C, fixable_by: F, *, is_broken: bool
) -> None:
    diagnosis = said(protocol, text)
    assert (diagnosis.category, diagnosis.fixable_by) == (category, fixable_by)
    assert diagnosis.connection_broken is is_broken
    assert not diagnosis.try_silent_refresh_first


CALLING = [
    ("postgresql", "ERROR: permission denied for view v (SQLSTATE 42501)", C.INSUFFICIENT_PERMISSION),
    ("mysql", "ERROR 1143 (42000): not that column", C.INSUFFICIENT_PERMISSION),
    ("sqlserver", "Msg 229: not that table", C.INSUFFICIENT_PERMISSION),
    ("imap", "b9 NO [NOPERM] look only", C.INSUFFICIENT_PERMISSION),
    ("sftp", "open /upload: Permission denied", C.INSUFFICIENT_PERMISSION),
    ("smb", "NT_STATUS_ACCESS_DENIED opening \\share", C.INSUFFICIENT_PERMISSION),
    ("grpc", "StatusCode.PERMISSION_DENIED", C.INSUFFICIENT_PERMISSION),
    ("kafka", "TOPIC_AUTHORIZATION_FAILED", C.INSUFFICIENT_PERMISSION),
    ("redis", "NOPERM not this command", C.INSUFFICIENT_PERMISSION),
    ("imap", "b9 NO [OVERQUOTA] full", C.RATE_LIMITED_NOT_AUTH),
    ("grpc", "StatusCode.RESOURCE_EXHAUSTED", C.RATE_LIMITED_NOT_AUTH),
    ("postgresql", "ERROR: a row like that is there (SQLSTATE 23505)", C.UNKNOWN),
]


@pytest.mark.parametrize(("protocol", "text", "category"), CALLING)
def test_a_refusal_of_one_call_leaves_the_connection_whole(protocol: str, text: str, category: C) -> None:
    diagnosis = said(protocol, text, Phase.API_CALL)
    assert diagnosis.category is category
    assert not diagnosis.connection_broken


def test_a_session_that_aged_is_opened_anew_first() -> None:
    for protocol, text in (
        ("grpc", "StatusCode.UNAUTHENTICATED: your token expired"),
        ("snowflake", "390112: it ended"),
    ):
        diagnosis = said(protocol, text, Phase.API_CALL)
        assert diagnosis.connection_broken
        assert diagnosis.try_silent_refresh_first


def test_a_name_that_looks_like_a_code_is_none() -> None:
    assert said("postgresql", 'FATAL: database "28P01" does not exist (SQLSTATE 3D000)').category is C.UNKNOWN


@given(
    text=st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace")),
    protocol=st.sampled_from(["smtp", "imap", "tds", "ldap", "tls", "network", "x"]) | st.text(max_size=8),
    phase=st.sampled_from(Phase),
    provider=st.text(max_size=8),
)
def test_whatever_was_received_gets_a_diagnosis_made_of_it_alone(
    text: str, protocol: str, phase: Phase, provider: str
) -> None:
    diagnosis = diagnose(
        ReceivedAnswer(body=text, protocol=protocol, phase=phase, provider=provider), had_credential=True
    )
    assert diagnosis.is_auth_failure or not diagnosis.connection_broken
    assert diagnosis.message in " ".join(text.split())
    assert diagnosis.code in text
