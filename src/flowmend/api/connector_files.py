"""Connectors from files: the folder of one, an OpenAPI document, or a zip of many."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.packages import read_files
from flowmend.api.request_reading import list_answer, person_of, query_text
from flowmend.api.shapes.problem import ProblemShape, problem_shapes
from flowmend.use_cases.ports import Services
from flowmend.use_cases.uploaded_connectors import UploadedConnector, install_uploaded


class UploadedConnectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one folder. id: "" where it was not installed; then error and problems say why.

    asked_again: connections whose secrets must be given again, since hosts, sign-in or policies are others now.
    """

    folder: str
    id: str
    display_name: str
    was_known: bool
    asked_again: int
    error: str
    problems: list[ProblemShape]


async def install_connector_files(services: Services, request: Request) -> JsonAnswer:
    files, file_name = await read_files(request)
    named = query_text(request, "name") or file_name.rpartition("/")[2].partition(".")[0]
    installed = await install_uploaded(services, files, named, person_of(request).person_id)
    return list_answer([_shape(one) for one in installed])


def _shape(one: UploadedConnector) -> UploadedConnectorShape:
    return UploadedConnectorShape(
        folder=one.folder,
        id=one.connector_id,
        display_name=one.display_name,
        was_known=one.was_known,
        asked_again=one.asked_again,
        error=one.error,
        problems=problem_shapes(one.problems),
    )


CONNECTOR_FILE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path="/connectors/files",
        handler=install_connector_files,
        summary="Install the connectors of a document, zip or form of files; each says what became of it",
        tag="connections",
        takes_file=True,
        gives=UploadedConnectorShape,
        is_list=True,
        query=(
            QueryParameter(name="file_name", description="The file's name; a form names its files itself"),
            QueryParameter(name="name", description="The id of one whose folder has no name; else its file's name"),
        ),
    ),
)
