"""The picture of a run: order, nesting, and the line that stops where the run stopped."""

from datetime import UTC, datetime, timedelta

from flowmend.core.outcome import Attempt, Status
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
    bars, left_out = timeline((ran, late, step("C", Status.SKIPPED)), NOON, NOON + timedelta(seconds=10))
    assert [(bar.step.name, bar.stretches[0].left, bar.stretches[0].width) for bar in bars] == [
        ("A", 0.0, 50.0),
        ("B", 90.0, 10.0),
    ]
    assert left_out == 0
    (bar,), _ = timeline((ran,), NOON, NOON)
    assert bar.stretches[0].left + bar.stretches[0].width <= 100


def test_each_attempt_has_its_stretch_of_the_timeline_and_the_wait_between_its_own() -> None:
    tries = tuple(
        Attempt(started_at=NOON + timedelta(seconds=a), ended_at=NOON + timedelta(seconds=b), code=code, client_request_id="")
        for a, b, code in ((0, 1, "BadGateway"), (4, 5, "OK"))
    )  # fmt: skip
    tried = Step(name="A", type="Http", status="Succeeded", started_at=NOON, ended_at=NOON, attempts=tries)
    (bar,), _ = timeline((tried,), NOON, NOON + timedelta(seconds=10))
    assert [(one.left, one.width, one.tone) for one in bar.stretches] == [
        (10.0, 30.0, "wait"),
        (0.0, 10.0, "bad"),
        (40.0, 10.0, "good"),
    ]


def test_of_many_steps_the_timeline_shows_the_longest_and_says_how_many_it_leaves_out() -> None:
    def lasting(seconds: int, status: Status = Status.SUCCEEDED) -> Step:
        ends = NOON + timedelta(seconds=seconds)
        return Step(name=f"S{seconds}", type="Http", status=status, started_at=NOON, ended_at=ends)

    steps = (lasting(0, Status.FAILED), *(lasting(seconds) for seconds in range(1, 9)))
    bars, left_out = timeline(steps, NOON, NOON + timedelta(seconds=10), most=3)
    assert [bar.step.name for bar in bars] == ["S0", "S7", "S8"]
    assert left_out == 6


def test_a_thousand_steps_in_a_row_are_ordered_at_once() -> None:
    steps = [step("A0"), *(step(f"A{number}", Status.SUCCEEDED, f"A{number - 1}") for number in range(1, 1000))]
    assert [level.steps[0].name for level in levels(tuple(reversed(steps)))] == [one.name for one in steps]


def test_an_http_answer_is_told_with_its_number() -> None:
    failed = Step(name="A", type="Http", status="Failed", code="Unauthorized", status_number=401)
    assert failed.code_in_full == "401 Unauthorized"
    assert Step(name="A", type="Http", status="Failed", code="429", status_number=429).code_in_full == "429"
