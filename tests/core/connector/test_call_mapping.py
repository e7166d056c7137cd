"""Operations that their service knows in other words: both spellings of a call give the same request."""

from typing import Any

import msgspec
import pytest

from flowmend.core.connector import (
    Connector,
    HttpRequest,
    HttpResponse,
    SignInParts,
    UnbuildableRequest,
    build_path_request,
    build_request,
    read_connector,
)
from flowmend.core.connector.answer_policies import changed_answer, failure_in
from flowmend.core.connector.looked_up import looked_up_value, with_value
from flowmend.core.errors import ExpressionError

KEY = "11111111-2222-4333-8444-555555555555"


def connector(request: Any, response: Any = None, **more: Any) -> Connector:
    node = {
        "operationId": "Send",
        "parameters": [
            {"name": "box", "in": "path", "required": True, "type": "string", "x-ms-url-encoding": "double"},
            {"name": "urgent", "in": "query", "type": "string"},
            {"name": "mail", "in": "body", "schema": {"type": "object"}},
        ],
        "x-flowmend-request": request,
        **({"x-flowmend-response": {"body": response}} if response else {}),
        **more,
    }
    definition = {"swagger": "2.0", "host": "api.example.com", "paths": {"/v2/{box}/mail": {"post": node}}}
    found = read_connector(definition, {}, connector_id="mail").connector
    assert found is not None
    return found


def both(one: Connector, **connection: Any) -> list[Any]:
    """The request in both spellings."""
    operation = one.operation("Send")
    assert operation is not None
    arguments = {"box": "a/b@c", "urgent": "yes", "mail/To": "x@y"}
    signed = SignInParts(headers={"Authorization": "Bearer t"})
    named = build_request(one, operation, arguments, connection, sign_in=signed, key=KEY)
    path = "/v2/a%252Fb%2540c/mail"
    written = build_path_request(
        one, "POST", path, connection, queries={"urgent": "yes"}, body={"To": "x@y"}, sign_in=signed, key=KEY
    )
    return [named, written]


def test_both_spellings_give_the_services_own_request() -> None:
    request = {
        "method": "PUT",
        "path": "/v1/@{encodeUriComponent(parameters('box'))}/@{parameters('$key')}?v=1",
        "queries": {"importance": "@if(equals(parameters('urgent'),'yes'),'high',null)"},
        "headers": {"X-From": "@parameters('$connection')?['sender']"},
        "body": {"message": {"to": "@parameters('mail')?['To']"}},
    }
    for made in both(connector(request), sender="me"):
        assert isinstance(made, HttpRequest)
        assert (made.method, made.url) == ("PUT", f"https://api.example.com/v1/a%2Fb%40c/{KEY}?importance=high&v=1")
        assert msgspec.json.decode(made.body or b"") == {"message": {"to": "x@y"}}
        assert (made.headers["X-From"], made.headers["Authorization"]) == ("me", "Bearer t")


def test_what_a_mapping_does_not_name_goes_as_the_flow_gave_it() -> None:
    for made in both(connector({"path": "/v1/send"})):
        assert made.url == "https://api.example.com/v1/send?urgent=yes"
        assert msgspec.json.decode(made.body) == {"To": "x@y"}


def test_an_answer_without_a_request_is_the_connectors_own() -> None:
    for made in both(connector({"answer": {"to": "@parameters('mail')?['To']"}})):
        assert msgspec.json.decode(made.answer) == {"to": "x@y"}
    operation = connector({"answer": {}}).operation("Send")
    assert operation is not None
    assert operation.is_read


def test_a_missing_requirement_sends_nothing_and_says_why() -> None:
    request = {"require": [{"that": "@equals(parameters('urgent'),'no')", "message": "Be calm."}]}
    for made in both(connector(request)):
        assert made == UnbuildableRequest(code="InvalidParameter", message="Be calm.")


def test_a_path_made_of_values_leads_nowhere_else() -> None:
    for made in both(connector({"path": "/v1/@{parameters('box')}/../../admin"})):
        assert isinstance(made, UnbuildableRequest)
        assert made.code == "UnsafePath"


def test_what_is_asked_first_takes_its_place() -> None:
    first = {"method": "POST", "path": "/v1/chats", "body": {"with": "@parameters('mail')?['To']"}, "value": "id"}
    request = {
        "first": first,
        "path": "/v1/chats/@{parameters('$first')}/messages",
        "body": {"in": "@parameters('$first')"},
    }
    for made in both(connector(request)):
        (lookup,) = made.lookups
        assert (lookup.request.method, lookup.request.url) == ("POST", "https://api.example.com/v1/chats")
        assert lookup.request.headers["Authorization"] == "Bearer t"
        answer = HttpResponse(status=200, headers={}, body=b'{"id":"19:a/b"}')
        whole = with_value(made, lookup, looked_up_value(lookup, answer))
        assert isinstance(whole, HttpRequest)
        assert whole.url.startswith("https://api.example.com/v1/chats/19%3Aa%2Fb/messages")
        assert whole.body == b'{"in":"19:a/b"}'


def test_a_body_is_laid_upon_what_is_there() -> None:
    first = {"path": "/v1/it", "value": "", "beneath": True}
    request = {"first": first, "path": "/v1/it", "body": {"p": {"title": "new", "tags": ["b"]}}}
    for made in both(connector(request)):
        there = HttpResponse(status=200, headers={}, body=b'{"etag":"1","p":{"title":"old","kept":1,"tags":["a","b"]}}')
        whole = with_value(made, made.lookups[0], looked_up_value(made.lookups[0], there))
        assert isinstance(whole, HttpRequest)
        assert msgspec.json.decode(whole.body or b"") == {
            "etag": "1",
            "p": {"title": "new", "kept": 1, "tags": ["a", "b"]},
        }


def test_the_first_of_several_whose_time_it_is_is_asked() -> None:
    never = {"path": "/v1/never", "value": "id", "when": "@equals(parameters('urgent'),'no')"}
    request = {"first": [never, {"path": "/v1/always", "value": "id"}], "path": "/v1/@{parameters('$first')}"}
    for made in both(connector(request)):
        assert [one.request.url for one in made.lookups] == ["https://api.example.com/v1/always"]


def test_a_good_answer_reads_as_the_flow_expects_and_a_bad_one_stays() -> None:
    one = connector({}, {"to": "@parameters('mail')?['To']", "sent": "@triggerBody()?['ok']"})
    good, bad = ({"statusCode": status, "headers": {}, "body": {"ok": True}} for status in (200, 400))
    arguments = {"mail": {"To": "x@y"}}
    assert changed_answer(one, "Send", good, {}, arguments) == {**good, "body": {"to": "x@y", "sent": True}}
    assert changed_answer(one, "Send", bad, {}, arguments) == bad


@pytest.mark.parametrize("request_", [{"path": "@("}, {"body": {"$each": 1}}])
def test_a_mapping_that_does_not_read_makes_its_operation_refuse(request_: Any) -> None:
    for made in both(connector(request_)):
        assert made.code == "InvalidMapping"


@pytest.mark.parametrize(
    ("first_or_path", "code"),
    [
        ({"first": {"path": "/v1/@{parameters('mail')?['To']}", "value": "id"}, "path": "/v1/x"}, "UnsafePath"),
        ({"path": "/v1/@{parameters('mail')?['To']}"}, "UnsafePath"),
        ({"method": "GET /else HTTP/1.1\r\nHost: x\r\n\r\nPOST", "path": "/v1/x"}, "InvalidMethod"),
        ({"first": {"method": "GE T", "path": "/v1/x", "value": "id"}, "path": "/v1/x"}, "InvalidMethod"),
        ({"headers": {"X-A": "@concat('a',decodeUriComponent('%0d%0a'),'X-B: b')"}}, "UnsafeHeader"),
    ],
)
def test_no_request_leaves_its_place_nor_begins_another(first_or_path: Any, code: str) -> None:
    one = connector(first_or_path)
    operation = one.operation("Send")
    assert operation is not None
    made = build_request(one, operation, {"box": "b", "mail/To": "../../admin"}, {}, key=KEY)
    assert isinstance(made, UnbuildableRequest)
    assert made.code == code


def test_a_name_that_was_asked_for_leads_nowhere_else_in_the_path() -> None:
    (made, _) = both(connector({"first": {"path": "/v1/a", "value": "id"}, "path": "/v1/@{parameters('$first')}/b"}))
    refused = with_value(made, made.lookups[0], "..")
    assert isinstance(refused, UnbuildableRequest)
    assert refused.code == "UnsafePath"


def test_a_body_that_names_a_large_value_many_times_is_not_written() -> None:
    one = connector({"body": {f"p{number}": "@parameters('mail')" for number in range(3_000)}})
    operation = one.operation("Send")
    assert operation is not None
    made = build_request(one, operation, {"box": "b", "mail/text": "x" * 100_000}, {}, key=KEY)
    assert isinstance(made, UnbuildableRequest)


def test_an_answer_of_another_form_than_its_mapping_expects_says_so() -> None:
    one = connector({}, {"to": "@split(triggerBody()['name'],'@')[1]"})
    with pytest.raises(ExpressionError):
        changed_answer(one, "Send", {"statusCode": 200, "headers": {}, "body": {"name": "x"}}, {}, {})


def test_a_good_status_may_be_a_failure() -> None:
    said = {"that": "@equals(triggerBody()?['ok'],false)", "code": "@triggerBody()?['error']"}
    one = connector({}, **{"x-flowmend-response": {"fails": [said]}})
    for body, code in (({"ok": True}, None), ({"ok": False, "error": "no_such_room"}, "no_such_room")):
        failure = failure_in(one, "Send", {"statusCode": 200, "headers": {}, "body": body}, {}, {})
        assert (failure.code if failure is not None else None) == code
