"""Who a credential belongs to, as services say it."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.account import NOBODY, Identity, identity_in_body, identity_of


@pytest.mark.parametrize(
    ("answer", "name", "stable"),
    [
        pytest.param(
            {"id": "87d3", "mail": "e@contoso.com", "userPrincipalName": "erika@contoso.com", "displayName": "Erika"},
            "erika@contoso.com",
            "87d3",
            id="Microsoft Graph",
        ),
        pytest.param({"sub": "248", "email": "jane@example.com"}, "jane@example.com", "248", id="OpenID Connect"),
        pytest.param({"login": "octocat", "id": 1, "type": "User"}, "octocat", "1", id="GitHub"),
        pytest.param({"ok": True, "user": "grace", "user_id": "W123", "team": "T"}, "grace", "W123", id="Slack"),
        pytest.param({"accountId": "5b10", "emailAddress": "mia@x.com"}, "mia@x.com", "5b10", id="Atlassian"),
        pytest.param({"user": {"id": 35, "email": "z@x.com"}}, "z@x.com", "35", id="Zendesk"),
        pytest.param({"data": {"gid": "12", "email": "a@x.com"}}, "a@x.com", "12", id="Asana"),
        pytest.param({"d": {"LoginName": "i:0#.f|m|e@x.com", "Id": 3}}, "i:0#.f|m|e@x.com", "3", id="SharePoint"),
        pytest.param({"accountId": "5b10"}, "5b10", "5b10", id="an account's id alone"),
    ],
)
def test_the_account_is_named_as_services_document_it(answer: Any, name: str, stable: str) -> None:
    found = identity_of(answer)
    assert (found.name, found.id) == (name, stable)


@pytest.mark.parametrize(
    "answer", [None, [], [{"id": 1}], "erika", 7, {}, {"id": None}, {"id": "request-7"}, {"email": "  "}, {"id": True}]
)
def test_an_answer_that_names_nobody_proves_nothing(answer: Any) -> None:
    assert identity_of(answer) == NOBODY


def test_the_same_account_is_known_by_its_id_though_it_was_renamed() -> None:
    renamed = Identity(names=("new@contoso.com",), id="87d3")
    assert renamed.is_same("old@contoso.com", "87d3") is True
    assert renamed.is_same("new@contoso.com", "other") is False


def test_any_of_an_accounts_names_will_do_in_any_case() -> None:
    both = Identity(names=("erika@contoso.com", "e@contoso.com"), id="1")
    assert both.is_same("E@Contoso.com") is True
    assert both.is_same("eve@contoso.com") is False
    assert both.is_same("") is None
    assert NOBODY.is_same("erika@contoso.com") is None


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_whatever_is_answered_reads(answer: Any) -> None:
    assert identity_of(answer).is_same("x") in {None, True, False}


@given(st.binary())
def test_a_body_that_is_no_json_names_nobody(body: bytes) -> None:
    try:
        json.loads(body)
    except ValueError:
        assert identity_in_body(body) == NOBODY


def test_a_body_names_who_is_signed_in() -> None:
    assert identity_in_body(b'{"login": "ada"}').name == "ada"
    assert identity_in_body(base64.b64encode(b"\0")) == NOBODY
