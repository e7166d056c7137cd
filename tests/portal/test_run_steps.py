"""From the engine's cards to steps: which pass of a loop is shown, which branch was taken."""

from dataclasses import replace

from flowmend.core.run import compile_flow
from flowmend.portal.graph import Step, walk
from flowmend.portal.run_steps import JournalInMemory, StepReader, after_trigger, trigger_step, trigger_values
from portal.sample_pages import order_run


def _steps(chosen: dict[str, int] | None = None) -> dict[str, Step]:
    flow, entries, start = order_run()
    reader = StepReader(
        compiled=compile_flow(flow), journal=JournalInMemory(entries), connector_of=lambda _: "", chosen=chosen or {}
    )
    steps = after_trigger(
        reader.steps(), trigger_step(flow.definition.triggers["When_an_order_arrives"], start.trigger)
    )
    return {step.name: step for _, step in walk(steps)}


def test_the_first_failed_pass_is_shown() -> None:
    steps = _steps()
    passes = steps["For_each_line"].passes
    assert passes is not None
    assert passes.statuses == ("Succeeded", "Succeeded", "Failed")
    assert (passes.count, passes.chosen, passes.failed_count) == (3, 2, 1)
    assert (passes.previous_failed, passes.next_failed) == (None, None)
    assert steps["Create_order_line"].status == "Failed"


def test_another_pass_is_shown_when_asked_for() -> None:
    steps = _steps({"For_each_line": 0})
    assert steps["Create_order_line"].status == "Succeeded"
    assert steps["Create_order_line"].repetition == (0,)


def test_a_pass_that_does_not_exist_is_the_last_one() -> None:
    passes = _steps({"For_each_line": 99})["For_each_line"].passes
    assert passes is not None
    assert passes.chosen == 2


def test_the_failed_pass_is_next_to_one_before_it() -> None:
    passes = _steps({"For_each_line": 0})["For_each_line"].passes
    assert passes is not None
    assert (passes.previous_failed, passes.next_failed) == (None, 2)


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
    assert trigger_values(secure, start.trigger)[1] == "*sanitized*"
    assert trigger_values(trigger, start.trigger)[1] != "*sanitized*"
