"""What must hold whatever happened, checked over the journal of every run and what the service remembers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from counting_service import NOTE, ORDER, CountingService, Heard
from fault_flows import Posted, all_runs
from flowmend.assembly import Application
from flowmend.core.outcome import Status
from flowmend.core.run.record import ActionKey, ActionRecord, Entry
from flowmend.store.run_filter import RunFilter
from flowmend.use_cases.journal_pages import decode_pages, decode_start

IN_DOUBT = "Waiting ActionInDoubt"
_SHOWN = 3


def check_accepted(application: Application, accepted: dict[str, str]) -> Iterator[str]:
    """Every accepted event has its run or is held."""
    store = application.services.store
    lost = [
        number
        for number, run in accepted.items()
        if store.runs.get(run) is None and store.trigger_events.get(run) is None
    ]
    if lost:
        yield f"{len(lost)} accepted events are lost, e.g. {lost[:_SHOWN]}"


def check_all_answered(posted: Posted, events: int) -> Iterator[str]:
    """Every event was accepted, for callers ask again until it is, and each has a run of its own."""
    if len(posted.accepted) != events or posted.unanswered:
        yield f"{events - len(posted.accepted)} events were not accepted; refused {dict(posted.refused)}"
    runs = [run for run in posted.accepted.values() if run]
    if len(set(runs)) != len(runs):
        yield "two events were told the same run"


def check_ends(by_status: Counter[str], allowed: Iterable[str]) -> Iterator[str]:
    """No run is stuck, nor ended otherwise than may be."""
    others = {status: count for status, count in by_status.items() if status not in set(allowed)}
    if others:
        yield f"runs that ended or wait otherwise: {others}"


def check_orders_and_notes(
    application: Application, service: CountingService, *, flow_ids: Sequence[str] = ("",)
) -> Iterator[str]:
    """Over runs of flows like `order_and_note`, "" for all there are: each order once and under its first key, each note at most once, nothing finished
    performed again, nothing evaluated again.
    """
    orders, notes = service.by_number(ORDER), service.by_number(NOTE)
    found: Counter[str] = Counter()
    examples: dict[str, str] = {}
    runs_of: Counter[str] = Counter()
    for row in chain.from_iterable(all_runs(application, RunFilter(flow_id=flow_id)) for flow_id in flow_ids):
        number = number_of(application, row.run_name)
        places, entries = entries_of(application, row.run_name)
        runs_of[number] += 1
        status = f"{row.status} {row.code}".strip()
        for wrong in _wrongs_of_run(status, places, entries, orders.get(number, []), notes.get(number, [])):
            found[wrong] += 1
            examples.setdefault(wrong, row.run_name)
    doubled = [number for number, count in runs_of.items() if count > 1]
    if doubled:
        yield f"{len(doubled)} events began more than one run, e.g. {doubled[:_SHOWN]}"
    unasked = (set(orders) | set(notes)) - set(runs_of)
    if unasked:
        yield f"the service was asked for {len(unasked)} numbers that no run has, e.g. {sorted(unasked)[:_SHOWN]}"
    more = [key for key, times in service.done.items() if times > 1]
    if more:
        yield f"{len(more)} effects happened more than once, e.g. {more[:_SHOWN]}"
    for wrong, count in found.items():
        yield f"{wrong}: {count} runs, e.g. {examples[wrong]}"


def number_of(application: Application, run_name: str) -> str:
    """Of the event that began a run."""
    row = application.services.store.runs.get(run_name)
    if row is None:
        raise SystemExit(f"the run {run_name} is listed and not there")
    return str(decode_start(row.start, application.services.vault).trigger["outputs"]["body"]["number"])


def entries_of(application: Application, run_name: str) -> tuple[list[int], list[Entry]]:
    """(the numbers of a journal's pages, what they hold)."""
    pages = application.services.store.runs.pages(run_name)
    return [at for at, _ in pages], decode_pages(run_name, (page for _, page in pages), application.services.vault)


def _wrongs_of_run(
    status: str, places: list[int], entries: list[Entry], orders: list[Heard], notes: list[Heard]
) -> Iterator[str]:
    yield from journal_wrongs(places, entries)
    records = [entry for entry in entries if isinstance(entry, ActionRecord)]
    keys = {record.key for record in records if record.name == "Create_order" and record.key}
    if orders and {one.key for one in orders} != keys:
        yield "the order's key is not the journal's only one"
    names = [record.outputs for record in records if record.name == "Name" and record.status is Status.SUCCEEDED]
    if notes and {one.text for one in notes} != set(names):
        yield "the note's text is not what the journal says"
    if orders and notes and orders[-1].place > notes[0].place:
        yield "the order was asked for again after it was finished"
    if len(notes) > 1:
        yield "the note was sent more than once"
    if status == "Succeeded" and not (orders and notes):
        yield "the run succeeded and the service knows nothing of it"
    last = next((record for record in reversed(records) if record.name == "Write_note"), None)
    asks = last is not None and last.status is Status.WAITING and last.code == "ActionInDoubt"
    if asks != (status == IN_DOUBT):
        yield "the run's status and its journal differ about a call in doubt"


def journal_wrongs(places: list[int], entries: list[Entry]) -> Iterator[str]:
    """What must hold of any journal: no holes, and nothing after the end of an action or of the run."""
    if places != list(range(1, len(places) + 1)):
        yield "the journal has a hole"
    finished: set[ActionKey] = set()
    for entry in entries:
        if isinstance(entry, ActionRecord):
            key = (entry.name, entry.repetition)
            if key in finished:
                yield f"{entry.name} goes on after its end"
            if entry.status.is_terminal:
                finished.add(key)
