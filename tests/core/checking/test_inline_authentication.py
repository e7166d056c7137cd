"""Which authentications of HTTP steps are fixed before a run, what they come to, and where they would go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.checking.inline_authentication import (
    embedded_key,
    inline_authentications,
    origin_called,
    parameters_of,
    settled_authentication,
)
from flowmend.core.connector.http_action import called_url
from flowmend.core.connector.request import ANY_ORIGIN, may_go, origin_of
from flowmend.core.definition import read_flow
from flowmend.core.definition.flow import Flow, Packaging

BASIC = {"type": "Basic", "username": "ada", "password": "@parameters('password')"}
URI = "https://api.example.com/orders"


def flow_of(
    authentication: Any, uri: Any = URI, *, packaging: Packaging = Packaging.PLAIN, more: Any = None, **parameters: Any
) -> Flow:
    inputs = {"method": "GET", "uri": uri, "authentication": authentication}
    document = {
        "definition": {
            "parameters": {name: {"type": "securestring"} for name in parameters},
            "triggers": {"manual": {"type": "Request"}},
            "actions": {"Call": {"type": "Http", "inputs": inputs}, **(more or {})},
        },
        "parameters": {name: {"value": value} for name, value in parameters.items() if value is not None},
    }
    flow = read_flow(document, packaging=packaging, name="f").flow
    assert flow is not None
    return flow


@pytest.mark.parametrize(
    "authentication",
    [
        BASIC,
        {"type": "Raw", "value": "Bearer abc"},
        {"type": "Raw", "value": "Bearer @{parameters('token')}"},
        {"type": "Raw", "value": "@concat('Bearer ', if(true, parameters('a'), parameters('b')))"},
        "@parameters('whole')",
    ],
)
def test_what_texts_and_parameters_make_is_one_connection(authentication: Any) -> None:
    assert embedded_key(authentication).startswith("embedded:")


@pytest.mark.parametrize(
    "authentication",
    [
        {"type": "Raw", "value": "@body('GetSecret')?['value']"},
        {"type": "Basic", "username": "@variables('user')", "password": "x"},
        {"type": "Raw", "value": "@concat('Bearer ', outputs('Token')['body'])"},
        {"type": "Raw", "value": "@triggerOutputs()['headers']['authorization']"},
        {"type": "Raw", "value": "@guid()"},
        {"type": "Raw", "value": "@utcNow()"},
        {"type": "Raw", "value": "@appsetting('Token')"},
        {"type": "Raw", "value": "@{item()}"},
        {"type": "Raw", "value": "@nothingLikeThis("},
        "@outputs('Compose')",
    ],
)
def test_what_comes_with_a_run_is_none(authentication: Any) -> None:
    assert embedded_key(authentication) == ""


def test_the_key_is_the_same_whatever_the_order_and_case_of_names() -> None:
    other = {"PASSWORD": "@parameters('password')", "username": "ada", "Type": "basic"}
    assert embedded_key(other) == embedded_key(BASIC)
    assert embedded_key({**BASIC, "username": "bob"}) != embedded_key(BASIC)


def test_a_template_expression_still_to_be_filled_in_is_none() -> None:
    (inline,) = inline_authentications(
        flow_of({"type": "Raw", "value": "[parameters('token')]"}, packaging=Packaging.ARM)
    )
    assert inline.key == ""


def test_every_step_that_calls_an_address_is_read_and_none_is_no_authentication() -> None:
    webhook = {
        "subscribe": {"method": "POST", "uri": URI, "authentication": BASIC},
        "unsubscribe": {"method": "POST", "uri": URI, "authentication": {"type": "Raw", "value": "x"}},
    }
    more = {
        "Hook": {"type": "HttpWebhook", "inputs": webhook},
        "Open": {"type": "Http", "inputs": {"method": "GET", "uri": URI, "authentication": {"type": "None"}}},
        "Mail": {"type": "OpenApiConnection", "inputs": {"authentication": "@parameters('$authentication')"}},
    }
    found = list(inline_authentications(flow_of(BASIC, password="p", more=more)))
    assert [(one.step, one.part, one.kind) for one in found] == [
        ("Call", "", "Basic"),
        ("Hook", "subscribe", "Basic"),
        ("Hook", "unsubscribe", "Raw"),
    ]
    assert found[1].pointer == "/definition/actions/Hook/inputs/subscribe/authentication"
    assert found[0].key == found[1].key != found[2].key


def test_an_authentication_comes_to_its_fields_in_their_own_spelling() -> None:
    flow = flow_of(
        {"TYPE": "activedirectoryOAUTH", "Tenant": "t", "ClientID": "c", "secret": "@parameters('s')", "audience": ""},
        s="s3cr3t",
    )
    (inline,) = inline_authentications(flow)
    settled = settled_authentication(flow, inline)
    assert settled is not None
    assert settled.kind == "ActiveDirectoryOAuth"
    assert settled.fields == {"tenant": "t", "clientId": "c", "secret": "s3cr3t"}
    assert settled.shown == {"tenant": "t", "clientId": "c"}
    assert "s3cr3t" not in repr(settled) + repr(inline)


def test_what_a_parameter_holds_is_never_an_expression() -> None:
    held = {"type": "Basic", "username": "@{parameters('other')}", "password": "@parameters('other')"}
    whole = flow_of("@parameters('all')", all=held, other="stolen")
    (inline,) = inline_authentications(whole)
    settled = settled_authentication(whole, inline)
    assert settled is not None
    assert settled.fields == {"username": "@{parameters('other')}", "password": "@parameters('other')"}
    assert settled.shown == {}
    single = flow_of(BASIC, password="@parameters('other')", other="stolen")
    (inline,) = inline_authentications(single)
    settled = settled_authentication(single, inline)
    assert settled is not None
    assert settled.fields["password"] == "@parameters('other')"


def test_a_user_name_that_the_flow_keeps_secret_is_not_shown() -> None:
    flow = flow_of({"type": "Basic", "username": "@parameters('u')", "password": "@parameters('p')"}, u="ada", p="x")
    (inline,) = inline_authentications(flow)
    settled = settled_authentication(flow, inline)
    assert settled is not None
    assert settled.fields["username"] == "ada"
    assert settled.shown == {}


def test_a_parameter_without_a_value_is_named() -> None:
    flow = flow_of(BASIC, password=None)
    (inline,) = inline_authentications(flow)
    settled = settled_authentication(flow, inline)
    assert settled is not None
    assert settled.fields == {"username": "ada"}
    assert settled.missing == {"password": "password"}
    assert parameters_of(inline) == {"password"}


@pytest.mark.parametrize(
    "authentication", [{"type": "Kerberos", "user": "x"}, {"type": "@parameters('p')"}, "@parameters('p')"]
)
def test_what_is_of_no_known_kind_comes_to_nothing(authentication: Any) -> None:
    flow = flow_of(authentication, p="nothing")
    (inline,) = inline_authentications(flow)
    assert settled_authentication(flow, inline) is None


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://api.example.com/orders", "https://api.example.com"),
        ("HTTP://API.example.com:80/x", "http://api.example.com"),
        ("https://user@api.example.com:8443", "https://api.example.com:8443"),
        ("@{parameters('base')}/orders/@{body('x')}", "https://base.example.com"),
        ("@parameters('base')", "https://base.example.com"),
        ("https://api.example.com/@{variables('path')}", "https://api.example.com"),
        ("https://api.example.com?q=@{variables('q')}", "https://api.example.com"),
        ("https://api.example.com@{variables('host')}", ""),
        ("https://api.example.com:@{variables('port')}/", ""),
        ("https://@{variables('host')}/orders", ""),
        ("@variables('uri')", ""),
        ("@concat('https://x.example.com/', body('x'))", "https://x.example.com"),
        ("@concat('https://x.example.com', body('x'))", ""),
        ("@concat(parameters('base'), concat('/', body('x')['a']))", "https://base.example.com"),
        ("@concat('https://', if(true, 'x', 'y'), '.example.com/', guid())", "https://x.example.com"),
        ("@concat(body('x'), 'https://x.example.com/')", ""),
        ("@concat('https://x.example.com/')['a']", ""),
        ("@{concat('https://x.example.com/', body('x'))}/b", "https://x.example.com"),
        ("not an address", ""),
        (None, ""),
    ],
)
def test_where_an_action_calls_is_known_as_far_as_no_run_decides_it(uri: Any, origin: str) -> None:
    assert origin_called(flow_of(BASIC, uri, base="https://base.example.com"), uri) == origin


def test_a_credential_for_any_address_goes_to_addresses_only() -> None:
    assert may_go("https://a.example.com", {ANY_ORIGIN})
    assert not may_go("", {ANY_ORIGIN})
    assert not may_go("https://a.example.com", {"https://b.example.com"})


@given(st.text(max_size=40))
def test_whatever_a_run_adds_behind_a_known_origin_leaves_the_call_there(added: str) -> None:
    written = "https://api.example.com/@{variables('x')}"
    known = origin_called(flow_of(BASIC, written), written)
    called = called_url(f"https://api.example.com/{added}", {})
    assert not isinstance(called, str) or origin_of(called) == known
