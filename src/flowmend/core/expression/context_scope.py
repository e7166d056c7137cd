"""A scope read from a plain object, and the evaluation of one case of it: what `flowmend eval` does.

context: `{parameters, variables, trigger: {outputs}, actions: {name: {status, code, inputs, outputs, error}},
item, items, iterationIndexes, results, workflow, callbackUrl, utcNow}`, each optional.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.data_operations import compile_columns, join, parse_json, query, select, table
from flowmend.core.expression.dates.reading import read_timestamp
from flowmend.core.expression.dates.timestamp import ExactTime
from flowmend.core.expression.template import compile_expression, compile_template
from flowmend.core.json_value import Json


class Moment(Protocol):
    """Time and chance, given from outside so that evaluation stays pure."""

    @property
    def now(self) -> datetime: ...

    def guid(self) -> UUID: ...

    def draw(self) -> float: ...


class ContextScope:
    """What a context object holds, as a scope. Names are matched ignoring case."""

    def __init__(self, context: dict[str, Json], moment: Moment) -> None:
        """Errors: ExpressionError where `utcNow` is no timestamp or a part is of the wrong type."""
        self._context = context
        self._moment = moment
        self._parts = {name: self._lowered(name) for name in _NAMED}
        self._now = self._read_now()

    def parameter(self, name: str) -> Json:
        return self._find("parameters", name)

    def variable(self, name: str) -> Json:
        return self._find("variables", name)

    def action(self, name: str) -> dict[str, Json]:
        found = self._find("actions", name)
        return {"name": name, **found} if isinstance(found, dict) else {"name": name, "outputs": found}

    def action_outputs(self, name: str) -> Json:
        return self.action(name).get("outputs")

    def current_action(self) -> dict[str, Json]:
        raise _missing("action() is not expected at this location: no action is being evaluated")

    def trigger(self) -> dict[str, Json]:
        found = self._context.get("trigger")
        return found if isinstance(found, dict) else {}

    def item(self) -> Json:
        if "item" not in self._context:
            raise _missing("item() is not expected at this location: there is no loop")
        return self._context["item"]

    def items(self, loop: str) -> Json:
        return self._find("items", loop)

    def iteration_index(self, loop: str) -> int:
        index = self._find("iterationIndexes", loop)
        if isinstance(index, int):
            return index
        raise _missing(f"the context's iteration index of '{loop}' is of type '{kind_name(index)}'")

    def result(self, container: str) -> list[Json]:
        found = self._find("results", container)
        return found if isinstance(found, list) else [found]

    def workflow(self) -> dict[str, Json]:
        found = self._context.get("workflow")
        return found if isinstance(found, dict) else {}

    def callback_url(self) -> str:
        found = self._context.get("callbackUrl")
        if isinstance(found, str):
            return found
        raise _missing("listCallbackUrl() is not expected at this location: the context has no 'callbackUrl'")

    def app_setting(self, name: str) -> str:
        return str(self._find("appSettings", name))

    def now(self) -> datetime:
        return self._now

    def guid(self) -> UUID:
        return self._moment.guid()

    def draw(self) -> float:
        return self._moment.draw()

    def _lowered(self, part: str) -> dict[str, Json]:
        named = self._context.get(part)
        if named is None:
            return {}
        if not isinstance(named, dict):
            raise _missing(f"the context's '{part}' is of type '{kind_name(named)}'; it must be an object")
        return {name.lower(): value for name, value in named.items()}

    def _find(self, part: str, name: str) -> Json:
        try:
            return self._parts[part][name.lower()]
        except KeyError:
            raise _missing(f"{_NAMED[part]} '{name}' is not defined") from None

    def _read_now(self) -> datetime:
        given = self._context.get("utcNow")
        if given is None:
            return self._moment.now
        moment = read_timestamp(given) if isinstance(given, str) else None
        if moment is None:
            raise _missing("the context's 'utcNow' is no timestamp")
        return ExactTime.at_tick(moment.ticks)


_NAMED = {
    "parameters": "the parameter",
    "variables": "the variable",
    "actions": "the action",
    "items": "the loop",
    "iterationIndexes": "the loop",
    "results": "the action",
    "appSettings": "the app setting",
}


def evaluate_case(case: dict[str, Json], moment: Moment) -> Json:
    """The value of one case `{expr, mode?, action?, context?}`.

    mode: `expr` (the default), a bare expression; `template`, any JSON value; `action`, a data operation
    `{type, inputs}` whose outputs are given. Errors: ExpressionError.
    """
    context = case.get("context")
    if context is None:
        context = {}
    if not isinstance(context, dict):
        raise _missing(f"the context is of type '{kind_name(context)}'; it must be an object")
    scope = ContextScope(context, moment)
    match case.get("mode") or "expr":
        case "expr":
            expression = case.get("expr")
            if not isinstance(expression, str):
                raise _missing(f"the expression is of type '{kind_name(expression)}'; it must be a string")
            return compile_expression(expression).evaluate(scope)
        case "template":
            return compile_template(case.get("expr")).evaluate(scope)
        case "action":
            return _act(case.get("action"), scope)
        case mode:
            raise _missing(f"the mode '{mode}' is none of 'expr', 'template' and 'action'")


def _act(action: Json, scope: ContextScope) -> Json:
    """The outputs of a data operation."""
    if not isinstance(action, dict):
        raise _missing("mode 'action' needs an 'action' with 'type' and 'inputs'")
    inputs = action.get("inputs")
    kind = str(action.get("type")).lower()
    if kind == "compose":
        return compile_template(inputs).evaluate(scope)
    if not isinstance(inputs, dict):
        raise _missing(f"the inputs of a '{action.get('type')}' action are of type '{kind_name(inputs)}'")

    def value(name: str) -> Json:
        return compile_template(inputs.get(name)).evaluate(scope)

    match kind:
        case "parsejson":
            return {"body": parse_json(value("content"), inputs.get("schema"))}
        case "query":
            return {"body": query(value("from"), compile_template(inputs.get("where")), scope)}
        case "select":
            return {"body": select(value("from"), compile_template(inputs.get("select")), scope)}
        case "join":
            return {"body": join(value("from"), value("joinWith"))}
        case "table":
            columns = compile_columns(inputs.get("columns"))
            return {"body": table(str(value("format")), value("from"), columns, scope)}
        case _:
            raise _missing(f"the action type '{action.get('type')}' is no data operation")


def _missing(reason: str) -> ExpressionError:
    return ExpressionError(f"The expression cannot be evaluated because {reason}.")
