"""Packages: flows in and out, in every form they travel in."""

import msgspec
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import person_of, query_is_true, query_text
from flowmend.api.shapes.import_finding import ChoicesShape, PlanShape, ReportShape, plan_shape, report_shape
from flowmend.core.errors import AskedWrongly
from flowmend.use_cases.export_flow import ExportFormat, export_flow
from flowmend.use_cases.import_flow import ImportChoices, import_package
from flowmend.use_cases.import_plan import Files, plan_import
from flowmend.use_cases.ports import Services

#: Forms with more are refused; their bytes are bounded before.
MOST_FILES = 10_000


async def inspect_file(services: Services, request: Request) -> JsonAnswer:
    files, name, choices = await _read_upload(request)
    return JsonAnswer(plan_shape(await plan_import(services, files, name, choices.values)))


async def import_file(services: Services, request: Request) -> JsonAnswer:
    files, name, said = await _read_upload(request)
    choices = ImportChoices(
        connections=said.connections,
        values=said.values,
        flows=said.flows,
        turns_on=said.turn_on,
        as_new=query_is_true(request, "as_new"),
        name=query_text(request, "name"),
    )
    return JsonAnswer(report_shape(await import_package(services, files, name, choices, person_of(request).person_id)))


async def export_file(services: Services, request: Request) -> Response:
    wanted = query_text(request, "format") or ExportFormat.PLAIN.value
    if wanted not in set(ExportFormat):
        raise AskedWrongly(
            f"The format {wanted[:40]!r} is neither plain nor standard.", code="InvalidQuery", target="format"
        )
    exported = await export_flow(
        services,
        str(request.path_params["flow_id"]),
        ExportFormat(wanted),
        person_of(request).person_id,
        version=query_text(request, "version"),
    )
    return Response(exported.content, media_type=exported.content_type, headers=exported.headers)


async def read_files(request: Request) -> tuple[dict[str, bytes], str]:
    """The files of a body by path, and what to call them together.

    A form has parts `file`, each with its path as file name; any other body is one file, its name in the query.
    Errors: AskedWrongly.
    """
    files, name, _ = await _read_form(request)
    return (files if isinstance(files, dict) else {name: files}), name


async def _read_upload(request: Request) -> tuple[Files, str, ChoicesShape]:
    """As `read_files`, and what is said about them: a part `choices` as JSON. Errors: AskedWrongly."""
    files, name, said = await _read_form(request)
    try:
        choices = msgspec.json.decode(said, type=ChoicesShape)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise AskedWrongly(
            "The part 'choices' is no JSON object of connections, values and flows.",
            code="InvalidRequestContent",
            target="choices",
        ) from error
    return files, name, choices


async def _read_form(request: Request) -> tuple[dict[str, bytes] | bytes, str, str]:
    """(files, or the only file's bytes; their name; the part `choices`)."""
    name = query_text(request, "file_name")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        if name is None:
            raise _unnamed()
        return await request.body(), name, "{}"
    try:
        async with request.form(max_files=MOST_FILES, max_fields=10) as form:
            uploads = [one for one in form.getlist("file") if isinstance(one, UploadFile) and one.filename]
            files = {str(one.filename): await one.read() for one in uploads}
            said = form.get("choices")
    except HTTPException as error:
        raise AskedWrongly(f"The form does not read: {error.detail}", code="InvalidRequestContent") from error
    if not files:
        raise _unnamed()
    return files, name or next(iter(files)), said if isinstance(said, str) else "{}"


def _unnamed() -> AskedWrongly:
    return AskedWrongly(
        "Name the file in the query, ?file_name=orders.json, or send a form with a part 'file'.",
        code="InvalidQuery",
        target="file_name",
    )


_TAG = "flows"

_FILE_NAME = QueryParameter(
    name="file_name", description="The file's name or path, which may name the flow; a form names its files itself"
)

PACKAGE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/flows",
        handler=import_file,
        summary="Import the flows of a file, zip or form of files; they arrive turned off",
        tag=_TAG,
        takes_file=True,
        gives=ReportShape,
        query=(
            _FILE_NAME,
            QueryParameter(name="as_new", description="A fresh id instead of a new version", type="boolean"),
            QueryParameter(name="name", description="A display name instead of the file's"),
        ),
    ),
    Operation(
        method="POST",
        path="/flows/inspect",
        handler=inspect_file,
        summary="Say what a file, zip or form of files holds and needs; nothing is stored",
        tag=_TAG,
        takes_file=True,
        gives=PlanShape,
        query=(_FILE_NAME,),
    ),
    Operation(
        method="GET",
        path="/flows/{flow_id}/export",
        handler=export_file,
        summary="A flow as a file, without its secrets",
        tag=_TAG,
        gives_file=True,
        query=(
            QueryParameter(
                name="format",
                description="plain: its definition as JSON; standard: the zip of a Logic Apps Standard app",
            ),
            QueryParameter(name="version", description="An earlier version instead of the latest"),
        ),
    ),
)
