"""Resume, and what a resume or a resubmit would do before it does anything."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import person_of, query_is_true, read_body
from flowmend.core.run.effects import RepeatedEffect
from flowmend.core.run.history import repetition_name
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resume_run import later_run, preview_resubmit, preview_resume, resume_run


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """latest_definition: run the latest version instead of the first run's, where it says the same of what has run.

    again: although a later run for the same event succeeded or is under way.
    """

    latest_definition: bool = False
    again: bool = False


class ResumedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The new run. version: the definition it runs."""

    name: str
    version: str
    origin_run: str


class DifferenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """What of an action that has run is another in the definition asked for: `removed`, `moved`, `inputs`, …"""

    action: str
    what: str


class PassShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One pass of a loop, from 1. of: how many there are, absent where nobody knows yet."""

    loop: str
    number: int
    of: int | None = None


class RepeatedEffectShape(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that would be made again. is_certain: they did happen before. key_is_honoured: their service knows a repeat.

    only_on_failure: only if what failed before fails again.
    """

    action: str
    operation: str
    count: int
    is_certain: bool
    key_is_honoured: bool
    only_on_failure: bool
    starts_flow: bool


class ResumePreviewShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a resume would do. code, message: why it cannot be done. kept: finished actions that are not repeated.

    later_run: for the same event, which succeeded or is under way; then it is only done if asked for `again`. "" for none.
    """

    can_resume: bool
    code: str
    message: str
    connection: str
    differences: list[DifferenceShape]
    from_action: str
    from_repetition: str
    passes: list[PassShape]
    version: str
    kept: int
    repeats: list[RepeatedEffectShape]
    later_run: str


class ResubmitPreviewShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a resubmit would do. code, message: why it cannot be done."""

    can_resubmit: bool
    code: str
    message: str
    version: str
    repeats: list[RepeatedEffectShape]


async def ask_resume(services: Services, request: Request) -> JsonAnswer:
    latest = query_is_true(request, "latest_definition")
    found = preview_resume(services, request.path_params["run_name"], original_definition=not latest)
    return JsonAnswer(
        ResumePreviewShape(
            can_resume=found.can_resume,
            code=found.code,
            message=found.message,
            connection=found.connection_id,
            differences=[DifferenceShape(action=one.action, what=one.what) for one in found.differences],
            from_action=found.from_action,
            from_repetition=repetition_name(found.from_repetition),
            passes=[PassShape(loop=one.loop, number=one.number, of=one.of) for one in found.passes],
            version=found.version,
            kept=found.kept,
            repeats=[_repeat(one) for one in found.repeats],
            later_run=later_run(services, request.path_params["run_name"]),
        )
    )


async def ask_resubmit(services: Services, request: Request) -> JsonAnswer:
    original = query_is_true(request, "original_definition")
    found = preview_resubmit(services, request.path_params["run_name"], original_definition=original)
    return JsonAnswer(
        ResubmitPreviewShape(
            can_resubmit=found.can_resubmit,
            code=found.code,
            message=found.message,
            version=found.version,
            repeats=[_repeat(one) for one in found.repeats],
        )
    )


async def resume(services: Services, request: Request) -> JsonAnswer:
    run_name = request.path_params["run_name"]
    wanted = await read_body(request, ResumeRequest)
    made = await resume_run(
        services,
        run_name,
        person_id=person_of(request).person_id,
        request_id=request.headers.get("x-ms-client-request-id", ""),
        original_definition=not wanted.latest_definition,
        again=wanted.again,
    )
    return JsonAnswer(
        ResumedShape(name=made.run_name, version=made.version, origin_run=run_name),
        status_code=202,
        headers={
            "x-ms-workflow-run-id": made.run_name,
            "x-ms-trigger-history-name": made.run_name,
            "x-ms-workflow-version": made.version,
        },
    )


def _repeat(effect: RepeatedEffect) -> RepeatedEffectShape:
    return RepeatedEffectShape(
        action=effect.action,
        operation=effect.operation,
        count=effect.count,
        is_certain=effect.is_certain,
        key_is_honoured=effect.key_is_honoured,
        only_on_failure=effect.only_on_failure,
        starts_flow=effect.starts_flow,
    )


_TAG = "runs"

RESUME_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/runs/{run_name}/resume",
        handler=ask_resume,
        summary="Where a resume of this run would go on, and which effects it would repeat",
        tag=_TAG,
        gives=ResumePreviewShape,
        query=(
            QueryParameter(
                name="latest_definition", description="Of the latest version instead of the run's own", type="boolean"
            ),
        ),
    ),
    Operation(
        method="POST",
        path="/runs/{run_name}/resume",
        handler=resume,
        summary="A new run that goes on where this one failed; send x-ms-client-request-id to make repeats harmless",
        tag=_TAG,
        takes=ResumeRequest,
        gives=ResumedShape,
        status=202,
    ),
    Operation(
        method="GET",
        path="/runs/{run_name}/resubmit",
        handler=ask_resubmit,
        summary="Which effects a resubmit of this run would repeat",
        tag=_TAG,
        gives=ResubmitPreviewShape,
        query=(
            QueryParameter(
                name="original_definition", description="Of the run's own version instead of the latest", type="boolean"
            ),
        ),
    ),
)
