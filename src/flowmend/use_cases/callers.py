"""Which runs called others and waited for their answer."""

from collections.abc import Iterable

from flowmend.core.errors import NotFound
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Services
from flowmend.use_cases.unreadable import CANNOT_BE_READ


def callers_of(services: Services, run_names: Iterable[str]) -> set[str]:
    """The runs at whose beginning nobody waited, that called these or called who called them. Each reads a row or a few.

    What is not kept any more, or does not read, has none. Errors: StoreUnavailable.
    """
    found: dict[str, str] = {}
    for name in run_names:
        way, at = [name], _caller(services, name)
        while at and at not in found:
            way.append(at)
            at = _caller(services, at)
        first = found.get(at) or way[-1]
        found |= dict.fromkeys(way, first)
    return set(found.values()).difference(run_names)


def _caller(services: Services, run_name: str) -> str:
    """The run that called this one, "" where nobody waits for it."""
    row = services.store.runs.get(run_name)
    if row is None:
        return ""
    try:
        parent = decode_start(row.start, services.vault).parent
    except (NotFound, *CANNOT_BE_READ):
        return ""
    return parent.run_name if parent is not None else ""
