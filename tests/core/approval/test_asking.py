"""What a flow asks for, read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.approval import ApprovalType, NotAskable, WantedApproval, read_wanted

ASKED = {"title": "Order 4711", "assignedTo": "ann@example.com; bob@example.com;"}


def test_a_question_reads_with_its_people_once_each() -> None:
    wanted = read_wanted("Basic", ASKED | {"assignedTo": "ann@example.com;bob@example.com; ANN@example.com;"})
    assert isinstance(wanted, WantedApproval)
    assert wanted.approvers == ("ann@example.com", "bob@example.com")
    assert (wanted.type, wanted.options, wanted.is_notified) == (ApprovalType.BASIC, ("Approve", "Reject"), True)


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("Sequential", ASKED, "UnsupportedApprovalType"),
        ("Basic", ASKED | {"title": "  "}, "MissingTitle"),
        ("Basic", ASKED | {"assignedTo": ";"}, "MissingApprover"),
        ("Basic", ASKED | {"assignedTo": [f"p{n}@example.com" for n in range(51)]}, "TooManyApprovers"),
        ("Basic", ASKED | {"assignedTo": "ann <ann@example.com>"}, "InvalidApprover"),
        ("CustomResponse", ASKED, "InvalidResponseOptions"),
        ("Basic", None, "MissingTitle"),
    ],
)
def test_what_nobody_can_be_asked_says_why(kind: str, body: Any, code: str) -> None:
    found = read_wanted(kind, body)
    assert isinstance(found, NotAskable)
    assert found.code == code


def test_own_options_are_those_of_the_flow() -> None:
    wanted = read_wanted("customresponseawaitall", ASKED | {"responseOptions": ["Ship", "Wait", "Ship"]})
    assert isinstance(wanted, WantedApproval)
    assert wanted.options == ("Ship", "Wait")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "http://[", "ftp://example.com", "a b"])
def test_a_link_that_no_browser_should_follow_is_left_out(link: str) -> None:
    wanted = read_wanted("Basic", ASKED | {"itemLink": link})
    assert isinstance(wanted, WantedApproval)
    assert wanted.item_link == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.text(max_size=20), st.dictionaries(st.sampled_from(["title", "assignedTo", "responseOptions", "itemLink"]), JSON)
)
def test_whatever_is_given_reads_or_says_why(kind: str, body: Any) -> None:
    found = read_wanted(kind, body)
    assert isinstance(found, WantedApproval | NotAskable)
