"""Functions that refer to the run: its parameters, variables, actions, trigger and loops."""

from collections.abc import Callable
from typing import Any

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.functions.function import Function, Kind, Refers, Takes
from flowmend.core.expression.scope import Scope
from flowmend.core.json_value import Json


def body_of(outputs: Json) -> Json:
    """`outputs.body`, null where there are no outputs or they have none."""
    return outputs.get("body") if isinstance(outputs, dict) else None


def _trigger_outputs(scope: Scope) -> Json:
    return scope.trigger().get("outputs")


def _body(scope: Scope, name: str) -> Json:
    return body_of(scope.action_outputs(name))


def _result(scope: Scope, name: str) -> Json:
    return scope.result(name)


def _form_values(function: str, outputs: Json, key: str) -> list[Json]:
    fields = _part(function, outputs, "$formdata", "form data")
    return [field.get("value") for field in fields if isinstance(field, dict) and field.get("key") == key]


def _form_value(function: str, outputs: Json, key: str) -> Json:
    values = _form_values(function, outputs, key)
    if len(values) > 1:
        raise ExpressionError(
            f"The template language function '{function}' found more than one value for the key '{key}'. "
            f"Please see https://aka.ms/logicexpressions#{function} for usage details."
        )
    return values[0] if values else None


def _multipart_body(function: str, outputs: Json, index: int) -> Json:
    parts = _part(function, outputs, "$multipart", "multipart content")
    if not 0 <= index < len(parts):
        raise ExpressionError(
            f"The template language function '{function}' cannot be evaluated because the part index '{index}' is "
            f"outside bounds (0, {len(parts) - 1}) of the multipart content."
        )
    part = parts[index]
    return part.get("body") if isinstance(part, dict) else part


def _part(function: str, outputs: Json, key: str, words: str) -> list[Json]:
    body = body_of(outputs)
    if isinstance(body, dict) and isinstance(body.get(key), list):
        parts: list[Json] = body[key]
        return parts
    raise ExpressionError(
        f"The template language function '{function}' cannot be evaluated because the body is not {words}. "
        f"Please see https://aka.ms/logicexpressions#{function} for usage details."
    )


def _named(name: str, implementation: Callable[[Any, str], Json], refers: Refers) -> Function:
    return Function(
        name=name,
        implementation=implementation,
        takes=(Takes.STRING,),
        least=1,
        most=1,
        kind=Kind.SCOPED,
        refers=refers,
    )


def _bare(name: str, implementation: Callable[[Any], Json], refers: Refers = Refers.NOTHING) -> Function:
    return Function(name=name, implementation=implementation, least=0, most=0, kind=Kind.SCOPED, refers=refers)


def _of_action(name: str, read: Callable[[str, Json, Any], Json], takes: Takes) -> Function:
    def implementation(scope: Scope, action: str, which: Any) -> Json:
        return read(name, scope.action_outputs(action), which)

    return Function(
        name=name,
        implementation=implementation,
        takes=(Takes.STRING, takes),
        least=2,
        most=2,
        kind=Kind.SCOPED,
        refers=Refers.ACTION,
    )


def _of_trigger(name: str, read: Callable[[str, Json, Any], Json], takes: Takes) -> Function:
    def implementation(scope: Scope, which: Any) -> Json:
        return read(name, _trigger_outputs(scope), which)

    return Function(
        name=name,
        implementation=implementation,
        takes=(takes,),
        least=1,
        most=1,
        kind=Kind.SCOPED,
        refers=Refers.TRIGGER,
    )


FUNCTIONS = (
    _named("parameters", lambda scope, name: scope.parameter(name), Refers.PARAMETER),
    _named("variables", lambda scope, name: scope.variable(name), Refers.VARIABLE),
    _named("actions", lambda scope, name: scope.action(name), Refers.ACTION),
    _named("outputs", lambda scope, name: scope.action_outputs(name), Refers.ACTION),
    _named("actionOutputs", lambda scope, name: scope.action_outputs(name), Refers.ACTION),
    _named("body", _body, Refers.ACTION),
    _named("actionBody", _body, Refers.ACTION),
    _named("result", _result, Refers.RESULT),
    _named("items", lambda scope, loop: scope.items(loop), Refers.LOOP),
    _named("iterationIndexes", lambda scope, loop: scope.iteration_index(loop), Refers.LOOP),
    _named("appsetting", lambda scope, name: scope.app_setting(name), Refers.NOTHING),
    _bare("action", lambda scope: scope.current_action()),
    _bare("item", lambda scope: scope.item(), Refers.ITEM),
    _bare("trigger", lambda scope: scope.trigger(), Refers.TRIGGER),
    _bare("triggerOutputs", _trigger_outputs, Refers.TRIGGER),
    _bare("triggerBody", lambda scope: body_of(_trigger_outputs(scope)), Refers.TRIGGER),
    _bare("workflow", lambda scope: scope.workflow()),
    _bare("listCallbackUrl", lambda scope: scope.callback_url()),
    _of_action("formDataValue", _form_value, Takes.STRING),
    _of_action("formDataMultiValues", _form_values, Takes.STRING),
    _of_action("multipartBody", _multipart_body, Takes.INTEGER),
    _of_trigger("triggerFormDataValue", _form_value, Takes.STRING),
    _of_trigger("triggerFormDataMultiValues", _form_values, Takes.STRING),
    _of_trigger("triggerMultipartBody", _multipart_body, Takes.INTEGER),
)
