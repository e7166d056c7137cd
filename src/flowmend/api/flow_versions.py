"""A flow's definition as text: its versions, the checker, saving and restoring, values of parameters, and trials."""

from datetime import datetime

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import list_answer, person_of, query_text, read_body
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.use_cases.edit_flow import PlacedProblem, SavedVersion, check_text, restore_version, save_text
from flowmend.use_cases.flow_versions import compare_versions, list_versions, read_version
from flowmend.use_cases.ports import Services
from flowmend.use_cases.set_parameters import ParameterView, read_parameters, set_parameters
from flowmend.use_cases.try_flow import TrialData, try_flow


class VersionShape(msgspec.Struct, frozen=True, kw_only=True):
    """made_by: `import`, `edit`, `restore`, `set_parameters`, or "" where that is not known."""

    version: str
    created_at: datetime
    is_latest: bool
    made_by: str


class VersionTextShape(msgspec.Struct, frozen=True, kw_only=True):
    """text: the document as the editor shows it."""

    version: str
    created_at: datetime
    text: str


class DifferenceLineShape(msgspec.Struct, frozen=True, kw_only=True):
    """kind: `same`, `removed`, `added` or `gap`. Numbers are 0 where the line has none."""

    kind: str
    text: str
    old_number: int
    new_number: int


class DifferenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """values: names of parameters that have another value."""

    older: str
    newer: str
    added_count: int
    removed_count: int
    values: tuple[str, ...]
    lines: list[DifferenceLineShape]


class PlacedProblemShape(msgspec.Struct, frozen=True, kw_only=True):
    """first_line, last_line: in the text, 0 where that cannot be said."""

    severity: str
    code: str
    pointer: str
    message: str
    hint: str
    first_line: int
    last_line: int


class CheckedShape(msgspec.Struct, frozen=True, kw_only=True):
    """can_save: there is a flow in the text that reads."""

    can_save: bool
    problems: list[PlacedProblemShape]


class SavedShape(msgspec.Struct, frozen=True, kw_only=True):
    """is_new: False where nothing was changed. moved_secrets: where literal secrets stood that are sealed now."""

    version: str
    is_new: bool
    moved_secrets: tuple[str, ...] = ()


class ParameterShape(msgspec.Struct, frozen=True, kw_only=True):
    """source: `given`, `file`, `default`, or "" without a value. value: never a secret's."""

    name: str
    display_name: str
    type: str
    is_secret: bool
    environment_variable: str
    description: str
    allowed_values: tuple[Json, ...]
    source: str
    value: Json


class ParametersSet(msgspec.Struct, frozen=True, kw_only=True):
    """The new version that has the values."""

    version: str


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True):
    """run: whose trigger outputs and answers it gets. answers: `{action: {statusCode, headers?, body?}}`."""

    run: str = ""
    trigger_outputs: Json = None
    answers: dict[str, Json] = {}


async def list_flow_versions(services: Services, request: Request) -> JsonAnswer:
    found = await list_versions(services, _flow_id(request))
    return list_answer(
        [
            VersionShape(version=one.version, created_at=one.created_at, is_latest=one.is_latest, made_by=one.made_by)
            for one in found
        ]
    )


async def read_flow_version(services: Services, request: Request) -> JsonAnswer:
    found = await read_version(services, _flow_id(request), request.path_params["version"])
    return JsonAnswer(VersionTextShape(version=found.version, created_at=found.created_at, text=found.text))


async def compare_flow_versions(services: Services, request: Request) -> JsonAnswer:
    older = query_text(request, "from")
    if older is None:
        raise AskedWrongly("Name the version to compare with: ?from=…", code="InvalidQuery", target="from")
    found = await compare_versions(services, _flow_id(request), older, request.path_params["version"])
    return JsonAnswer(
        DifferenceShape(
            older=found.older,
            newer=found.newer,
            added_count=found.added_count,
            removed_count=found.removed_count,
            values=found.values,
            lines=[
                DifferenceLineShape(
                    kind=line.kind, text=line.text, old_number=line.old_number, new_number=line.new_number
                )
                for line in found.lines
            ],
        )
    )


async def restore_flow_version(services: Services, request: Request) -> JsonAnswer:
    version, person_id = request.path_params["version"], person_of(request).person_id
    return JsonAnswer(_saved(await restore_version(services, _flow_id(request), version, person_id)))


async def check_flow_text(services: Services, request: Request) -> JsonAnswer:
    checked = await check_text(services, _flow_id(request), await _text(request))
    return JsonAnswer(
        CheckedShape(can_save=checked.can_save, problems=[_placed(problem) for problem in checked.problems])
    )


async def save_flow_text(services: Services, request: Request) -> JsonAnswer:
    base_version = query_text(request, "base_version")
    if base_version is None:
        raise AskedWrongly(
            "Name the version your text was made from: ?base_version=…, from GET on the flow.",
            code="InvalidQuery",
            target="base_version",
        )
    text, person_id = await _text(request), person_of(request).person_id
    return JsonAnswer(_saved(await save_text(services, _flow_id(request), text, base_version, person_id)))


async def list_flow_parameters(services: Services, request: Request) -> JsonAnswer:
    return list_answer([_parameter(one) for one in await read_parameters(services, _flow_id(request))])


async def set_flow_parameters(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, dict[str, Json])
    version = await set_parameters(
        services,
        _flow_id(request),
        {name: value for name, value in wanted.items() if value is not None},
        person_of(request).person_id,
        cleared=[name for name, value in wanted.items() if value is None],
    )
    return JsonAnswer(ParametersSet(version=version))


async def try_a_flow(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, TrialRequest)
    data = TrialData(run_name=wanted.run, trigger_outputs=wanted.trigger_outputs, answers=wanted.answers)
    return JsonAnswer((await try_flow(services, _flow_id(request), data)).run)


def _flow_id(request: Request) -> str:
    return str(request.path_params["flow_id"])


async def _text(request: Request) -> str:
    try:
        return (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AskedWrongly("The text is not in UTF-8.", code="InvalidRequestContent") from error


def _saved(saved: SavedVersion) -> SavedShape:
    return SavedShape(version=saved.version, is_new=saved.is_new, moved_secrets=saved.moved_secrets)


def _placed(placed: PlacedProblem) -> PlacedProblemShape:
    problem, (first_line, last_line) = placed.problem, placed.lines or (0, 0)
    return PlacedProblemShape(
        severity=problem.severity.value,
        code=problem.code,
        pointer=problem.pointer,
        message=problem.message,
        hint=problem.hint,
        first_line=first_line,
        last_line=last_line,
    )


def _parameter(view: ParameterView) -> ParameterShape:
    return ParameterShape(
        name=view.name,
        display_name=view.shown_name,
        type=view.type,
        is_secret=view.is_secret,
        environment_variable=view.schema_name,
        description=view.description,
        allowed_values=view.allowed_values,
        source=view.source,
        value=view.value,
    )


_TAG = "flows"
_FLOW = "/flows/{flow_id}"
_VERSION = f"{_FLOW}/versions/{{version}}"

FLOW_VERSION_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path=f"{_FLOW}/versions",
        handler=list_flow_versions,
        summary="Every version of a flow, newest first",
        tag=_TAG,
        gives=VersionShape,
        is_list=True,
    ),
    Operation(
        method="GET",
        path=_VERSION,
        handler=read_flow_version,
        summary="One version of a flow, as text",
        tag=_TAG,
        gives=VersionTextShape,
    ),
    Operation(
        method="GET",
        path=f"{_VERSION}/differences",
        handler=compare_flow_versions,
        summary="What a version changed against another",
        tag=_TAG,
        gives=DifferenceShape,
        query=(QueryParameter(name="from", description="The version to compare with", is_required=True),),
    ),
    Operation(
        method="POST",
        path=f"{_VERSION}/restore",
        handler=restore_flow_version,
        summary="Make an earlier version the newest again",
        tag=_TAG,
        gives=SavedShape,
    ),
    Operation(
        method="POST",
        path=f"{_FLOW}/check",
        handler=check_flow_text,
        summary="Say what would be wrong with this text as the flow's definition; nothing is stored",
        tag=_TAG,
        takes_file=True,
        gives=CheckedShape,
    ),
    Operation(
        method="PUT",
        path=f"{_FLOW}/definition",
        handler=save_flow_text,
        summary="Save a text as the flow's new version; refused where the flow was changed meanwhile",
        tag=_TAG,
        takes_file=True,
        gives=SavedShape,
        query=(
            QueryParameter(name="base_version", description="The version the text was made from", is_required=True),
        ),
    ),
    Operation(
        method="GET",
        path=f"{_FLOW}/parameters",
        handler=list_flow_parameters,
        summary="A flow's parameters and environment variables; secret values are never given",
        tag=_TAG,
        gives=ParameterShape,
        is_list=True,
    ),
    Operation(
        method="PATCH",
        path=f"{_FLOW}/parameters",
        handler=set_flow_parameters,
        summary="Give parameters values by name, null takes one away; new runs use them",
        tag=_TAG,
        takes=dict[str, Json],
        gives=ParametersSet,
    ),
    Operation(
        method="POST",
        path=f"{_FLOW}/try",
        handler=try_a_flow,
        summary="Run a flow in memory with made-up answers or those of an earlier run; nothing is called or stored",
        tag=_TAG,
        takes=TrialRequest,
        gives=dict[str, Json],
    ),
)
