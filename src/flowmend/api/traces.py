"""How the expressions of a run computed, and other expressions tried on its data."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation
from flowmend.api.request_reading import read_body
from flowmend.core.json_value import Json
from flowmend.use_cases.past_runs import Tried, trace_action, try_expression
from flowmend.use_cases.ports import Services


class ExpressionTraces(msgspec.Struct, frozen=True, kw_only=True):
    """inputs: `[{path, text, value, subexpressions?, error?}]`, with `"repeatable": false` where a value depends on time
    or chance; empty where the action hides its inputs or was never reached.
    """

    inputs: list[dict[str, Json]]


class ExpressionTry(msgspec.Struct, frozen=True, kw_only=True):
    """expression: without a leading `@`, or a text with expressions in it. action, repetition: the place to look from;
    "" is the run's end.
    """

    expression: str
    action: str = ""
    repetition: str = ""


class ExpressionTried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """value, or error `{code, message}`."""

    value: Json = None
    error: dict[str, str] | None = None


async def list_expression_traces(services: Services, request: Request) -> JsonAnswer:
    return await _traces(services, request, "")


async def list_repetition_expression_traces(services: Services, request: Request) -> JsonAnswer:
    return await _traces(services, request, request.path_params["repetition"])


async def action_expression_traces(services: Services, request: Request) -> JsonAnswer:
    return await _traces(services, request, "")


async def repetition_expression_traces(services: Services, request: Request) -> JsonAnswer:
    return await _traces(services, request, request.path_params["repetition"])


async def try_an_expression(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, ExpressionTry)
    tried = await try_expression(
        services,
        request.path_params["run_name"],
        wanted.expression,
        action=wanted.action,
        repetition=wanted.repetition,
    )
    return JsonAnswer(_shape(tried))


async def _traces(services: Services, request: Request, repetition: str) -> JsonAnswer:
    names = request.path_params
    found = await trace_action(services, names["run_name"], names["action"], repetition)
    return JsonAnswer(ExpressionTraces(inputs=found.inputs))


def _shape(tried: Tried) -> ExpressionTried | dict[str, Json]:
    if tried.error_code:
        return ExpressionTried(error={"code": tried.error_code, "message": tried.error_message})
    return {"value": tried.value}


_TAG = "runs"
_ACTION = "/runs/{run_name}/actions/{action}"
_REPETITION = f"{_ACTION}/repetitions/{{repetition}}"


TRACE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="POST",
        path=f"{_ACTION}/expression_traces",
        handler=action_expression_traces,
        summary="How each expression of an action computed",
        tag=_TAG,
        gives=ExpressionTraces,
    ),
    Operation(
        method="POST",
        path=f"{_REPETITION}/expression_traces",
        handler=repetition_expression_traces,
        summary="How each expression of one pass of an action computed",
        tag=_TAG,
        gives=ExpressionTraces,
    ),
    Operation(
        method="POST",
        path=f"{_ACTION}/listExpressionTraces",
        handler=list_expression_traces,
        summary="The same under the name other clients know",
        tag=_TAG,
        gives=ExpressionTraces,
    ),
    Operation(
        method="POST",
        path=f"{_REPETITION}/listExpressionTraces",
        handler=list_repetition_expression_traces,
        summary="The same under the name other clients know",
        tag=_TAG,
        gives=ExpressionTraces,
    ),
    Operation(
        method="POST",
        path="/runs/{run_name}/evaluate",
        handler=try_an_expression,
        summary="Try an expression on the data of a run",
        tag=_TAG,
        takes=ExpressionTry,
        gives=ExpressionTried,
    ),
)
