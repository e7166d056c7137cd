"""A connector in a few words."""

from flowmend.core.connector import Connector, Operation, SignInKind, SignInMethod
from flowmend.core.connector.summary import summarise


def test_a_summary_counts_what_runs_and_what_does_not() -> None:
    operations = (
        Operation(operation_id="ListOrders", method="GET", path="/orders", summary="List orders"),
        Operation(operation_id="OnOrder", method="GET", path="/new", is_trigger=True),
        Operation(operation_id="Convert", method="POST", path="/c", unsupported="UnsupportedScript: why"),
        Operation(operation_id="Odd", method="POST", path="/o", unsupported="UnsupportedPolicy: why"),
    )
    kinds = (SignInKind.BASIC, SignInKind.OAUTH2, SignInKind.BASIC)
    connector = Connector(
        connector_id="orders",
        display_name="Contoso Orders",
        base_url="https://orders.example",
        operations={one.operation_id: one for one in operations},
        sign_in=tuple(SignInMethod(kind=kind, name=str(at)) for at, kind in enumerate(kinds)),
    )
    found = summarise(connector, {"info": {"description": "Keeps\n  orders. " + "x" * 400}})
    assert (found.operations, found.triggers, found.needs_script, found.unsupported) == (4, 1, 1, 1)
    assert found.sign_in == ("basic", "oauth2")
    assert found.description.startswith("Keeps orders. x")
    assert len(found.description) == 301
    assert "list orders" in found.words
    for odd in (None, [], {"info": 5}, {"info": {"description": 5}}):
        assert summarise(connector, odd).description == ""
