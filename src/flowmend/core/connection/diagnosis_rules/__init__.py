"""The rules of diagnosis that Flowmend ships: documents beside this file, one per theme, each rule with its source."""

import functools
import tomllib
from importlib import resources

from flowmend.core.connection.rule_reading import RuleDocument, read_rules
from flowmend.core.connection.rules import Rules


@functools.cache
def shipped_rules() -> Rules:
    """All of them. Read once, when first asked for: part of the program, like a table in a module."""
    documents = sorted(
        (one for one in resources.files(__name__).iterdir() if one.name.endswith(".toml")), key=lambda one: one.name
    )
    return Rules(
        read_rules(RuleDocument(name=one.name, content=tomllib.loads(one.read_text("utf-8"))) for one in documents)
    )
