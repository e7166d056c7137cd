"""The pages for editing and trying a flow, with values as the use cases give them."""

import json
from datetime import datetime, timedelta
from typing import Any

from flowmend.core.definition.flow import Flow
from flowmend.core.problem import Problem, Severity
from flowmend.core.run import Entry, RunStart, compile_flow
from flowmend.portal.graph import first_broken, walk
from flowmend.portal.pages.flow_edit import EditPage
from flowmend.portal.pages.flow_parameters import ParametersPage
from flowmend.portal.pages.flow_test import Trial, TrialPage
from flowmend.portal.pages.flow_versions import MADE_BY, VersionPage, VersionsPage
from flowmend.portal.pages.run_trace import Place, PlaygroundPage, TracePage
from flowmend.portal.run_steps import JournalInMemory, StepReader, after_trigger, trigger_step
from flowmend.portal.words import FAILED
from flowmend.store.rows import RunRow
from flowmend.use_cases.edit_flow import CheckedText, PlacedProblem
from flowmend.use_cases.flow_versions import DifferenceLine, VersionDifference, VersionSummary
from flowmend.use_cases.past_runs import ActionTrace, Tried
from flowmend.use_cases.set_parameters import ParameterView

FLOW, NAME, RUN = "5f2f1d0e-6c1d-4c55-9f0b-0d8f1f3a7711", "Order intake to ERP", "08584000000000000000000007711CU00"
TEXT = json.dumps({"definition": {"actions": {"Get_customer": {"type": "Http", "inputs": {}}}}}, indent=2)


def editing_pages(
    now: datetime, runs: tuple[RunRow, ...], ran: tuple[Flow, list[Entry], RunStart]
) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}"""
    versions = tuple(
        VersionSummary(
            version=f"0858{index}", created_at=now - timedelta(hours=index), is_latest=not index, made_by=how
        )
        for index, how in enumerate(MADE_BY)
    )
    views = _parameters()
    flows: dict[str, tuple[str, dict[str, object]]] = {
        "flow-edit": ("flow_edit.html", {"page": _edit(marked=(4, 7), marked_name="Get customer", run_name=RUN)}),
        "flow-edit-refused": ("flow_edit.html", {"page": _edit(refusal="It is on, and it could not run.", is_on=True)}),
        "flow-edit-changed": ("flow_edit.html", {"page": _edit(was_changed=True)}),
        "flow-edit-checked": ("flow_edit.html", {"page": _edit(was_checked=True, checked=_checked(()))}),
        "flow-versions": ("flow_versions.html", {"page": VersionsPage(flow_id=FLOW, name=NAME, versions=versions), "made_by": MADE_BY}),
        "flow-version": ("flow_version.html", {"page": _version(versions, 1), "made_by": MADE_BY}),
        "flow-version-first": ("flow_version.html", {"page": _version(versions[:1], 0), "made_by": MADE_BY}),
        "flow-parameters": ("flow_parameters.html", {"page": ParametersPage(flow_id=FLOW, name=NAME, parameters=views), "done": "set"}),
        "flow-parameters-refused": ("flow_parameters.html", {"page": ParametersPage(flow_id=FLOW, name=NAME, parameters=views, wrong="retries", refusal="No int.", entered={"retries": "many"})}),
        "flow-parameters-none": ("flow_parameters.html", {"page": ParametersPage(flow_id=FLOW, name=NAME, parameters=())}),
        "flow-test": ("flow_test.html", {"page": _trial_page(runs)}),
        "flow-test-refused": ("flow_test.html", {"page": _trial_page(runs, problem="This is not valid JSON: at line 1.")}),
        "flow-tested": ("flow_test.html", {"page": _trial_page(runs, trial=_trial(ran))}),
    }  # fmt: skip
    of_runs: dict[str, tuple[str, dict[str, object]]] = {
        "run-trace": ("run_trace.html", {"page": _trace(ActionTrace(inputs=_traces()))}),
        "run-trace-hidden": ("run_trace.html", {"page": _trace(ActionTrace(inputs=[], is_hidden=True))}),
        "run-trace-never": ("run_trace.html", {"page": _trace(ActionTrace(inputs=[], was_computed=False))}),
        "run-try": ("run_try.html", {"page": _playground(Tried(value={"number": "4711", "secret": "*sanitized*"}), "Object")}),
        "run-try-wrong": ("run_try.html", {"page": _playground(Tried(error_code="InvalidTemplate", error_message="No."), "")}),
    }  # fmt: skip
    return {name: (template, "flows", values) for name, (template, values) in flows.items()} | {
        name: (template, "runs", values) for name, (template, values) in of_runs.items()
    }


def _checked(problems: tuple[PlacedProblem, ...]) -> CheckedText:
    return CheckedText(problems=problems, can_save=True)


def _edit(**parts: Any) -> EditPage:
    problem = Problem(
        severity=Severity.ERROR,
        code="UnknownFunction",
        pointer="/definition/actions/Get_customer/inputs",
        message="There is no function 'nope'.",
        hint="Correct its name.",
    )
    remark = Problem(severity=Severity.WARNING, code="LimitExceeded", pointer="/x", message="Too many.")
    problems = (PlacedProblem(problem=problem, lines=(6, 6)), PlacedProblem(problem=remark, lines=None))
    values: dict[str, Any] = {"checked": _checked(problems), "is_on": False} | parts
    return EditPage(flow_id=FLOW, name=NAME, base_version="08580", latest="08581", text=TEXT, **values)


def _version(versions: tuple[VersionSummary, ...], index: int) -> VersionPage:
    lines = (
        DifferenceLine(kind="gap", text=""),
        DifferenceLine(kind="same", text='  "actions": {', old_number=2, new_number=2),
        DifferenceLine(kind="removed", text='    "uri": "https://old.example"', old_number=3),
        DifferenceLine(kind="added", text='    "uri": "https://new.example"', new_number=3),
    )
    compared = versions[index + 1] if index + 1 < len(versions) else None
    difference = VersionDifference(
        older="08582", newer="08581", lines=lines, values=("password",), added_count=1, removed_count=1
    )
    return VersionPage(
        flow_id=FLOW,
        name=NAME,
        version=versions[index],
        others=tuple(one for one in versions if one is not versions[index]),
        compared_with=compared,
        difference=difference if compared else None,
    )


def _parameters() -> tuple[ParameterView, ...]:
    def view(name: str, kind: str, source: str, value: Any = None, **parts: Any) -> ParameterView:
        given = {"schema_name": "", "description": "", "allowed_values": ()} | parts
        return ParameterView(
            name=name,
            shown_name=name,
            type=kind,
            is_secret=kind.startswith("secure"),
            source=source,
            value=value,
            **given,
        )

    return (
        view("region", "string", "given", "north", allowed_values=("north", "south")),
        view("retries", "int", "default", 3),
        view("password", "securestring", "given", description="Of the ERP account."),
        view("filter", "object", "file", {"open": True}),
        view("mailbox", "string", "", schema_name="contoso_mailbox"),
    )


def _trial_page(runs: tuple[RunRow, ...], **parts: Any) -> TrialPage:
    return TrialPage(
        flow_id=FLOW, name=NAME, can_give_body=True, call_names=("Get_customer", "Confirm"), runs=runs, **parts
    )


def _trial(ran: tuple[Flow, list[Entry], RunStart]) -> Trial:
    flow, entries, start = ran
    compiled = compile_flow(flow)
    reader = StepReader(compiled=compiled, journal=JournalInMemory(entries), connector_of=lambda name: "", chosen={})
    trigger = next(iter(flow.definition.triggers.values()))
    steps = after_trigger(reader.steps(), trigger_step(trigger, start.trigger))
    failed = first_broken(steps)
    opened = frozenset([failed.name] if failed else [])
    return Trial(
        look=FAILED, steps=steps, failed=failed, error="An action failed.", opened=opened, outputs={"statusCode": 200},
        values={step.name: reader.values(step) for _, step in walk(steps)},
    )  # fmt: skip


def _trace(trace: ActionTrace) -> TracePage:
    return TracePage(
        run_name=RUN,
        run_title="Order 4711",
        flow_id=FLOW,
        flow_name=NAME,
        action="Get_customer",
        repetition="",
        trace=trace,
    )


def _traces() -> list[dict[str, Any]]:
    inner = [{"text": "triggerBody()", "value": {"number": "4711"}}]
    return [
        {"path": "uri", "text": "@{triggerBody()?['number']}", "value": "4711", "subexpressions": inner},
        {"path": "id", "text": "@guid()", "value": "6f1c2f0e", "repeatable": False},
        {"path": "key", "text": "@parameters('key')", "value": "*sanitized*"},
        {
            "path": "",
            "text": "@int('x')",
            "value": None,
            "error": {"code": "InvalidTemplate", "message": "Not a number."},
        },
    ]


def _playground(tried: Tried, kind: str) -> PlaygroundPage:
    places = (
        Place(value="Get_customer|", name="Get customer", pass_words=""),
        Place(value="Reserve_stock|000001", name="Reserve stock", pass_words="2"),
    )
    return PlaygroundPage(
        run_name=RUN,
        run_title="Order 4711",
        flow_id=FLOW,
        flow_name=NAME,
        places=places,
        chosen=places[1].value,
        expression="triggerBody()?['number']",
        tried=tried,
        kind=kind,
        value=tried.value,
    )
