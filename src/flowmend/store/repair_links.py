"""Links with which an owner mends a connection; only their digests are kept."""

from collections.abc import Sequence
from datetime import datetime

from flowmend.store.connection_tables import repair_links
from flowmend.store.database import Database, select_row
from flowmend.store.incident_rows import RepairLinkRow


class RepairLinks:
    """Errors of all methods: StoreUnavailable; of `add` also Conflict where there is no such connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: RepairLinkRow) -> None:
        self._database.add(repair_links, row)

    def get(self, digest: bytes) -> RepairLinkRow | None:
        """The link of this digest, also where it was used, revoked or has expired."""
        return self._database.first(
            select_row(repair_links, RepairLinkRow).where(repair_links.c.digest == digest), RepairLinkRow
        )

    def list(self, connection_id: str) -> Sequence[RepairLinkRow]:
        """The links of one connection, newest first."""
        return self._database.every(
            select_row(repair_links, RepairLinkRow)
            .where(repair_links.c.connection_id == connection_id)
            .order_by(repair_links.c.created_at.desc(), repair_links.c.digest),
            RepairLinkRow,
        )

    def use(self, digest: bytes, now: datetime) -> bool:
        """Use a link up; False where it is used, revoked, expired or unknown. Of many at once only one gets it."""
        is_good = (
            (repair_links.c.digest == digest) & repair_links.c.used_at.is_(None) & (repair_links.c.expires_at > now)
        )
        return self._database.change(repair_links, is_good, {"used_at": now})

    def revoke(self, connection_id: str, now: datetime) -> int:
        """End the unused links of one connection; how many there were."""
        is_open = (
            (repair_links.c.connection_id == connection_id)
            & repair_links.c.used_at.is_(None)
            & (repair_links.c.expires_at > now)
        )
        return self._database.remove(repair_links, is_open)

    def forget_expired(self, before: datetime) -> int:
        """Remove links that ended before this; how many there were."""
        return self._database.remove(repair_links, repair_links.c.expires_at <= before)
