"""What a failed answer says about the credential behind it.

Only what was received is judged. The order is: codes of the provider, then what the protocol says, then
documented phrases, then the bare status; the rules themselves are data, in `diagnosis_rules`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from flowmend.core.connection.diagnosis_rules import (
    BY_CODE,
    BY_PHRASE,
    BY_STATUS,
    BY_TRANSPORT,
    CONNECT_REFUSALS_ARE_FINAL,
    GENERIC_CODES,
    NO_FAILURE,
    TRANSIENT,
    Rule,
    Verdict,
)
from flowmend.core.connector import SignInKind
from flowmend.core.json_value import Json
from flowmend.core.outcome import Category, Diagnosis, FixableBy

_CODE_KEYS = frozenset(
    [
        "code",
        "error",
        "errorcode",
        "error_code",
        "error_codes",
        "errorcodes",
        "status",
        "reason",
        "type",
        "__type",
        "category",
        "suberror",
        "faultcode",
        "error_subcode",
        "decline_code",
        "title",
        "detail",
    ]
)
_MESSAGE_KEYS = ("error_description", "message", "errormessage", "detail", "title", "error", "faultstring", "errors")
_XML_CODE = re.compile(r"<(?:\w+:)?(?:code|faultcode|value)>\s*(?:\w+:)?([\w.]+)\s*<", re.IGNORECASE)
_XML_MESSAGE = re.compile(r"<(?:\w+:)?(?:message|faultstring|text)[^>]*>([^<]+)<", re.IGNORECASE)
_AZURE_CODE = re.compile(r"\bAADSTS(\d{5,8})\b")
_CHALLENGE_ERROR = re.compile(r'\berror="?([\w.-]+)"?')
_CODE_SHAPE = re.compile(r"^[\w.#:-]{1,80}$")
_NOTHING_TO_REFRESH = frozenset({SignInKind.BASIC, SignInKind.API_KEY})
_LONGEST_TEXT = 20_000
_LONGEST_MESSAGE = 500


class Phase(StrEnum):
    """When the answer was received."""

    API_CALL = "api_call"
    TOKEN_ENDPOINT = "token_endpoint"  # noqa: S105  the name of a phase
    CONNECT = "connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """What came back, secrets removed. status: None where no HTTP answer came; then failure_code is the transport's."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    phase: Phase = Phase.API_CALL
    failure_code: str = ""


def diagnose(answer: ReceivedAnswer, *, had_credential: bool, kind: SignInKind = SignInKind.NONE) -> Diagnosis:
    """What a failed answer says about the credential.

    had_credential: whether one was sent; without one there is nothing to refresh. kind: how the connection signs in.
    """
    evidence = _Evidence.of(answer)
    rule = _matching_rule(answer, evidence)
    verdict = rule.verdict
    is_broken = verdict.is_broken
    if (
        not is_broken
        and answer.phase in CONNECT_REFUSALS_ARE_FINAL
        and verdict.category in {Category.INSUFFICIENT_PERMISSION, Category.CONSENT_REQUIRED}
    ):
        is_broken = True
    return Diagnosis(
        category=verdict.category,
        fixable_by=verdict.fixable_by,
        is_auth_failure=verdict.is_auth,
        connection_broken=is_broken,
        try_silent_refresh_first=(
            verdict.is_silent_first
            and had_credential
            and kind not in _NOTHING_TO_REFRESH
            and answer.phase is Phase.API_CALL
        ),
        remedy=remedy_of(verdict.fixable_by, kind),
        rule=rule.name,
        code=evidence.shown_code or answer.failure_code,
        message=evidence.message[:_LONGEST_MESSAGE],
    )


def remedy_of(fixable_by: FixableBy, kind: SignInKind) -> str:
    """The stable key of what to do; its text lives with the portal."""
    if fixable_by is FixableBy.REVERIFY:
        return {SignInKind.API_KEY: "replace_key", SignInKind.OAUTH2: "sign_in_again"}.get(kind, "verify_password")
    return {
        FixableBy.RECONSENT: "sign_in_again",
        FixableBy.GRANT_PERMISSION: "ask_for_permission",
        FixableBy.ADMIN: "ask_admin",
        FixableBy.WAIT: "wait",
    }.get(fixable_by, "edit_flow")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """codes: lower case, the most telling first. text: everything readable, lower case. shown_code: as received."""

    codes: tuple[str, ...]
    shown_code: str
    message: str
    text: str
    names_a_failure: bool

    @classmethod
    def of(cls, answer: ReceivedAnswer) -> "_Evidence":
        body = answer.body[:_LONGEST_TEXT]
        headers = {name.lower(): value for name, value in answer.headers.items()}
        document = _read(body)
        found: list[str] = [f"AADSTS{number}" for number in _AZURE_CODE.findall(body)]
        if document is not None:
            found.extend(_codes(document))
        else:
            found.extend(_XML_CODE.findall(body))
        found.extend(_CHALLENGE_ERROR.findall(headers.get("www-authenticate", "")))
        if "x-github-sso" in headers and answer.status == 403:
            found.insert(0, "x-github-sso")
        if headers.get("x-ratelimit-remaining") == "0" or ("retry-after" in headers and answer.status == 403):
            found.insert(0, "ratelimited")
        message = _message(document) if document is not None else ""
        if not message:
            message = " ".join(_XML_MESSAGE.findall(body)) or ("" if "<html" in body.lower() else body.strip())
        codes = tuple(dict.fromkeys(code.rpartition("#")[2].lower() for code in found))
        return cls(
            codes=codes,
            shown_code=next((code for code in found if not code.isdecimal() and code != "x-github-sso"), ""),
            message=" ".join(message.split()),
            text=f"{body}\n{headers.get('www-authenticate', '')}\n{headers.get('location', '')}".lower(),
            names_a_failure=_names_a_failure(document, answer.phase),
        )


def _matching_rule(answer: ReceivedAnswer, evidence: _Evidence) -> Rule:
    status = answer.status
    if status is None:
        return Rule(f"transport:{answer.failure_code}", BY_TRANSPORT.get(answer.failure_code, TRANSIENT))
    is_success = 200 <= status < 300
    if is_success and not evidence.names_a_failure:
        return _sign_in_page(answer, evidence) or Rule("no_failure", NO_FAILURE)
    telling = _by_code(answer, evidence, [code for code in evidence.codes if code not in GENERIC_CODES])
    if telling is not None:
        return telling
    if status in {408, 409, 423, 425} or status >= 500:
        return Rule(f"status:{status}", BY_STATUS.get(status, TRANSIENT))
    if status in {400, 401, 402, 403, 404, 407} or is_success:
        for rule in BY_PHRASE:
            if rule.concerns(answer.phase.value, status) and rule.pattern.search(evidence.text):
                return Rule(rule.name, rule.verdict)
    generic = _by_code(answer, evidence, [code for code in evidence.codes if code in GENERIC_CODES])
    return generic or _sign_in_page(answer, evidence) or Rule(f"status:{status}", BY_STATUS.get(status, NO_FAILURE))


def _by_code(answer: ReceivedAnswer, evidence: _Evidence, codes: list[str]) -> Rule | None:
    for code in codes:
        verdict = BY_CODE.get((answer.phase.value, code)) or BY_CODE.get(("", code))
        if verdict is None:
            continue
        is_outage = answer.status is not None and answer.status >= 500 and "faultcode" not in evidence.text
        if not (verdict.is_broken and is_outage):  # a service that is down refuses nobody
            return Rule(f"code:{code}", verdict)
    return None


def _sign_in_page(answer: ReceivedAnswer, evidence: _Evidence) -> Rule | None:
    """A sign-in page where data was asked for: the session is over, though the status says otherwise."""
    status = answer.status or 0
    if 300 <= status < 400 and re.search(r"login|signin|sign-in|oauth2?/authorize|/sso\b", evidence.text):
        is_provider = re.search(r"login\.microsoftonline|accounts\.google|/oauth2?/|/authorize|okta", evidence.text)
        return Rule("sign_in_redirect", _session_over(is_silent_first=bool(is_provider)))
    if status in {200, 203} and "<html" in evidence.text and re.search(r"type=[\"']?password", evidence.text):
        return Rule("sign_in_page", _session_over(is_silent_first=False))
    return None


def _session_over(*, is_silent_first: bool) -> Verdict:
    return Verdict(Category.EXPIRED, FixableBy.REVERIFY, True, True, is_silent_first)


def _read(body: str) -> Json:
    if not body.lstrip().startswith(("{", "[")):
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


def _codes(document: Json, depth: int = 0) -> Iterator[str]:
    """Code-like values, outer and earlier ones first."""
    if depth > 6:
        return
    if isinstance(document, list):
        for item in document[:20]:
            yield from _codes(item, depth + 1)
        return
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if name.lower().replace("-", "_") in _CODE_KEYS:
            if isinstance(value, str) and _CODE_SHAPE.match(value):
                yield value
            elif isinstance(value, int) and not isinstance(value, bool):
                yield str(value)
    for value in document.values():
        yield from _codes(value, depth + 1)


def _message(document: Json, depth: int = 0) -> str:
    """The sentence an answer gives, however deep: the first of the usual fields."""
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return next((text for item in document[:5] if (text := _message(item, depth + 1))), "")
    if not isinstance(document, dict) or depth > 5:
        return ""
    by_name: dict[str, Any] = {str(name).lower(): value for name, value in document.items()}
    for name in _MESSAGE_KEYS:
        if name in by_name and (text := _message(by_name[name], depth + 1)):
            return text
    return ""


def _names_a_failure(document: Json, phase: Phase) -> bool:
    """Whether a successful status carries a failure in the body's own error field; a word in a payload is none."""
    if not isinstance(document, dict):
        return False
    if phase is Phase.TOKEN_ENDPOINT:
        return "error" in document and not document.get("access_token")
    if document.get("ok") is False:
        return True
    errors = document.get("errors")
    return isinstance(errors, list) and bool(errors) and document.get("data") in (None, {})
