"""Actions of a run, their repetitions, and the answer an action in doubt waits for."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import list_answer, person_of, read_body
from flowmend.api.run_reading import ReadableRun, readable_run
from flowmend.api.shapes.action import ActionResource, action_resource, repetition_resource
from flowmend.api.shapes.references import run_address
from flowmend.api.traces import TRACE_OPERATIONS
from flowmend.use_cases.answer_doubt import answer_doubt
from flowmend.use_cases.ports import Services


class DoubtAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """answer: `happened`, `send_again` or `fail`. repetition: e.g. `000000`, "" outside loops."""

    answer: str
    repetition: str = ""


async def list_actions(services: Services, request: Request) -> JsonAnswer:
    run = await _run(services, request)
    status = request.query_params.get("status")
    actions = [_action(run, name) for name in run.passes]
    return list_answer([action for action in actions if not status or action.properties.status == status])


async def get_action(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(_action(await _run(services, request), request.path_params["action"]))


async def list_repetitions(services: Services, request: Request) -> JsonAnswer:
    run = await _run(services, request)
    records = run.records(request.path_params["action"])
    return list_answer(
        [
            repetition_resource(_address(run), record, run.pass_properties(record))
            for record in records
            if record.repetition
        ]
    )


async def get_repetition(services: Services, request: Request) -> JsonAnswer:
    run = await _run(services, request)
    record = run.record(request.path_params["action"], request.path_params["repetition"])
    return JsonAnswer(repetition_resource(_address(run), record, run.pass_properties(record)))


async def answer_action(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, DoubtAnswer)
    run = await _run(services, request)
    record = run.record(request.path_params["action"], wanted.repetition)
    await answer_doubt(
        services,
        run.row.run_name,
        (record.name, record.repetition),
        wanted.answer,
        person_of(request).person_id,
    )
    return JsonAnswer({})


async def _run(services: Services, request: Request) -> ReadableRun:
    return await readable_run(services, request.path_params["run_name"])


def _action(run: ReadableRun, name: str) -> ActionResource:
    return action_resource(_address(run), name, run.properties(name))


def _address(run: ReadableRun) -> str:
    return run_address(run.row.flow_id, run.row.run_name)


_TAG = "runs"

RUN_ACTION_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/runs/{run_name}/actions",
        handler=list_actions,
        summary="Every action of a run, nested ones included",
        tag=_TAG,
        gives=ActionResource,
        is_list=True,
    ),
    Operation(
        method="GET",
        path="/runs/{run_name}/actions/{action}",
        handler=get_action,
        summary="One action of a run",
        tag=_TAG,
        gives=ActionResource,
    ),
    Operation(
        method="GET",
        path="/runs/{run_name}/actions/{action}/repetitions",
        handler=list_repetitions,
        summary="The passes of an action inside a loop",
        tag=_TAG,
        gives=ActionResource,
        is_list=True,
    ),
    Operation(
        method="GET",
        path="/runs/{run_name}/actions/{action}/repetitions/{repetition}",
        handler=get_repetition,
        summary="One pass of an action inside a loop",
        tag=_TAG,
        gives=ActionResource,
    ),
    Operation(
        method="POST",
        path="/runs/{run_name}/actions/{action}/answer",
        handler=answer_action,
        summary="Say what became of a call whose answer was never seen",
        tag=_TAG,
        takes=DoubtAnswer,
    ),
    *TRACE_OPERATIONS,
)
