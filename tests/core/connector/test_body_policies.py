"""The body transforms, on the examples their documentation gives and on what a task service's connector does."""

import time
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connector.body_policies import changed_body
from flowmend.core.connector.operation import Policy
from flowmend.core.connector.policy_expressions import PolicyScope
from flowmend.core.errors import ExpressionError

PEOPLE = {"XYZ": {"Age": "30"}, "ABC": {"Age": "23"}}
LISTED = [{"Name": "XYZ", "Age": "30"}, {"Name": "ABC", "Age": "23"}]


def policy(template: str, **parameters: Any) -> Policy:
    return Policy(template=template, parameters={name.lower(): value for name, value in parameters.items()})


def from_to(parent: str, sub: str, new: str, **more: Any) -> dict[str, Any]:
    return {"propertyParentPath": parent, "propertySubPath": sub, "newPropertyPath": new, **more}


def setting(parent: str, sub: str, value: str) -> Policy:
    return policy(
        "setproperty",
        newPropertyParentPathTemplate=parent,
        newPropertySubPathTemplate=sub,
        propertyValuePathTemplate=value,
    )


CASES: dict[str, tuple[Policy, Any, Any]] = {
    "a constant is set": (setting("@body().people", "place", "USA"), {"people": {}}, {"people": {"place": "USA"}}),
    "a constant is set in every item": (
        setting("@body().people", "age", "30"),
        {"people": [{"n": 1}, {"n": 2}]},
        {"people": [{"n": 1, "age": "30"}, {"n": 2, "age": "30"}]},
    ),
    "two properties become one": (
        setting("@body()", "name", "{@body().first} {@body().last}"),
        {"first": "John", "last": "Smith"},
        {"first": "John", "last": "Smith", "name": "John Smith"},
    ),
    "a property is copied as it is": (
        setting("@body()", "nextLink", "{@body().next}"),
        {"next": None},
        {"next": None, "nextLink": None},
    ),
    "an item's own property": (
        setting("@body().value", "['@odata.type']", "@item().kind"),
        {"value": [{"kind": 7}]},
        {"value": [{"kind": 7, "@odata.type": 7}]},
    ),
    "an object becomes a list beside it": (
        policy("convertobjecttoarray", **from_to("@body()", "p", "@body().q"), keyName="Name", valueName="Details"),
        {"p": PEOPLE},
        {"p": PEOPLE, "q": [{"Name": "XYZ", "Details": {"Age": "30"}}, {"Name": "ABC", "Details": {"Age": "23"}}]},
    ),
    "the whole body becomes a list in itself": (
        policy("convertobjecttoarray", **from_to("@body()", "null", "@body().Zones")),
        {"AT": 1},
        {"AT": 1, "Zones": [{"key": "AT", "value": 1}]},
    ),
    "an object of each item becomes a list": (
        policy("convertobjecttoarray", **from_to("@body().value", "who", "@item()._who"), keyName="id"),
        {"value": [{"who": {"a": 1}}, {"other": 1}]},
        {"value": [{"who": {"a": 1}, "_who": [{"id": "a", "value": 1}]}, {"other": 1}]},
    ),
    "a list becomes an object": (
        policy("convertarraytoobject", **from_to("@body()", "p", "@body().p"), keyWithinCollectionPath="Name"),
        {"p": LISTED},
        {"p": {"XYZ": LISTED[0], "ABC": LISTED[1]}},
    ),
    "its key is left out": (
        policy(
            "convertarraytoobject",
            **from_to("@body()", "p", "@body().p"),
            keyWithinCollectionPath="Name",
            retainKey="false",
        ),
        {"p": LISTED},
        {"p": PEOPLE},
    ),
    "a list that is the parent itself": (
        policy("convertarraytoobject", **from_to("@body().p", "", "@body().q"), keyWithinCollectionPath="Name"),
        {"p": LISTED[:1]},
        {"p": LISTED[:1], "q": {"XYZ": LISTED[0]}},
    ),
    "text becomes a list of objects": (
        policy("stringtoarray", **from_to("@body()", "a.b", "@body().a.b"), delimiterList=";", childPropertyName="w"),
        {"a": {"b": "3;0"}},
        {"a": {"b": [{"w": "3"}, {"w": "0"}]}},
    ),
    "text is replaced in every item": (
        policy(
            "stringreplace",
            **from_to("@body().refs", "link", "@item().link"),
            sourceString=".",
            replacementString="%2E",
        ),
        {"refs": [{"link": "a.b"}, {"link": None}]},
        {"refs": [{"link": "a%2Eb"}, {"link": None}]},
    ),
    "text is encoded": (
        policy("encodepropertyvalue", **from_to("@body()", "id", "@body().id")),
        {"id": "a b/c"},
        {"id": "a%20b%2Fc"},
    ),
    "a property moves": (
        policy("moveproperties", **from_to("@body().a", "x", "@body().b.x")),
        {"a": {"x": 1, "y": 2}},
        {"a": {"y": 2}, "b": {"x": 1}},
    ),
    "what is not there stays away": (
        policy("stringtoarray", **from_to("@body()", "no", "@body().no"), childPropertyName="w"),
        {"a": 1},
        {"a": 1},
    ),
}


@pytest.mark.parametrize(("change", "before", "after"), CASES.values(), ids=CASES)
def test_a_body_is_changed_as_documented(change: Policy, before: Any, after: Any) -> None:
    assert changed_body(change, before, PolicyScope()) == after


def test_a_task_services_policies_turn_its_form_into_what_it_takes() -> None:
    """The order in which they are declared matters: each works on what the one before it left."""
    body: Any = {"title": "T", "assignments": "ada@x.example; bob"}
    of = ("@body().assignments", "userId", "@item().userId")
    for change in (
        policy(
            "stringtoarray",
            **from_to("@body()", "assignments", "@body().assignments"),
            delimiterList=";",
            childPropertyName="userId",
        ),
        setting("@body().assignments", "['orderHint']", " !"),
        policy("encodepropertyvalue", **from_to(*of)),
        policy("stringreplace", **from_to(*of), sourceString=".", replacementString="%2E"),
        policy(
            "convertarraytoobject",
            **from_to("@body()", "assignments", "@body().assignments"),
            keyWithinCollectionPath="userId",
            retainKey="false",
        ),
    ):
        body = changed_body(change, body, PolicyScope())
    assert body == {"title": "T", "assignments": {"ada%40x%2Eexample": {"orderHint": " !"}, "bob": {"orderHint": " !"}}}


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abp"), inner, max_size=3),
    max_leaves=8,
)


@given(body=JSON, case=st.sampled_from(sorted(CASES)))
def test_no_body_breaks_a_policy_and_none_is_changed_in_place(body: Any, case: str) -> None:
    before = repr(body)
    changed_body(CASES[case][0], body, PolicyScope())
    assert repr(body) == before


def test_a_property_is_set_in_each_of_many_items_without_copying_the_list_for_each() -> None:
    items = [{"id": number, "own": {"n": number}} for number in range(20_000)]
    before = time.monotonic()
    body = changed_body(setting("@body().value", "copy", "@item().own"), {"value": items}, PolicyScope())
    assert time.monotonic() - before < 5
    assert body["value"][-1] == {"id": 19_999, "own": {"n": 19_999}, "copy": {"n": 19_999}}
    assert "copy" not in items[0]


GROWING = {
    "a text in place of each letter": [policy("stringreplace", **from_to("@body()", "t", ""), sourceString="a", replacementString="b" * 200_000)],
    "the whole body put into itself": [setting("@body()", f"p{number}", "@body()") for number in range(60)],
    "the whole body written twice as text": [setting("@body()", "t", "{@body().t}{@body().t}")] * 40,
    "the whole body in every item": [setting("@body().value", "all", "{@body()}")],
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_policies_cannot_make_a_body_grow_without_end(name: str) -> None:
    body: Any = {"t": "a" * 2_000, "value": [{"text": "x" * 4_000} for _ in range(1_000)]}
    with pytest.raises(ExpressionError):
        reduce(lambda before, change: changed_body(change, before, PolicyScope()), GROWING[name], body)


def test_a_path_of_a_thousand_steps_ends_in_no_error() -> None:
    changed = changed_body(setting("@body()", ".a" * 2_000, "1"), {}, PolicyScope())
    assert list(changed) == ["a"]
