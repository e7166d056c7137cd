"""The contract of `store.connections` and `store.connectors`, on both databases."""

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.rows import AccountRow, ConnectorRow, HealthState, SignInAppRow


class TestConnections:
    def test_a_connection_reads_back_as_it_was_written(self, store: Store, examples: Any) -> None:
        row = examples.connection(
            sealed_candidate=b"\0\xff", last_good_at=examples.noon, refused_message="nein\0", expires_at=examples.noon
        )
        store.connections.add(row)
        assert store.connections.get("shop") == msgspec.structs.replace(row, refused_message="nein\ufffd")
        assert store.connections.get("nobody") is None
        with pytest.raises(Conflict):
            store.connections.add(row)

    def test_connections_are_listed_by_name_and_narrowed(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection("b", display_name="Zebra"))
        store.connections.add(examples.connection("a", display_name="Ape", connector_id="mail", app_id="app"))
        assert [row.connection_id for row in store.connections.list()] == ["a", "b"]
        assert [row.connection_id for row in store.connections.list(connector_id="orders")] == ["b"]
        assert [row.connection_id for row in store.connections.list(app_id="app")] == ["a"]

    def test_health_and_refusal_change_by_column(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection())
        changes = {"health": HealthState.BROKEN, "refused_at": examples.noon, "refused_code": "401"}
        assert store.connections.change("shop", **changes)
        assert store.connections.get("shop") == msgspec.structs.replace(examples.connection(), **changes)
        assert not store.connections.change("nobody", health=HealthState.BROKEN)

    def test_what_was_learnt_of_a_credential_is_dropped_once_it_was_replaced(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection(credential_version=4))
        assert store.connections.change_while_current("shop", 4, refused_code="401")
        assert not store.connections.change_while_current("shop", 3, refused_code="403")
        row = store.connections.get("shop")
        assert row is not None
        assert row.refused_code == "401"

    def test_deleting_a_connection_takes_attempts_and_mappings_along(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        store.connections.add(examples.connection())
        store.flows.set_mapping(examples.mapping())
        assert store.connections.risk_attempt("shop", at=examples.noon, since=examples.noon, most=3)
        assert store.connections.delete("shop")
        assert not store.connections.delete("shop")
        assert store.flows.mappings("flow-1") == []
        assert store.connections.attempts("shop", examples.noon) == []


class TestConnectionsBeside:
    def test_the_broken_ones_of_the_connector_or_sign_in_app_are_found(self, store: Store, examples: Any) -> None:
        broken = {"health": HealthState.BROKEN}
        mine = examples.connection("mine", app_id="app", **broken)
        for row in (
            mine,
            examples.connection("same-connector", **broken),
            examples.connection("same-app", connector_id="mail", app_id="app", **broken),
            examples.connection("good"),
            examples.connection("other", connector_id="mail", **broken),
        ):
            store.connections.add(row)
        assert {one.connection_id for one in store.connections.broken_beside(mine)} == {"same-connector", "same-app"}
        without_app = msgspec.structs.replace(mine, app_id="")
        assert [one.connection_id for one in store.connections.broken_beside(without_app)] == ["same-connector"]

    def test_a_connection_knows_whether_it_is_alone(self, store: Store, examples: Any) -> None:
        mine = examples.connection("mine")
        store.connections.add(mine)
        store.connections.add(examples.connection("mail", connector_id="mail"))
        assert store.connections.is_alone(mine)
        store.connections.add(examples.connection("second"))
        assert not store.connections.is_alone(mine)


class TestSwappingACredential:
    def test_a_swap_replaces_the_expected_version_and_counts_up(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection())
        assert store.connections.swap_credential("shop", 0, b"new", sealed_candidate=b"old", refused_code="") == 1
        row = store.connections.get("shop")
        assert row is not None
        assert (row.sealed_credential, row.sealed_candidate, row.credential_version) == (b"new", b"old", 1)

    def test_a_swap_of_another_version_changes_nothing(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection(credential_version=4))
        for connection_id, version in (("shop", 3), ("shop", 5), ("nobody", 4)):
            with pytest.raises(Conflict) as refused:
                store.connections.swap_credential(connection_id, version, b"new", health=HealthState.CONNECTED)
            assert refused.value.code == "CredentialChanged"
        assert store.connections.get("shop") == examples.connection(credential_version=4)

    def test_of_many_swaps_at_once_one_wins(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection())
        won: list[bytes] = []
        barrier = threading.Barrier(4)

        def swap(credential: bytes) -> None:
            barrier.wait()
            try:
                store.connections.swap_credential("shop", 0, credential)
            except Conflict:
                return
            won.append(credential)

        threads = [threading.Thread(target=swap, args=(bytes([number]),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        row = store.connections.get("shop")
        assert row is not None
        assert won == [row.sealed_credential]


class TestAttempts:
    def test_no_more_attempts_are_risked_than_may_be_refused(self, store: Store, examples: Any) -> None:
        store.connections.add(examples.connection())
        window = {"at": examples.noon, "since": examples.noon - timedelta(minutes=15), "most": 2}
        first = store.connections.risk_attempt("shop", **window)
        second = store.connections.risk_attempt("shop", **window)
        assert first is not None
        assert second is not None
        assert store.connections.risk_attempt("shop", **window) is None
        store.connections.forget_attempt(first)
        assert store.connections.risk_attempt("shop", **window) is not None
        assert len(store.connections.attempts("shop", examples.noon)) == 2
        assert store.connections.attempts("shop", examples.noon + timedelta(seconds=1)) == []
        assert store.connections.forget_attempts("shop") == 2
        assert store.connections.attempts("shop", examples.noon) == []

    def test_of_many_processes_at_once_no_more_get_through(self, store: Store, opened: Any, examples: Any) -> None:
        store.connections.add(examples.connection())
        stores, taken = [opened() for _ in range(4)], []

        def risk(one: Store) -> None:
            risked = {"at": examples.noon, "since": examples.noon, "most": 3}
            taken.extend(one.connections.risk_attempt("shop", **risked) is not None for _ in range(3))

        threads = [threading.Thread(target=risk, args=(one,)) for one in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(taken) == 3

    def test_an_attempt_of_no_connection_is_refused(self, store: Store, examples: Any) -> None:
        with pytest.raises(Conflict):
            store.connections.risk_attempt("nobody", at=examples.noon, since=examples.noon, most=3)


class TestAppsAndAccounts:
    def test_sign_in_apps(self, store: Store, examples: Any) -> None:
        app = SignInAppRow(
            app_id="app", connector_id="mail", client_id="id", sealed_secret=b"\0", created_at=examples.noon
        )
        for name in ("shop", "other"):
            row = msgspec.structs.replace(examples.connection(), connection_id=name, app_id="app")
            store.connections.add(row, app if name == "shop" else None)
        assert store.connections.get_sign_in_app("app") == app
        assert store.connections.sign_in_apps() == store.connections.sign_in_apps("mail") == [app]
        assert store.connections.sign_in_apps("orders") == []
        assert store.connections.change_sign_in_app("app", tenant="t", secret_expires_at=examples.noon)
        changed = msgspec.structs.replace(app, tenant="t", secret_expires_at=examples.noon)
        assert store.connections.get_sign_in_app("app") == changed
        assert store.connections.delete("shop")
        assert store.connections.get_sign_in_app("app") == changed
        assert store.connections.delete("other")
        assert store.connections.get_sign_in_app("app") is None

    def test_accounts(self, store: Store, examples: Any) -> None:
        account = AccountRow(account_id="a", connector_id="mail", name="ada@example.org", created_at=examples.noon)
        store.connections.put_account(account)
        renamed = msgspec.structs.replace(account, name="ada@example.com")
        store.connections.put_account(renamed)
        assert store.connections.get_account("a") == renamed
        assert store.connections.accounts() == store.connections.accounts("mail") == [renamed]
        assert store.connections.accounts("orders") == []


class TestConnectors:
    def test_an_installed_connector_is_replaced_by_a_later_one(self, store: Store, examples: Any) -> None:
        row = ConnectorRow(
            connector_id="orders",
            display_name="Orders",
            definition={"swagger": "2.0", "paths": {"/größe": {}}},
            properties={"n": 1.5},
            fingerprint="f",
            installed_at=examples.noon,
        )
        store.connectors.put(row)
        assert store.connectors.get("orders") == row
        later = msgspec.structs.replace(row, fingerprint="g", display_name="Shop")
        store.connectors.put(later)
        assert store.connectors.ids() == [later.connector_id]
        assert store.connectors.delete("orders")
        assert not store.connectors.delete("orders")
        assert store.connectors.get("orders") is None
