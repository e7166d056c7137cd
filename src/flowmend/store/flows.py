"""Flows, their versions, and which connections their references mean."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from flowmend.core.errors import Conflict, NotFound
from flowmend.store.connection_tables import connection_mappings
from flowmend.store.database import Database, columns_of, select_row
from flowmend.store.rows import ConnectionMappingRow, FlowRow, FlowVersionRow
from flowmend.store.tables import (
    deleted_flows,
    flow_versions,
    flows,
)


class Flows:
    """Errors of all methods: StoreUnavailable; of those that write also Conflict."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, row: FlowRow, version: FlowVersionRow) -> None:
        """A new flow with its first version. Errors: Conflict where its id is taken, by the history of a deleted flow too."""
        with self._database.writing() as connection:
            of_deleted = select(deleted_flows.c.flow_id).where(deleted_flows.c.flow_id == row.flow_id)
            if connection.execute(of_deleted).first() is not None:
                raise Conflict(
                    f"The runs of the flow that was {row.name!r} before are still being deleted. Try again in a minute.",
                    code="FlowBeingDeleted",
                    target=row.flow_id,
                )
            connection.execute(insert(flows), columns_of(row))
            connection.execute(insert(flow_versions), columns_of(version))

    def add_version(self, row: FlowRow, version: FlowVersionRow, *, after: str | None = None) -> None:
        """A new version of a flow; row: the flow's as it now is. after: the version it must have until now.

        Errors: NotFound; Conflict where it has this version, or `FlowChanged` another one than `after`.
        """
        is_it = flows.c.flow_id == row.flow_id
        with self._database.writing() as connection:
            expected = is_it if after is None else is_it & (flows.c.version == after)
            changed = connection.execute(update(flows).where(expected).values(columns_of(row)))
            if changed.rowcount == 0:
                if after is not None and connection.execute(select(flows.c.flow_id).where(is_it)).first():
                    raise Conflict(
                        "Somebody changed this flow meanwhile. Look at the latest version, then make the change again.",
                        code="FlowChanged",
                        target=row.flow_id,
                    )
                raise NotFound(f"There is no flow {row.flow_id}.", code="FlowNotFound", target=row.flow_id)
            connection.execute(insert(flow_versions), columns_of(version))

    def get(self, flow_id: str) -> FlowRow | None:
        return self._database.first(select_row(flows, FlowRow).where(flows.c.flow_id == flow_id), FlowRow)

    def named(self, flow_ids: Collection[str]) -> dict[str, FlowRow]:
        """{flow id: the flow}, those that there are."""
        chosen = select_row(flows, FlowRow).where(flows.c.flow_id.in_(list(flow_ids)))
        return {row.flow_id: row for row in self._database.every(chosen, FlowRow)}

    def list(self) -> Sequence[FlowRow]:
        """All flows by name."""
        return self._database.every(select_row(flows, FlowRow).order_by(flows.c.name, flows.c.flow_id), FlowRow)

    def version(self, flow_id: str, version: str | None = None) -> FlowVersionRow | None:
        """One version of a flow, the latest where none is named."""
        chosen = select(flows.c.version).where(flows.c.flow_id == flow_id).scalar_subquery()
        return self._database.first(
            select_row(flow_versions, FlowVersionRow).where(
                flow_versions.c.flow_id == flow_id, flow_versions.c.version == (chosen if version is None else version)
            ),
            FlowVersionRow,
        )

    def versions(self, flow_id: str) -> Sequence[FlowVersionRow]:
        """All versions of a flow, newest first."""
        newest_first = flow_versions.c.created_at.desc(), flow_versions.c.version.desc()
        return self._database.every(
            select_row(flow_versions, FlowVersionRow).where(flow_versions.c.flow_id == flow_id).order_by(*newest_first),
            FlowVersionRow,
        )

    def version_times(self, flow_id: str) -> Sequence[tuple[str, datetime]]:
        """(version, when it was made) of all versions of a flow, newest first; without their documents."""
        chosen = select(flow_versions.c.version, flow_versions.c.created_at).where(flow_versions.c.flow_id == flow_id)
        return self._database.tuples(chosen.order_by(flow_versions.c.created_at.desc(), flow_versions.c.version.desc()))

    def change(self, flow_id: str, **changes: Any) -> bool:
        """Set columns of a flow's row; False where there is no such flow."""
        return self._database.change(flows, flows.c.flow_id == flow_id, changes)

    def delete(self, flow_id: str, at: datetime) -> bool:
        """Remove a flow with its versions, mappings and trigger states; False where there is none.

        From then on nothing shows its runs and trigger events; they go little by little (`History.forget_flow`).
        """
        with self._database.writing() as connection:
            was_there = connection.execute(delete(flows).where(flows.c.flow_id == flow_id)).rowcount > 0
            if was_there:
                connection.execute(insert(deleted_flows), {"flow_id": flow_id, "deleted_at": at})
        self._database.forgotten += was_there
        return was_there

    def deleted(self) -> Sequence[str]:
        """Ids of deleted flows of which runs or trigger events may still be kept, first deleted first."""
        chosen = select(deleted_flows.c.flow_id).order_by(deleted_flows.c.deleted_at, deleted_flows.c.flow_id)
        return [flow_id for (flow_id,) in self._database.tuples(chosen)]

    def set_mapping(self, mapping: ConnectionMappingRow) -> None:
        """Let a flow's reference mean this connection from now on. Errors: Conflict where either does not exist."""
        self._database.put(connection_mappings, mapping)

    def add_mappings(self, mappings: Sequence[ConnectionMappingRow]) -> None:
        """Let all these references mean a connection, or none. Errors: Conflict where one means one already, or lacks its flow."""
        if mappings:
            with self._database.writing() as connection:
                connection.execute(insert(connection_mappings), [columns_of(one) for one in mappings])

    def mappings_to(self, connection_id: str) -> Sequence[ConnectionMappingRow]:
        """The mappings that mean this connection, by flow and reference."""
        return self._database.every(
            select_row(connection_mappings, ConnectionMappingRow)
            .where(connection_mappings.c.connection_id == connection_id)
            .order_by(connection_mappings.c.flow_id, connection_mappings.c.reference),
            ConnectionMappingRow,
        )

    def swap_mappings(self, mappings: Sequence[ConnectionMappingRow], new_connection_id: str) -> None:
        """Let all these mean another connection, or none of them.

        Errors: Conflict `MappingChanged` where one no longer means what it says, or the new connection does not exist.
        """
        table = connection_mappings
        with self._database.writing() as connection:
            for one in mappings:
                same = (table.c.flow_id == one.flow_id) & (table.c.reference == one.reference)
                changed = update(table).where(same & (table.c.connection_id == one.connection_id))
                if connection.execute(changed.values(connection_id=new_connection_id)).rowcount == 0:
                    raise Conflict(
                        "Somebody chose other connections for these flows meanwhile. Look again, then swap.",
                        code="MappingChanged",
                        target=one.flow_id,
                    )

    def remove_mapping(self, flow_id: str, reference: str) -> bool:
        """Let a reference mean no connection; False where it meant none."""
        same = (connection_mappings.c.flow_id == flow_id) & (connection_mappings.c.reference == reference)
        return self._database.remove(connection_mappings, same) > 0

    def mappings(self, flow_id: str | None = None) -> Sequence[ConnectionMappingRow]:
        """The mappings of one flow, or of all, by flow and reference."""
        chosen = select_row(connection_mappings, ConnectionMappingRow)
        if flow_id is not None:
            chosen = chosen.where(connection_mappings.c.flow_id == flow_id)
        return self._database.every(
            chosen.order_by(connection_mappings.c.flow_id, connection_mappings.c.reference), ConnectionMappingRow
        )

    def using(self, connection_id: str) -> Sequence[FlowRow]:
        """The flows one of whose references means this connection, by name."""
        using = select(connection_mappings.c.flow_id).where(connection_mappings.c.connection_id == connection_id)
        return self._database.every(
            select_row(flows, FlowRow).where(flows.c.flow_id.in_(using)).order_by(flows.c.name, flows.c.flow_id),
            FlowRow,
        )
