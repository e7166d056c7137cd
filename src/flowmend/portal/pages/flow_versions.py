"""The versions of a flow: what each changed, and back to an earlier one."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.language import marked
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.edit_flow import restore_version
from flowmend.use_cases.flow_versions import (
    VersionDifference,
    VersionSummary,
    compare_versions,
    list_versions,
    read_version,
)

#: How a version came about, to be translated.
MADE_BY = {
    "import": marked("Imported"),
    "edit": marked("Edited"),
    "restore": marked("Restored"),
    "set_parameters": marked("Values changed"),
    "": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsPage:
    """name: of the flow. versions: newest first."""

    flow_id: str
    name: str
    versions: tuple[VersionSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """One version beside another. difference: None where there is nothing to compare with. others: to choose from."""

    flow_id: str
    name: str
    version: VersionSummary
    others: tuple[VersionSummary, ...]
    compared_with: VersionSummary | None
    difference: VersionDifference | None


async def show_versions(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/versions"""
    flow_id = request.path_params["flow_id"]
    versions = await list_versions(portal.services, flow_id)
    name = portal.services.flows.latest(flow_id).row.name
    page = VersionsPage(flow_id=flow_id, name=name, versions=versions)
    return portal.answer(request, "flow_versions.html", place="flows", page=page, made_by=MADE_BY)


async def show_version(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/versions/{version}?from=: against another version, the one before unless asked."""
    services, flow_id, name = portal.services, request.path_params["flow_id"], request.path_params["version"]
    found = await read_version(services, flow_id, name)
    versions = await list_versions(services, flow_id)
    names = [one.version for one in versions]
    here = names.index(name)
    asked = request.query_params.get("from", "")
    before = names.index(asked) if asked in names else here + 1
    compared = versions[before] if before < len(versions) and before != here else None
    difference = await compare_versions(services, flow_id, compared.version, name) if compared else None
    page = VersionPage(
        flow_id=flow_id,
        name=found.row.name,
        version=versions[here],
        others=tuple(one for one in versions if one.version != name),
        compared_with=compared,
        difference=difference,
    )
    return portal.answer(request, "flow_version.html", place="flows", page=page, made_by=MADE_BY)


async def take_restore(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/versions/{version}/restore"""
    flow_id, version = request.path_params["flow_id"], request.path_params["version"]
    await restore_version(portal.services, flow_id, version, person_id(request))
    return see(f"/flows/{segment(flow_id)}?done=restored")
