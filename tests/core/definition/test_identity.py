import pytest

from flowmend.core.definition import Packaging, detect_packaging, flow_identity, parts_of, read_flow
from flowmend.core.json_value import Json

UUID = "C7DB5284-EAE5-ED11-A7C7-0022480492D7"
WDL: Json = {"triggers": {}, "actions": {}}
EXPORT: Json = {
    "name": UUID,
    "type": "Microsoft.Flow/flows",
    "properties": {"displayName": "My orders", "definition": WDL, "connectionReferences": {}},
}
CLIENTDATA: Json = {"properties": {"definition": WDL, "connectionReferences": {}}, "schemaVersion": "1.0.0.0"}

SHAPES: list[tuple[str, Json, str, Packaging]] = [
    ("bare", WDL, "orders.json", Packaging.PLAIN),
    ("definition with references", {"definition": WDL, "connectionReferences": {}}, "orders.json", Packaging.PLAIN),
    ("Standard", {"definition": WDL, "kind": "Stateful"}, "orders/workflow.json", Packaging.STANDARD),
    ("Standard without kind", {"definition": WDL}, "orders/workflow.json", Packaging.STANDARD),
    ("Logic App", {"properties": {"definition": WDL, "parameters": {}}}, "orders.json", Packaging.ARM),
    (
        "Logic App by type",
        {"type": "Microsoft.Logic/workflows", "properties": {"definition": WDL}},
        "o.json",
        Packaging.ARM,
    ),
    ("export", EXPORT, "definition.json", Packaging.PACKAGE),
    ("solution", CLIENTDATA, f"Workflows/Orders-{UUID}.json", Packaging.SOLUTION),
    ("clientdata", CLIENTDATA, "orders.json", Packaging.CLIENTDATA),
    ("extracted", {"origin": {"packaging": "pa-solution"}, "definition": WDL}, "x.json", Packaging.SOLUTION),
    ("nonsense", [1], "x.json", Packaging.PLAIN),
]


@pytest.mark.parametrize(("document", "path", "expected"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_the_packaging_is_told_by_the_shape(document: Json, path: str, expected: Packaging) -> None:
    assert detect_packaging(document, path) is expected


def test_an_export_is_known_by_its_own_id_and_its_display_name() -> None:
    parts = parts_of(EXPORT)
    identity = flow_identity(
        packaging=Packaging.PACKAGE, path="a/definition.json", own_id=parts.flow_id, display_name=parts.display_name
    )
    assert (identity.flow_id, identity.name) == (UUID.lower(), "My orders")


def test_a_solution_flow_is_known_by_the_id_in_its_file_name() -> None:
    identity = flow_identity(packaging=Packaging.SOLUTION, path=f"Workflows\\Orders-{UUID}.json")
    assert (identity.flow_id, identity.name) == (UUID.lower(), "Orders")


def test_a_standard_flow_is_named_by_its_folder() -> None:
    identity = flow_identity(packaging=Packaging.STANDARD, path="app/Orders/workflow.json")
    assert identity.name == "Orders"
    assert identity == flow_identity(packaging=Packaging.STANDARD, path="elsewhere/Orders/workflow.json")


def test_a_bare_file_is_named_by_itself_and_keeps_its_id() -> None:
    identity = flow_identity(packaging=Packaging.PLAIN, path="flows/orders.json")
    assert (identity.flow_id, identity.name) == ("d31cc611-a34f-5091-9e25-2a5a37863923", "orders")


def test_flows_of_the_same_name_and_other_packaging_are_two() -> None:
    plain = flow_identity(packaging=Packaging.PLAIN, path="orders.json")
    assert plain.flow_id != flow_identity(packaging=Packaging.ARM, path="orders.json").flow_id


def test_reading_gives_the_same_id_as_the_identity() -> None:
    read = read_flow(WDL, packaging=Packaging.PLAIN, name="orders")
    assert read.flow
    assert read.flow.flow_id == flow_identity(packaging=Packaging.PLAIN, path="orders.json").flow_id
    exported = read_flow(EXPORT, packaging=Packaging.PACKAGE, name="My orders")
    assert exported.flow
    assert exported.flow.flow_id == UUID.lower()
    chosen = read_flow(EXPORT, packaging=Packaging.PACKAGE, name="My orders", flow_id="other")
    assert chosen.flow
    assert chosen.flow.flow_id == "other"


@pytest.mark.parametrize(("kind", "expected"), [("Stateless", True), ("Stateful", False)])
def test_a_stateless_flow_is_known_by_its_kind(kind: str, expected: bool) -> None:
    read = read_flow({"definition": WDL, "kind": kind}, packaging=Packaging.STANDARD, name="orders")
    assert read.flow
    assert read.flow.is_stateless is expected
