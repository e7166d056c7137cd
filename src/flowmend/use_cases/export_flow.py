"""Export: a flow as a file other tools, and Flowmend, read again."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote

from flowmend.core.definition.exporting import folder_name, packed_folder, plain_document, standard_folder
from flowmend.core.errors import NotFound
from flowmend.use_cases.loaded_flows import read_stored_flow
from flowmend.use_cases.ports import Services


class ExportFormat(StrEnum):
    """In which form a flow leaves."""

    PLAIN = "plain"  # {definition, connectionReferences, parameters} as JSON
    STANDARD = "standard"  # the folder of a Logic Apps Standard app, as zip


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFlow:
    """A file. content_type: its media type."""

    file_name: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """With which it is answered over HTTP: saved under its name, never shown as a page or kept in a cache."""
        disposition = f"attachment; filename*=UTF-8''{quote(self.file_name, safe='')}"
        return {"content-disposition": disposition, "cache-control": "no-store"}


async def export_flow(
    services: Services, flow_id: str, form: ExportFormat, person_id: str, *, version: str | None = None
) -> ExportedFlow:
    """The flow's latest version, or the one named, without its secrets. Errors: NotFound; InvalidDocument."""
    row = services.store.flows.get(flow_id)
    stored = services.store.flows.version(flow_id, version) if row else None
    if row is None or stored is None:
        raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
    # Read from what is stored, not from what is loaded: sealed values are not in it.
    flow = read_stored_flow(row, stored)
    details = {"format": form.value, "version": stored.version}
    services.store.audit.note(person_id, "export", flow_id, details, at=services.clock.now)
    if form is ExportFormat.STANDARD:
        content = packed_folder(standard_folder(flow))
        return ExportedFlow(file_name=f"{folder_name(flow)}.zip", content_type="application/zip", content=content)
    text = f"{json.dumps(plain_document(flow), indent=2, ensure_ascii=False)}\n"
    return ExportedFlow(file_name=f"{folder_name(flow)}.json", content_type="application/json", content=text.encode())
