"""Exports as people made them, untouched: every one opens, and the checker knows what Flowmend runs of them."""

import json
from pathlib import Path

import pytest

from flowmend.cli.flow_files import package_files, read_flow_files
from flowmend.core.checking import check_flow, lift_secrets
from flowmend.core.definition import open_package
from flowmend.core.definition.exporting import packed_folder, plain_document, standard_folder
from flowmend.core.problem import Severity
from flowmend.use_cases.flow_parameters import holding_definition

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not (DATA / "originals").is_dir(), reason="the collection of real exports is not there: ../shared/data/originals"
)

LEAST_SUPPORTED = 0.94


def exports() -> list[Path]:
    return sorted(
        path
        for path in (DATA / "originals").rglob("*")
        if path.suffix in {".json", ".zip"} and path.name != "index.json"
    )


@pytest.mark.parametrize("path", exports(), ids=lambda path: path.name[-40:])
def test_an_export_opens_checks_and_leaves_again(path: Path) -> None:
    opened = open_package(package_files(path), path.name)
    assert opened.flows
    assert opened.problems == ()
    for one in opened.flows:
        assert one.flow is not None
        check_flow(one.flow)
        lift_secrets(holding_definition(one.document), one.flow)
        names = [action.name for action in one.flow.definition.walk()]
        plain = json.dumps(plain_document(one.flow)).encode()
        for left in (plain, packed_folder(standard_folder(one.flow))):
            (again,) = open_package(left, "left").flows
            assert again.flow is not None
            assert [action.name for action in again.flow.definition.walk()] == names


def test_all_exports_open_together_as_one_folder() -> None:
    opened = open_package(package_files(DATA / "originals"), "originals")
    assert len(opened.flows) == len(exports())
    assert len({one.identity.flow_id for one in opened.flows}) == len(exports())


def test_the_checker_calls_little_unsupported_and_points_at_what_there_is() -> None:
    found = read_flow_files(DATA / "flows")
    assert len(found) > 800
    unsupported = [one for one in found if any(problem.code.startswith("Unsupported") for problem in one.problems)]
    assert 1 - len(unsupported) / len(found) >= LEAST_SUPPORTED


def test_what_is_missing_is_a_warning_that_a_person_can_cure() -> None:
    needs = {"MissingTemplateValue", "MissingParameterValue", "MissingSignIn", "MissingFunction"}
    problems = [problem for one in read_flow_files(DATA / "flows") for problem in one.problems if problem.code in needs]
    assert {problem.code for problem in problems} == needs
    assert {problem.severity for problem in problems} == {Severity.WARNING}
