"""From the engine's cards to steps: which pass of a loop is shown, which branch was taken."""

from dataclasses import replace

from flowmend.core.run import compile_flow
from flowmend.core.run.cards import iteration_tree, run_tree
from flowmend.core.run.history import latest_records
from flowmend.portal.graph import Step, walk
from flowmend.portal.run_steps import StepReader, after_trigger, trigger_step
from portal.sample_pages import order_run


def _steps(chosen: dict[str, int] | None = None, most_iterations: int = 50) -> dict[str, Step]:
    flow, entries, start = order_run()
    compiled = compile_flow(flow)
    reader = StepReader(
        records=latest_records(entries),
        open_pass=lambda loop, repetition: iteration_tree(compiled, entries, loop, repetition),
        connector_of=lambda _: "",
        chosen=chosen or {},
    )
    tree = run_tree(compiled, entries, most_iterations=most_iterations)
    steps = after_trigger(
        reader.steps(tree), trigger_step(flow.definition.triggers["When_an_order_arrives"], start.trigger)
    )
    return {step.name: step for _, step in walk(steps)}


def test_the_first_failed_pass_is_shown() -> None:
    steps = _steps()
    passes = steps["For_each_line"].passes
    assert passes is not None
    assert passes.statuses == ("Succeeded", "Succeeded", "Failed")
    assert passes.chosen == 2
    assert steps["Create_order_line"].status == "Failed"


def test_another_pass_is_shown_when_asked_for() -> None:
    steps = _steps({"For_each_line": 0})
    assert steps["Create_order_line"].status == "Succeeded"
    assert steps["Create_order_line"].repetition == (0,)


def test_a_pass_that_does_not_exist_is_the_last_one() -> None:
    passes = _steps({"For_each_line": 99})["For_each_line"].passes
    assert passes is not None
    assert passes.chosen == 2


def test_a_pass_beyond_those_the_tree_holds_is_opened() -> None:
    assert _steps({"For_each_line": 2}, most_iterations=1)["Create_order_line"].status == "Failed"


def test_the_branch_taken_is_told_from_the_other() -> None:
    taken, other = _steps()["Is_stock_available"].branches
    assert (taken.kind, taken.was_taken) == ("actions", True)
    assert (other.kind, other.was_taken) == ("else", False)


def test_the_trigger_comes_first_and_the_actions_follow_it() -> None:
    steps = _steps()
    assert next(iter(steps)) == "When_an_order_arrives"
    assert steps["Parse_order"].run_after == ("When_an_order_arrives",)
    assert steps["When_an_order_arrives"].started_at is not None


def test_secure_trigger_outputs_are_hidden() -> None:
    flow, _, start = order_run()
    trigger = flow.definition.triggers["When_an_order_arrives"]
    secure = replace(trigger, runtime=replace(trigger.runtime, secure_outputs=True))
    assert trigger_step(secure, start.trigger).outputs == "*sanitized*"
