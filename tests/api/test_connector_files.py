"""Connectors uploaded as files: what becomes of each, and what an upload may not do."""

import io
import json
import zipfile
from typing import Any

import pytest

from api.conftest import Flowmend

PATH = {"/me": {"get": {"operationId": "Me"}}}
DEFINITION = {"swagger": "2.0", "info": {"title": "Shop"}, "host": "shop.example", "paths": PATH}
YAML = b"openapi: 3.0.3\ninfo: {title: Pets}\nservers: [{url: 'https://pets.example'}]\npaths: {/me: {get: {operationId: Me}}}\n"


def packed(files: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, str | bytes) else json.dumps(content))
    return buffer.getvalue()


def test_a_zip_of_folders_says_of_each_what_became_of_it(flowmend: Flowmend) -> None:
    content = packed(
        {
            "all/Shop/apiDefinition.swagger.json": DEFINITION,
            "all/Shop/apiProperties.json": {"properties": {}},
            "all/Broken/apiDefinition.swagger.json": "{",
            "all/Broken/apiProperties.json": {},
        }
    )
    answer = flowmend.api("POST", "/connectors/files?file_name=all.zip", content=content)
    found = {one["folder"]: one for one in answer.json["value"]}
    assert (found["Shop"]["id"], found["Shop"]["display_name"]) == ("shop", "Shop")
    assert (found["Broken"]["id"], found["Broken"]["problems"][0]["code"]) == ("", "InvalidJSON")
    assert "shop" in {one["id"] for one in flowmend.api("GET", "/connectors").json["value"]}


def test_a_document_is_a_connector_by_the_name_of_its_file(flowmend: Flowmend) -> None:
    answer = flowmend.api("POST", "/connectors/files?file_name=pets.yaml", content=YAML)
    assert [(one["id"], one["display_name"]) for one in answer.json["value"]] == [("pets", "Pets")]


HARMFUL = {
    "a bomb": ("bomb.zip", packed({"Shop/apiDefinition.swagger.json": b"0" * 20_000_000}), 413, "ArchiveTooLarge"),
    "a way out": ("up.zip", packed({"../apiDefinition.swagger.json": DEFINITION}), 400, "InvalidArchive"),
    "no connector": ("readme.md", b"# Hello", 400, "NoConnector"),
}


@pytest.mark.parametrize(("name", "content", "status", "code"), HARMFUL.values(), ids=HARMFUL)
def test_what_would_harm_is_refused(flowmend: Flowmend, name: str, content: bytes, status: int, code: str) -> None:
    answer = flowmend.api("POST", f"/connectors/files?file_name={name}", content=content)
    assert (answer.status, answer.error_code) == (status, code)


def test_aliases_of_aliases_are_refused_beside_the_others(flowmend: Flowmend) -> None:
    lines = [b"a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [b"%c: &%c [%s]" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(ord("b"), ord("j"))]
    answer = flowmend.api("POST", "/connectors/files?file_name=laughs.yaml", content=b"\n".join(lines))
    (one,) = answer.json["value"]
    assert (one["id"], one["problems"][0]["code"]) == ("", "DocumentTooLarge")


def test_nobody_installs_a_connector_without_signing_in(flowmend: Flowmend) -> None:
    wrong = {"Authorization": "Bearer nobodys"}
    answer = flowmend.ask("POST", "/api/v1/connectors/files?file_name=nobodys.yaml", content=YAML, headers=wrong)
    assert answer.status in {401, 403}
    assert "nobodys" not in {one["id"] for one in flowmend.api("GET", "/connectors").json["value"]}
