"""What an expression of a running flow can see: `core.expression.scope.Scope` over the state of a run."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json
from flowmend.core.run.compiling import Node
from flowmend.core.run.events import Moment
from flowmend.core.run.record import ActionRecord
from flowmend.core.run.state import Repetition, RunState, Variable
from flowmend.core.run.views import action_view


class RunScope:
    """The names an expression at one place of a run can reach.

    loops, repetition: the loops around that place, outermost first, and the index in each. current: the
    finished record that `action()` means, where it means one. callback_url: of a webhook's own action, else "".
    """

    __slots__ = ("_callback_url", "_current", "_loops", "_moment", "_repetition", "_state")

    def __init__(
        self,
        state: RunState,
        moment: Moment,
        loops: tuple[Node, ...],
        repetition: Repetition,
        *,
        current: ActionRecord | None = None,
        callback_url: str = "",
    ) -> None:
        self._state = state
        self._moment = moment
        self._loops = loops
        self._repetition = repetition
        self._current = current
        self._callback_url = callback_url

    # -- parameters, variables, the run -------------------------------------------------------------------

    def parameter(self, name: str) -> Json:
        parameters = self._state.start.parameters
        if name in parameters:
            return parameters[name]
        folded = name.lower()
        for key, value in parameters.items():
            if key.lower() == folded:
                return value
        raise ExpressionError(f"The workflow parameter '{name}' is not found.")

    def find_variable(self, name: str) -> Variable | None:
        """The variable itself, for the actions that change it."""
        return self._state.variables.get(name.lower())

    def variable(self, name: str) -> Json:
        variable = self.find_variable(name)
        if variable is None:
            raise ExpressionError(f"The variable '{name}' must be initialized before it can be used.")
        return variable.read()

    def trigger(self) -> dict[str, Json]:
        return self._state.start.trigger

    def workflow(self) -> dict[str, Json]:
        """The service's own view, and in its `run` which attempt at its trigger event this is."""
        start = self._state.start
        run = start.workflow.get("run")
        if not isinstance(run, dict):
            return start.workflow
        origin = start.origin_run if start.attempt > 1 else ""
        facts = {"attempt": start.attempt, "originRunName": origin or None, "isResume": bool(start.resumed_from)}
        return start.workflow | {"run": run | facts}

    def callback_url(self) -> str:
        if self._callback_url:
            return self._callback_url
        if self._state.compiled.is_mock:
            return f"https://callback.invalid/{self._state.start.run_name}"
        raise ExpressionError("The template function 'listCallbackUrl' is not expected at this location.")

    def app_setting(self, name: str) -> str:
        if self._state.compiled.is_mock:
            return ""
        raise ExpressionError(f"The app setting '{name}' is not found.")

    def now(self) -> datetime:
        return self._moment.now

    def guid(self) -> UUID:
        return self._moment.guid()

    def draw(self) -> float:
        return self._moment.draw()

    # -- actions ------------------------------------------------------------------------------------------

    def action(self, name: str) -> dict[str, Json]:
        found = self._find(name)
        start = self._state.start
        if isinstance(found, ActionRecord):
            return action_view(found, start)
        views = [action_view(record, start) for record in found]
        whole = dict(views[-1]) if views else {"name": name, "status": "Succeeded"}
        return whole | {part: [view.get(part) for view in views] for part in ("inputs", "outputs")}

    def action_outputs(self, name: str) -> Json:
        found = self._find(name)
        return found.outputs if isinstance(found, ActionRecord) else [record.outputs for record in found]

    def current_action(self) -> dict[str, Json]:
        if self._current is None:
            raise ExpressionError("The template function 'action' is not expected at this location.")
        return action_view(self._current, self._state.start)

    def result(self, container: str) -> list[Json]:
        node = self._node(container)
        if not node.is_container:
            raise ExpressionError(f"The template function 'result' expects a scope; '{container}' is an action.")
        record = self._find(container)
        if not isinstance(record, ActionRecord):
            raise ExpressionError(f"The result of '{container}' is not available outside the loop it is in.")
        start = self._state.start
        if node.type == "Foreach":
            return self._foreach_result(node, record)
        repetition, extra = record.repetition, {}
        if node.type == "Until" and (count := _count(record)):
            repetition, extra = (*repetition, count - 1), {"repetitionCount": count}
        records = (
            self._state.records.get((child.name, repetition)) for branch in node.branches for child in branch.nodes
        )
        return [action_view(one, start) | extra for one in records if one is not None]

    def _foreach_result(self, node: Node, record: ActionRecord) -> list[Json]:
        # Each child once, with one record per iteration as its outputs (wdl.md §6).
        start, results = self._state.start, []
        for child in node.branches[0].nodes:
            passes = self._passes(child, record.repetition, _count(record))
            if not passes:
                continue
            views = [action_view(one, start) for one in passes]
            worst = next((view for view in views if view["status"] != "Succeeded"), views[-1])
            whole = {"name": child.name, "outputs": views}
            whole |= {
                part: worst[part] for part in ("startTime", "endTime", "status", "code", "error") if part in worst
            }
            results.append(whole)
        return results

    def _passes(self, node: Node, around: Repetition, count: int) -> list[ActionRecord]:
        records = self._state.records
        found = (records.get((node.name, (*around, index))) for index in range(count))
        return [record for record in found if record is not None]

    def _node(self, name: str) -> Node:
        node = self._state.compiled.find(name)
        if node is None:
            raise ExpressionError(f"The action '{name}' is not defined in the workflow.")
        return node

    def _find(self, name: str) -> ActionRecord | Sequence[ActionRecord]:
        """The finished record an expression here means by a name; one per iteration for an action in another Foreach."""
        node = self._node(name)
        shared = 0
        if node.depth:
            for mine, its in zip(self._loops, node.loops, strict=False):
                if mine is not its:
                    break
                shared += 1
        if shared < node.depth:
            return self._from_outside(node, shared)
        record = self._state.records.get((node.name, self._repetition[:shared]))
        if record is None or not record.status.is_terminal:
            raise _unfinished(name)
        return record

    def _from_outside(self, node: Node, shared: int) -> ActionRecord | Sequence[ActionRecord]:
        records = self._state.records
        repetition, gathers = self._repetition[:shared], -1
        for loop in node.loops[shared:]:
            skipped = records.get((node.name, repetition))
            if skipped is not None:
                return skipped  # the loop never ran, so this is how its actions ended
            record = records.get((loop.name, repetition))
            if record is None or not record.status.is_terminal:
                raise _unfinished(node.name)
            count = _count(record)
            if loop.type == "Until":
                repetition = (*repetition, count - 1)
            elif gathers >= 0 or loop is not node.loops[-1]:
                raise ExpressionError(
                    f"The action '{node.name}' is in more than one Foreach and cannot be read from outside of them."
                )
            else:
                gathers = count
        if gathers >= 0:
            return self._passes(node, repetition, gathers)
        found = records.get((node.name, repetition))
        if found is None:
            raise _unfinished(node.name)
        return found

    # -- loops --------------------------------------------------------------------------------------------

    def item(self) -> Json:
        for depth in range(len(self._loops) - 1, -1, -1):
            if self._loops[depth].type == "Foreach":
                return self._item_at(depth)
        raise ExpressionError("The template function 'item' is not expected at this location.")

    def items(self, loop: str) -> Json:
        return self._item_at(self._depth_of(loop, "Foreach", "items"))

    def iteration_index(self, loop: str) -> int:
        return self._repetition[self._depth_of(loop, "Until", "iterationIndexes")]

    def _depth_of(self, loop: str, kind: str, function: str) -> int:
        folded = loop.lower()
        for depth, node in enumerate(self._loops):
            if node.name.lower() == folded and node.type == kind:
                return depth
        raise ExpressionError(
            f"The template function '{function}' is not expected at this location: there is no {kind} '{loop}' around it."
        )

    def _item_at(self, depth: int) -> Json:
        loop = self._state.loops[self._loops[depth].name, self._repetition[:depth]]
        return loop.items[self._repetition[depth]]


def _count(record: ActionRecord) -> int:
    """How many iterations a finished loop made."""
    count = record.details.get("count", 0) if isinstance(record.details, dict) else 0
    return int(count)


def _unfinished(name: str) -> ExpressionError:
    return ExpressionError(f"The result of action '{name}' is not available: it has not finished before this action.")
