"""One action of a run, or one pass of it: its inputs, outputs and attempts; and each value whole as a file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import NotFound
from flowmend.core.json_value import Json
from flowmend.core.run.history import repetition_name
from flowmend.portal.graph import Step, walk
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal, segment
from flowmend.portal.run_picture import child_run_of, read_picture
from flowmend.portal.values import Shown, shown, whole
from flowmend.store.rows import RunRow
from flowmend.use_cases.runs import read_run_head

_PARTS = ("inputs", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPage:
    """passes: `(loop's name, pass from 1)`, outermost first. values: inputs and outputs. child_runs: {action: the run it began}."""

    row: RunRow
    title: str
    step: Step
    passes: tuple[tuple[str, int], ...]
    values: tuple[Json, Json]
    connection_names: dict[str, str]
    is_kept: bool = True
    opened: frozenset[str] = frozenset()
    child_runs: Mapping[str, str] = field(default_factory=dict)

    def shown(self, _step: Step, part: str) -> Shown | None:
        """Its inputs or outputs, None for none."""
        value = self.values[_PARTS.index(part)]
        return None if value is None else shown(value)

    def can_trace(self, step: Step) -> bool:
        return can_trace(step)

    def trace_address(self, step: Step) -> str:
        return trace_address(self.row.run_name, step)

    def edit_address(self, step: Step) -> str:
        return edit_address(self.row, step)

    def download_address(self, step: Step, part: str) -> str:
        return download_address(self.row.run_name, step, part)

    @property
    def run_address(self) -> str:
        """The run with this very pass shown, and there this action."""
        chosen = {f"pass.{loop}": str(number - 1) for loop, number in self.passes}
        query = f"?{urlencode(chosen)}" if chosen else ""
        return f"/runs/{segment(self.row.run_name)}{query}#{self.step.anchor}"


def can_trace(step: Step) -> bool:
    """Whether the step's expressions were computed: an action that ran."""
    return not (step.is_untouched or step.is_trigger) and step.started_at is not None


def trace_address(run_name: str, step: Step) -> str:
    """Where the step's expressions are shown with what they came to."""
    query = {"action": step.name, "repetition": repetition_name(step.repetition)}
    return f"/runs/{segment(run_name)}/trace?{urlencode(query)}"


def edit_address(row: RunRow, step: Step) -> str:
    """The editor at the very action, with the way back to the run."""
    query = {"action": step.name, "run": row.run_name}
    return f"/flows/{segment(row.flow_id)}/edit?{urlencode(query)}#text"


def action_address(run_name: str, step: Step) -> str:
    """The page of the one action or pass."""
    return f"/runs/{segment(run_name)}/action?{_query(step)}"


def download_address(run_name: str, step: Step, part: str) -> str:
    """Its whole inputs or outputs as a file."""
    return f"/runs/{segment(run_name)}/action/{part}.json?{_query(step)}"


async def show_action(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/action?name=&repetition=, without a name the trigger."""
    page = await _read(portal, request)
    return portal.answer(request, "run_action.html", place="runs", page=page)


async def download_value(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/action/{part}.json?name=&repetition=: secure values as `*sanitized*`."""
    part = request.path_params["part"]
    page = await _read(portal, request)
    value = page.values[_PARTS.index(part)] if part in _PARTS else None
    if value is None:
        raise NotFound("The run holds no such content.", code="ContentNotFound")
    name = re.sub(r"[^\w.-]+", "_", f"{page.step.name}-{part}.json", flags=re.ASCII)
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(whole(value), media_type="application/json", headers=headers)


async def _read(portal: Portal, request: Request) -> ActionPage:
    services, asked = portal.services, request.query_params
    head = await read_run_head(services, request.path_params["run_name"])
    name, indexes = asked.get("name", ""), _indexes(asked.get("repetition", ""))
    loaded = services.flows.version(head.row.flow_id, head.row.version)
    node = loaded.compiled.nodes.get(name)
    loops = [loop.name for loop in node.loops] if node is not None else []
    if (name and node is None) or indexes is None or len(loops) != len(indexes):
        raise NotFound(
            f"The run {head.row.run_name} has no action {name!r} there.", code="WorkflowRunActionNotFound", target=name
        )
    picture = await read_picture(services, head, dict(zip(loops, indexes, strict=True)))
    step = next(
        one
        for _, one in walk(picture.steps)
        if (one.is_trigger if not name else not one.is_trigger and one.name == name)
    )
    if step.repetition != indexes:
        raise NotFound(
            f"The action {name!r} has no such repetition.", code="WorkflowRunActionRepetitionNotFound", target=name
        )
    connection = services.store.connections.get(step.connection_id) if step.connection_id else None
    return ActionPage(
        row=head.row,
        title=run_title(head),
        step=step,
        passes=tuple((loop, index + 1) for loop, index in zip(loops, indexes, strict=True)),
        values=picture.values(step),
        connection_names={step.connection_id: connection.display_name} if connection else {},
        child_runs={step.name: child_run_of(services, picture, step, head)},
    )


def _query(step: Step) -> str:
    if step.is_trigger:
        return ""
    query = {"name": step.name}
    if step.repetition:
        query["repetition"] = repetition_name(step.repetition)
    return urlencode(query)


def _indexes(text: str) -> tuple[int, ...] | None:
    parts = [part for part in text.split("-") if part]
    if any(not (part.isascii() and part.isdecimal() and len(part) < 10) for part in parts):
        return None
    return tuple(map(int, parts))
