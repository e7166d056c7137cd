"""A flow as a file to save: its definition, or the folder of a Logic Apps Standard app."""

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly
from flowmend.portal.portal import Portal, person_id
from flowmend.use_cases.export_flow import ExportFormat, export_flow


async def download_flow(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/export?format=plain|standard"""
    wanted = request.query_params.get("format", ExportFormat.PLAIN.value)
    if wanted not in set(ExportFormat):
        raise AskedWrongly(f"The format {wanted[:40]!r} is neither plain nor standard.", code="InvalidQuery")
    exported = await export_flow(
        portal.services, request.path_params["flow_id"], ExportFormat(wanted), person_id(request)
    )
    return Response(exported.content, media_type=exported.content_type, headers=exported.headers)
