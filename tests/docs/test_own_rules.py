"""The rule that the README shows reads, and decides its own example."""

import re
import tomllib
from pathlib import Path

from flowmend.core.connection.diagnosis_rules import shipped_rules
from flowmend.core.connection.rule_examples import strayed_examples
from flowmend.core.connection.rule_reading import RuleDocument, read_rules

README = Path(__file__).parents[2] / "README.md"


def test_the_rule_of_the_readme_works_as_it_stands() -> None:
    (shown,) = re.findall(r"^```toml\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    rules = read_rules([RuleDocument(name="README.md", content=tomllib.loads(shown))])
    assert [rule.name for rule in rules] == ["acme.key_expired"]
    assert strayed_examples(rules, shipped_rules().with_operators(rules)) == []
