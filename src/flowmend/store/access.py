"""Who may come in: people, API tokens, browser sessions and login links."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flowmend.store.database import Database, select_row
from flowmend.store.rows import LoginLinkRow, PersonRow, SessionRow, TokenRow
from flowmend.store.tables import login_links, people, sessions, tokens


class Access:
    """Errors of all methods: StoreUnavailable; of those that add also Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_person(self, row: PersonRow) -> None:
        self._database.add(people, row)

    def person(self, person_id: str) -> PersonRow | None:
        return self._database.first(select_row(people, PersonRow).where(people.c.person_id == person_id), PersonRow)

    def people(self) -> Sequence[PersonRow]:
        """Everyone, first come first."""
        by_age = people.c.created_at, people.c.person_id
        return self._database.every(select_row(people, PersonRow).order_by(*by_age), PersonRow)

    def change_person(self, person_id: str, **changes: Any) -> bool:
        """Set columns of a person's row; False where there is none of this id."""
        return self._database.change(people, people.c.person_id == person_id, changes)

    def add_token(self, row: TokenRow) -> None:
        self._database.add(tokens, row)

    def token(self, digest: bytes) -> TokenRow | None:
        """The token of this digest, also where it has expired."""
        return self._database.first(select_row(tokens, TokenRow).where(tokens.c.digest == digest), TokenRow)

    def tokens(self, person_id: str | None = None) -> Sequence[TokenRow]:
        """Tokens of one person, or of all, oldest first."""
        chosen = select_row(tokens, TokenRow)
        if person_id is not None:
            chosen = chosen.where(tokens.c.person_id == person_id)
        return self._database.every(chosen.order_by(tokens.c.created_at, tokens.c.token_id), TokenRow)

    def touch_token(self, token_id: str, used_at: datetime) -> None:
        """Note when a token was last used."""
        self._database.change(tokens, tokens.c.token_id == token_id, {"last_used_at": used_at})

    def remove_token(self, token_id: str) -> bool:
        return self._database.remove(tokens, tokens.c.token_id == token_id) > 0

    def add_session(self, row: SessionRow) -> None:
        self._database.add(sessions, row)

    def session(self, digest: bytes) -> SessionRow | None:
        """The session of this digest, also where it has expired."""
        return self._database.first(select_row(sessions, SessionRow).where(sessions.c.digest == digest), SessionRow)

    def remove_session(self, digest: bytes) -> bool:
        return self._database.remove(sessions, sessions.c.digest == digest) > 0

    def add_login_link(self, row: LoginLinkRow) -> None:
        self._database.add(login_links, row)

    def login_link(self, digest: bytes) -> LoginLinkRow | None:
        """The link of this digest, also where it was used or has expired."""
        return self._database.first(
            select_row(login_links, LoginLinkRow).where(login_links.c.digest == digest), LoginLinkRow
        )

    def use_login_link(self, digest: bytes, now: datetime) -> LoginLinkRow | None:
        """Use a link up; None where it is used, expired or unknown. Of many at once only one gets it."""
        is_good = (login_links.c.digest == digest) & login_links.c.used_at.is_(None) & (login_links.c.expires_at > now)
        used = self._database.change(login_links, is_good, {"used_at": now})
        return self.login_link(digest) if used else None

    def forget_expired(self, now: datetime) -> int:
        """Remove sessions, links and tokens whose time is over; how many there were."""
        return sum(self._database.remove(table, table.c.expires_at <= now) for table in (sessions, login_links, tokens))
