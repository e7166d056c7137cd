"""Which runs called others and waited for their answer."""

from collections.abc import Iterable, Mapping

from flowmend.core.errors import NotFound
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ


def callers_of(services: Services, run_names: Iterable[str]) -> set[str]:
    """The runs at whose beginning nobody waited, that called these or called who called them. Each start is read once.

    What is not kept any more, or does not read, has none. Errors: StoreUnavailable.
    """
    asked = set(run_names)
    caller: dict[str, str] = {}
    waiting = asked
    while waiting:
        caller |= dict.fromkeys(waiting, "")
        for batch in services.store.runs.batches(waiting):
            caller |= {name: _caller(services, start) for name, start in services.store.runs.starts(batch).items()}
        waiting = {name for name in caller.values() if name} - caller.keys()
    return {_first(caller, name) for name in asked} - asked


def _first(caller: Mapping[str, str], run_name: str) -> str:
    while caller[run_name]:
        run_name = caller[run_name]
    return run_name


def _caller(services: Services, start: bytes) -> str:
    """The run that called the one that began so, "" where nobody waits for it."""
    try:
        parent = decode_start(start, services.vault).parent
    except (NotFound, *CANNOT_BE_READ):
        return ""
    return parent.run_name if parent is not None else ""
