"""Every value's lines in a text, also of texts that are no JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition.document_lines import lines_of, nearest_lines
from flowmend.core.definition.json_pointer import pointer_to

TEXT = """{
  "actions": {
    "A/B": {
      "type": "Compose",
      "inputs": [1,
        {"x": "}, ["}
      ]
    }
  }
}"""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def pointers(value: Any, pointer: str = "") -> set[str]:
    found = {pointer}
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= pointers(inner, pointer_to(pointer, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found |= pointers(inner, pointer_to(pointer, index))
    return found


def test_each_value_has_the_lines_it_stands_on() -> None:
    lines = lines_of(TEXT)
    assert lines[""] == (1, 10)
    assert lines["/actions/A~1B"] == (3, 8)
    assert lines["/actions/A~1B/type"] == (4, 4)
    assert lines["/actions/A~1B/inputs"] == (5, 7)
    assert lines["/actions/A~1B/inputs/1/x"] == (6, 6)


def test_a_place_that_is_missing_is_found_around_it() -> None:
    lines = lines_of(TEXT)
    assert nearest_lines(lines, "/actions/A~1B/runAfter/C") == (3, 8)
    assert nearest_lines({}, "/actions") is None


def test_a_broken_text_still_tells_what_stands_before_its_fault() -> None:
    assert lines_of('{\n "a": 1,\n "b": [')["/a"] == (2, 2)
    assert lines_of("}}}][") == {}


@given(JSON, st.sampled_from([None, 1, 2]))
def test_every_pointer_of_any_document_has_lines(value: Any, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    assert set(lines_of(text)) == pointers(value)


@given(st.text(alphabet='{}[],:"\\ a1\n', max_size=60))
def test_any_text_is_read_without_fault(text: str) -> None:
    for first, last in lines_of(text).values():
        assert 1 <= first <= last
