"""Two runs of a flow beside each other: the picture of the one, and in each action what went otherwise in the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.json_value import Json
from flowmend.core.run.comparison import ValueDifference
from flowmend.portal.graph import Level, Step, levels
from flowmend.portal.pages.run import chosen_passes
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal, segment
from flowmend.portal.run_picture import read_picture
from flowmend.portal.words import Look, status_look
from flowmend.store.rows import RunRow
from flowmend.store.runs import RunFilter
from flowmend.use_cases.compare_runs import ComparedAction, RunComparison, Side, compare_with, run_to_compare
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import RunHead, read_run_head

_VIEWS = ("graph", "list")
_OFFERED_RUNS = 25
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """steps: the picture of the left run, of each loop the compared pass. offered: runs to compare with, newest first.

    found: None where the flow has no other run.
    """

    row: RunRow
    title: str
    offered: tuple[RunRow, ...]
    headlines: Mapping[str, str]
    found: RunComparison | None = None
    steps: tuple[Step, ...] = ()
    view: str = "graph"

    @property
    def address(self) -> str:
        return f"/runs/{segment(self.row.run_name)}/compare"

    @property
    def marks(self) -> Mapping[str, ComparedAction]:
        """{action: how it went in both}."""
        return {} if self.found is None else {one.name: one for one in self.found.actions}

    @property
    def only_right(self) -> tuple[ComparedAction, ...]:
        """Actions that this run's version does not have."""
        return () if self.found is None else tuple(one for one in self.found.actions if one.left is None)

    def levels(self, steps: tuple[Step, ...]) -> tuple[Level, ...]:
        return levels(steps)

    def look(self, side: Side) -> Look:
        return status_look(side.status, side.code)

    def address_with(self, *, view: str = "", name: str = "", index: int = 0) -> str:
        """This page in another view, or with another pass compared."""
        found = self.found
        if found is None:
            return self.address
        query = {"other": found.right.row.run_name, "view": view or self.view}
        if name:
            query |= {f"pass.{loop}": str(chosen) for loop, chosen in found.chosen.items() if loop != name}
            query[f"pass.{name}"] = str(index)
        return f"{self.address}?{urlencode(query)}"

    def pass_of(self, name: str) -> int:
        """The compared pass of a loop, from 0."""
        return 0 if self.found is None else self.found.chosen.get(name, 0)

    def told(self, one: ValueDifference, side: str) -> str:
        """A value as JSON, cut where it is long."""
        value: Json = one.left if side == "left" else one.right
        text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


async def show_comparison(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/compare?other=&view=&pass.{loop}="""
    services, asked = portal.services, request.query_params
    head = await read_run_head(services, request.path_params["run_name"])
    other = asked.get("other", "").strip() or run_to_compare(services, head.row)
    offered = _offered(services, head, other)
    tracked = services.store.tracked_values.of_runs([row.run_name for row in offered])
    page = ComparePage(
        row=head.row,
        title=run_title(head),
        offered=offered,
        headlines={name: values[0].value for name, values in tracked.items()},
    )
    if other:
        found = await compare_with(services, head, other, chosen_passes(asked.items()))
        picture = await read_picture(services, head, found.chosen)
        view = asked.get("view", "")
        page = replace(page, found=found, steps=picture.steps, view=view if view in _VIEWS else "graph")
    return portal.answer(request, "run_compare.html", place="runs", page=page)


def _offered(services: Services, head: RunHead, chosen: str) -> tuple[RunRow, ...]:
    """The newest runs of the flow, the attempts of this run's event and the chosen one, without the run itself."""
    newest, _ = services.store.runs.list(RunFilter(flow_id=head.row.flow_id), limit=_OFFERED_RUNS)
    known = {row.run_name: row for row in (*newest, *head.attempts[-_OFFERED_RUNS:])}
    if chosen and chosen not in known and (row := services.store.runs.get(chosen)):
        known[chosen] = row
    known.pop(head.row.run_name, None)
    return tuple(row for _, row in sorted(known.items()))
