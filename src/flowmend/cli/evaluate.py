"""`flowmend eval`: one expression, or many as JSON Lines."""

import random
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
import typer

from flowmend.core.json_value import Json


def evaluate(
    expression: Annotated[
        str | None,
        typer.Argument(metavar="EXPRESSION", help="An expression without its @, or a string with @ or @{…}."),
    ] = None,
    context: Annotated[
        Path | None,
        typer.Option(
            "--context", exists=True, dir_okay=False, help="A JSON file: parameters, variables, trigger, actions, …"
        ),
    ] = None,
    batch: Annotated[
        bool, typer.Option("--batch", help="Read cases as JSON Lines, write one result line each.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the value as JSON also where it is text.")] = False,
) -> None:
    """Evaluate an expression as a flow would, or with --batch a case on each line of standard input.

    A case is {"id", "expr", "mode", "action", "context"}; mode is expr, template or action.
    """
    if batch:
        for line in _results(sys.stdin.buffer):
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    if expression is None:
        raise typer.BadParameter("Give an expression, or --batch.")
    from flowmend.cli.output import print_json
    from flowmend.core.definition.document_text import read_document
    from flowmend.core.expression.context_scope import evaluate_case

    mode = "template" if "@" in expression[:1] or "@{" in expression else "expr"
    case = {"expr": expression, "mode": mode, "context": read_document(context.read_bytes()) if context else {}}
    value = evaluate_case(case, _SystemMoment())
    if isinstance(value, str) and not json:
        typer.echo(value)
    else:
        print_json(value)


@dataclass(slots=True)
class _SystemMoment:
    """This machine's clock, the same throughout one case, and chance."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def guid(self) -> UUID:
        return uuid4()

    def draw(self) -> float:
        return random.random()  # noqa: S311  # rand() of the language is no secret


def _results(lines: Iterable[bytes]) -> Iterator[bytes]:
    """A result line for each line that is not empty, whatever it holds."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    for line in lines:
        if line.strip():
            yield encoder.encode(_result(line)) + b"\n"


def _result(line: bytes) -> dict[str, Json]:
    from flowmend.core.errors import ExpressionError
    from flowmend.core.expression.context_scope import evaluate_case

    try:
        case = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return _error(None, "InvalidJSON", f"The line is not JSON: {error}.")
    if not isinstance(case, dict):
        return _error(None, "InvalidCase", "The line is not an object.")
    name = case.get("id")
    try:
        return {"id": name, "value": evaluate_case(case, _SystemMoment())}
    except ExpressionError as error:
        return _error(name, error.code, error.message)
    except RecursionError:
        return _error(name, "InvalidTemplate", "The expression nests too deep.")
    except Exception as error:  # noqa: BLE001  # one bad line never stops the others
        return _error(name, "InternalError", f"{type(error).__name__}: {error}")


def _error(name: Json, code: str, message: str) -> dict[str, Json]:
    return {"id": name, "error": {"code": code, "message": message}}
