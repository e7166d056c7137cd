"""The contract of reading very many runs with their journals, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flowmend.store import Store
from flowmend.store.journal import AppendPage, StartRun
from flowmend.store.payloads import decode_payload, encode_payload

DAY = timedelta(days=1)


@pytest.fixture
def ended(store: Store, examples: Any, write: Any) -> Callable[..., str]:
    """Adds a run that ended so many minutes after noon, with two pages, and gives its name."""

    def add(number: int, **parts: Any) -> str:
        ended_at = examples.noon + timedelta(minutes=number)
        start = encode_payload({"n": number})
        run = examples.run(number, status="Failed", ended_at=ended_at, start=start, **parts)
        pages = [AppendPage(run.run_name, 1, sequence, encode_payload([number, sequence])) for sequence in (1, 2)]
        write(store, StartRun(run, examples.event(number)), *pages)
        return str(run.run_name)

    return add


def read(store: Store, names: list[str]) -> dict[str, tuple[Any, list[Any]]]:
    return {
        run.row.run_name: (decode_payload(run.row.start), [decode_payload(page) for page in run.pages])
        for batch in store.runs.whole(names)
        for run in batch
    }


def test_packed_and_loose_journals_read_alike(store: Store, examples: Any, ended: Callable[..., str]) -> None:
    names = [ended(1), ended(2), ended(300)]
    whole = {name: ({"n": n}, [[n, 1], [n, 2]]) for name, n in zip(names, (1, 2, 300), strict=True)}
    assert read(store, [*names, "gone"]) == whole
    assert store.history.pack(examples.noon + timedelta(hours=1), 10) == 2
    assert read(store, [*reversed(names), names[0]]) == whole


def test_a_run_whose_journal_is_not_kept_has_an_empty_start(store: Store, examples: Any, ended: Any) -> None:
    name = ended(1)
    with store._database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM journal_pages")
    ((run,),) = store.runs.whole([name])
    assert (run.row.run_name, run.row.start, list(run.pages)) == (name, b"", [])


def test_what_is_packed_together_is_read_together(store: Store, examples: Any, ended: Callable[..., str]) -> None:
    names = [ended(number, flow_id=f"flow-{number % 2}") for number in range(1, 81)]
    while store.history.pack(examples.noon + DAY, 80):
        pass
    batches = list(store.runs.batches(names))
    blocks = [{store.runs.get(name).journal_block for name in batch} for batch in batches]  # type: ignore[union-attr]
    assert sorted(name for batch in batches for name in batch) == sorted(names)
    assert sum(len(one) for one in blocks) == len(set().union(*blocks))
    assert max(len(batch) for batch in batches) < 64
