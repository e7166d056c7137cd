"""The picture of a run: order, nesting, and the line that stops where the run stopped."""

from datetime import UTC, datetime, timedelta

from flowmend.core.outcome import Status
from flowmend.portal.graph import Branch, Step, first_broken, levels, timeline, walk
from portal.sample_pages import run_page

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)


def step(name: str, status: str = Status.SUCCEEDED, *after: str, inside: tuple[Step, ...] = ()) -> Step:
    branches = (Branch(kind="actions", steps=inside),) if inside else ()
    return Step(name=name, type="Compose", status=status, run_after=after, branches=branches)


def test_steps_stand_below_what_they_wait_for_whatever_the_order_of_the_document() -> None:
    drawn = levels((step("C", Status.SUCCEEDED, "B"), step("A"), step("B", Status.SUCCEEDED, "A")))
    assert [[one.name for one in level.steps] for level in drawn] == [["A"], ["B"], ["C"]]


def test_steps_that_wait_for_the_same_one_stand_side_by_side() -> None:
    drawn = levels((step("A"), step("B", "", "A"), step("C", "", "A"), step("D", "", "B", "C")))
    assert [[one.name for one in level.steps] for level in drawn] == [["A"], ["B", "C"], ["D"]]


def test_a_circle_in_an_old_journal_is_still_shown() -> None:
    drawn = levels((step("A", "", "B"), step("B", "", "A")))
    assert [one.name for level in drawn for one in level.steps] == ["A", "B"]


def test_the_line_is_cut_before_the_failed_step_and_dashed_behind_it() -> None:
    drawn = levels((step("A"), step("B", Status.FAILED, "A"), step("C", Status.SKIPPED, "B"), step("D", "", "C")))
    assert [level.wire for level in drawn] == ["", "cut", "off", "off"]


def test_the_line_goes_on_red_into_a_scope_that_holds_the_failure() -> None:
    scope = step("S", Status.FAILED, "A", inside=(step("B", Status.FAILED),))
    assert [level.wire for level in levels((step("A"), scope))] == ["", "bad"]


def test_the_line_into_a_running_step_is_the_running_one() -> None:
    assert levels((step("A"), step("B", Status.RUNNING, "A")))[1].wire == "run"


def test_the_run_stopped_at_the_innermost_failed_step() -> None:
    page = run_page(None)
    assert page.failed is not None
    assert page.failed.name == "Create_order_line"
    assert page.failed.repetition == (2,)
    assert first_broken((step("A"),)) is None


def test_the_list_holds_the_same_steps_as_the_picture_with_their_depth() -> None:
    inner = step("B", inside=(step("C"),))
    assert [(depth, one.name) for depth, one in walk((step("A", inside=(inner,)),))] == [(0, "A"), (1, "B"), (2, "C")]


def test_the_timeline_leaves_out_what_did_not_run_and_never_leaves_its_frame() -> None:
    ran = Step(name="A", type="Http", status="Succeeded", started_at=NOON, ended_at=NOON + timedelta(seconds=5))
    late = Step(name="B", type="Http", status="Running", started_at=NOON + timedelta(seconds=9))
    bars = timeline((ran, late, step("C", Status.SKIPPED)), NOON, NOON + timedelta(seconds=10))
    assert [(bar.step.name, bar.left, bar.width) for bar in bars] == [("A", 0.0, 50.0), ("B", 90.0, 10.0)]
    assert all(bar.left + bar.width <= 100 for bar in timeline((ran,), NOON, NOON))


def test_an_http_answer_is_told_with_its_number() -> None:
    failed = Step(name="A", type="Http", status="Failed", code="Unauthorized", outputs={"statusCode": 401})
    assert failed.code_in_full == "401 Unauthorized"
    assert Step(name="A", type="Http", status="Failed", code="429", outputs={"statusCode": 429}).code_in_full == "429"
