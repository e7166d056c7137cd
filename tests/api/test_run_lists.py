"""Runs as lists over HTTP: CSV, plans for all that match, and what may not be asked."""

import csv

import pytest

from .conftest import Flowmend, ended, imported

COMPOSE = {"A": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}}


@pytest.fixture(scope="module")
def flow(flowmend: Flowmend) -> str:
    flow_id = imported(flowmend, "listed", COMPOSE)
    for number in range(3):
        ended(flowmend, flowmend.api("POST", f"/flows/{flow_id}/run", {"n": number}).json["name"])
    return flow_id


def test_all_that_match_come_as_csv(flowmend: Flowmend, flow: str) -> None:
    answer = flowmend.api("GET", f"/runs.csv?flow_id={flow}&column=output:body/n")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert "runs.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    assert [row["body/n"] for row in rows] == ["2", "1", "0"]


def test_a_plan_for_all_that_match_begins_nothing(flowmend: Flowmend, flow: str) -> None:
    plan = flowmend.api("POST", f"/runs/plan?flow_id={flow}&status=Succeeded", {"mode": "resubmit"})
    assert plan.status == 201
    assert (plan.json["state"], plan.json["counts"]["to_go"]) == ("draft", 3)
    assert len(flowmend.api("GET", f"/runs?flow_id={flow}").json["value"]) == 3
    assert flowmend.api("POST", f"/repair_plans/{plan.json['id']}/dismiss").status == 200


@pytest.mark.parametrize(
    "query",
    [
        "text=" + "x" * 401,
        "tracked=name",
        "tracked=name=",
        "started_from=yesterday",
        "flow_id=" + "f" * 500,
        "diagnosis_category=" + "c" * 500,
    ],
    ids=["a long text", "no value", "an empty value", "no time", "a long id", "a long category"],
)
def test_what_cannot_be_asked_is_refused_everywhere(flowmend: Flowmend, query: str) -> None:
    for method, path in (("GET", "/runs"), ("GET", "/runs.csv"), ("POST", "/runs/plan")):
        answer = flowmend.api(method, f"{path}?{query}", {} if method == "POST" else None)
        assert answer.status == 400, (path, answer.content)


@pytest.mark.parametrize("columns", ["column=x", "column=value:", "&".join(f"column=value:{n}" for n in range(9))])
def test_columns_that_are_none_or_too_many_are_refused(flowmend: Flowmend, columns: str) -> None:
    assert flowmend.api("GET", f"/runs.csv?{columns}").status == 400


def test_a_plan_wants_a_way_there_is(flowmend: Flowmend) -> None:
    assert flowmend.api("POST", "/runs/plan", {"mode": "explode"}).status == 400


class TestPortal:
    @pytest.fixture
    def page(self, flowmend: Flowmend) -> dict[str, str]:
        return {"Cookie": f"flowmend_session={flowmend.cookie}", "Origin": flowmend.origin}

    def form(self, page: dict[str, str]) -> dict[str, str]:
        return page | {"Content-Type": "application/x-www-form-urlencoded"}

    def test_the_page_filters_and_exports_what_it_shows(
        self, flowmend: Flowmend, flow: str, page: dict[str, str]
    ) -> None:
        shown = flowmend.ask("GET", f"/runs?flow={flow}&status=Succeeded&since=1h", headers=page)
        assert shown.status == 200
        assert shown.content.count(b'name="run"') == 3
        exported = flowmend.ask("GET", f"/runs.csv?flow={flow}&status=Succeeded", headers=page)
        assert len(exported.content.splitlines()) == 4

    def test_chosen_columns_are_remembered_and_odd_cookies_do_no_harm(
        self, flowmend: Flowmend, flow: str, page: dict[str, str]
    ) -> None:
        chosen = flowmend.ask(
            "POST", "/runs/columns", content="column=output%3Abody%2Fn&column=odd&next=/runs", headers=self.form(page)
        )
        assert (chosen.status, chosen.headers["location"]) == (303, "/runs")
        cookie = chosen.headers["set-cookie"].partition(";")[0]
        both = page | {"Cookie": f"{page['Cookie']}; {cookie}"}
        assert b"body/n" in flowmend.ask("GET", f"/runs?flow={flow}", headers=both).content
        for odd in ("%ff%00", "value%3A" + "x" * 3000, "|||", "output%3A../../x"):
            odd_one = page | {"Cookie": f"{page['Cookie']}; flowmend_columns={odd}"}
            assert flowmend.ask("GET", "/runs", headers=odd_one).status == 200

    def test_all_that_match_become_one_plan(self, flowmend: Flowmend, flow: str, page: dict[str, str]) -> None:
        asked = f"mode=resubmit&all=yes&flow={flow}&status=Succeeded&as_of=2100-01-01T00:00:00%2B00:00"
        made = flowmend.ask("POST", "/runs/plan", content=asked, headers=self.form(page))
        assert made.status == 303
        plan = flowmend.api("GET", made.headers["location"]).json
        assert plan["counts"]["to_go"] == 3
        flowmend.api("POST", f"/repair_plans/{plan['id']}/dismiss")

    @pytest.mark.parametrize("asked", ["mode=resubmit", "mode=explode&run=x", "all=yes", ""])
    def test_a_form_that_chooses_nothing_is_refused(self, flowmend: Flowmend, page: dict[str, str], asked: str) -> None:
        assert flowmend.ask("POST", "/runs/plan", content=asked, headers=self.form(page)).status == 400

    @pytest.mark.parametrize(
        "query",
        ["status=Nope", "since=9y", "started_from=now", "category=x", "cursor=%00", "select=all", "text=%27%22%25_"],
    )
    def test_odd_addresses_show_a_page(self, flowmend: Flowmend, page: dict[str, str], query: str) -> None:
        assert flowmend.ask("GET", f"/runs?{query}", headers=page).status == 200
