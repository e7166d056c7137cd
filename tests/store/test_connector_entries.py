"""The contract of `store.connector_entries`."""

from datetime import timedelta
from typing import Any

from flowmend.store import Store
from flowmend.store.connector_entries import ConnectorEntryRow
from flowmend.store.rows import ConnectorRow


def installed(store: Store, examples: Any, name: str, *, days: int = 0) -> ConnectorRow:
    row = ConnectorRow(
        connector_id=name.lower(),
        display_name=name,
        definition={},
        properties={},
        fingerprint="f",
        installed_at=examples.noon + timedelta(days=days),
    )
    store.connectors.put(row)
    return row


def entry(row: ConnectorRow, words: str = "") -> ConnectorEntryRow:
    return ConnectorEntryRow(
        connector_id=row.connector_id,
        display_name=row.display_name,
        installed_at=row.installed_at,
        operations=3,
        triggers=1,
        needs_script=0,
        unsupported=0,
        sign_in="basic oauth2",
        description="d",
        words=words,
    )


def test_connectors_are_found_by_every_word_and_sorted_by_name(store: Store, examples: Any) -> None:
    for name, words in (("Orders", "orders get 100%_order"), ("Archive", "archive get order"), ("Mail", "send mail")):
        store.connector_entries.put(entry(installed(store, examples, name), words))
    assert [one.display_name for one in store.connector_entries.find([])] == ["Archive", "Mail", "Orders"]
    assert [one.display_name for one in store.connector_entries.find(["get", "order"])] == ["Archive", "Orders"]
    assert [one.display_name for one in store.connector_entries.find(["100%_"])] == ["Orders"]
    assert store.connector_entries.find(["%"])[0].words == ""  # what it was found by is not read


def test_what_is_kept_is_replaced_and_goes_unseen_with_its_connector(store: Store, examples: Any) -> None:
    row = installed(store, examples, "Orders")
    store.connector_entries.put(entry(row))
    store.connector_entries.put(entry(row, "newer"))
    found = store.connector_entries.get("orders")
    assert found is not None
    assert found.words == "newer"
    store.connectors.delete("orders")
    assert store.connector_entries.find([]) == []


def test_a_connector_of_which_nothing_or_something_old_is_kept_is_missing(store: Store, examples: Any) -> None:
    row = installed(store, examples, "Orders")
    assert list(store.connector_entries.missing()) == ["orders"]
    store.connector_entries.put(entry(row))
    assert list(store.connector_entries.missing()) == []
    installed(store, examples, "Orders", days=1)
    assert list(store.connector_entries.missing()) == ["orders"]
    assert list(store.connectors.ids()) == ["orders"]
