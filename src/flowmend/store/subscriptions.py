"""Subscriptions of triggers with their services: begun, kept up and ended from these rows, whatever happens in between."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import func, select

from flowmend.store.column_types import moved_back
from flowmend.store.database import Database, select_row
from flowmend.store.rows import SubscriptionRow, SubscriptionState
from flowmend.store.tables import subscriptions


class Subscriptions:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: SubscriptionRow) -> None:
        self._database.add(subscriptions, row)

    def get(self, subscription_id: str) -> SubscriptionRow | None:
        return self._database.first(
            select_row(subscriptions, SubscriptionRow).where(subscriptions.c.subscription_id == subscription_id),
            SubscriptionRow,
        )

    def of_flow(self, flow_id: str) -> Sequence[SubscriptionRow]:
        return self._database.every(
            select_row(subscriptions, SubscriptionRow)
            .where(subscriptions.c.flow_id == flow_id)
            .order_by(subscriptions.c.created_at, subscriptions.c.subscription_id),
            SubscriptionRow,
        )

    def change(
        self, subscription_id: str, states: Collection[SubscriptionState] = tuple(SubscriptionState), **changes: Any
    ) -> bool:
        """Set columns of a subscription that is in one of these states; False where it is not."""
        found = (subscriptions.c.subscription_id == subscription_id) & subscriptions.c.state.in_(
            [state.value for state in states]
        )
        return self._database.change(subscriptions, found, changes)

    def remove(self, subscription_id: str) -> None:
        self._database.remove(subscriptions, subscriptions.c.subscription_id == subscription_id)

    def end_all(self, flow_id: str, at: datetime) -> int:
        """Have every subscription of a flow ended from that time on; how many there are."""
        return self._database.changed(
            subscriptions,
            (subscriptions.c.flow_id == flow_id) & (subscriptions.c.state != SubscriptionState.ENDING.value),
            {"state": SubscriptionState.ENDING.value, "next_at": at, "attempts": 0},
        )

    def wake(self, connection_id: str, at: datetime) -> int:
        """Have what waits for a connection tried again at that time; how many there are."""
        return self._database.changed(
            subscriptions,
            (subscriptions.c.connection_id == connection_id)
            & (subscriptions.c.code != "")
            & (subscriptions.c.next_at > at),
            {"next_at": at},
        )

    def carry_all_sooner(self, now: datetime, by: timedelta) -> int:
        """Do by so much sooner whatever is to be done after now; for how many subscriptions."""
        later = subscriptions.c.next_at > now
        return self._database.changed(subscriptions, later, {"next_at": moved_back(subscriptions.c.next_at, by)})

    def due(self, now: datetime, limit: int) -> Sequence[SubscriptionRow]:
        """Those something is to be done for now, longest due first."""
        return self._database.every(
            select_row(subscriptions, SubscriptionRow)
            .where(subscriptions.c.next_at <= now)
            .order_by(subscriptions.c.next_at, subscriptions.c.subscription_id)
            .limit(limit),
            SubscriptionRow,
        )

    def next_due(self, after: datetime) -> datetime | None:
        """The earliest time later than `after` at which something is to be done for one."""
        return cast(
            "datetime | None",
            self._database.value(select(func.min(subscriptions.c.next_at)).where(subscriptions.c.next_at > after)),
        )
