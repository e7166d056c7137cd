"""Parse JSON, Filter array, Select, Join and the tables: inputs evaluated, the operation done, recorded.

Recorded inputs follow what the service keeps: Query the bare array, Select `{from}` (wdl.md §7).
"""

from collections.abc import Mapping

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import to_text
from flowmend.core.expression.data_operations import (
    ValidationFailed,
    array_of,
    join,
    parse_json,
    query,
    select,
    table,
)
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.scope import RunScope


def run_parse_json(node: Node, scope: RunScope) -> Finish:
    """ParseJson: `{body}`. Errors: ExpressionError for content that is null, empty or an envelope."""
    raw = _inputs(node)
    content = node.template("content", raw.get("content")).evaluate(scope)
    schema = raw.get("schema")
    inputs = {"content": content} if schema is None else {"content": content, "schema": schema}
    try:
        return Finish(code="OK", inputs=inputs, outputs={"body": parse_json(content, schema)})
    except ValidationFailed as error:
        return _failed(error, inputs, outputs={"errors": error.errors})
    except ExpressionError as error:
        if error.code != "InvalidJSON":
            raise
        return _failed(error, inputs)


def run_query(node: Node, scope: RunScope) -> Finish:
    """Query: `{body: […]}`. Errors: ExpressionError in `from`."""
    source = array_of(_source(node, scope), "query")  # first: what is wrong with it is not the condition's fault
    where = _inputs(node).get("where")
    try:
        return Finish(inputs=source, outputs={"body": query(source, node.condition("where", where), scope)})
    except ExpressionError as error:
        message = (
            f"The execution of template action '{node.name}' failed: The evaluation of 'query' action 'where' expression "
            f"'{where if isinstance(where, str) else '(object)'}' failed: '{error.message}'."
        )
        return failed(error.code, message, inputs=source)


def run_select(node: Node, scope: RunScope) -> Finish:
    """Select: `{body: […]}`. Errors: ExpressionError."""
    source = _source(node, scope)
    template = node.template("select", _inputs(node).get("select"))
    return Finish(inputs={"from": source}, outputs={"body": select(source, template, scope)})


def run_join(node: Node, scope: RunScope) -> Finish:
    """Join: `{body: text}`. Errors: ExpressionError."""
    source = _source(node, scope)
    separator = node.template("joinWith", _inputs(node).get("joinWith")).evaluate(scope)
    inputs = {"from": source, "joinWith": separator}
    return Finish(inputs=inputs, outputs={"body": join(source, separator)})


def run_table(node: Node, scope: RunScope) -> Finish:
    """Table: `{body: text}`. Errors: ExpressionError."""
    source = _source(node, scope)
    form = to_text(node.template("format", _inputs(node).get("format")).evaluate(scope))
    body = table(form, source, node.columns(), scope)
    return Finish(inputs={"from": source, "format": form}, outputs={"body": body})


def _inputs(node: Node) -> Mapping[str, Json]:
    raw = node.action.inputs
    if isinstance(raw, Mapping):
        return raw
    raise ExpressionError(f"The inputs of action '{node.name}' are not an object.")


def _source(node: Node, scope: RunScope) -> Json:
    return node.template("from", _inputs(node).get("from")).evaluate(scope)


def _failed(error: ExpressionError, inputs: Json, outputs: Json = None) -> Finish:
    return Finish(
        status=Status.FAILED,
        code=error.code,
        error=ErrorDetail(error.code, error.message),
        inputs=inputs,
        outputs=outputs,
    )
