"""A password written in an HTTP action, from the file to the mended run: in the browser, and by command.

The file's password is an old one. Its import makes a connection of it; the run fails with 401, its page leads to that
connection; the new password is proven by the very call that failed; Resubmit succeeds.
"""

import base64
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]
#: Nobody's password at the order service, and found nowhere else on this machine.
OLD_PASSWORD = "harbour-0ld-5ecret"
BY_COMMAND = "harbour-c0mmand-5ecret"


def definition(demo: Demonstration, password: str, *paths: str) -> dict[str, Any]:
    """A flow of an HTTP action for each path, all signing in as ada."""
    schema = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
    actions = {
        f"Read{path.replace('/', '_')}": {
            "type": "Http",
            "inputs": {
                "method": "GET",
                "uri": f"{demo.service_url}/basic{path}",
                "authentication": {"type": "Basic", "username": "ada", "password": password},
                "retryPolicy": {"type": "none"},
            },
            "runAfter": {},
        }
        for path in paths
    }
    triggers = {"manual": {"type": "Request", "kind": "Http"}}
    return {"$schema": schema, "contentVersion": "1.0.0.0", "triggers": triggers, "actions": actions}


def embedded(demo: Demonstration, name: str) -> Any:
    """The connection that a flow of that name signs in by."""
    flow = demo.get(f"/flows/{demo.flow_id(name)}")
    (found,) = {one["connection"] for one in flow["connection_references"] if one["steps"]}
    return demo.get(f"/connections/{found}")


def test_a_password_written_in_a_flow_is_mended_like_any_connection(
    demo: Demonstration, visit: Visit, tmp_path: Path
) -> None:
    demo.mend_orders()
    visitor = visit()
    page = visitor.page
    file = tmp_path / "Stock report.json"
    file.write_text(json.dumps(definition(demo, OLD_PASSWORD, "/me", "/orders")))

    page.goto(f"{demo.url}/import")
    page.set_input_files("#file", str(file))
    page.locator("main form button").click()
    sign_ins = page.get_by_role("region", name="Sign-ins written in the flows")
    expect(sign_ins).to_contain_text("User name and password, ada")
    expect(sign_ins).to_contain_text("Used by 2 actions: Read_me, Read_orders.")
    visitor.shoot("embedded-01-import")
    page.get_by_label("Turn on what can run").check()
    page.locator("button.primary").click()
    page.wait_for_url("**/flows/*done=imported")
    expect(page.get_by_role("main")).to_contain_text("Sign-in written in Read_me, Read_orders")
    visitor.shoot("embedded-02-flow")

    run_name = demo.run_flow("Stock report")
    assert demo.ended(run_name)["status"] == "Failed"
    connection = embedded(demo, "Stock report")
    assert (connection["connector"], connection["health"]) == ("http", "broken")

    page.goto(f"{demo.url}/runs/{run_name}")
    expect(page.get_by_role("main")).to_contain_text(connection["display_name"])
    visitor.shoot("embedded-03-failed-run")
    page.get_by_role("main").get_by_role("link", name="Verify password").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Verify password")
    visitor.shoot("embedded-04-verify")
    page.locator("input[type=password]").fill(demo.password)
    page.get_by_role("main").get_by_role("button", name="Verify password", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    visitor.shoot("embedded-05-proven")
    page.get_by_role("link", name="Back to the failed run").click()
    page.get_by_role("button", name="Resubmit", exact=True).click()
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")

    page.goto(f"{demo.url}/connections/{connection['id']}")
    expect(page.get_by_role("main")).to_contain_text("Connected")
    visitor.shoot("embedded-06-connection")
    look_for(demo, OLD_PASSWORD, run_name, "Stock report")


def test_the_same_by_command(demo: Demonstration, tmp_path: Path) -> None:
    demo.mend_orders()
    file = tmp_path / "Night report.json"
    file.write_text(json.dumps(definition(demo, BY_COMMAND, "/me")))

    plan = demo.command("import", str(file), "--dry-run")
    assert "Basic" in plan
    assert "new: HTTP ada" in plan
    said = demo.command("import", str(file), "--turn-on")
    assert "is the new connection" in said
    run_name = demo.run_flow("Night report")
    assert demo.ended(run_name)["status"] == "Failed"
    connection = embedded(demo, "Night report")
    assert connection["health"] == "broken"

    secrets = json.dumps({"password": demo.password})
    demo.command("connections", "verify", connection["id"], "--secrets-stdin", stdin=secrets)
    demo.command("runs", "resubmit", run_name)
    newest = demo.get(f"/runs?flow={demo.flow_id('Night report')}&limit=1")["value"][0]["name"]
    assert demo.ended(newest)["status"] == "Succeeded"
    again = demo.command("import", str(file))
    assert "is the connection 'HTTP ada" in again
    look_for(demo, BY_COMMAND, run_name, "Night report")


def test_another_address_with_the_secret_left_is_refused_until_the_connection_is_verified(
    demo: Demonstration, visit: Visit, tmp_path: Path
) -> None:
    demo.mend_orders()
    file = tmp_path / "Moved report.json"
    file.write_text(json.dumps(definition(demo, demo.password, "/me")))
    demo.command("import", str(file), "--turn-on")
    assert demo.ended(demo.run_flow("Moved report"))["status"] == "Succeeded"

    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/flows/{demo.flow_id('Moved report')}/edit")
    text = page.locator("textarea[name=text]")
    text.fill(text.input_value().replace(demo.service_url, "https://elsewhere.example"))
    page.get_by_role("button", name="Save", exact=False).first.click()
    page.wait_for_url("**/flows/**done=*")
    run_name = demo.run_flow("Moved report")
    assert demo.ended(run_name)["status"] == "Failed"
    page.goto(f"{demo.url}/runs/{run_name}")
    main = page.get_by_role("main")
    expect(main).to_contain_text("OriginNotAllowed")
    expect(main).to_contain_text("calls an address that the connection's secret was not given for")
    visitor.shoot("embedded-07-other-address")
    main.get_by_role("link", name="Verify password").first.click()
    expect(main).to_contain_text(re.compile(r"It is sent to [^.]*elsewhere\.example"))
    visitor.shoot("embedded-08-verify-address")


def look_for(demo: Demonstration, secret: str, run_name: str, flow_name: str) -> None:
    """A secret is in no history, answer, export, log or row, in no form it was sent in."""
    flow_id, connection_id = demo.flow_id(flow_name), embedded(demo, flow_name)["id"]
    paths = (
        f"/runs/{run_name}",
        f"/runs/{run_name}/actions",
        f"/flows/{flow_id}",
        f"/flows/{flow_id}/export",
        f"/flows/{flow_id}/versions",
        f"/connections/{connection_id}",
        "/connections",
        "/incidents",
    )
    seen = [demo.log, *(json.dumps(demo.get(path)) for path in paths)]
    with sqlite3.connect(f"file:{demo.data / 'flowmend.db'}?mode=ro", uri=True) as database:
        seen.extend(str(line) for line in database.iterdump())
    pair = base64.b64encode(f"ada:{secret}".encode()).decode()
    for text in seen:
        assert secret not in text
        assert pair not in text
        assert secret.encode().hex().upper() not in text
