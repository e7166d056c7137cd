"""Where messages go besides the portal."""

from collections.abc import Sequence
from typing import Any

from flowmend.store.database import Database, select_row
from flowmend.store.notice_rows import MessageRouteRow
from flowmend.store.notice_tables import message_routes


class MessageRoutes:
    """Errors of all methods: StoreUnavailable; of `add` also Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: MessageRouteRow) -> None:
        self._database.add(message_routes, row)

    def get(self, route_id: str) -> MessageRouteRow | None:
        chosen = select_row(message_routes, MessageRouteRow).where(message_routes.c.route_id == route_id)
        return self._database.first(chosen, MessageRouteRow)

    def list(self) -> Sequence[MessageRouteRow]:
        """All, in the order in which they are told, and were made."""
        order = message_routes.c.after_minutes, message_routes.c.created_at, message_routes.c.route_id
        return self._database.every(select_row(message_routes, MessageRouteRow).order_by(*order), MessageRouteRow)

    def change(self, route_id: str, **changes: Any) -> bool:
        """Set columns; False where there is none of this id."""
        return self._database.change(message_routes, message_routes.c.route_id == route_id, changes)

    def remove(self, route_id: str) -> bool:
        """With what is still to be sent there, and its history."""
        return self._database.remove(message_routes, message_routes.c.route_id == route_id) > 0
