import base64
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

import pytest

from flowmend.core.connector import Connector, HttpRequest, UnbuildableRequest, build_request, read_connector
from flowmend.core.connector.body_kinds import BodyKind, body_kind, body_of
from flowmend.core.connector.xml_bodies import XmlShape, xml_of

KINDS = {
    "nothing said": ([], BodyKind.JSON),
    "JSON among others": (["text/xml", "application/json"], BodyKind.JSON),
    "JSON of its own": (["application/vnd.api+json"], BodyKind.JSON),
    "anything": (["*/*"], BodyKind.JSON),
    "a form": (["application/x-www-form-urlencoded; charset=utf-8"], BodyKind.FORM),
    "XML": (["application/soap+xml"], BodyKind.XML),
    "text": (["text/plain"], BodyKind.TEXT),
    "parts": (["multipart/form-data"], BodyKind.MULTIPART),
    "bytes": (["application/octet-stream"], BodyKind.JSON),
}


@pytest.mark.parametrize(("consumes", "kind"), KINDS.values(), ids=KINDS)
def test_a_body_is_of_the_kind_its_operation_takes(consumes: list[str], kind: BodyKind) -> None:
    assert body_kind(consumes) is kind


BODIES: dict[str, tuple[Any, list[str], bytes, str]] = {
    "form": ({"a": "x y", "b": [1, 2], "c": None}, ["application/x-www-form-urlencoded"], b"a=x+y&b=1&b=2", ""),
    "text": ({"a": 1}, ["text/plain"], b'{"a":1}', ""),
    "XML text as it is": ("<a/>", ["application/xml"], b"<a/>", ""),
    "JSON for anything": ({"a": 1}, ["*/*"], b'{"a":1}', "application/json; charset=utf-8"),
    "bytes for anything": (
        {"$content-type": "image/png", "$content": base64.b64encode(b"\x89").decode()},
        ["application/xml"],
        b"\x89",
        "image/png",
    ),
}


@pytest.mark.parametrize(("value", "consumes", "sent", "content_type"), BODIES.values(), ids=BODIES)
def test_a_value_is_written_as_taken(value: Any, consumes: list[str], sent: bytes, content_type: str) -> None:
    assert body_of(value, consumes) == (sent, content_type or consumes[0])


def connector(consumes: str, *parameters: dict[str, Any], **more: Any) -> Connector:
    operation = {"operationId": "Do", "consumes": [consumes], "parameters": list(parameters)}
    definition = {"swagger": "2.0", "host": "h.example", "paths": {"/x": {"post": operation}}, **more}
    reading = read_connector(definition, None, connector_id="c")
    assert reading.connector is not None
    return reading.connector


def build(made: Connector, **arguments: Any) -> HttpRequest:
    request = build_request(made, made.operations["Do"], arguments, {})
    assert isinstance(request, HttpRequest), request
    return request


ORDER = {
    "definitions": {
        "Order": {
            "type": "object",
            "xml": {"name": "order", "namespace": "urn:shop", "prefix": "s"},
            "properties": {
                "id": {"type": "integer", "xml": {"attribute": True}},
                "Lines": {"type": "array", "xml": {"wrapped": True}, "items": {"$ref": "#/definitions/Line"}},
                "tags": {"type": "array", "items": {"type": "string", "xml": {"name": "tag"}}},
                "parent": {"$ref": "#/definitions/Order"},
            },
        },
        "Line": {"type": "object", "xml": {"name": "line"}, "properties": {"text": {"type": "string"}}},
    }
}


def test_xml_follows_the_hints_of_its_schema() -> None:
    made = connector("text/xml", {"name": "o", "in": "body", "schema": {"$ref": "#/definitions/Order"}}, **ORDER)
    request = build(made, **{"o/id": 7, "o/Lines": [{"text": "a < b"}, {"text": None}], "o/tags": ["x", "y"]})
    assert request.headers["Content-Type"] == "text/xml"
    assert (request.body or b"").split(b"\n", 1)[1] == (
        b'<s:order xmlns:s="urn:shop" id="7"><Lines><line><text>a &lt; b</text></line><line><text/></line></Lines>'
        b"<tag>x</tag><tag>y</tag></s:order>"
    )


def test_xml_without_hints_takes_the_names_of_the_value() -> None:
    assert xml_of({"a": [1, 2], "b": {"c": True}}, XmlShape(), "body").endswith(
        b"<body><a>1</a><a>2</a><b><c>true</c></b></body>"
    )


def test_a_name_that_xml_cannot_hold_is_refused_with_a_reason() -> None:
    made = connector("text/xml", {"name": "o", "in": "body", "schema": {"type": "object"}})
    request = build_request(made, made.operations["Do"], {"o": {"a b": 1}}, {})
    assert isinstance(request, UnbuildableRequest)
    assert request.code == "InvalidBody"


def test_a_form_repeats_lists_of_format_multi_and_joins_others() -> None:
    made = connector(
        "application/x-www-form-urlencoded",
        {"name": "m", "in": "formData", "type": "array", "collectionFormat": "multi"},
        {"name": "p", "in": "formData", "type": "array", "collectionFormat": "pipes"},
    )
    assert parse_qsl((build(made, m=[1, 2], p=["a", "b"]).body or b"").decode()) == [
        ("m", "1"),
        ("m", "2"),
        ("p", "a|b"),
    ]


def test_parts_hold_files_and_fields() -> None:
    made = connector(
        "multipart/form-data",
        {"name": "upload", "in": "formData", "type": "file"},
        {"name": "tags", "in": "formData", "type": "array", "collectionFormat": "multi"},
    )
    file = {"$content-type": "image/png", "$content": base64.b64encode(b"\x89P").decode()}
    request = build(made, upload=file, tags=["a", "b"])
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + (request.body or b"")).get_payload()
    found = [(one.get_param("name", header="Content-Disposition"), one.get_payload(decode=True)) for one in parts]
    assert found == [("upload", b"\x89P"), ("tags", b"a"), ("tags", b"b")]
    assert parts[0].get_filename() == "upload"


def test_a_body_is_written_in_the_type_that_a_header_parameter_says() -> None:
    kind = {"name": "Content-Type", "in": "header", "type": "string", "required": True}
    form = kind | {"default": "application/x-www-form-urlencoded"}
    made = connector("application/json", form, {"name": "o", "in": "body", "schema": {"type": "object"}})
    request = build(made, **{"o/title": "a b"})
    assert (request.body, request.headers["Content-Type"]) == (b"title=a+b", "application/x-www-form-urlencoded")
    parts = build(made, **{"o/title": "a", "Content-Type": "multipart/form-data"})
    assert parts.headers["Content-Type"].startswith("multipart/form-data; boundary=")


def test_a_header_whose_name_http_does_not_know_is_refused() -> None:
    made = connector("application/json", {"name": "Account Id", "in": "header", "type": "string"})
    request = build_request(made, made.operations["Do"], {"Account Id": "1"}, {})
    assert isinstance(request, UnbuildableRequest)
    assert request.code == "InvalidHeaderName"
