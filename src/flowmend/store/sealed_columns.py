"""The columns that hold what the vault sealed: read in blocks, and changed only where they still hold what was read."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import select, tuple_, update

from flowmend.core.json_value import Json
from flowmend.store.database import AnyRow, Database, select_row
from flowmend.store.rows import FlowVersionRow
from flowmend.store.tables import flow_versions, metadata

_BLOCK = 100


class SealedColumns:
    """table: the name of one whose key is one text. Errors of all methods: StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def blocks(self, table: str, shape: type[AnyRow]) -> Iterator[Sequence[AnyRow]]:
        """Every row of a table in blocks, each read when it is asked for."""
        chosen, last = metadata.tables[table], ""
        (key,) = chosen.primary_key
        while True:
            asked = select_row(chosen, shape).where(key > last).order_by(key).limit(_BLOCK)
            block = self._database.every(asked, shape)
            yield block
            if len(block) < _BLOCK:
                return
            last = getattr(block[-1], key.name)

    def replace(self, table: str, column: str, changes: Mapping[str, tuple[bytes, bytes]]) -> int:
        """In one transaction, put new values in place of old ones, `{key: (old, new)}`; how many were still there."""
        chosen = metadata.tables[table]
        (key,), sealed = chosen.primary_key, chosen.c[column]
        replaced = 0
        with self._database.writing() as connection:
            for name, (old, new) in changes.items():
                there = update(chosen).where(key == name, sealed == old)
                replaced += connection.execute(there.values({sealed: new})).rowcount
        return replaced

    def versions(self) -> Iterator[FlowVersionRow]:
        """Every version of every flow, read one after another."""
        place = tuple_(flow_versions.c.flow_id, flow_versions.c.version)
        order = flow_versions.c.flow_id, flow_versions.c.version
        last = ("", "")
        while found := self._database.tuples(select(*order).where(place > last).order_by(*order).limit(_BLOCK)):
            for flow_id, version in found:
                same = (flow_versions.c.flow_id == flow_id) & (flow_versions.c.version == version)
                row = self._database.first(select_row(flow_versions, FlowVersionRow).where(same), FlowVersionRow)
                if row is not None:
                    yield row
            last = found[-1]

    def replace_document(self, version: FlowVersionRow, document: Json) -> bool:
        """Put another document in place of a version's; False where that is gone, or another by now."""
        same = (
            (flow_versions.c.flow_id == version.flow_id)
            & (flow_versions.c.version == version.version)
            & (flow_versions.c.document == version.document)
        )
        return self._database.change(flow_versions, same, {"document": document})
