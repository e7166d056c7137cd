from collections.abc import Callable
from typing import Any

import pytest

from flowmend.core.errors import ExpressionError

VALUE = {
    "Name": "n",
    "name2": None,
    "list": [10, {"deep": True}],
    "body": {"value": [{"Id": 7}], "a/b": 1},
    "x/y": "literal",
    "Key": 1,
    "key": 2,
}


@pytest.mark.parametrize(
    ("hops", "found"),
    [
        ("['NAME']", "n"),
        ("['key']", 2),
        ("['Key']", 1),
        (".list[1].deep", True),
        ("?['missing']", None),
        ("?['missing']?['deeper']?[0]", None),
        ("['name2']?['x']", None),
        ("['list']?[2]", None),
        ("['list'][sub(2, 1)]['deep']", True),
        ("?['body/value']", [{"Id": 7}]),
        ("?['body/value']?[0]?['id']", 7),
        ("?['BODY/Value']", [{"Id": 7}]),
        ("['x/y']", "literal"),
        ("?['body/missing/more']", None),
        ("?['body/value/0/Id']", 7),
    ],
)
def test_what_a_selection_finds(evaluate: Callable[..., Any], hops: str, found: Any) -> None:
    assert evaluate(f"item(){hops}", item=VALUE) == found


@pytest.mark.parametrize(
    ("hops", "reason"),
    [
        ("['missing']", "property 'missing' doesn't exist, available properties are 'Name, name2"),
        ("?['missing']['deeper']", "property 'deeper' cannot be selected. Property selection is not supported on values of type 'Null'"),
        ("['list'][2]", r"array index '2' is outside bounds \(0, 1\) of array"),
        ("['list']?[-1]", "outside bounds"),
        ("['list']?['x']", "Array elements can only be selected using an integer index"),
        ("['list'][1.0]", "integer index"),
        ("['list'][true]", "integer index"),
        ("['Name']?['x']", "not supported on values of type 'String'"),
        ("['Key']?.x", "not supported on values of type 'Integer'"),
        ("[0]", "A property name is a string"),
        ("['body/missing']", "doesn't exist"),
        ("[createArray(1)]", "A property name is a string"),
        ("[json('{}')]['x']", "A property name is a string"),
    ],
)  # fmt: skip
def test_what_a_selection_refuses(evaluate: Callable[..., Any], hops: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        evaluate(f"item(){hops}", item=VALUE)
