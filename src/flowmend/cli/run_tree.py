"""The live tree of a run on the terminal: each action with its status as it comes."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from flowmend.cli.output import STATUS_STYLES, console
from flowmend.core.definition import Action, Flow
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run import ActionKey, ActionRecord, Entry

_MARKS = {
    Status.SUCCEEDED: "✓",
    Status.FAILED: "✗",
    Status.TIMED_OUT: "✗",
    Status.SKIPPED: "–",
    Status.CANCELLED: "–",
    Status.RUNNING: "…",
    Status.WAITING: "…",
}
_LONGEST_VALUE = 100


class RunTree:
    """Draws the tree while the run goes on; without a terminal once, at its end."""

    def __init__(self, flow: Flow, *, show_values: bool) -> None:
        self._flow = flow
        self._show_values = show_values
        self._records: dict[str, ActionRecord] = {}
        self._passes: dict[str, set[tuple[int, ...]]] = {}
        self._traces: Mapping[ActionKey, list[dict[str, Json]]] = {}
        self._console = console()
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        elif error is None:
            self._console.print(self._drawn())
        sys.stdout.flush()

    def note(self, entry: Entry) -> None:
        """Take in what the run journals."""
        if isinstance(entry, ActionRecord):
            self._records[entry.name] = entry
            if entry.repetition:
                self._passes.setdefault(entry.name, set()).add(entry.repetition)
            if self._console.is_terminal:
                self._live.update(self._drawn())

    def finish(self, traces: Mapping[ActionKey, list[dict[str, Json]]]) -> None:
        """The run ended; show what its expressions came to, if asked for."""
        self._traces = traces
        if self._console.is_terminal:
            self._live.update(self._drawn(), refresh=True)

    def _drawn(self) -> Group:
        tree = Tree(Text(self._flow.name, style="bold"), guide_style="dim")
        for action in self._flow.definition.actions.values():
            self._add(tree, action)
        return Group(tree)

    def _add(self, tree: Tree, action: Action) -> None:
        branch = tree.add(self._label(action))
        for line in self._traced(action.name):
            branch.add(line)
        for name, children in action.branches.items():
            inside = branch if name == "actions" else branch.add(Text(name, style="dim"))
            for child in children.values():
                self._add(inside, child)

    def _label(self, action: Action) -> Text:
        record = self._records.get(action.name)
        if record is None:
            return Text.assemble("  ", (action.name, "dim"))
        style = STATUS_STYLES.get(record.status.value, "")
        label = Text.assemble((_MARKS.get(record.status, "·"), style), " ", action.name)
        passes = len(self._passes.get(action.name, ()))
        if passes:
            label.append(f" ×{passes}", style="dim")
        if record.status is not Status.SUCCEEDED:
            label.append(f" {record.status.value}", style=style)
        if record.error is not None and record.status is not Status.SKIPPED:
            label.append(f" {record.error.code}: {record.error.message}", style="red")
        elif record.code not in {"", "OK", "NotSpecified", "ActionSkipped"}:
            label.append(f" {record.code}", style="dim")
        return label

    def _traced(self, name: str) -> list[Text]:
        if not self._show_values:
            return []
        return [
            Text(f"{one['text']} = {_short(one.get('value', one.get('error')))}", style="cyan")
            for (traced, _), found in self._traces.items()
            if traced == name
            for one in found
        ]


def _short(value: Json) -> str:
    import msgspec

    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
