"""The rules of diagnosis that Flowmend ships: documents beside this file, one per theme, each rule with its source.

An operator's own rules are of the whole process, as ours are: `put_in_force` is called once, before the first diagnosis.
"""

import functools
import tomllib
from importlib import resources

from flowmend.core.connection.rule_reading import RuleDocument, read_rules
from flowmend.core.connection.rules import Rules

_in_force: list[Rules] = []


@functools.cache
def shipped_rules() -> Rules:
    """Ours. Read once, when first asked for: part of the program, like a table in a module."""
    documents = sorted(
        (one for one in resources.files(__name__).iterdir() if one.name.endswith(".toml")), key=lambda one: one.name
    )
    return Rules(
        read_rules(RuleDocument(name=one.name, content=tomllib.loads(one.read_text("utf-8"))) for one in documents)
    )


def rules_in_force() -> Rules:
    """Those put in force, else ours alone."""
    return _in_force[0] if _in_force else shipped_rules()


def put_in_force(rules: Rules | None) -> None:
    """Let every diagnosis from now on go by these rules; None is ours alone."""
    _in_force[:] = [] if rules is None else [rules]
