"""What people are told, where to, and whether it arrived."""

from flowmend.store.database import Database, select_row
from flowmend.store.notice_rows import NoticeRow
from flowmend.store.notice_tables import notices


class Notices:
    """Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, notice_id: str) -> NoticeRow | None:
        return self._database.first(select_row(notices, NoticeRow).where(notices.c.notice_id == notice_id), NoticeRow)
