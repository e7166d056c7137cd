"""All runs: found by what people know of them, shown as they like, taken along as a file, and chosen all at once."""

import csv
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def test_runs_are_filtered_shown_with_a_column_and_exported(demo: Demonstration, visit: Visit, tmp_path: Path) -> None:
    demo.mend_orders()
    for number in ("7901", "7902"):
        demo.ended(demo.run_flow("Order intake", demo.order(number)))
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs")
    page.get_by_label("Flow", exact=True).select_option(label="Order intake")
    expect(page).to_have_url(re.compile("flow="))
    page.get_by_role("navigation", name="Status").get_by_role("link", name="Succeeded").click()
    page.get_by_text("Edit columns").click()
    column = page.get_by_role("checkbox", name="body/orderNumber")
    column.check()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="body/orderNumber")).to_be_visible()
    expect(page.get_by_role("cell", name="7902", exact=True).first).to_be_visible()
    visitor.shoot("90-all-runs")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export CSV").click()
    kept = tmp_path / "runs.csv"
    downloading.value.save_as(kept)
    rows = list(csv.DictReader(kept.read_text("utf-8-sig").splitlines()))
    assert {"7901", "7902"} <= {row["body/orderNumber"] for row in rows}
    assert {row["Status"] for row in rows} == {"Succeeded"}


def test_runs_are_chosen_by_keyboard_and_planned_for(demo: Demonstration, visit: Visit) -> None:
    demo.mend_orders()
    demo.ended(demo.run_flow("Order intake", demo.order("7911")))
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/runs?status=Succeeded")
    first = page.locator(".pick input").first
    first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("region", name="Selection")).to_contain_text("1 on this page selected")
    page.get_by_role("checkbox", name="All on this page").check()
    shown = page.locator(".pick input").count()
    expect(page.get_by_role("region", name="Selection")).to_contain_text(f"{shown} on this page selected")
    page.get_by_role("checkbox", name="All on this page").uncheck()
    first.check()
    page.get_by_role("button", name="Resubmit runs").click()
    expect(page).to_have_url(re.compile("/repair_plans/"))
    visitor.shoot("91-plan-for-chosen-runs")
