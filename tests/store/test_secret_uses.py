"""The contract of `store.secret_uses`, and that notes ride along with what the journal writes."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import StoreUnavailable
from flowmend.store import Store
from flowmend.store.journal import AddSecretUse, StartRun
from flowmend.store.rows import SecretUseRow


def use(examples: Any, number: int = 0, **parts: Any) -> SecretUseRow:
    return SecretUseRow(
        **{
            "at": examples.noon + timedelta(seconds=number),
            "connection_id": "shop",
            "purpose": "call",
            "host": "orders.example",
            "outcome": "OK",
            **parts,
        }
    )


def test_uses_are_listed_newest_first_by_page_and_kind(store: Store, examples: Any, write: Any) -> None:
    uses = [use(examples, number, purpose="verify" if number % 2 else "call") for number in range(5)]
    write(store, *(AddSecretUse(row=one) for one in uses), AddSecretUse(row=use(examples, connection_id="other")))

    first, cursor = store.secret_uses.list("shop", limit=3)
    rest, end = store.secret_uses.list("shop", limit=3, cursor=cursor)

    assert [*first, *rest] == uses[::-1]
    assert end == 0
    assert [one.at for one in store.secret_uses.list("shop", purpose="verify")[0]] == [uses[3].at, uses[1].at]
    assert store.secret_uses.list("shop", outcome="Unauthorized") == ([], 0)


def test_uses_of_a_run_are_found_by_its_actions(store: Store, examples: Any, write: Any) -> None:
    uses = [use(examples, 1, run_name="r", action="A"), use(examples, 2, run_name="r", action="B"), use(examples, 3)]
    write(store, *(AddSecretUse(row=one) for one in uses))
    assert store.secret_uses.of_run("r") == uses[:2]
    assert store.secret_uses.of_run("r", "B") == uses[1:2]
    assert store.secret_uses.of_run("") == []


def test_old_uses_go_in_slices(store: Store, examples: Any, write: Any) -> None:
    write(store, *(AddSecretUse(row=use(examples, number)) for number in range(5)))
    before = examples.noon + timedelta(seconds=4)
    assert [store.secret_uses.forget_before(before, most=3) for _ in range(3)] == [3, 1, 0]
    assert len(store.secret_uses.list("shop")[0]) == 1


def test_a_note_goes_with_the_next_group_and_is_there_whenever_that_is(store: Store, examples: Any, write: Any) -> None:
    store.journal.ride_along(AddSecretUse(row=use(examples)))
    assert store.secret_uses.list("shop") == ([], 0)
    write(store, StartRun(examples.run()))
    assert len(store.secret_uses.list("shop")[0]) == 1
    assert not store.journal.has_riders


def test_what_rides_along_is_written_when_the_store_is_closed(store: Store, opened: Any, examples: Any) -> None:
    store.journal.ride_along(AddSecretUse(row=use(examples)))
    store.close()
    assert len(opened().secret_uses.list("shop")[0]) == 1
    with pytest.raises(StoreUnavailable):
        store.secret_uses.list("shop")


def test_hundreds_of_notes_are_one_group(store: Store, examples: Any, write: Any) -> None:
    for number in range(700):
        store.journal.ride_along(AddSecretUse(row=use(examples, number)))
    write(store, StartRun(examples.run()))
    assert len(store.secret_uses.list("shop", limit=1000)[0]) == 700
