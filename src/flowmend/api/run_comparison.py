"""Two runs of one flow beside each other."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import query_text
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.run.comparison import Differences
from flowmend.core.run.history import repetition_name
from flowmend.use_cases.compare_runs import ComparedAction, Side, compare_runs
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import RunHead


class ComparedSideShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it ended in one of the runs. status: "" where it was not reached. duration_seconds: absent where it has not ended."""

    status: str
    code: str = ""
    error: str = ""
    duration_seconds: float | None = None


class ValueDifferenceShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """path: a JSON pointer. left, right: absent where that side has nothing there."""

    path: str
    left: Json | msgspec.UnsetType = msgspec.UNSET
    right: Json | msgspec.UnsetType = msgspec.UNSET


class DifferencesShape(msgspec.Struct, frozen=True, kw_only=True):
    """is_whole: false where there are more differences. is_hidden: a side hides the value, so nothing was compared."""

    value: list[ValueDifferenceShape]
    is_whole: bool
    is_hidden: bool


class ComparedLoopShape(msgspec.Struct, frozen=True, kw_only=True):
    """How often a loop went round in each run, and how many of these passes failed."""

    left_passes: int
    right_passes: int
    left_failed: int
    right_failed: int


class ComparedActionShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """left, right: absent where that run's version has no such action. repetition: of the compared pass, e.g. `000002`."""

    name: str
    type: str
    differs: bool
    inputs: DifferencesShape
    outputs: DifferencesShape
    repetition: str = ""
    left: ComparedSideShape | None = None
    right: ComparedSideShape | None = None
    loop: ComparedLoopShape | None = None


class ComparedRunShape(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs."""

    name: str
    status: str
    version: str
    duration_seconds: float | None


class RunComparisonShape(msgspec.Struct, frozen=True, kw_only=True):
    """Of each loop one pass is compared: passes says which, from 1."""

    left: ComparedRunShape
    right: ComparedRunShape
    trigger: DifferencesShape
    actions: list[ComparedActionShape]
    passes: dict[str, int]


async def compare(services: Services, request: Request) -> JsonAnswer:
    names = request.path_params
    found = await compare_runs(services, names["run_name"], names.get("other_run", ""), _passes(request))
    return JsonAnswer(
        RunComparisonShape(
            left=_run(found.left),
            right=_run(found.right),
            trigger=_differences(found.trigger),
            actions=[_action(one) for one in found.actions],
            passes={loop: index + 1 for loop, index in found.chosen.items()},
        )
    )


async def compare_with_best(services: Services, request: Request) -> JsonAnswer:
    return await compare(services, request)


def _passes(request: Request) -> dict[str, int]:
    passes = {}
    for one in filter(None, (query_text(request, "passes") or "").split(",")):
        loop, _, number = one.rpartition("=")
        if not loop or not (number.isascii() and number.isdecimal() and 0 < int(number[:10]) < 10**9):
            raise AskedWrongly(
                f"passes is {one[:60]!r}; it names loops and passes from 1, e.g. Each_line=3.", code="InvalidQuery"
            )
        passes[loop] = int(number) - 1
    return passes


def _run(head: RunHead) -> ComparedRunShape:
    row = head.row
    seconds = (row.ended_at - row.timed_from).total_seconds() if row.ended_at else None
    return ComparedRunShape(name=row.run_name, status=row.status, version=row.version, duration_seconds=seconds)


def _action(one: ComparedAction) -> ComparedActionShape:
    loop = one.loop
    return ComparedActionShape(
        name=one.name,
        type=one.type,
        differs=one.differs,
        repetition=repetition_name(one.repetition),
        left=_side(one.left),
        right=_side(one.right),
        inputs=_differences(one.inputs),
        outputs=_differences(one.outputs),
        loop=None
        if loop is None
        else ComparedLoopShape(
            left_passes=loop.left_passes,
            right_passes=loop.right_passes,
            left_failed=loop.left_failed,
            right_failed=loop.right_failed,
        ),
    )


def _side(one: Side | None) -> ComparedSideShape | None:
    if one is None:
        return None
    return ComparedSideShape(
        status=one.status,
        code=one.code,
        error=one.error_message,
        duration_seconds=one.duration.total_seconds() if one.duration is not None else None,
    )


def _differences(found: Differences) -> DifferencesShape:
    return DifferencesShape(
        value=[
            ValueDifferenceShape(
                path=one.path,
                left=one.left if one.in_left else msgspec.UNSET,
                right=one.right if one.in_right else msgspec.UNSET,
            )
            for one in found.found
        ],
        is_whole=found.is_whole,
        is_hidden=found.is_hidden,
    )


_QUERY = (
    QueryParameter(name="passes", description="Which pass of a loop is compared, from 1: Each_line=3,Each_part=1"),
)

RUN_COMPARISON_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/runs/{run_name}/compare",
        handler=compare_with_best,
        summary="A run beside the flow's last one that succeeded",
        tag="runs",
        gives=RunComparisonShape,
        query=_QUERY,
    ),
    Operation(
        method="GET",
        path="/runs/{run_name}/compare/{other_run}",
        handler=compare,
        summary="Two runs of a flow beside each other: what went otherwise, and which values differ",
        tag="runs",
        gives=RunComparisonShape,
        query=_QUERY,
    ),
)
