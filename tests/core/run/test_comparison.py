"""What differs between two values: each place once, the same whichever side is left, and never a secret."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.json_value import Json
from flowmend.core.run.comparison import ValueDifference, differences

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "*sanitized*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c/~"]), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_equal_values_do_not_differ(value: Json) -> None:
    found = differences(value, json.loads(json.dumps(value)))
    assert not found
    assert found.is_whole


@given(VALUES, VALUES)
def test_swapping_the_values_swaps_the_sides(left: Json, right: Json) -> None:
    there, back = differences(left, right), differences(right, left)
    swapped = [
        ValueDifference(path=one.path, left=one.right, right=one.left, in_left=one.in_right, in_right=one.in_left)
        for one in back.found
    ]
    assert list(there.found) == swapped


@given(VALUES, VALUES)
def test_each_place_differs_once_and_no_value_that_is_hidden_on_either_side_is_told(left: Json, right: Json) -> None:
    found = differences(left, right).found
    assert len({one.path for one in found}) == len(found)
    assert all(one.left != "*sanitized*" and one.right != "*sanitized*" for one in found)


@given(VALUES, VALUES)
def test_without_secrets_no_difference_means_equal(left: Json, right: Json) -> None:
    texts = json.dumps(left), json.dumps(right)
    if "sanitized" not in "".join(texts) and not differences(left, right):
        assert json.loads(texts[0]) == json.loads(texts[1])


def test_places_are_told_as_pointers_with_what_each_side_has_there() -> None:
    left = {"order": {"lines": [{"sku": "A"}, {"sku": "B"}]}, "a/b": 1, "gone": None}
    right = {"order": {"lines": [{"sku": "A"}, {"sku": "C"}, {"sku": "D"}]}, "a/b": 2}
    assert differences(left, right).found == (
        ValueDifference(path="/a~1b", left=1, right=2),
        ValueDifference(path="/gone", left=None, in_right=False),
        ValueDifference(path="/order/lines/1/sku", left="B", right="C"),
        ValueDifference(path="/order/lines/2", right={"sku": "D"}, in_left=False),
    )


def test_numbers_are_compared_by_value_and_true_is_no_number() -> None:
    assert not differences([1, 2.5], [1.0, Decimal("2.5")])
    assert differences([True], [1])
    assert differences("1", 1)


def test_a_hidden_value_is_not_compared_with_a_shown_one() -> None:
    found = differences("*sanitized*", {"password": "hush"})
    assert not found
    assert found.is_hidden
    assert not differences({"a": "*sanitized*"}, {"a": "hush"})
    assert not differences({"a": "*sanitized*"}, {})


def test_no_more_differences_are_told_than_asked_for() -> None:
    found = differences(list(range(10)), [0] * 10, most=3)
    assert [one.path for one in found.found] == ["/1", "/2", "/3"]
    assert not found.is_whole


def test_what_lies_too_deep_differs_as_a_whole() -> None:
    left: Json = 1
    right: Json = 2
    for _ in range(40):
        left, right = [left], [right]
    (one,) = differences(left, right).found
    assert one.path == "/0" * 24
