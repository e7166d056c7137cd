"""Our settings are written where the definition is, whatever document holds it, and nothing else changes."""

from typing import Any

import pytest

from flowmend.core.definition.own_settings import own_setting, with_own_setting

BARE = {"triggers": {}, "actions": {}}
WANTED = {**BARE, "metadata": {"flowmend": {"onBrokenConnection": "fail"}}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (BARE, WANTED),
        ({"definition": BARE, "parameters": {}}, {"definition": WANTED, "parameters": {}}),
        ({"definition": BARE, "kind": "Stateful"}, {"definition": WANTED, "kind": "Stateful"}),
        ({"name": "x", "properties": {"definition": BARE}}, {"name": "x", "properties": {"definition": WANTED}}),
    ],
    ids=["bare", "plain", "standard", "export"],
)
def test_a_setting_is_written_into_the_definition_of_every_shape(
    document: dict[str, Any], expected: dict[str, Any]
) -> None:
    changed = with_own_setting(document, "onBrokenConnection", "fail")
    assert changed == expected
    assert with_own_setting(changed, "onBrokenConnection", None) == document


def test_other_metadata_and_other_settings_stay() -> None:
    before = {**BARE, "metadata": {"author": "Ada", "flowmend": {"businessKey": "@1", "onBrokenConnection": "fail"}}}
    after = with_own_setting(before, "onBrokenConnection", "holdAtAction")
    assert after["metadata"] == {
        "author": "Ada",
        "flowmend": {"businessKey": "@1", "onBrokenConnection": "holdAtAction"},
    }
    without = with_own_setting(before, "onBrokenConnection", None)
    assert without["metadata"] == {"author": "Ada", "flowmend": {"businessKey": "@1"}}
    assert before["metadata"]["flowmend"]["onBrokenConnection"] == "fail"


@pytest.mark.parametrize("metadata", [{}, {"flowmend": None}, {"flowmend": "odd"}, {"flowmend": {"other": 1}}])
def test_a_setting_that_is_not_there_is_none(metadata: dict[str, Any]) -> None:
    assert own_setting(metadata, "onBrokenConnection") is None
