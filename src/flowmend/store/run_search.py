"""Runs found by a text that people type: the number of an order, part of an error, the name of a run.

What is typed whole is found among all runs, by index. A part of a word is looked for in the newest runs only that meet
the rest of the filter: no index finds parts the same way on both databases, and reading a history of millions takes
seconds. How far it looked is told, and a narrower filter lets it look further back.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from flowmend.store.database import Database
from flowmend.store.run_filter import RunFilter, matching, select_names
from flowmend.store.tables import HAS_OWN_TRACKING_ID, runs, tracked_values
from flowmend.store.tracked_values import findable_value

#: Among so many of the newest runs parts are looked for, and so many runs are taken that hold the whole text.
MOST_SEARCHED = 5_000
_BLOCK = 1000
#: A run's name is thirty digits, so the few of an order's number stand in the names of many runs that it has nothing to do with.
_LEAST_OF_A_NAME = 10
_LIKE_A_NAME = "%CU__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """names: newest first. is_whole: every run that meets the rest of the filter was looked at."""

    names: tuple[str, ...]
    is_whole: bool


def search(database: Database, wanted: RunFilter) -> Found:
    """The runs that meet the filter. Errors: StoreUnavailable."""
    with database.reading() as connection:
        names = set(_holding_whole(connection, wanted))
        parts, looked_at = _holding_part(connection, wanted)
        return Found(names=tuple(sorted(names.union(parts))), is_whole=looked_at < MOST_SEARCHED)


def _holding_whole(connection: Connection, wanted: RunFilter) -> Iterator[str]:
    values, text = tracked_values.c, wanted.text
    tracking = select(values.run_name).where(values.value == findable_value(text)).order_by(values.run_name).distinct()
    called = select(runs.c.run_name).where(HAS_OWN_TRACKING_ID, runs.c.client_tracking_id == text)
    names = [text, *connection.scalars(called.limit(MOST_SEARCHED)), *connection.scalars(tracking.limit(MOST_SEARCHED))]
    for first in range(0, len(names), _BLOCK):
        of_block = runs.c.run_name.in_(names[first : first + _BLOCK])
        yield from connection.scalars(select(runs.c.run_name).where(of_block, *matching(wanted)))


def _holding_part(connection: Connection, wanted: RunFilter) -> tuple[Collection[str], int]:
    """Their names, and how many runs were looked at."""
    newest = select_names(wanted, limit=MOST_SEARCHED).subquery()
    asked = select(runs.c.run_name, _holds(wanted.text)).select_from(
        newest.join(runs, runs.c.run_name == newest.c.run_name)
    )
    looked_at = connection.execute(asked).all()
    found = {name for name, is_found in looked_at if is_found}
    rest = [name for name, is_found in looked_at if not is_found]
    values = tracked_values.c
    tells = values.value.icontains(wanted.text, autoescape=True)
    for first in range(0, len(rest), _BLOCK):
        # By name, a block at a time: asked at once, PostgreSQL would rather read the values of all runs.
        of_block = values.run_name.in_(rest[first : first + _BLOCK])
        found.update(connection.scalars(select(values.run_name).where(of_block, tells)))
    return found, len(looked_at)


def _holds(text: str) -> ColumnElement[bool]:
    """Whether the run's own row holds the text."""
    tracking_id = runs.c.client_tracking_id
    found = [
        column.icontains(text, autoescape=True) for column in (runs.c.error_code, runs.c.error_message, tracking_id)
    ]
    if len(text) < _LEAST_OF_A_NAME:
        found[-1] = and_(
            found[-1], HAS_OWN_TRACKING_ID, tracking_id.not_like(_LIKE_A_NAME)
        )  # a resubmitted run has its first one's
    else:
        found.append(runs.c.run_name.icontains(text, autoescape=True))
    return or_(*found)
