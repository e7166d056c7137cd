import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.diagnosis import ReceivedAnswer, diagnose
from flowmend.core.connection.diagnosis_rules import put_in_force, rules_in_force, shipped_rules
from flowmend.core.connection.rule_examples import strayed_examples
from flowmend.core.connection.rule_reading import RuleDocument, read_rules
from flowmend.core.connection.rules import Rule, Rules
from flowmend.core.connection.verdicts import VERDICTS
from flowmend.core.errors import InvalidDocument


def rules_of(*rules: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> tuple[Rule, ...]:
    content = {"defaults": dict(defaults or {}), "rules": [dict(one) for one in rules]}
    return read_rules([RuleDocument(name="own.toml", content=content)])


def test_every_shipped_rule_says_where_it_is_from_and_shows_an_example() -> None:
    for rule in shipped_rules():
        assert rule.source.startswith(("https://", "http://")), rule.name
        assert rule.examples, rule.name


def test_every_example_of_a_shipped_rule_is_decided_by_that_rule() -> None:
    assert strayed_examples(shipped_rules(), shipped_rules()) == []


def test_every_verdict_is_given_by_some_shipped_rule() -> None:
    given_by_rules = {id(rule.verdict) for rule in shipped_rules()}
    assert {name for name, verdict in VERDICTS.items() if id(verdict) not in given_by_rules} == set()


def test_no_verdict_breaks_a_connection_without_a_refusal_of_the_caller() -> None:
    assert [name for name, verdict in VERDICTS.items() if verdict.is_broken and not verdict.is_auth] == []


MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"verdict": "expired", "codes": ["x"]}, "/rules/0/name", "needs its name"),
    "no verdict": ({"name": "a", "codes": ["x"]}, "/rules/0/verdict", "needs its verdict"),
    "unknown verdict": ({"name": "a", "verdict": "old", "codes": ["x"]}, "/rules/0/verdict", "'old' is no verdict"),
    "unknown key": ({"name": "a", "verdict": "expired", "code": ["x"]}, "/rules/0/code", "has no 'code'"),
    "no condition": ({"name": "a", "verdict": "expired"}, "/rules/0", "at least one of codes"),
    "no list": ({"name": "a", "verdict": "expired", "codes": "x"}, "/rules/0/codes", "must be a list of str"),
    "empty code": ({"name": "a", "verdict": "expired", "codes": ["--"]}, "/rules/0/codes", "is no code"),
    "bad pattern": ({"name": "a", "verdict": "expired", "says": ["(x"]}, "/rules/0/says", "'(x' does not read"),
    "look-behind": ({"name": "a", "verdict": "expired", "says": ["(?<=a)b"]}, "/rules/0/says", "does not read"),
    "bad header": ({"name": "a", "verdict": "expired", "headers": {"h": 1}}, "/rules/0/headers", "has a pattern"),
    "bad status": ({"name": "a", "verdict": "expired", "statuses": [99]}, "/rules/0/statuses", "99 is no status"),
    "bad class": ({"name": "a", "verdict": "expired", "statuses": ["6xx"]}, "/rules/0/statuses", "'6xx' is no status"),
    "bad phase": (
        {"name": "a", "verdict": "expired", "codes": ["x"], "phases": ["later"]},
        "/rules/0/phases",
        "'later' is no phase",
    ),
    "bad trust": (
        {"name": "a", "verdict": "expired", "codes": ["x"], "trust": "much"},
        "/rules/0/trust",
        "'much' is not one of code, field",
    ),
    "bad example": (
        {"name": "a", "verdict": "expired", "codes": ["x"], "examples": [{"answer": "x"}]},
        "/rules/0/examples",
        "has no 'answer'",
    ),
    "no table": ({"name": "a", "verdict": "expired", "codes": ["x"], "headers": "h"}, "/rules/0/headers", "a table"),
}


@pytest.mark.parametrize(("fields", "pointer", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(fields: dict[str, Any], pointer: str, says: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        rules_of(fields)
    assert caught.value.problems[0].pointer == f"own.toml#{pointer}"
    assert says in caught.value.problems[0].message
    assert caught.value.code == "InvalidRules"


@pytest.mark.parametrize(
    "content", [None, [], {"rules": {}}, {"rules": ["x"]}, {"rules": [], "defaults": 1}, {"rules": [], "x": 1}]
)
def test_what_is_no_document_of_rules_is_refused(content: Any) -> None:
    with pytest.raises(InvalidDocument):
        read_rules([RuleDocument(name="own.toml", content=content)])


def test_all_mistakes_of_all_documents_are_told_at_once() -> None:
    document = RuleDocument(name="a.toml", content={"rules": [{"name": "x"}, {"verdict": "expired"}]})
    with pytest.raises(InvalidDocument, match="and 1 more") as caught:
        read_rules([document])
    assert [problem.pointer for problem in caught.value.problems] == ["a.toml#/rules/0/verdict", "a.toml#/rules/1/name"]


def test_two_rules_of_one_name_are_refused() -> None:
    one = {"name": "a", "verdict": "expired", "codes": ["x"]}
    with pytest.raises(InvalidDocument, match=r"already there, at own\.toml#/rules/0"):
        rules_of(one, one)


def test_defaults_hold_for_each_rule_that_does_not_say_otherwise() -> None:
    one, other = rules_of(
        {"name": "a", "verdict": "expired", "codes": ["x"]},
        {"name": "b", "verdict": "expired", "codes": ["x"], "protocols": ["imap"]},
        defaults={"protocols": ["smtp"], "source": "https://mail.example"},
    )
    assert (one.protocols, other.protocols, other.source) == ({"smtp"}, {"imap"}, "https://mail.example")


def test_an_operators_rule_is_believed_before_ours() -> None:
    own = rules_of({"name": "own.bare", "verdict": "transient", "protocols": ["http"], "statuses": [401]})
    rules = shipped_rules().with_operators(own)
    answer = ReceivedAnswer(status=401, body='{"code": "API_KEY_EXPIRED"}')
    assert diagnose(answer, had_credential=True, rules=rules).rule == "own.bare"
    assert diagnose(answer, had_credential=True).rule == "codes.expired"


def test_an_operator_may_say_that_a_gone_page_means_the_key_is_gone() -> None:
    own = rules_of({"name": "own.gone", "verdict": "revoked", "statuses": [410], "says": ["key is no more"]})
    diagnosis = diagnose(
        ReceivedAnswer(status=410, body="That key is no more"),
        had_credential=True,
        rules=Rules(shipped_rules().shipped, own),
    )
    assert (diagnosis.rule, diagnosis.connection_broken) == ("own.gone", True)


def test_rules_put_in_force_hold_for_every_diagnosis_until_they_are_taken_back() -> None:
    own = rules_of({"name": "own.tea", "verdict": "feature_off", "statuses": [418]})
    try:
        put_in_force(shipped_rules().with_operators(own))
        assert diagnose(ReceivedAnswer(status=418), had_credential=True).rule == "own.tea"
    finally:
        put_in_force(None)
    assert rules_in_force() is shipped_rules()
    assert diagnose(ReceivedAnswer(status=418), had_credential=True).rule == "no_rule"


def test_no_pattern_of_an_operator_can_hang_us() -> None:
    own = rules_of({"name": "own.slow", "verdict": "expired", "statuses": [401], "says": ["(a|aa|a?)+b(x+x+)+y$"]})
    began = time.perf_counter()
    diagnose(ReceivedAnswer(status=401, body="a" * 20_000 + "x" * 20_000), had_credential=True, rules=Rules((), own))
    assert time.perf_counter() - began < 1


def test_a_rule_that_counts_only_for_its_provider_keeps_silent_for_others() -> None:
    own = rules_of({"name": "own.7", "verdict": "expired", "providers": ["Acme"], "codes": ["7"], "only_named": True})
    body = '{"code": 7}'
    named = ReceivedAnswer(status=403, body=body, provider="ACME Cloud")
    assert diagnose(named, had_credential=True, rules=Rules((), own)).rule == "own.7"
    assert diagnose(ReceivedAnswer(status=403, body=body), had_credential=True, rules=Rules((), own)).rule == "no_rule"


def test_without_a_provider_its_rules_are_gone_and_others_stay() -> None:
    left = {rule.name for rule in shipped_rules().without_provider("Slack")}
    assert not any(name.startswith("slack.") for name in left)
    assert {"meta.expired", "status.401"} <= left


#: most believed first: (rule, how an answer comes to hold it)
BELIEVED = rules_of(
    {"name": "code", "verdict": "expired", "providers": ["Acme"], "codes": ["A_CODE"]},
    {"name": "field", "verdict": "revoked", "headers": {"x-reason": "gone"}},
    {"name": "phrase", "verdict": "account_off", "says": ["was let go"]},
    {"name": "vague", "verdict": "no_permission", "trust": "vague", "codes": ["NOT_NOW"]},
    {"name": "status", "verdict": "signed_out", "statuses": [401]},
)


@given(code=st.booleans(), field=st.booleans(), phrase=st.booleans(), vague=st.booleans(), turned=st.booleans())
def test_a_code_is_believed_before_a_field_a_phrase_and_the_status(
    *, code: bool, field: bool, phrase: bool, vague: bool, turned: bool
) -> None:
    parts = ['"code": "A_CODE"'] * code + ['"message": "she was let go"'] * phrase + ['"reason": "NOT_NOW"'] * vague
    body = "{" + ", ".join(reversed(parts) if turned else parts) + "}"
    rules = Rules(tuple(reversed(BELIEVED)) if turned else BELIEVED)
    answer = ReceivedAnswer(status=401, headers={"X-Reason": "gone"} if field else {}, body=body)
    held = [
        name
        for name, is_held in zip(("code", "field", "phrase", "vague"), (code, field, phrase, vague), strict=True)
        if is_held
    ]
    assert diagnose(answer, had_credential=True, rules=rules).rule == [*held, "status"][0]
