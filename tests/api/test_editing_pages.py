"""The pages for editing and trying a flow, met by strangers, foreign pages and odd requests."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from .conftest import Answer, Flowmend, ended, imported

MEGABYTE = 1024 * 1024
FORM = "application/x-www-form-urlencoded"
ACTIONS: dict[str, Any] = {"Sum": {"type": "Compose", "inputs": "@add(1, 2)", "runAfter": {}}}
EVIL = "</textarea><script>alert(1)</script>"


@pytest.fixture(scope="module")
def flow_id(flowmend: Flowmend) -> str:
    return imported(flowmend, "edited-on-pages", ACTIONS)


@pytest.fixture(scope="module")
def run_name(flowmend: Flowmend, flow_id: str) -> str:
    name = str(flowmend.api("POST", f"/flows/{flow_id}/run", {}).json["name"])
    ended(flowmend, name)
    return name


def visit(flowmend: Flowmend, path: str) -> Answer:
    headers = {"Cookie": f"flowmend_session={flowmend.cookie}", "Accept": "text/html"}
    return flowmend.ask("GET", path, headers=headers)


def submit(flowmend: Flowmend, path: str, fields: dict[str, str], **headers: str) -> Answer:
    sent = {"Cookie": f"flowmend_session={flowmend.cookie}", "Origin": flowmend.origin, "Content-Type": FORM, **headers}
    return flowmend.ask("POST", path, headers=sent, content=urlencode(fields))


def version(flowmend: Flowmend, flow_id: str) -> str:
    return str(flowmend.api("GET", f"/flows/{flow_id}").json["version"])


FORMS = (
    ("/flows/{flow}/edit", {"do": "save", "text": "{}"}),
    ("/flows/{flow}/check", {"text": "{}"}),
    ("/flows/{flow}/parameters", {"value.x": "1"}),
    ("/flows/{flow}/test", {}),
    ("/flows/{flow}/versions/1/restore", {}),
    ("/runs/{run}/try", {"expression": "1"}),
)


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_foreign_page_submits_nothing(
    flowmend: Flowmend, flow_id: str, run_name: str, path: str, fields: dict[str, str]
) -> None:
    before = version(flowmend, flow_id)
    address = path.format(flow=flow_id, run=run_name)
    for origin in ("https://evil.example", "null"):
        answer = submit(flowmend, address, fields, Origin=origin)
        assert (answer.status, answer.error_code) == (403, "ForeignOrigin")
    assert version(flowmend, flow_id) == before


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_body_over_the_limit_is_refused_unread(
    flowmend: Flowmend, flow_id: str, run_name: str, path: str, fields: dict[str, str]
) -> None:
    answer = submit(flowmend, path.format(flow=flow_id, run=run_name), {}, **{"Content-Length": str(11 * MEGABYTE)})
    assert answer.status == 413


def test_a_large_definition_is_checked_and_a_long_expression_is_not(
    flowmend: Flowmend, flow_id: str, run_name: str
) -> None:
    large = json.dumps({"definition": {"actions": {}, "note": "x" * 3 * MEGABYTE}})
    assert submit(flowmend, f"/flows/{flow_id}/check", {"text": large}).status == 200
    # as a browser sends it
    part = f'--line\r\nContent-Disposition: form-data; name="text"\r\n\r\n{large}\r\n--line--\r\n'
    headers = {
        "Cookie": f"flowmend_session={flowmend.cookie}",
        "Origin": flowmend.origin,
        "Content-Type": "multipart/form-data; boundary=line",
    }
    answer = flowmend.ask("POST", f"/flows/{flow_id}/check", headers=headers, content=part.encode())
    assert answer.status == 200
    assert submit(flowmend, f"/runs/{run_name}/try", {"expression": "x" * 200_000}).status == 400


@pytest.mark.parametrize(
    "query",
    [
        "action=Nope",
        "action=%00%0d%0a",
        "pointer=/nope/~9/0",
        "pointer=nope",
        "run=%3Cscript%3E",
        "action=" + "a" * 5000,
        "pointer=" + "/a" * 1000,
    ],
)
def test_the_editor_opens_whatever_place_is_asked_for(flowmend: Flowmend, flow_id: str, query: str) -> None:
    answer = visit(flowmend, f"/flows/{flow_id}/edit?{query}")
    assert answer.status == 200
    assert b"<script>" not in answer.content


def test_a_text_is_shown_as_text(flowmend: Flowmend, flow_id: str) -> None:
    base = version(flowmend, flow_id)
    written = json.dumps({"definition": {"actions": {EVIL: {"type": EVIL, "inputs": f"@{EVIL}"}}}})
    for wish in ("check", "save", "overwrite", "nonsense"):
        fields = {"do": wish, "text": written, "base_version": base, "latest": base, "run": EVIL}
        answer = submit(flowmend, f"/flows/{flow_id}/edit", fields)
        assert answer.status in {200, 400, 409}, wish
        assert b"<script>alert" not in answer.content
    fragment = submit(flowmend, f"/flows/{flow_id}/check", {"text": written})
    assert b"<script" not in fragment.content
    tried = submit(flowmend, f"/flows/{flow_id}/test", {"body": EVIL, "answers": EVIL})
    assert tried.status == 400
    assert b"<script>alert" not in tried.content
    assert version(flowmend, flow_id) == base


def test_nobody_is_overwritten_unasked(flowmend: Flowmend, flow_id: str) -> None:
    def text(number: int) -> str:
        actions = {"Sum": {"type": "Compose", "inputs": number, "runAfter": {}}}
        shown = flowmend.api("GET", f"/flows/{flow_id}/versions/{version(flowmend, flow_id)}").json["text"]
        return json.dumps(json.loads(shown) | {"definition": json.loads(shown)["definition"] | {"actions": actions}})

    old = version(flowmend, flow_id)
    saved = submit(flowmend, f"/flows/{flow_id}/edit", {"do": "save", "text": text(1), "base_version": old})
    assert (saved.status, saved.headers["location"]) == (303, f"/flows/{flow_id}?done=saved")
    newer = version(flowmend, flow_id)
    late = submit(flowmend, f"/flows/{flow_id}/edit", {"do": "save", "text": text(2), "base_version": old})
    assert late.status == 409
    assert version(flowmend, flow_id) == newer
    over = {"do": "overwrite", "text": text(2), "base_version": old, "latest": newer}
    assert submit(flowmend, f"/flows/{flow_id}/edit", over).status == 303
    assert version(flowmend, flow_id) != newer


@pytest.mark.parametrize(
    "path",
    [
        "trace?action=Nope",
        "trace",
        "trace?action=Sum&repetition=000000",
        "trace?action=Sum&repetition=" + "9" * 3000,
        "trace?action=Sum&repetition=-",
    ],
)
def test_a_trace_of_nothing_is_not_found(flowmend: Flowmend, run_name: str, path: str) -> None:
    assert visit(flowmend, f"/runs/{run_name}/{path}").status == 404
    assert visit(flowmend, f"/runs/{quote(EVIL, safe='')}/{path}").status == 404


def test_an_expression_is_shown_as_text(flowmend: Flowmend, run_name: str) -> None:
    for fields in (
        {"expression": f"concat('{EVIL}')"},
        {"expression": EVIL},
        {"expression": EVIL, "place": EVIL},
        {"expression": "1", "place": "Sum|x"},
        {},
    ):
        answer = submit(flowmend, f"/runs/{run_name}/try", fields)
        assert answer.status in {200, 404}
        assert b"<script>alert" not in answer.content
    assert visit(flowmend, f"/runs/{run_name}/try?expression={quote(EVIL)}&action={quote(EVIL)}").status == 200


def test_unknown_parameters_and_versions_are_not_found(flowmend: Flowmend, flow_id: str) -> None:
    assert submit(flowmend, f"/flows/{flow_id}/parameters", {"value.nope": "1"}).status == 404
    assert submit(flowmend, f"/flows/{flow_id}/versions/nope/restore", {}).status == 404
    assert visit(flowmend, f"/flows/{flow_id}/versions/nope").status == 404
    assert visit(flowmend, f"/flows/{flow_id}/versions/{version(flowmend, flow_id)}?from=nope").status == 200
