"""A run that failed after its order was posted goes on: the service counts the order once."""

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def call(connector: str, operation: str, parameters: dict[str, Any], **run_after: list[str]) -> dict[str, Any]:
    host = {
        "connectionName": f"shared_{connector}",
        "operationId": operation,
        "apiId": f"/providers/Microsoft.PowerApps/apis/shared_{connector}",
    }
    inputs = {"host": host, "parameters": parameters, "retryPolicy": {"type": "none"}}
    return {"type": "OpenApiConnection", "inputs": inputs, "runAfter": run_after}


def flow() -> bytes:
    """Orders each line, then asks the audit, by a connection of its own."""
    order = {"number": "@items('Each_line')", "customer": "C-2", "lines": [{"sku": "LAMP-030", "quantity": 1}]}
    line = {
        "Create_order": call("sample_shipping", "CreateOrder", {"body": order}),
        "Audit": call("sample_orders", "ListOrders", {}, Create_order=["Succeeded"]),
        "Note_the_failure": call(
            "sample_shipping", "CreateNote", {"body/subject": "Audit", "body/text": "It failed."}, Audit=["Failed"]
        ),
        "Mark": {"type": "Compose", "inputs": "@items('Each_line')", "runAfter": {"Audit": ["Succeeded"]}},
    }
    actions = {
        "Write_to_ERP": {
            "type": "Scope",
            "runAfter": {},
            "actions": {
                "Each_line": {
                    "type": "Foreach",
                    "foreach": "@triggerBody()['lines']",
                    "runAfter": {},
                    "operationOptions": "Sequential",
                    "actions": line,
                }
            },
        },
        "Done": {"type": "Compose", "inputs": "@workflow()['run']", "runAfter": {"Write_to_ERP": ["Succeeded"]}},
    }
    definition = {
        "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": actions,
    }
    references = {
        f"shared_{one}": {"connectionName": "", "id": f"/apis/shared_{one}"}
        for one in ("sample_shipping", "sample_orders")
    }
    return json.dumps({"definition": definition, "connectionReferences": references}).encode()


def placed(demo: Demonstration, prefix: str) -> dict[str, int]:
    """`{number: how often the service was asked to place it}`."""
    return demo.requests_for(prefix)


def test_an_order_posted_before_the_failure_is_not_posted_again(demo: Demonstration, visit: Visit) -> None:
    connection_id = demo.mend_orders()
    path = demo.data.parent / "audited_orders.json"
    path.write_bytes(flow())
    flow_id = json.loads(demo.command("import", str(path), "--turn-on", "--json"))[0]["id"]
    demo.change_password()
    body = {"lines": ["8801-1", "8801-2"]}
    run_name = demo.post(f"/flows/{flow_id}/run", body)["name"]
    assert demo.ended(run_name)["status"] == "Failed"
    assert placed(demo, "8801") == {"8801-1": 1, "8801-2": 1}

    page = visit().page
    page.goto(f"{demo.url}/runs/{run_name}")
    button = page.get_by_role("button", name="Resume from here", exact=True)
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_description("Its connection still needs repair. Repair it first.")
    verified = demo.post(f"/connections/{connection_id}/verify", {"parameters": {"password": demo.password}})
    assert verified["is_proven"]
    page.goto(f"{demo.url}/runs/{run_name}")

    resume = page.get_by_role("region", name="Resume from here")
    expect(resume).to_contain_text("Goes on at Audit, pass 1 of 2. The 2 finished actions are not repeated.")
    expect(resume).to_contain_text("Only if it fails again:")
    expect(resume).to_contain_text("Note the failure")
    resubmit = page.get_by_role("region", name="Resubmit from the start")
    expect(resubmit).to_contain_text("Create order")
    expect(resubmit).to_contain_text("2 times")
    button.click()
    expect(page.get_by_role("status").first).to_contain_text("Goes on as attempt 2")
    expect(page.locator(".run-facts")).to_contain_text("Succeeded")
    assert placed(demo, "8801") == {"8801-1": 1, "8801-2": 1}
    expect(page.locator("details", has_text="Create order").first).to_contain_text("taken over")
    page.locator("details", has_text="Create order").first.locator("summary").click()
    page.get_by_role("link", name=f"run {run_name[:5]}…{run_name[-9:]}").click()
    page.wait_for_url(f"{demo.url}/runs/{run_name}")
    expect(page.get_by_role("main")).to_contain_text("Resumed by")
