"""Inputs and outputs as people read them: bounded, each part of a call apart, and nothing hidden told."""

import json

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.json_value import Json
from flowmend.portal.values import SHOWN_CHARACTERS, Branch, shown

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def branches(one: Branch) -> int:
    return 1 + sum(map(branches, one.children))


@given(VALUES.filter(lambda value: value is not None))
def test_any_value_is_shown_and_a_small_one_whole(value: Json) -> None:
    view = shown(value)
    assert view.parts
    assert not view.is_cut
    assert view.raw == (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def test_the_answer_of_a_call_is_told_in_its_parts() -> None:
    view = shown({"headers": {"A": "1"}, "statusCode": 201, "body": [{"a": 1}, {"a": 2, "b": {}}], "extra": 1})
    assert [part.name for part in view.parts] == ["statusCode", "body", "headers", ""]
    status, body, headers, _ = view.parts
    assert status.line == "201"
    assert body.grid is not None
    assert body.grid.rows == (("1", ""), ("2", "{}"))
    assert headers.tree is not None


def test_a_request_begins_with_its_method_and_address() -> None:
    view = shown({"uri": "https://x/lines", "method": "post", "authentication": "*sanitized*"})
    assert [part.line for part in view.parts] == ["POST https://x/lines", "*sanitized*"]


def test_objects_that_are_not_alike_are_no_table() -> None:
    (part,) = shown([{"a": 1}, {"b": 2}, {"c": 3}]).parts
    assert part.grid is None


def test_a_large_value_is_bounded_and_says_how_much_there_is() -> None:
    value = {"rows": {str(number): {"n": number, "text": "x" * 900} for number in range(5_000)}}
    view = shown(value)
    assert len(view.raw) == SHOWN_CHARACTERS
    assert view.is_cut
    (part,) = view.parts
    assert part.tree is not None
    assert branches(part.tree) < 400
    assert part.tree.children[0].count == 5_000
    assert part.tree.children[0].left_out > 4_000
    many = shown([{f"c{number}": number for number in range(30)} for _ in range(500)]).parts[0].grid
    assert many is not None
    assert (len(many.rows), many.left_out, len(many.columns), many.columns_left_out) == (50, 450, 10, 20)


def test_a_hidden_value_is_a_branch_of_its_own_kind() -> None:
    (part,) = shown({"password": "*sanitized*", "user": "ada"}).parts
    assert part.tree is not None
    assert [child.kind for child in part.tree.children] == ["hidden", "text"]
