"""The data operations of Power Automate as pure functions: Parse JSON, Filter array, Select, Join and the tables.

Each takes evaluated inputs and, where it has a body of its own, a compiled template that sees the element
as `item()`. All give the value that stands under `body`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.budget import Budget
from flowmend.core.expression.content import is_envelope
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.conversion.reading_json import read_json
from flowmend.core.expression.conversion.text import to_text
from flowmend.core.expression.functions.string import joined
from flowmend.core.expression.scope import Scope
from flowmend.core.expression.template import Template, compile_template, evaluate_with_item
from flowmend.core.json_value import Json

_NEEDS_QUOTES = frozenset('",\r\n')
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table; the value sees the row as `item()`."""

    header: Template
    value: Template


class ValidationFailed(ExpressionError):
    """A value does not fit its schema. errors: `[{message, path, value, errorType, schemaId}]`, the action's outputs."""

    code = "ValidationFailed"

    def __init__(self, message: str, errors: Sequence[Json]) -> None:
        super().__init__(message)
        self.errors = list(errors)


def parse_json(content: Json, schema: Json = None) -> Json:
    """The value of a JSON text, or the value given, once it fits the schema. Nothing is coerced.

    Errors: ExpressionError with code `InvalidTemplate` for null, empty text and content envelopes,
    `InvalidJSON` for text that is none, and ValidationFailed.
    """
    if content is None or content == "":
        raise ExpressionError(
            "The 'content' property of the 'ParseJson' action inputs must have a value; it is null or empty."
        )
    if is_envelope(content):
        raise ExpressionError(
            "The 'content' property of the 'ParseJson' action inputs is a content envelope; convert it with json() first."
        )
    value = read_json(content) if isinstance(content, str) else content
    if isinstance(schema, dict) and schema:
        from flowmend.core.expression.json_schema import schema_errors

        if errors := schema_errors(value, schema):
            raise ValidationFailed("The 'ParseJson' action failed: schema validation failed.", errors)
    return value


def query(source: Json, where: Template, scope: Scope, budget: Budget | None = None) -> list[Json]:
    """The elements for which the condition is true.

    Errors: ExpressionError; code `ExpressionEvaluationFailed` where the condition is not a boolean.
    """
    budget = budget or Budget()
    kept: list[Json] = []
    for item in array_of(source, "query"):
        answer = evaluate_with_item(where, scope, item, budget)
        if not isinstance(answer, bool):
            raise ExpressionError(
                f"The 'where' expression of the 'query' action evaluates to a value of type '{kind_name(answer)}'; "
                "it must be of type 'Boolean'.",
                code="ExpressionEvaluationFailed",
            )
        if answer:
            kept.append(item)
    return kept


def select(source: Json, template: Template, scope: Scope, budget: Budget | None = None) -> list[Json]:
    """What the template makes of each element."""
    budget = budget or Budget()
    return [evaluate_with_item(template, scope, item, budget) for item in array_of(source, "select")]


def join(source: Json, separator: Json) -> str:
    """The texts of all elements with a separator between them."""
    return joined(to_text(separator), array_of(source, "join"))


def table(form: str, source: Json, columns: Sequence[Column] | None, scope: Scope, budget: Budget | None = None) -> str:
    """A CSV or HTML table. columns: None for one per property, in the order first seen."""
    items = array_of(source, "table")
    headers, rows = _automatic(items) if columns is None else _given(items, columns, scope, budget or Budget())
    match form.strip().lower():
        case "csv":
            return table_csv(headers, rows)
        case "html":
            return table_html(headers, rows)
        case _:
            raise ExpressionError(f"The format of a table is 'CSV' or 'HTML'; '{form}' is neither.")


def table_csv(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Every line ends in CR LF; only cells that need quotes have them. Without columns it is empty."""
    if not headers:
        return ""
    return "".join(",".join(map(_csv_cell, cells)) + "\r\n" for cells in (headers, *rows))


def table_html(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = f"<thead><tr>{_html_cells('th', headers)}</tr></thead>" if headers else ""
    body = "".join(f"<tr>{_html_cells('td', cells)}</tr>" for cells in rows) if headers else ""
    return f"<table>{head}<tbody>{body}</tbody></table>"


def compile_columns(columns: Json) -> tuple[Column, ...] | None:
    """The columns of a Table's inputs `[{header, value}]`; None where there are none.

    Errors: ExpressionError with a JSON pointer into the columns.
    """
    if columns is None:
        return None
    if not isinstance(columns, list):
        raise ExpressionError(f"The columns of a table are an array; this is of type '{kind_name(columns)}'.")
    compiled: list[Column] = []
    for index, column in enumerate(columns):
        if not isinstance(column, dict):
            raise ExpressionError("A column is an object with 'header' and 'value'.", target=f"/{index}")
        try:
            header, value = compile_template(column.get("header")), compile_template(column.get("value"))
        except ExpressionError as error:
            raise ExpressionError(error.message, code=error.code, target=f"/{index}") from error
        compiled.append(Column(header=header, value=value))
    return tuple(compiled)


def array_of(source: Json, action: str) -> list[Json]:
    """The `from` of a data operation.

    Errors: ExpressionError where it is no array.
    """
    if isinstance(source, list):
        return source
    raise ExpressionError(
        f"The 'from' property value in the '{action}' action inputs is of type '{kind_name(source)}'. "
        "The value must be an array."
    )


def _given(
    items: list[Json], columns: Sequence[Column], scope: Scope, budget: Budget
) -> tuple[list[str], list[list[str]]]:
    headers = [to_text(column.header.evaluate(scope, budget)) for column in columns]
    rows = [[to_text(evaluate_with_item(column.value, scope, item, budget)) for column in columns] for item in items]
    return headers, rows


def _automatic(items: list[Json]) -> tuple[list[str], list[list[str]]]:
    headers: dict[str, None] = {}
    for item in items:
        if not isinstance(item, dict):
            raise ExpressionError(
                f"The table has an element of type '{kind_name(item)}'; without columns, all must be of type 'Object'."
            )
        headers.update(dict.fromkeys(item))
    return list(headers), [[to_text(item.get(name)) for name in headers] for item in items]


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.intersection(text) else text


def _html_cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{text.translate(_HTML)}</{tag}>" for text in texts)
