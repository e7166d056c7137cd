import pytest

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import AskedWrongly, ExpressionError, NotFound
from flowmend.core.json_value import Json
from flowmend.core.trigger import accept_request

SCHEMA: Json = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


def trigger(*, validates: bool = False, **inputs: Json) -> Trigger:
    options = frozenset({"enableschemavalidation"}) if validates else frozenset()
    return Trigger(name="manual", type="Request", pointer="/triggers/manual", inputs=inputs, operation_options=options)


def accept(to: Trigger, *, method: str = "POST", path: str = "", body: Json = None, **queries: str) -> dict[str, Json]:
    return accept_request(
        to,
        method=method,
        headers={"Host": "h"},
        queries=queries,
        relative_path=path,
        body=body,
        has_body=body is not None,
    )


def test_a_call_becomes_headers_and_body() -> None:
    assert accept(trigger(), body={"a": 1}) == {"headers": {"Host": "h"}, "body": {"a": 1}}


def test_an_empty_call_has_no_body() -> None:
    assert accept(trigger()) == {"headers": {"Host": "h"}}


def test_the_signature_never_reaches_the_flow() -> None:
    assert accept(trigger(), sig="secret", sp="x", sv="1.0", color="red") == {
        "headers": {"Host": "h"},
        "queries": {"color": "red"},
    }


def test_a_relative_path_gives_its_parameters_decoded() -> None:
    outputs = accept(trigger(relativePath="/orders/{id}/v{version}"), path="orders/a%2Fb%20c/v2")
    assert outputs["relativePathParameters"] == {"id": "a/b c", "version": "2"}


@pytest.mark.parametrize(
    ("template", "path"), [("", "x"), ("/a/{b}", ""), ("/a/{b}", "a/b/c"), ("/a/{b}", "c/b"), ("/a.c", "abc")]
)
def test_another_path_is_not_found(template: str, path: str) -> None:
    with pytest.raises(NotFound):
        accept(trigger(relativePath=template), path=path)


@pytest.mark.parametrize(("declared", "used"), [(None, "GET"), ("GET", "POST"), ("put", "POST")])
def test_another_method_is_refused(declared: str | None, used: str) -> None:
    with pytest.raises(AskedWrongly) as refusal:
        accept(trigger(method=declared), method=used)
    assert refusal.value.code == "TriggerRequestMethodNotValid"


def test_the_declared_method_is_taken_in_any_case() -> None:
    assert accept(trigger(method="get"), method="GET") == {"headers": {"Host": "h"}}


def test_a_run_by_hand_needs_neither_method_nor_path() -> None:
    assert accept(trigger(method="GET", relativePath="/a/{b}"), method="", body=1)["body"] == 1


def test_a_body_is_held_to_its_schema_only_where_asked() -> None:
    accept(trigger(schema=SCHEMA), body={"id": 5})
    accept(trigger(schema=SCHEMA, validates=True), body={"id": "5"})
    with pytest.raises(AskedWrongly) as refusal:
        accept(trigger(schema=SCHEMA, validates=True), body={"id": 4711})
    assert refusal.value.code == "TriggerInputSchemaMismatch"
    assert "id does not fit the schema's 'type'." in refusal.value.message
    assert "4711" not in refusal.value.message


def test_a_schema_that_is_wrong_itself_is_said_to_be() -> None:
    with pytest.raises(ExpressionError):
        accept(trigger(schema={"$ref": "#/none"}, validates=True), body=1)


@pytest.mark.parametrize(("options", "is_kept"), [([], False), (["IncludeAuthorizationHeadersInOutputs"], True)])
def test_what_a_caller_signs_in_with_stays_out_of_the_history(options: list[str], is_kept: bool) -> None:
    found = accept_request(
        Trigger(name="manual", type="Request", pointer="", operation_options=frozenset(one.lower() for one in options)),
        method="POST",
        headers={"authorization": "Bearer hush", "X-Mine": "1"},
        queries={},
        relative_path="",
        body=None,
        has_body=False,
    )
    assert ("authorization" in found["headers"]) is is_kept
    assert found["headers"]["X-Mine"] == "1"
