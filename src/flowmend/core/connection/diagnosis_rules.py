"""The rules of diagnosis, as data: what codes, phrases and statuses say about a credential.

Error (`is_broken`) is a refusal of who or where signs in; Connected is a refusal of what was asked, or a service,
network or box in front at fault. A 403 is therefore a missing permission unless it says otherwise.
"""

import re
from dataclasses import dataclass

from flowmend.core.outcome import Category, FixableBy


@dataclass(frozen=True, slots=True)
class Verdict:
    """is_auth: the caller was refused. is_broken: no call can work. is_silent_first: perhaps only a token aged."""

    category: Category
    fixable_by: FixableBy
    is_auth: bool
    is_broken: bool
    is_silent_first: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A verdict and the name of the rule that gave it."""

    name: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PhraseRule:
    """phases, statuses: where the phrase counts; empty is everywhere."""

    name: str
    pattern: re.Pattern[str]
    verdict: Verdict
    phases: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()

    def concerns(self, phase: str, status: int) -> bool:
        return (not self.phases or phase in self.phases) and (not self.statuses or status in self.statuses)


NO_FAILURE = Verdict(Category.UNKNOWN, FixableBy.NONE, False, False)
TRANSIENT = Verdict(Category.UNKNOWN, FixableBy.WAIT, False, False)
THROTTLED = Verdict(Category.RATE_LIMITED_NOT_AUTH, FixableBy.WAIT, False, False)
OUT_OF_QUOTA = Verdict(Category.RATE_LIMITED_NOT_AUTH, FixableBy.ADMIN, False, False)
EXPIRED = Verdict(Category.EXPIRED, FixableBy.REVERIFY, True, True)
TOKEN_AGED = Verdict(Category.EXPIRED, FixableBy.REVERIFY, True, True, True)
REVOKED = Verdict(Category.REVOKED, FixableBy.REVERIFY, True, True)
WRONG_SECRET = Verdict(Category.WRONG_PASSWORD, FixableBy.REVERIFY, True, True)
NOT_SIGNED_IN = Verdict(Category.UNKNOWN, FixableBy.REVERIFY, True, True)
SIGNED_OUT = Verdict(Category.UNKNOWN, FixableBy.REVERIFY, True, True, True)
SECOND_FACTOR = Verdict(Category.MFA, FixableBy.REVERIFY, True, True)
NO_CONSENT = Verdict(Category.CONSENT_REQUIRED, FixableBy.RECONSENT, True, True)
NO_WORKSPACE = Verdict(Category.CONSENT_REQUIRED, FixableBy.ADMIN, True, True)
NO_PERMISSION = Verdict(Category.INSUFFICIENT_PERMISSION, FixableBy.GRANT_PERMISSION, True, False)
NO_SCOPE = Verdict(Category.INSUFFICIENT_PERMISSION, FixableBy.RECONSENT, True, False)
NO_APP_ROLE = Verdict(Category.INSUFFICIENT_PERMISSION, FixableBy.ADMIN, True, True)
ACCOUNT_OFF = Verdict(Category.DISABLED_ACCOUNT, FixableBy.ADMIN, True, True)
LOCKED_OUT = Verdict(Category.DISABLED_ACCOUNT, FixableBy.WAIT, True, True)
APP_REFUSED = Verdict(Category.CLIENT_SECRET_EXPIRED, FixableBy.ADMIN, True, True)
SIGN_IN_POLICY = Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, True, True)
FEATURE_OFF = Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, True, False)
NOT_OFFERED = Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, False, False)
OTHER_CREDENTIAL = Verdict(Category.POLICY_BLOCKED, FixableBy.REVERIFY, True, True)
CLOCK = Verdict(Category.CLOCK_SKEW, FixableBy.ADMIN, True, True)
APP_NOT_ALLOWED = Verdict(Category.UNKNOWN, FixableBy.ADMIN, True, True)
UNTRUSTED_SERVER = Verdict(Category.UNKNOWN, FixableBy.ADMIN, False, False)

#: A refusal for lack of permission while connecting or at the token endpoint leaves nothing that could work.
CONNECT_REFUSALS_ARE_FINAL = frozenset({"token_endpoint", "connect"})

BY_TRANSPORT = {
    "TlsFailed": UNTRUSTED_SERVER,
    "AddressNotAllowed": NO_FAILURE,
    "InvalidRequest": NO_FAILURE,
    "ResponseTooLarge": NO_FAILURE,
}

BY_STATUS = {
    400: NO_FAILURE,
    401: SIGNED_OUT,
    403: NO_PERMISSION,
    407: NOT_OFFERED,
    408: TRANSIENT,
    409: TRANSIENT,
    423: TRANSIENT,
    425: TRANSIENT,
    429: THROTTLED,
    500: NO_FAILURE,
    511: NOT_OFFERED,
}

#: Codes of Microsoft Entra ID, each `AADSTS` and a number. learn.microsoft.com/entra/identity-platform/reference-error-codes
_ENTRA: dict[Verdict, str] = {
    EXPIRED: "700082 70008 70043 50055 50144 700084 50133 700081",
    REVOKED: "50173 70000 500133 50132 50089 700030",
    WRONG_SECRET: "50126 50056 70002",
    SECOND_FACTOR: "50076 50079 50074 50072 50078 50158 500121 50097",
    NO_CONSENT: "65001 65004 65005 90094 900971 70016",
    ACCOUNT_OFF: "50057 50034 50020 51004 50059 90072 50128 16000",
    LOCKED_OUT: "50053",
    APP_REFUSED: "7000215 7000222 700016 700027 7000218 7000112 700054 500011 7000216 700024",
    SIGN_IN_POLICY: "53000 53001 53002 53003 53004 53011 50131 530003 530004 65002 50199",
    NO_APP_ROLE: "50105 70011",
    THROTTLED: "90024 50196 90025 90033",
    NOT_SIGNED_IN: "54005 50058 50011",
    NO_FAILURE: "900144 900023 90014 70003",
}

#: Codes of one phase only: the same word means another thing elsewhere.
_TOKEN_ENDPOINT: dict[Verdict, str] = {
    REVOKED: "invalid_grant",
    APP_REFUSED: "invalid_client incorrect_client_credentials unsupported_credential",
    EXPIRED: "bad_refresh_token expired_token",
    NO_CONSENT: "consent_required access_denied",
    SECOND_FACTOR: "interaction_required login_required mfa_required",
    APP_NOT_ALLOWED: "unauthorized_client",
    NO_APP_ROLE: "invalid_scope",
    TRANSIENT: "temporarily_unavailable server_error slow_down authorization_pending",
    NO_FAILURE: "invalid_request unsupported_grant_type",
}
_API_CALL: dict[Verdict, str] = {
    TOKEN_AGED: (
        "invalid_token expiredtoken expiredtokenexception token_expired expiredauthenticationtoken "
        "invalidauthenticationtoken unauthenticated expired_authentication invalid_session_id 390114 "
        "expired_access_token tokenexpired invalidauthenticationtokentenant"
    ),
    NOT_SIGNED_IN: "not_authed",
    SIGNED_OUT: "authentication_required authenticationrequired missing_authentication",
    WRONG_SECRET: (
        "api_key_invalid invalid_api_key invalidapikey invalid_auth signaturedoesnotmatch incorrect_api_key "
        "badcredentials invalid_credentials failedauthentication invalidclienttokenid invalidsecurity"
    ),
    REVOKED: "token_revoked invalidaccesskeyid unrecognizedclientexception api_key_not_found key_revoked",
    ACCOUNT_OFF: (
        "account_inactive user_is_inactive inactive_user 0x80072560 user_deactivated accountdisabled "
        "user_removed_from_team org_login_required"
    ),
    SECOND_FACTOR: "insufficient_claims interaction_required two_factor_setup_required",
    NO_CONSENT: "x-github-sso consent_required authenticationunsuccessful",
    NO_WORKSPACE: "team_access_not_granted",
    NO_SCOPE: (
        "insufficient_scope access_token_scope_insufficient missing_scope missing_scopes insufficientpermissions "
        "insufficient_scopes oauthscopeinsufficient no_permission_scope"
    ),
    NO_PERMISSION: (
        "accessdenied access_denied authorization_requestdenied authorizationfailed authorizationpermissionmismatch "
        "permission_denied insufficient_access insufficient_access_or_readonly 0x80040220 forbidden not_in_channel "
        "restricted_action invalid_permissions_or_model_not_found erroraccessdenied unauthorizedaccess"
    ),
    FEATURE_OFF: (
        "service_disabled api_disabled_for_org api_not_enabled accessnotconfigured apipolicydataflowviolation "
        "ekm_access_denied method_not_supported_for_channel_type feature_not_enabled functionality_not_enabled "
        "sharingratelimitexceeded domainpolicy"
    ),
    NOT_OFFERED: "mailboxnotenabledforrestapi",
    SIGN_IN_POLICY: "api_key_ip_address_blocked forbiddenbyfirewall ip_not_allowed login_during_restricted_domain",
    CLOCK: "requesttimetooskewed requestexpired messageexpired invalidsignaturedate",
    THROTTLED: (
        "ratelimited ratelimitexceeded userratelimitexceeded rate_limited toomanyrequests throttled throttling "
        "throttlingexception request_limit_exceeded requestlimitexceeded too_many_requests slowdown resource_exhausted"
    ),
    OUT_OF_QUOTA: "quotaexceeded dailylimitexceeded insufficient_quota billing_not_active quota_exceeded",
    NO_FAILURE: "card_error invalid_csrf_token csrf",
}


def _table() -> dict[tuple[str, str], Verdict]:
    table = {("", f"aadsts{number}"): verdict for verdict, numbers in _ENTRA.items() for number in numbers.split()}
    for phase, codes in (("token_endpoint", _TOKEN_ENDPOINT), ("api_call", _API_CALL)):
        table.update({(phase, code): verdict for verdict, names in codes.items() for code in names.split()})
    return table


#: (phase or "" for any, code in lower case) → verdict.
BY_CODE = _table()
#: Codes that come beside a more telling code or sentence; they are believed only after the phrases.
GENERIC_CODES = frozenset(
    {
        "permission_denied",
        "forbidden",
        "unauthenticated",
        "access_denied",
        "accessdenied",
        "invalid_grant",
        "invalidauthenticationtoken",
        "invalid_token",
        "interaction_required",
        "unauthorized_client",
        "insufficientpermissions",
    }
)


def _phrase(
    name: str, pattern: str, verdict: Verdict, *, phases: str = "", statuses: tuple[int, ...] = ()
) -> PhraseRule:
    return PhraseRule(name, re.compile(pattern), verdict, frozenset(phases.split()), frozenset(statuses))


#: Looked at in order, before what the generic codes and the bare status say.
BY_PHRASE = (
    _phrase(
        "phrase:meta_session",
        r"oauthexception[^}]*\b190\b|\b190\b[^}]*oauthexception",
        EXPIRED,
        statuses=(400, 401),
    ),
    _phrase("phrase:logged_out", r"must be logged in|not logged in", SIGNED_OUT, phases="api_call"),
    _phrase("phrase:bot_token", r"401: unauthorized", NOT_SIGNED_IN, statuses=(401,)),
    _phrase(
        "phrase:locked",
        r"account (?:is|has been) (?:temporarily )?locked|too many (?:failed )?(?:login|sign)",
        LOCKED_OUT,
    ),
    _phrase(
        "phrase:account_off",
        r"inactive user|account (?:has been |is )?(?:deleted|disabled|suspended|deactivated)|user (?:has been |is )?(?:disabled|deactivated|suspended)",
        ACCOUNT_OFF,
    ),
    _phrase(
        "phrase:address",
        r"ip restricted|ip allow ?list|ip address (?:restriction|is not)|not (?:allowed|permitted) from (?:this|your) ip|client address is not authorized|blocked by (?:the )?firewall",
        SIGN_IN_POLICY,
    ),
    _phrase(
        "phrase:rate",
        r"rate limit|too many requests|throttl|limit exceeded|quota exceeded",
        THROTTLED,
        statuses=(400, 403),
    ),
    _phrase("phrase:csrf", r"csrf|cross-site request forgery", NO_FAILURE, statuses=(400, 403)),
    _phrase(
        "phrase:web_application_firewall",
        r"cloudflare|attention required|request blocked|access denied.{0,80}reference #|akamai|incapsula|web application firewall",
        NOT_OFFERED,
        statuses=(403,),
    ),
    _phrase(
        "phrase:clock",
        r"not (?:yet valid|valid before)|\bnbf\b|clock skew|timestamp.{0,40}(?:outside|too (?:old|far))|time.{0,20}too skewed",
        CLOCK,
    ),
    _phrase(
        "phrase:password_sign_in_off",
        r"(?:basic )?authentication with passwords is deprecated|captcha",
        OTHER_CREDENTIAL,
        statuses=(401, 403),
    ),
    _phrase(
        "phrase:every_possibility",
        r"expired, revoked,? (?:or )?malformed|expired, revoked, malformed",
        TOKEN_AGED,
        phases="api_call",
    ),
    _phrase("phrase:listed_as_revoked", r"invalid, expired,? or revoked", REVOKED),
    _phrase(
        "phrase:scope",
        r"scope does not match|(?:insufficient|missing|required) (?:\w+ )?(?:authentication )?scopes?|merchant approval for \w+ scope",
        NO_SCOPE,
        phases="api_call",
        statuses=(401, 403),
    ),
    _phrase(
        "phrase:second_factor",
        r"multi-?factor|two-?factor|\bmfa\b|second factor|one-time pass",
        SECOND_FACTOR,
        statuses=(400, 401, 403),
    ),
    _phrase("phrase:revoked", r"\brevoked\b", REVOKED, statuses=(400, 401)),
    _phrase(
        "phrase:expired_key",
        r"api key (?:has |is )?expired|password (?:has |is )?expired",
        EXPIRED,
        statuses=(400, 401, 403),
    ),
    _phrase(
        "phrase:expired_token",
        r"(?:token|session|access).{0,40}\bexpired\b|\bexpired\b.{0,40}(?:token|session)|expired \d+ (?:minute|hour|day)",
        TOKEN_AGED,
        phases="api_call",
        statuses=(400, 401, 403),
    ),
    _phrase("phrase:expired_grant", r"\bexpired\b", EXPIRED, phases="token_endpoint", statuses=(400, 401)),
    _phrase(
        "phrase:wrong_key",
        r"(?:invalid|incorrect|wrong|bad|unrecognized) (?:api[ _-]?key|key|password|username|user ?name|credentials?|login|signature|app id)|api[ _-]?key (?:is |may be )?invalid|credentials? (?:are|is) (?:invalid|incorrect)|couldn'?t authenticate you",
        WRONG_SECRET,
        phases="api_call",
        statuses=(400, 401, 403),
    ),
    _phrase(
        "phrase:invalid_token",
        r"invalid access token|access token is invalid|invalid token",
        TOKEN_AGED,
        phases="api_call",
        statuses=(400, 401),
    ),
    _phrase("phrase:stale_nonce", r"digest .*stale=\"?true", NO_FAILURE, statuses=(401,)),
    _phrase(
        "phrase:basic_challenge",
        r"\bbasic realm=|^basic\b|\nbasic\b",
        WRONG_SECRET,
        phases="api_call connect",
        statuses=(401,),
    ),
    _phrase(
        "phrase:shared_with",
        r"shared with your (?:integration|connection)|may not have (?:access|permission)",
        NO_PERMISSION,
        statuses=(404,),
    ),
)
