import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connector import (
    Connector,
    HttpRequest,
    SignInParts,
    UnbuildableRequest,
    allowed_origins,
    build_path_request,
    build_request,
    read_connector,
)

Make = Callable[..., Connector]


def build(connector: Connector, operation_id: str, parameters: dict[str, Any], **more: Any) -> HttpRequest:
    made = build_request(connector, connector.operations[operation_id], parameters, more.pop("connection", {}), **more)
    assert isinstance(made, HttpRequest), made
    return made


def test_parameters_go_to_path_query_header_and_body(make_connector: Make) -> None:
    connector = make_connector()
    request = build(connector, "ListOrders", {"$filter": "a eq 'b c'", "ids": [1, 2], "tag": ["x", "y"], "x-region": 7})
    assert request.url == ("https://api.example.com/v1/orders?$filter=a%20eq%20%27b%20c%27&ids=1%2C2&tag=x&tag=y")
    assert request.headers["x-region"] == "7"
    assert request.body is None
    assert build(connector, "GetOrder", {"id": "a/b c"}).url == "https://api.example.com/v1/orders/a%2Fb%20c"


def test_flattened_body_names_become_one_nested_body(make_connector: Make) -> None:
    request = build(
        make_connector(),
        "CreateOrder",
        {"body/customer/name": "Ada", "body/customer/city": None, "body/lines": [{"n": 1}], "body": {"base": True}},
    )
    assert request.method == "POST"
    assert json.loads(request.body or b"") == {"base": True, "customer": {"name": "Ada"}, "lines": [{"n": 1}]}
    assert request.headers["Content-Type"] == "application/json"
    assert request.url.endswith("?version=2")


BODIES = {
    "object": ({"a": 1}, b'{"a":1}', "application/json"),
    "text that is JSON": ('{"a": 1}', b'{"a": 1}', "application/json"),
    "text": ("hello", b'"hello"', "application/json"),
    "envelope": (
        {"$content-type": "image/png", "$content": base64.b64encode(b"\x89P").decode()},
        b"\x89P",
        "image/png",
    ),
}


@pytest.mark.parametrize(("body", "sent", "content_type"), BODIES.values(), ids=BODIES)
def test_a_body_is_sent_as_its_kind_asks(make_connector: Make, body: Any, sent: bytes, content_type: str) -> None:
    request = build(make_connector(), "CreateOrder", {"body": body})
    assert (request.body, request.headers["Content-Type"]) == (sent, content_type)


def test_form_data_is_multipart_where_a_file_is_among_it(make_connector: Make) -> None:
    connector = make_connector()
    form = build(connector, "Form", {"a": "x y"})
    assert (form.body, form.headers["Content-Type"]) == (b"a=x+y", "application/x-www-form-urlencoded")
    upload = build(connector, "Upload", {"note": "hi", "file": BODIES["envelope"][0]})
    assert upload.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert upload.body is not None
    assert b'name="file"; filename="file"' in upload.body
    assert b"\x89P" in upload.body


def test_double_encoding_is_encoded_twice(make_connector: Make) -> None:
    request = build(make_connector(), "Items", {"site": "https://a.example/s"})
    assert request.url.endswith("/sites/https%253A%252F%252Fa.example%252Fs/items")


REFUSED = {
    "unknown name": ("CreateOrder", {"colour": "red"}, "UnknownParameter"),
    "no path value": ("GetOrder", {}, "MissingParameter"),
    "empty path value": ("GetOrder", {"id": ""}, "MissingParameter"),
    "dot segment": ("GetOrder", {"id": ".."}, "UnsafePath"),
    "dot segments inside": ("GetOrder", {"id": "x/../../admin"}, "UnsafePath"),
    "backslash dot segments": ("GetOrder", {"id": "x\\..\\admin"}, "UnsafePath"),
    "encoded dot segment": ("GetOrder", {"id": "%2e%2e"}, "UnsafePath"),
    "dot segment with parameter": ("GetOrder", {"id": "..;/x"}, "UnsafePath"),
    "another host": ("GetOrder", {"id": "//evil.example"}, "UnsafePath"),
    "user info": ("GetOrder", {"id": "@evil.example"}, "UnsafePath"),
    "line break in the path": ("GetOrder", {"id": "a\r\nX: 1"}, "UnsafePath"),
    "line break in a header": ("ListOrders", {"x-region": "eu\r\nX-Evil: 1"}, "UnsafeHeader"),
    "bad envelope": ("CreateOrder", {"body": {"$content-type": "a/b", "$content": "&"}}, "InvalidTemplate"),
}


@pytest.mark.parametrize(("operation_id", "parameters", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_or_may_not_be_sent_is_refused(
    make_connector: Make, operation_id: str, parameters: dict[str, Any], code: str
) -> None:
    connector = make_connector()
    refusal = build_request(connector, connector.operations[operation_id], parameters, {})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == code


ORDERS = {
    "swagger": "2.0",
    "host": "api.example.com",
    "paths": {
        "/o/{id}/lines": {
            "get": {
                "operationId": "Lines",
                "parameters": [
                    {"name": "id", "in": "path", "required": True},
                    {"name": "q", "in": "query"},
                    {"name": "h", "in": "header"},
                ],
            }
        }
    },
}
READ = read_connector(ORDERS, None, connector_id="o").connector


@given(path=st.text(min_size=1), query=st.text(), header=st.text())
def test_no_argument_leads_a_request_elsewhere(path: str, query: str, header: str) -> None:
    assert READ is not None
    made = build_request(READ, READ.operations["Lines"], {"id": path, "q": query, "h": header}, {})
    if isinstance(made, UnbuildableRequest):
        assert made.code.startswith("Unsafe")
        return
    parts = urlsplit(made.url)
    assert made.origin == "https://api.example.com"
    assert parts.path.startswith("/o/")
    assert parts.path.endswith("/lines")
    assert parts.path.count("/") == 3
    assert unquote(parts.path.split("/")[2], errors="strict") == path
    assert parse_qs(parts.query, keep_blank_values=True)["q"] == [query]
    assert not set(made.headers["h"]) & set("\r\n\0")


def test_an_api_connection_finds_its_operation_by_method_and_path(make_connector: Make) -> None:
    connector = make_connector(("setheader", {"name": "X-Only", "value": "here"}, ["GetOrder"]))
    request = build_path_request(
        connector, "get", "/orders/a%252Fb", {}, queries={"n": 1, "gone": None}, headers={"X-A": "b", "Host": "evil"}
    )
    assert isinstance(request, HttpRequest)
    assert request.url == "https://api.example.com/v1/orders/a%252Fb?n=1"
    assert request.headers == {"X-A": "b", "X-Only": "here"}
    latest = build_path_request(connector, "GET", "/orders/latest", {})
    assert isinstance(latest, HttpRequest)
    assert "X-Only" not in latest.headers


def test_an_api_connection_path_no_operation_knows_is_sent_as_written(make_connector: Make) -> None:
    request = build_path_request(make_connector(), "PATCH", "odd/p th?x=1", {}, queries={"y": "2"}, body={"a": 1})
    assert isinstance(request, HttpRequest)
    assert (request.method, request.url) == ("PATCH", "https://api.example.com/v1/odd/p%20th?x=1&y=2")
    assert request.body == b'{"a":1}'


@pytest.mark.parametrize("path", ["/orders/../me", "/orders//x", "/@evil", "/%2e%2e/x", "/a\r\nb", "/a%0d%0ab"])
def test_an_unsafe_api_connection_path_is_refused(make_connector: Make, path: str) -> None:
    refusal = build_path_request(make_connector(), "GET", path, {})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "UnsafePath"


def test_sign_in_replaces_what_a_flow_put_in_its_place(make_connector: Make) -> None:
    sign_in = SignInParts(headers={"X-Api-Key": "s3cret"}, queries={"key": "k"})
    request = build_path_request(
        make_connector(), "GET", "/me", {}, headers={"x-api-KEY": "flow"}, queries={"KEY": "f"}, sign_in=sign_in
    )
    assert isinstance(request, HttpRequest)
    assert request.headers == {"X-Api-Key": "s3cret"}
    assert request.url.endswith("/me?key=k")
    assert "s3cret" not in repr(request) + repr(sign_in)


def test_policies_set_headers_queries_and_routes(make_connector: Make) -> None:
    connector = make_connector(
        ("setHeader", {"name": "Authorization", "value": "Bearer @connectionParameters('key')"}, []),
        ("setheader", {"name": "x-region", "value": "us", "existsAction": "skip"}, ["ListOrders"]),
        ("setheader", {"name": "x-region", "value": "asia", "existsAction": "append"}, ["ListOrders"]),
        ("setQueryParameter", {"name": "api", "value": "@connectionParameters('gone', '5')"}, []),
        (
            "routerequesttoendpoint",
            {"newPath": "/moved/{id}?from=@headers('x-a')", "httpMethod": "@Request.OriginalHTTPMethod"},
            ["GetOrder"],
        ),
        ("routerequesttoendpoint", {"newPath": "/me/@queryParameters('x')", "httpMethod": "post"}, ["Me"]),
    )
    request = build(connector, "ListOrders", {"x-region": "eu"}, connection={"Key": "s3cret"})
    assert request.headers == {"Authorization": "Bearer s3cret", "x-region": "eu,asia"}
    assert request.url.endswith("/orders?api=5")
    assert build(connector, "GetOrder", {"id": "4 2"}).url.endswith("/v1/moved/4%202?api=5&from=")
    routed = build_path_request(connector, "GET", "/me", {}, queries={"x": "a/b"})
    assert isinstance(routed, HttpRequest)
    assert (routed.method, urlsplit(routed.url).path) == ("POST", "/v1/me/a%2Fb")


HOSTS = {
    "bare host": ("https://@connectionParameters('h')", "shop.example", "https://shop.example"),
    "whole address": ("@connectionParameters('h')", "http://shop.example:8080/", "http://shop.example:8080"),
    "whole address behind a scheme": ("https://@connectionParameters('h')", "https://x.example", "https://x.example"),
    "part of a name": ("https://@connectionParameters('h').api.example/v2", "eu", "https://eu.api.example"),
    "default": ("@connectionParameters('none','https://d.example')", "", "https://d.example"),
}


@pytest.mark.parametrize(("template", "value", "origin"), HOSTS.values(), ids=HOSTS)
def test_a_connection_parameter_may_say_the_host(make_connector: Make, template: str, value: str, origin: str) -> None:
    connector = make_connector(("dynamichosturl", {"urlTemplate": template}, []))
    request = build(connector, "Me", {}, connection={"h": value})
    assert request.origin == origin
    assert request.url.endswith("/me")
    assert "/v1/" not in request.url
    assert allowed_origins(connector, {"h": value}) == (origin,)


@pytest.mark.parametrize("value", ["user@evil.example", "a b", "x?y", "x#y", "x\\y", "", "[bad"])
def test_a_host_that_is_none_is_refused(make_connector: Make, value: str) -> None:
    connector = make_connector(("dynamichosturl", {"urlTemplate": "https://@connectionParameters('h')"}, []))
    refusal = build_request(connector, connector.operations["Me"], {}, {"h": value})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "InvalidHost"


def test_a_host_of_some_operations_binds_both_origins(make_connector: Make) -> None:
    connector = make_connector(("dynamichosturl", {"urlTemplate": "https://u.example"}, ["Upload"]))
    assert allowed_origins(connector, {}) == ("https://u.example", "https://api.example.com")


def test_a_header_policy_with_an_unknown_expression_is_refused(make_connector: Make) -> None:
    connector = make_connector(("setheader", {"name": "X", "value": "@body('a')"}, []))
    refusal = build_request(connector, connector.operations["Me"], {}, {})
    assert isinstance(refusal, UnbuildableRequest)
    assert refusal.code == "UnsupportedPolicy"
