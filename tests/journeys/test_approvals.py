"""A flow asks people: answered in the portal, by the mailed link, by the command, and what they see of it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor
from kept_mail import Mailbox

Visit = Callable[..., Visitor]
_SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Demonstration]:
    """A demonstration of its own, that may write to the mail server."""

    class WithMail(Demonstration):
        def _environment(self) -> dict[str, str]:
            return {**super()._environment(), "FLOWMEND_ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{mailbox.port}"}

    demonstration = WithMail(tmp_path_factory.mktemp("demo") / "data")
    try:
        demonstration.start()
        demonstration.wait_for_story()
        smtp = demonstration.post(
            "/connections", {"connector": "smtp", "display_name": "Mail", "parameters": mailbox.parameters}
        )
        demonstration.post(
            "/connections",
            {"connector": "approvals", "display_name": "Approvals", "parameters": {"mail": smtp["id"]}},
        )
        yield demonstration
    finally:
        demonstration.stop()
    assert "Traceback" not in demonstration.log, demonstration.log


def ask(demo: Demonstration, title: str, people: str, kind: str = "Basic", **asked: Any) -> str:
    """The run of a new flow that asks."""
    parameters = {
        "title": title,
        "assignedTo": people,
        "details": "Three chairs and a table, 1,240.00 EUR.\nThe customer waits for our answer until Friday.",
        "requestor": "Order desk",
        "itemLink": "https://orders.example.com/4711",
        "itemLinkDescription": "Order 4711",
        **asked,
    }
    action = {
        "type": "OpenApiConnectionWebhook",
        "inputs": {
            "host": {
                "apiId": "/providers/Microsoft.PowerApps/apis/shared_approvals",
                "connectionName": "shared_approvals",
                "operationId": "StartAndWaitForAnApproval",
            },
            "parameters": {
                "approvalType": kind,
                **{f"WebhookApprovalCreationInput/{name}": value for name, value in parameters.items()},
            },
        },
        "runAfter": {},
    }
    definition = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
        "actions": {"Ask": action},
    }
    references = {"shared_approvals": {"connectionName": "", "id": "/apis/shared_approvals"}}
    name = f"{title} flow"
    file = demo.data.parent / "asking.json"
    file.write_text(json.dumps({"connectionReferences": references, "definition": definition}), "utf-8")
    connection = demo.connection("approvals")["id"]
    demo.command("import", str(file), "--name", name, "--map", f"shared_approvals={connection}")
    demo.command("flows", "turn-on", name)
    before = waiting(demo)
    run_name = demo.run_flow(name, {})
    demo._until(lambda: waiting(demo) > before, "it is asked")
    return run_name


def waiting(demo: Demonstration) -> int:
    return len(demo.get("/approvals")["value"])


def outcome_of(demo: Demonstration, run_name: str) -> str:
    """What the run has made of the answers, once it has ended."""
    assert demo.ended(run_name)["status"] == "Succeeded"
    found = [one for one in demo.get("/approvals?state=done")["value"] if one["run_name"] == run_name]
    return str(found[0]["outcome"])


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("One approval waits", "Approve", "Your answer is kept", "Show the run", "Waiting", "Approved")),
        ("zh-Hant", ("有 1 件核准等待回覆", "核准", "已記錄您的回覆", "顯示這次執行", "等待中", "已核准")),
    ],
)
def test_the_owner_approves_in_the_portal_and_the_run_goes_on(
    demo: Demonstration, visit: Visit, language: str, words: tuple[str, ...]
) -> None:
    title, approve, kept, show, _, approved = words
    run_name = ask(demo, f"Order 4711 ({language})", "ann@example.com; bob@example.com;")
    visitor = visit(language)
    page = visitor.page
    page.goto(demo.url)
    page.locator("nav.nav a[href='/approvals']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    visitor.shoot("90-approvals")
    page.get_by_role("link", name=f"Order 4711 ({language})").click()
    visitor.shoot("91-approval")
    page.locator("#comments").fill("Good customer")
    page.get_by_role("button", name=approve, exact=True).click()  # for whom is asked for first
    expect(page).to_have_url(re.compile(r"/approvals/[^?]+$"))
    page.locator("#approver").select_option("bob@example.com")
    page.get_by_role("button", name=approve, exact=True).click()
    expect(page.get_by_role("status").filter(has_text=kept)).to_be_visible()
    expect(page.locator(".pill")).to_contain_text(approved)
    visitor.shoot("92-approval-done")
    page.get_by_role("link", name=show).click()
    expect(page).to_have_url(f"{demo.url}/runs/{run_name}")
    assert outcome_of(demo, run_name) == "Approve"
    page.goto(f"{demo.url}/approvals?state=done")
    visitor.shoot("93-approvals-done")


@pytest.mark.parametrize(
    ("language", "words"), [("en", ("Your answer is kept", "Wait")), ("zh-Hant", ("已記錄您的回覆", "Wait"))]
)
def test_an_approver_answers_by_the_mailed_link_without_an_account(
    demo: Demonstration, visit: Visit, mailbox: Mailbox, language: str, words: tuple[str, ...]
) -> None:
    kept, option = words
    options = {"responseOptions": ["Ship", "Wait", "Ask the customer"]}
    to = f"cho.{language}@example.com"
    run_name = ask(demo, f"Order 4712 ({language})", to, "CustomResponse", **options)
    demo._until(lambda: mailbox.links_to(to), "the mail came")
    (link,) = mailbox.links_to(to)
    visitor = visit(language, signs_in=False)
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link)
    page.wait_for_url(f"{demo.url}/approve/question")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order 4712 ({language})")
    visitor.shoot("94-approve")
    assert f"Order 4712 ({language}) flow" not in page.content()
    assert run_name not in page.content()
    page.locator("#comments").fill("Not before Friday")
    page.get_by_role("button", name=option, exact=True).click()
    expect(page.get_by_role("status").filter(has_text=kept)).to_be_visible()
    visitor.shoot("95-approve-done")
    assert outcome_of(demo, run_name) == "Wait"
    secret = link.partition("#")[2]
    assert not [one for one in asked if secret in one.partition("#")[0]]
    assert secret not in demo.log
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("alert")).to_be_visible()
    visitor.shoot("96-approve-used")


def test_a_link_works_without_scripts_by_pasting_it(demo: Demonstration, chromium: Browser, mailbox: Mailbox) -> None:
    run_name = ask(demo, "Order 4713", "dee@example.com")
    demo._until(lambda: mailbox.links_to("dee@example.com"), "the mail came")
    (link,) = mailbox.links_to("dee@example.com")
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        answer = page.goto(link)
        assert answer is not None
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page.locator("#code").fill(link)
        page.locator("main form button").click()
        expect(page).to_have_url(f"{demo.url}/approve/question")
        page.get_by_role("button", name="Reject").click()
    assert outcome_of(demo, run_name) == "Reject"


def test_the_command_lists_and_answers(demo: Demonstration) -> None:
    run_name = ask(demo, "Order 4714", "ann@example.com;bob@example.com", "BasicAwaitAll")
    listed = demo.command("approvals", "list")
    assert "Order 4714" in listed
    (one,) = json.loads(demo.command("approvals", "list", "--json"))
    said = demo.command("approvals", "approve", one["id"][:13], "--for", "ann@example.com", "--comment", "fine")
    assert "Answers still awaited: 1" in said
    demo.command("approvals", "approve", one["id"], "--for", "ann@example.com", exit_code=1)
    assert "Its run goes on" in demo.command("approvals", "reject", one["id"])
    assert outcome_of(demo, run_name) == "Reject"
    assert "Order 4714" in demo.command("approvals", "list", "--done")


def test_the_api_answers_once_and_says_why_not(demo: Demonstration) -> None:
    ask(demo, "Order 4715", "ann@example.com")
    (one,) = demo.get("/approvals")["value"]
    path = f"/approvals/{one['id']}"
    for body, status in (({"response": "Maybe"}, 400), ({"response": "Approve", "approver": "eve"}, 400)):
        assert demo.ask("POST", f"{path}/answer", body).status == status
    assert demo.post(f"{path}/mail")["approvers"][0]["mail_problem"] == ""
    assert demo.post(f"{path}/answer", {"response": "Approve"})["outcome"] == "Approve"
    assert demo.ask("POST", f"{path}/answer", {"response": "Approve"}).status == 409
    assert demo.ask("GET", "/approvals/no-such").status == 404
    for query in ("state=odd", "cursor=-1", "cursor=%D9%A1"):
        assert demo.ask("GET", f"/approvals?{query}").status == 400
