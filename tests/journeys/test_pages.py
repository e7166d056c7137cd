"""What holds for every page: it can be read by anybody, fits its window, and comes at once."""

import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from journeys.demonstration import Demonstration
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

_FIRST_PAGE_WITHIN_SECONDS = 0.1
_MOST_SCRIPT_BYTES = 200_000

#: Everything wrong with the page that the document itself can tell, as sentences.
_FAULTS = """() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const words = (element) => element.innerText?.trim() || element.getAttribute('aria-label')?.trim()
    || element.querySelector('.vh')?.textContent.trim() || element.getAttribute('value') || '';
  if (!document.documentElement.lang) faults.push('no language');
  if (!document.title.includes('Flowmend')) faults.push(`title ${document.title}`);
  if (all('h1').length !== 1) faults.push(`${all('h1').length} first headings`);
  if (all('main').length !== 1) faults.push(`${all('main').length} main landmarks`);
  let level = 0;
  for (const heading of all('main h1, main h2, main h3, main h4')) {
    const its = Number(heading.tagName[1]);
    if (its > level + 1) faults.push(`heading ${heading.innerText} skips to level ${its}`);
    level = its;
  }
  for (const field of all('input:not([type=hidden]), select, textarea').filter(shown))
    if (!field.labels?.length && !field.getAttribute('aria-label') && !field.getAttribute('aria-labelledby'))
      faults.push(`field ${field.name || field.id} without label`);
  for (const command of all('a[href], button, summary').filter(shown))
    if (!words(command)) faults.push(`no words on ${command.outerHTML.slice(0, 120)}`);
  for (const image of all('img')) if (!image.hasAttribute('alt')) faults.push(`no alt on ${image.src}`);
  for (const picture of all('svg'))
    if (!picture.closest('[aria-hidden=true]') && !(picture.getAttribute('role') && picture.getAttribute('aria-label')))
      faults.push(`picture is neither hidden nor named: ${picture.outerHTML.slice(0, 120)}`);
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls'])
    for (const element of all(`[${attribute}]`))
      for (const id of element.getAttribute(attribute).split(/\\s+/))
        if (!document.getElementById(id)) faults.push(`${attribute} names no ${id}`);
  const ids = all('[id]').map((element) => element.id);
  for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) faults.push(`id ${id} twice`);
  for (const element of all('[tabindex]')) if (element.tabIndex > 0) faults.push(`tabindex ${element.tabIndex}`);
  for (const element of all('[style], main script, main style')) faults.push(`inline ${element.tagName}`);
  const wider = document.scrollingElement.scrollWidth - innerWidth;
  if (wider > 0) {
    const widest = all('main *').find((element) => element.getBoundingClientRect().right > innerWidth + 1);
    faults.push(`${wider} px wider than the window: ${widest?.outerHTML.slice(0, 160)}`);
  }
  return faults;
}"""

#: {name of the screenshot: address}; `{…}` are filled from the demonstration
_PAGES = {
    "30-home": "/",
    "31-flows": "/flows",
    "32-flow": "/flows/{flow}",
    "33-flow-off": "/flows/{nightly}",
    "34-run-form": "/flows/{flow}/run",
    "35-delete": "/flows/{flow}/delete",
    "35-edit": "/flows/{flow}/edit",
    "35-parameters": "/flows/{flow}/parameters",
    "35-test": "/flows/{flow}/test",
    "35-versions": "/flows/{flow}/versions",
    "36-import": "/import",
    "37-runs": "/runs",
    "38-runs-failed": "/runs?status=Failed",
    "39-no-run": "/runs?text=nothing-is-called-so",
    "40-run": "/runs/{good_run}",
    "41-run-as-list": "/runs/{failed_run}?view=list",
    "42-run-failed": "/runs/{failed_run}",
    "42-run-playground": "/runs/{failed_run}/try",
    "43-connections": "/connections",
    "44-connection": "/connections/{connection}",
    "45-connection-key": "/connections/{key_connection}/verify",
    "46-new-connection": "/connections/new",
    "47-new-connection-form": "/connections/new?connector=sample_orders",
    "48-verify": "/connections/{connection}/verify",
    "49-incidents": "/incidents",
    "49-incident": "/incidents/{incident}",
    "50-settings": "/settings",
    "51-nothing-here": "/runs/08584000000000000000000000000CU00",
}


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_every_page_can_be_read_by_anybody_and_fits_its_window(
    demo: Demonstration, visit: Visit, language: str
) -> None:
    places = _places(demo)
    visitor = visit(language)
    page = visitor.page
    found: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for name, pattern in _PAGES.items():
        page.goto(demo.url + pattern.format_map(places))
        if faults := page.evaluate(_FAULTS):
            found[name] = faults
        titles[name] = page.title()
        page.set_viewport_size({"width": 375, "height": 780})
        if faults := page.evaluate(_FAULTS):
            found.setdefault(f"{name} at 375 px", faults)
        page.set_viewport_size({"width": 1100, "height": 720})
        visitor.shoot(name)
    assert found == {}


def test_an_import_says_what_the_file_holds_before_anything_is_stored(demo: Demonstration, visit: Visit) -> None:
    flows_before = len(demo.get("/flows")["value"])
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/import")
    page.get_by_label("File").set_input_files(files=[_flow_file()])
    page.get_by_role("button", name="Read file").click()
    main = page.get_by_role("main")
    for words in ("One flow found", "Ask for weather", "Nothing is stored yet", "It arrives off"):
        assert words in main.inner_text()
    assert page.evaluate(_FAULTS) == []
    visitor.shoot("60-import-dry-run")
    assert len(demo.get("/flows")["value"]) == flows_before
    page.get_by_role("button", name="Import flow").click()
    visitor.shoot("61-imported")
    assert demo.get(f"/flows/{demo.flow_id('Ask for weather')}")["state"] == "Off"


def test_the_first_page_comes_at_once(demo: Demonstration, visit: Visit) -> None:
    page = visit().page
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "flowmend_session"]
    request = urllib.request.Request(f"{demo.url}/", headers={"Cookie": f"{cookie['name']}={cookie['value']}"})
    assert min(_seconds_for(request) for _ in range(10)) < _FIRST_PAGE_WITHIN_SECONDS
    assert _script_bytes(page) < _MOST_SCRIPT_BYTES


def _places(demo: Demonstration) -> dict[str, str]:
    failure = demo.fail_order("7701")
    succeeded = demo.get("/runs?status=Succeeded&limit=1")["value"][0]
    return {
        "flow": demo.flow_id("Order intake"),
        "nightly": demo.flow_id("Nightly customer sync"),
        "good_run": succeeded["name"],
        "failed_run": failure.run_name,
        "connection": failure.connection_id,
        "incident": demo.get("/incidents?state=open")["value"][0]["id"],
        "key_connection": demo.connection("sample_shipping")["id"],
    }


def _flow_file() -> Any:
    definition = b"""{"definition": {"$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/\
2016-06-01/workflowdefinition.json#", "contentVersion": "1.0.0.0", "parameters": {"city": {"type": "String"}},
"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
"actions": {"Ask": {"type": "Http", "runAfter": {}, "inputs": {"method": "GET",
"uri": "https://weather.example/@{parameters('city')}"}}}, "outputs": {}}}"""
    return {"name": "Ask for weather.json", "mimeType": "application/json", "buffer": definition}


def _seconds_for(request: urllib.request.Request) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.monotonic() - began


def _script_bytes(page: Page) -> int:
    return int(
        page.evaluate(
            "performance.getEntriesByType('resource').filter(one => one.initiatorType === 'script')"
            ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
        )
    )
