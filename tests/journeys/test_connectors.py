"""The gallery of connectors: found, looked at, added from files, and connected to by a form made of its parameters."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]


def document(host: str, name: str) -> bytes:
    operations = {
        "/items": {"get": {"operationId": "ListItems", "summary": "List items", "responses": {}}},
        "/convert": {"post": {"operationId": "ConvertItem", "summary": "Convert an item", "responses": {}}},
        "/news": {
            "get": {"operationId": "OnItem", "summary": "When an item comes", "x-ms-trigger": "batch", "responses": {}}
        },
    }
    info = {"title": name, "description": "Items of a store, to be listed and converted."}
    security = {"basic": {"type": "basic"}}
    return json.dumps(
        {"swagger": "2.0", "info": info, "host": host, "paths": operations, "securityDefinitions": security}
    ).encode()


def properties() -> bytes:
    def shown(name: str, **constraints: object) -> dict[str, object]:
        return {"displayName": name, "constraints": {"required": "true", **constraints}}

    regions = [{"text": "Europe", "value": "eu"}, {"text": "America", "value": "us"}]
    parameters = {
        "username": {"type": "string", "uiDefinition": shown("User name")},
        "password": {"type": "securestring", "uiDefinition": shown("Password")},
        "region": {
            "type": "string",
            "uiDefinition": {**shown("Region", allowedValues=regions), "description": "Where the store is"},
        },
    }
    inner = {"connectionParameters": parameters, "scriptOperations": ["ConvertItem"]}
    return json.dumps({"properties": inner}).encode()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "Add a connector",
                "Install",
                "The connector is installed",
                "Needs a script",
                "New connection",
                "Create connection",
            ),
        ),
        ("zh-Hant", ("新增連接器", "安裝", "已安裝連接器", "需要指令碼", "新增連接", "建立連接")),
    ],
)
def test_a_connector_is_added_found_and_connected_to(
    demo: Demonstration, visit: Visit, language: str, words: tuple[str, ...]
) -> None:
    add, install, installed, scripted, _, create = words
    name = f"store-{language.lower()}"
    visitor = visit(language)
    page = visitor.page
    page.goto(f"{demo.url}/connections/new")
    expect(page).to_have_url(f"{demo.url}/connectors")
    visitor.shoot("50-connectors")
    page.get_by_role("link", name=add).click()
    visitor.shoot("51-add-connector")
    files = [
        ("apiDefinition.swagger.json", document("store.example.com", f"Store {language}")),
        ("apiProperties.json", properties()),
    ]
    chosen = [{"name": each, "mimeType": "application/json", "buffer": content} for each, content in files]
    page.locator("#file").set_input_files(chosen)  # type: ignore[arg-type]
    page.get_by_role("button", name=install).click()  # loose files need a name
    expect(page.locator("#name-error")).to_be_visible()
    visitor.shoot("52-add-connector-wrong")
    page.locator("#file").set_input_files(chosen)  # type: ignore[arg-type]
    page.locator("#name").fill(name)
    page.get_by_role("button", name=install).click()
    expect(page.get_by_role("status").filter(has_text=installed)).to_be_visible()
    expect(page.get_by_text("ConvertItem")).to_be_visible()
    visitor.shoot("53-connector")

    page.goto(f"{demo.url}/connectors")
    page.locator("main input[type=search]").fill("convert item")
    page.locator("main input[type=search]").press("Enter")
    expect(page.locator(".gallery > li")).to_have_count(1 if language == "en" else 2)
    page.get_by_role("link", name=scripted).click()
    expect(page.get_by_role("link", name=f"Store {language}", exact=True)).to_be_visible()
    visitor.shoot("54-connectors-found")

    page.goto(f"{demo.url}/connections/new?connector={name}")
    page.locator("#p-username").fill("ada")
    page.locator("#p-password").fill("a-secret-that-is-not-sent-back")
    page.locator("#p-region").select_option("us")
    page.locator("#p-region").evaluate("one => { one.options[one.selectedIndex].value = 'mars' }")
    page.get_by_role("button", name=create).click()
    expect(page.locator("#p-region-error")).to_be_visible()
    expect(page.locator("#p-username")).to_have_value("ada")
    expect(page.locator("#p-password")).to_have_value("")
    assert "a-secret-that-is-not-sent-back" not in page.content()
    visitor.shoot("55-new-connection-wrong")


def test_installing_it_again_with_another_host_says_what_asks_again(demo: Demonstration, visit: Visit) -> None:
    page = visit("en").page
    for host in ("one.example.com", "two.example.com"):
        page.goto(f"{demo.url}/connectors/add")
        files = [("apiDefinition.swagger.json", document(host, "Twice")), ("apiProperties.json", properties())]
        chosen = [{"name": each, "mimeType": "application/json", "buffer": content} for each, content in files]
        page.locator("#file").set_input_files(chosen)  # type: ignore[arg-type]
        page.locator("#name").fill("twice")
        page.get_by_role("button", name="Install").click()
        expect(page.get_by_role("status").filter(has_text="The connector is installed")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="took the place of the version before")).to_be_visible()


def test_the_approvals_form_offers_the_smtp_connections(demo: Demonstration, visit: Visit) -> None:
    visitor = visit("en")
    page = visitor.page
    page.goto(f"{demo.url}/connectors/approvals")
    visitor.shoot("56-connector-approvals")
    page.get_by_role("link", name="New connection").first.click()
    expect(page.get_by_role("link", name="There is none yet; make one.")).to_be_visible()
    page.get_by_role("button", name="Create connection").click()
    page.wait_for_url("**/connections/*?done=created")
