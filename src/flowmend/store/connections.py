"""Connections with their sign-in apps, accounts and verify attempts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict
from flowmend.store.connection_tables import accounts, attempts, connections, sign_in_apps
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.rows import AccountRow, AttemptRow, ConnectionRow, SignInAppRow


class Connections:
    """Errors of all methods: StoreUnavailable; of those that add also Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: ConnectionRow, app: SignInAppRow | None = None) -> None:
        """Add a connection, and with it, or not at all, the sign-in app it is to act as."""
        with self._database.writing() as connection:
            if app is not None:
                connection.execute(insert(sign_in_apps), columns_of(app))
            connection.execute(insert(connections), columns_of(row))

    def get(self, connection_id: str) -> ConnectionRow | None:
        return self._database.first(
            select_row(connections, ConnectionRow).where(connections.c.connection_id == connection_id), ConnectionRow
        )

    def list(self, *, connector_id: str = "", app_id: str = "") -> Sequence[ConnectionRow]:
        """Connections by name; of one connector or one sign-in app where named."""
        chosen = select_row(connections, ConnectionRow)
        if connector_id:
            chosen = chosen.where(connections.c.connector_id == connector_id)
        if app_id:
            chosen = chosen.where(connections.c.app_id == app_id)
        return self._database.every(
            chosen.order_by(connections.c.display_name, connections.c.connection_id), ConnectionRow
        )

    def change(self, connection_id: str, **changes: Any) -> bool:
        """Set columns of a connection's row; False where there is none of this id."""
        return self._database.change(connections, connections.c.connection_id == connection_id, changes)

    def change_while_current(self, connection_id: str, credential_version: int, **changes: Any) -> bool:
        """As `change`, for what was learnt of one credential: False where it was replaced meanwhile."""
        return self._database.change(connections, _has_version(connection_id, credential_version), changes)

    def delete(self, connection_id: str) -> bool:
        """Remove a connection with its attempts, the mappings that mean it, and the sign-in app that was made with it unless
        another connection acts as that too; False where there is none.
        """
        of_connection = connections.c.connection_id == connection_id
        with self._database.writing() as connection:
            app_id = connection.execute(select(connections.c.app_id).where(of_connection)).scalar()
            removed = connection.execute(delete(connections).where(of_connection)).rowcount
            if app_id:
                settings = connection.execute(
                    select(sign_in_apps.c.settings).where(sign_in_apps.c.app_id == app_id)
                ).scalar()
                if not (isinstance(settings, dict) and settings.get("is_standalone")):
                    connection.execute(delete(sign_in_apps).where(sign_in_apps.c.app_id == app_id, ~_is_used(app_id)))
        return removed > 0

    def swap_credential(
        self, connection_id: str, expected_version: int, sealed_credential: bytes, **changes: Any
    ) -> int:
        """Put a proven credential in place of the one of `expected_version`; the new version.

        Connections that share it count a new version too: what was learnt of the old one is no longer theirs. Where it
        comes to share another's itself (`shares_with` in changes), so do they.
        changes: other columns set in the same statement, e.g. `sealed_candidate` for the old one kept.
        Errors: Conflict `CredentialChanged` where another swap came first or the connection is gone.
        """
        is_expected = _has_version(connection_id, expected_version)
        new = {"sealed_credential": sealed_credential, "credential_version": expected_version + 1}
        sharing = connections.c.shares_with == connection_id
        with self._database.writing() as connection:
            swapped = connection.execute(update(connections).where(is_expected).values(changes | new)).rowcount
            if swapped:
                another: dict[str, Any] = {"credential_version": connections.c.credential_version + 1}
                if holder_id := changes.get("shares_with"):
                    another["shares_with"] = holder_id
                connection.execute(update(connections).where(sharing).values(another))
        if not swapped:
            raise _changed_meanwhile(connection_id)
        return expected_version + 1

    def share_credential(self, connection_id: str, expected_version: int, holder_id: str, **changes: Any) -> None:
        """Let a connection sign in with another's credential, and with it those that signed in with its own.

        Errors: Conflict `CredentialChanged` as `swap_credential`, or `NoCredential` where the holder holds none of its own.
        """
        holds = (connections.c.connection_id == holder_id) & (connections.c.shares_with == "")
        new = {"sealed_credential": b"", "shares_with": holder_id, "credential_version": expected_version + 1}
        is_expected = _has_version(connection_id, expected_version)
        with self._database.writing() as connection:
            if connection.execute(select(connections.c.connection_id).where(holds).with_for_update()).first() is None:
                raise Conflict("The sign-in to share is gone. Sign in again.", code="NoCredential", target=holder_id)
            if connection.execute(update(connections).where(is_expected).values(**changes, **new)).rowcount == 0:
                raise _changed_meanwhile(connection_id)
            shared = connections.c.shares_with == connection_id
            connection.execute(update(connections).where(shared).values(shares_with=holder_id))

    def broken_beside(self, row: ConnectionRow) -> Sequence[ConnectionRow]:
        """The other broken connections to the same connector or of the same sign-in app, by name."""
        beside = connections.c.connector_id == row.connector_id
        if row.app_id:
            beside |= connections.c.app_id == row.app_id
        chosen = select_row(connections, ConnectionRow).where(
            connections.c.health == HealthState.BROKEN, beside, connections.c.connection_id != row.connection_id
        )
        return self._database.every(
            chosen.order_by(connections.c.display_name, connections.c.connection_id), ConnectionRow
        )

    def is_alone(self, row: ConnectionRow) -> bool:
        """Whether this is the only connection to its connector."""
        others = select(connections.c.connection_id).where(
            connections.c.connector_id == row.connector_id, connections.c.connection_id != row.connection_id
        )
        return self._database.value(others.limit(1)) is None

    def sharing(self, holder_id: str) -> Sequence[ConnectionRow]:
        """The connections that sign in with this one's credential, by name."""
        chosen = select_row(connections, ConnectionRow).where(connections.c.shares_with == holder_id)
        return self._database.every(
            chosen.where(connections.c.shares_with != "").order_by(
                connections.c.display_name, connections.c.connection_id
            ),
            ConnectionRow,
        )

    def hand_over(self, holder_id: str, expected_version: int, heir_id: str, sealed_credential: bytes) -> None:
        """Make a sharer the holder of the credential it shares, before its holder goes; the others share the heir's.

        sealed_credential: sealed for the heir. Errors: Conflict `CredentialChanged` where it was renewed meanwhile.
        """
        is_expected = _has_version(holder_id, expected_version)
        of_heir = (connections.c.connection_id == heir_id) & (connections.c.shares_with == holder_id)
        heir = {
            "sealed_credential": sealed_credential,
            "shares_with": "",
            "credential_version": connections.c.credential_version + 1,
        }
        with self._database.writing() as connection:
            # The holder's refresh waits for this row, and finds another version afterwards.
            held = update(connections).where(is_expected).values(credential_version=expected_version + 1)
            if connection.execute(held).rowcount == 0:
                raise _changed_meanwhile(holder_id)
            if connection.execute(update(connections).where(of_heir).values(**heir)).rowcount == 0:
                raise _changed_meanwhile(heir_id)
            shared = connections.c.shares_with == holder_id
            connection.execute(update(connections).where(shared).values(shares_with=heir_id))

    def risk_attempt(self, connection_id: str, *, at: datetime, since: datetime, most: int) -> int | None:
        """Count an attempt as refused before it is made, so that several at once risk no more than one after another;
        its id for `forget_attempt` where it was not. None where `most` refused since then already.

        Errors: Conflict where the connection does not exist.
        """
        recent = (attempts.c.connection_id == connection_id) & (attempts.c.at >= since) & attempts.c.was_refused
        holding = select(connections.c.connection_id).where(connections.c.connection_id == connection_id)
        with self._database.writing() as connection:
            connection.execute(holding.with_for_update())  # other processes wait here (SQLite writes one by one anyway)
            if int(connection.execute(select(func.count()).where(recent)).scalar() or 0) >= most:
                return None
            row = AttemptRow(connection_id=connection_id, at=at, was_refused=True)
            added = connection.execute(insert(attempts).returning(attempts.c.attempt_id), columns_of(row))
            return int(added.scalar_one())

    def forget_attempt(self, attempt_id: int) -> None:
        """An attempt proved not to be a refusal."""
        self._database.remove(attempts, attempts.c.attempt_id == attempt_id)

    def attempts(self, connection_id: str, since: datetime) -> Sequence[AttemptRow]:
        """Verify attempts at or after `since`, oldest first."""
        return self._database.every(
            select_row(attempts, AttemptRow)
            .where(attempts.c.connection_id == connection_id, attempts.c.at >= since)
            .order_by(attempts.c.at, attempts.c.attempt_id),
            AttemptRow,
        )

    def forget_attempts(self, connection_id: str) -> int:
        """Remove a connection's attempts; how many there were."""
        return self._database.remove(attempts, attempts.c.connection_id == connection_id)

    def take_lease(self, connection_id: str, holder: str, now: datetime, until: datetime) -> bool:
        """Become the one that renews this connection's tokens, until then; False while another is.

        One that ends later than any can was taken before somebody set the clock back: it holds no longer.
        """
        latest = until + (until - now)  # as much again for clocks of machines that differ
        is_free = connections.c.lease_until.is_(None) | ~connections.c.lease_until.between(now, latest)
        is_mine = connections.c.lease_holder == holder
        mine = (connections.c.connection_id == connection_id) & (is_free | is_mine)
        return self._database.change(connections, mine, {"lease_holder": holder, "lease_until": until})

    def end_lease(self, connection_id: str, holder: str) -> None:
        """Let others renew; nothing where the lease was taken over meanwhile."""
        mine = (connections.c.connection_id == connection_id) & (connections.c.lease_holder == holder)
        self._database.change(connections, mine, {"lease_holder": "", "lease_until": None})

    def get_sign_in_app(self, app_id: str) -> SignInAppRow | None:
        return self._database.first(
            select_row(sign_in_apps, SignInAppRow).where(sign_in_apps.c.app_id == app_id), SignInAppRow
        )

    def sign_in_apps(self, connector_id: str = "") -> Sequence[SignInAppRow]:
        """Sign-in apps, oldest first; of one connector where named."""
        chosen = select_row(sign_in_apps, SignInAppRow)
        if connector_id:
            chosen = chosen.where(sign_in_apps.c.connector_id == connector_id)
        return self._database.every(chosen.order_by(sign_in_apps.c.created_at, sign_in_apps.c.app_id), SignInAppRow)

    def add_sign_in_app(self, row: SignInAppRow) -> None:
        self._database.add(sign_in_apps, row)

    def delete_sign_in_app(self, app_id: str) -> bool:
        """False where there is none, or connections act as it."""
        unused = (sign_in_apps.c.app_id == app_id) & ~_is_used(app_id)
        return self._database.remove(sign_in_apps, unused) > 0

    def change_sign_in_app(self, app_id: str, **changes: Any) -> bool:
        return self._database.change(sign_in_apps, sign_in_apps.c.app_id == app_id, changes)

    def put_account(self, row: AccountRow) -> None:
        """Add an account or replace the one of the same id."""
        self._database.put(accounts, row)

    def get_account(self, account_id: str) -> AccountRow | None:
        return self._database.first(
            select_row(accounts, AccountRow).where(accounts.c.account_id == account_id), AccountRow
        )

    def accounts(self, connector_id: str = "") -> Sequence[AccountRow]:
        """Accounts by name; of one connector where named."""
        chosen = select_row(accounts, AccountRow)
        if connector_id:
            chosen = chosen.where(accounts.c.connector_id == connector_id)
        return self._database.every(chosen.order_by(accounts.c.name, accounts.c.account_id), AccountRow)


def _changed_meanwhile(connection_id: str) -> Conflict:
    return Conflict(
        "The credential was changed meanwhile. Look at the connection, then verify again if it still fails.",
        code="CredentialChanged",
        target=connection_id,
    )


def _is_used(app_id: str) -> ColumnElement[bool]:
    return exists().where(connections.c.app_id == app_id)


def _has_version(connection_id: str, credential_version: int) -> ColumnElement[bool]:
    return (connections.c.connection_id == connection_id) & (connections.c.credential_version == credential_version)
