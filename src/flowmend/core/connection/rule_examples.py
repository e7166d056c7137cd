"""The examples of rules, tried: each must be decided by the very rule that gives it."""

from collections.abc import Iterable, Mapping

from flowmend.core.connection.diagnosis import diagnose
from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connection.rules import ANY_TEXT, Rule, Rules
from flowmend.core.json_value import Json


def strayed_examples(rules: Iterable[Rule], among: Rules) -> list[tuple[str, str]]:
    """(rule, the rule that decided one of its examples instead) for each example that went astray."""
    return [
        (rule.name, decided)
        for rule in rules
        for example in rule.examples
        if (decided := diagnose(answer_of(example, rule), had_credential=True, rules=among).rule) != rule.name
    ]


def answer_of(example: Mapping[str, Json], rule: Rule) -> ReceivedAnswer:
    """An example as it would be received: from the rule's first provider, in the first of its own protocols."""
    own = sorted(rule.protocols - {"http", ANY_TEXT}) or ["text"]
    headers = example.get("headers", {})
    return ReceivedAnswer(
        status=example.get("status"),
        headers={str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {},
        body=str(example.get("body", example.get("text", ""))),
        phase=Phase(example.get("phase", Phase.API_CALL)),
        failure_code=str(example.get("failure_code", "")),
        protocol=str(example.get("protocol", own[0])),
        provider=rule.providers[0] if rule.providers else "",
    )
