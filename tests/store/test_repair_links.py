"""The contract of `store.repair_links`."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.incident_rows import RepairLinkRow


def link(examples: Any, digest: bytes = b"\0digest", **parts: Any) -> RepairLinkRow:
    return RepairLinkRow(
        **{
            "digest": digest,
            "incident_id": "incident",
            "connection_id": "shop",
            "created_by": "owner",
            "created_at": examples.noon,
            "expires_at": examples.noon + timedelta(hours=24),
            **parts,
        }
    )


def test_a_link_reads_back_and_is_used_once(store: Store, examples: Any) -> None:
    store.connections.add(examples.connection())
    row = link(examples, is_confirmed=True)
    store.repair_links.add(row)
    assert store.repair_links.get(b"\0digest") == row
    assert store.repair_links.get(b"other") is None
    assert store.repair_links.use(b"\0digest", examples.noon)
    assert not store.repair_links.use(b"\0digest", examples.noon)


def test_a_link_that_has_expired_or_was_revoked_cannot_be_used(store: Store, examples: Any) -> None:
    store.connections.add(examples.connection())
    store.repair_links.add(link(examples))
    assert not store.repair_links.use(b"\0digest", examples.noon + timedelta(hours=24))
    assert store.repair_links.revoke("shop", examples.noon) == 1
    assert store.repair_links.list("shop") == []
    assert not store.repair_links.use(b"\0digest", examples.noon)


def test_links_go_with_their_connection_and_with_time(store: Store, examples: Any) -> None:
    with pytest.raises(Conflict):
        store.repair_links.add(link(examples))
    store.connections.add(examples.connection())
    store.repair_links.add(link(examples))
    store.repair_links.add(link(examples, b"old", expires_at=examples.noon))
    assert store.repair_links.forget_expired(examples.noon) == 1
    assert store.connections.delete("shop")
    assert store.repair_links.get(b"\0digest") is None
