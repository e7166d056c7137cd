"""From exported files to running flows, in the browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.definition.packing import call, compose, definition, package, packed, solution, standard_app
from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def export(number: int) -> tuple[str, Any]:
    """One of fifty, in turns a package, a solution, a template, an app and a definition."""
    name = f"Export {number:02}"
    flow = definition({"A": compose("@triggerBody()"), "B": compose("@parameters('region')")})
    flow["parameters"] = {"region": {"type": "String"}}
    own_id = f"00000000-0000-4000-8000-{number:012}"
    properties = {"displayName": name, "definition": flow}
    if number % 5 == 0:
        path = f"Microsoft.Flow/flows/{own_id}/definition.json"
        return f"{name}.zip", packed({path: {"name": own_id, "type": "Microsoft.Flow/flows", "properties": properties}})
    if number % 5 == 1:
        document = {"properties": {"definition": flow, "connectionReferences": {}}, "schemaVersion": "1.0.0.0"}
        return f"{name}.zip", packed({f"Workflows/{name}-{own_id}.json": document})
    if number % 5 == 2:
        workflow = {"type": "Microsoft.Logic/workflows", "name": name, "properties": {"definition": flow}}
        return f"{name}.json", {"contentVersion": "1.0.0.0", "resources": [workflow]}
    if number % 5 == 3:
        return f"{name}.zip", packed(
            {"host.json": {}, f"{name}/workflow.json": {"definition": flow, "kind": "Stateful"}}
        )
    return f"{name}.json", flow


def written(folder: Path, files: dict[str, Any]) -> list[str]:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return [str(folder / name) for name in files]


def test_fifty_mixed_exports_run_after_four_clicks_and_one_value(
    demo: Demonstration, visit: Visit, tmp_path: Path
) -> None:
    page = visit().page
    page.goto(f"{demo.url}/import")
    page.set_input_files("#file", written(tmp_path, dict(map(export, range(50)))))
    page.locator("main form button").click()
    page.get_by_role("textbox", name="region string").fill("west")
    page.get_by_label("Turn on what can run").check()
    page.locator("button.primary").click()
    page.wait_for_url(f"{demo.url}/flows?done=imported*")

    flows = [one for one in demo.get("/flows")["value"] if one["name"].startswith("Export ")]
    assert len(flows) == 50
    assert {one["state"] for one in flows} == {"On"}


def test_the_dry_run_lists_each_thing_once_and_a_wrong_value_changes_nothing(
    demo: Demonstration, visit: Visit, tmp_path: Path
) -> None:
    visitor = visit()
    page = visitor.page
    limited = definition({"Get": call("shared_office365")}, parameters={"limit": {"type": "Int"}})
    limited["actions"]["Call"] = {
        "type": "Http",
        "inputs": {"method": "GET", "uri": "https://x.test", "headers": {"X-Api-Key": "hunter2-hunter2"}},
    }
    files = {
        "Shop.zip": packed(package()),
        "Solution.zip": packed(solution()),
        "App.zip": packed(standard_app()),
        "Limited.json": limited,
        "Broken.json": b"{",
    }
    page.goto(f"{demo.url}/import")
    page.set_input_files("#file", written(tmp_path, files))
    page.locator("main form button").click()
    visitor.shoot("import")

    main = page.locator("main")
    assert page.get_by_label("Site").input_value() == "https://contoso.test/shop"
    assert page.get_by_label("MAIL_KEY").get_attribute("type") == "password"
    assert "Broken.json" in main.inner_text()
    assert "hunter2" not in page.content()
    page.get_by_role("textbox", name="limit int").fill("many")
    page.get_by_label("MAIL_KEY").fill("hunter2-hunter2")
    page.locator("button.primary").click()

    assert "limit" in page.get_by_role("alert").inner_text()
    assert page.get_by_role("textbox", name="limit int").input_value() == "many"
    assert "hunter2" not in page.content()
    assert not [one for one in demo.get("/flows")["value"] if one["name"] == "Limited"]
    page.get_by_role("textbox", name="limit int").fill("5")
    page.locator("button.primary").click()
    page.wait_for_url(f"{demo.url}/flows?done=imported*")
    assert [one for one in demo.get("/flows")["value"] if one["name"] == "Limited"]


def test_a_folder_is_read_with_what_lies_in_folders_inside(demo: Demonstration, visit: Visit, tmp_path: Path) -> None:
    app = tmp_path / "Warehouse"
    for name in ("Warehouse count", "Warehouse move"):
        (app / name).mkdir(parents=True)
        document = {"definition": definition({"A": compose(name)}), "kind": "Stateful"}
        (app / name / "workflow.json").write_text(json.dumps(document))
    page = visit().page
    page.goto(f"{demo.url}/import")
    page.set_input_files("#folder", str(app))
    page.locator("main form button").click()
    assert "2 flows found" in page.locator("h1").inner_text()
    page.get_by_label("Turn on what can run").check()
    page.get_by_label("Import Warehouse move").uncheck()
    page.locator("button.primary").click()
    page.wait_for_url(f"{demo.url}/flows/*?done=imported")
    assert [one["name"] for one in demo.get("/flows")["value"] if one["name"].startswith("Warehouse")] == [
        "Warehouse count"
    ]


def test_files_of_one_name_are_each_read_and_what_is_on_is_said(
    demo: Demonstration, visit: Visit, tmp_path: Path
) -> None:
    buffers = [
        {
            "name": "twin.json",
            "mimeType": "application/json",
            "buffer": json.dumps(definition({"A": compose(one)})).encode(),
        }
        for one in ("left", "right")
    ]
    page = visit().page
    page.goto(f"{demo.url}/import")
    page.locator("#file").set_input_files(buffers)
    page.locator("main form button").click()
    page.get_by_label("Turn on what can run").check()
    page.locator("button.primary").click()
    page.wait_for_url(f"{demo.url}/flows?done=imported*")
    said = page.get_by_role("status").first.inner_text()
    assert "2 flows are imported" in said
    assert "All of them are on." in said
