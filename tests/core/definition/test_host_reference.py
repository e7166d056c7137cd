import pytest

from flowmend.core.definition.host_reference import reference_key


@pytest.mark.parametrize(
    ("form", "inputs", "expected"),
    [
        ("classic", {"host": {"connection": {"name": "@parameters('$connections')['office365']['connectionId']"}}}, "office365"),
        ("classic guarded", {"host": {"connection": {"name": "@parameters('$connections')?['o365']?['connectionId']"}}}, "o365"),
        ("classic dotted", {"host": {"connection": {"name": "@parameters('$connections').sql.connectionId"}}}, "sql"),
        ("classic quote", {"host": {"connection": {"name": "@parameters('$connections')['it''s']['connectionId']"}}}, "it's"),
        ("standard", {"host": {"connection": {"referenceName": "sql-1"}}}, "sql-1"),
        ("open api", {"host": {"connectionName": "shared_sql", "operationId": "Get"}}, "shared_sql"),
        ("older power automate", {"host": {"connectionReferenceName": "shared_a", "connectionName": "x"}}, "shared_a"),
        ("service provider", {"serviceProviderConfiguration": {"connectionName": "sb"}}, "sb"),
        ("http", {"uri": "https://a"}, None),
        ("no object", "text", None),
        ("literal id", {"host": {"connection": {"name": "/subscriptions/x"}}}, None),
    ],
)
def test_each_spelling_of_the_host_names_its_reference(form: str, inputs: object, expected: str | None) -> None:
    assert reference_key(inputs) == expected
