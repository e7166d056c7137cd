import json

import pytest

from flowmend.core.connector import read_connector
from flowmend.core.connector.folders import connector_id_of, find_connectors, read_documents

TREES = {
    "both files": (
        ["a/B/apiProperties.json", "a/B/apiDefinition.swagger.json", "a/readme.json"],
        [("B", "apiDefinition.swagger.json")],
    ),
    "another name": (["B/apiproperties.json", "B/settings.json", "B/shop.swagger.json"], [("B", "shop.swagger.json")]),
    "the only other document": (["B/apiProperties.json", "B/odd.yaml"], [("B", "odd.yaml")]),
    "two that it may be": (["B/apiProperties.json", "B/a.swagger.json", "B/b.swagger.json"], [("B", "")]),
    "no definition": (["B/apiProperties.json", "B/script.csx"], [("B", "")]),
    "no properties": (["B/apiDefinition.swagger.json"], [("B", "apiDefinition.swagger.json")]),
    "a document": (["x/pets.openapi.yaml"], [("pets", "pets.openapi.yaml")]),
    "a document among others": (["x/openapi.yml", "x/package.json"], [("openapi", "openapi.yml")]),
    "nothing": (["x/a.json", "x/b.json"], []),
}


@pytest.mark.parametrize(("paths", "found"), TREES.values(), ids=TREES)
def test_what_belongs_together_is_found_by_its_names(paths: list[str], found: list[tuple[str, str]]) -> None:
    assert [(one.name, one.definition.rpartition("/")[2]) for one in find_connectors(paths)] == found


def test_a_script_that_names_no_operations_counts_for_all() -> None:
    definition = {"swagger": "2.0", "host": "h", "paths": {"/a": {"get": {"operationId": "A"}}}}
    (files,) = find_connectors(["B/apiProperties.json", "B/apiDefinition.swagger.json", "B/script.csx"])
    for properties in ({"properties": {"scriptOperations": []}}, {}):
        contents = {
            files.definition: json.dumps(definition).encode(),
            files.properties: json.dumps(properties).encode(),
        }
        documents = read_documents(files, contents)
        connector = read_connector(documents.definition, documents.properties, connector_id="b").connector
        assert connector is not None
        assert connector.operations["A"].unsupported.startswith("UnsupportedScript")


def test_each_file_that_does_not_read_is_a_problem_of_its_own() -> None:
    (files,) = find_connectors(["B/apiProperties.json", "B/apiDefinition.swagger.json"])
    documents = read_documents(files, {files.definition: b"{", files.properties: b"[1,"})
    assert [(one.code, one.message.partition(":")[0]) for one in documents.problems] == [
        ("InvalidJSON", "apiDefinition.swagger.json"),
        ("InvalidJSON", "apiProperties.json"),
    ]


def test_an_id_holds_no_sign_that_a_url_could_not() -> None:
    assert connector_id_of("LCP - iCordis") == "lcp-icordis"
    assert connector_id_of("shared_Shop/../x") == "shop..x"
    assert connector_id_of("../") == "connector"
