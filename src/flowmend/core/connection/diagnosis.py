"""What a failed answer says about the credential behind it.

Only what was received is judged. The order is: codes of the provider, then what the protocol says, then documented
phrases, then codes that give no reason, then the bare status. The rules are data (`diagnosis_rules`), ours after the
operator's.
"""

from collections.abc import Callable, Iterator

from flowmend.core.connection.diagnosis_rules import rules_in_force
from flowmend.core.connection.evidence import Evidence, evidence_of
from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connection.redaction import redact
from flowmend.core.connection.rules import Concerned, Rule, Rules, Trust
from flowmend.core.connection.verdicts import NO_FAILURE, TRANSIENT, Verdict
from flowmend.core.connector import SignInKind
from flowmend.core.outcome import Category, Diagnosis, FixableBy

__all__ = ["Phase", "ReceivedAnswer", "diagnose", "remedy_of"]

_NOTHING_TO_REFRESH = frozenset({SignInKind.BASIC, SignInKind.API_KEY, SignInKind.CLIENT_CERTIFICATE})
#: Answered by a service that could not look: it refuses nobody, whatever else it says.
_NEVER_DEAD = frozenset({408, 409, 423, 425, 429})
#: Speak of what was asked: only a rule that names the status says more (a shop's 402 concerns a card holder).
_OF_THE_REQUEST = frozenset({402, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 422, 426, 428, 431, 451})
_FINAL_WHILE_CONNECTING = frozenset({Category.INSUFFICIENT_PERMISSION, Category.CONSENT_REQUIRED})
_LONGEST_MESSAGE = 500
_PROOFS = {
    SignInKind.BASIC: "verify_password",
    SignInKind.API_KEY: "replace_key",
    SignInKind.OAUTH2: "sign_in_again",
}


def diagnose(
    answer: ReceivedAnswer, *, had_credential: bool, kind: SignInKind = SignInKind.NONE, rules: Rules | None = None
) -> Diagnosis:
    """What a failed call says about the credential.

    had_credential: whether one was sent; without one there is nothing to refresh. kind: how the connection signs in.
    rules: None is those in force.
    """
    evidence = evidence_of(answer)
    name, verdict = _decision(answer, evidence, rules or rules_in_force())
    is_connecting = answer.phase is not Phase.API_CALL
    return Diagnosis(
        category=verdict.category,
        fixable_by=verdict.fixable_by,
        is_auth_failure=verdict.is_auth,
        connection_broken=verdict.is_broken or (is_connecting and _is_final(verdict)),
        try_silent_refresh_first=(
            verdict.is_silent_first and had_credential and kind not in _NOTHING_TO_REFRESH and not is_connecting
        ),
        remedy=verdict.remedy or remedy_of(verdict.fixable_by, kind),
        rule=name,
        code=evidence.shown_code or answer.failure_code,
        message=redact(evidence.message[: 2 * _LONGEST_MESSAGE])[:_LONGEST_MESSAGE],
    )


def remedy_of(fixable_by: FixableBy, kind: SignInKind) -> str:
    """The stable key of what to do where the cause is not known nearer; its text lives with the portal."""
    if fixable_by is FixableBy.REVERIFY:
        return _PROOFS.get(kind, "prove_credential")
    return {
        FixableBy.RECONSENT: "sign_in_again",
        FixableBy.GRANT_PERMISSION: "ask_for_permission",
        FixableBy.ADMIN: "ask_admin",
        FixableBy.WAIT: "wait",
    }.get(fixable_by, "edit_flow")


def _is_final(verdict: Verdict) -> bool:
    """A refusal for lack of permission while connecting or at the token endpoint leaves nothing that could work."""
    return verdict.is_auth and verdict.category in _FINAL_WHILE_CONNECTING


def _decision(answer: ReceivedAnswer, evidence: Evidence, rules: Rules) -> tuple[str, Verdict]:
    """The rule that decides, by name, and its verdict."""
    status = answer.status
    if status is not None:
        protocol = "http"
    else:
        protocol = "network" if answer.protocol.lower() == "http" else answer.protocol.lower()
    could_not_look = status is not None and (status in _NEVER_DEAD or (status >= 500 and not evidence.is_fault))

    def may_decide(rule: Rule) -> bool:
        is_credible = not could_not_look and (status not in _OF_THE_REQUEST or bool(rule.statuses))
        return (is_credible or not rule.verdict.is_broken) and _holds(rule, evidence)

    for concerned in rules.concerned(protocol, answer.phase, status):
        for rule in _candidates(concerned, evidence, answer.provider, may_decide):
            return rule.name, rule.verdict
    is_unreachable = protocol == "network" or (status is not None and status > 500)
    return ("no_rule", TRANSIENT if is_unreachable else NO_FAILURE)


def _candidates(
    concerned: Concerned, evidence: Evidence, provider: str, may_decide: Callable[[Rule], bool]
) -> Iterator[Rule]:
    """The rules that hold, the most believed first; those that name the answer's provider before others."""
    for trust in Trust:
        by_code, without_code = concerned.by_code[trust], concerned.without_code[trust]
        found = [rule for code in evidence.codes if code in by_code for rule in by_code[code]]
        rules = (*found, *without_code)
        if provider:
            yield from (rule for rule in rules if rule.names(provider) and may_decide(rule))
        yield from (rule for rule in rules if not rule.only_named and may_decide(rule))


def _holds(rule: Rule, evidence: Evidence) -> bool:
    return (
        (not rule.beside or not rule.beside.isdisjoint(evidence.codes))
        and all(name in evidence.headers and pattern.search(evidence.headers[name]) for name, pattern in rule.headers)
        and (rule.says is None or rule.says.search(evidence.text) is not None)
        and (rule.unless is None or rule.unless.search(evidence.text) is None)
    )
