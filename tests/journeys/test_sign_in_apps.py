"""Sign-in apps in the browser, at a real authorization server: registered once, consented to, withdrawn, signed in again,
another account refused, a code on another device, and one secret that mends twelve connections.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from authorization_server import CLIENT, CLIENT_SECRET, Provider
from journeys.at_provider import AtProvider
from journeys.visitor import Visitor

Visit = Callable[..., Visitor]

NEW_SECRET = "second-client-secret-77aa"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtProvider]:
    """In place of the demonstration: what these journeys ask is not the sample."""
    provider = Provider()
    provider.start()
    flowmend = AtProvider(tmp_path_factory.mktemp("provider") / "data", provider)
    try:
        flowmend.start()
        flowmend.install()
        yield flowmend
    finally:
        flowmend.stop()
        provider.stop()
    log = flowmend.log
    assert "Traceback" not in log, log
    assert not [secret for secret in (CLIENT_SECRET, NEW_SECRET) if secret in log], log


def test_an_app_is_registered_and_a_person_consents_withdraws_and_signs_in_again(
    demo: AtProvider, visit: Visit
) -> None:
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/settings")
    page.get_by_role("main").locator("a[href='/settings/apps']").click()
    expect(page.get_by_role("heading", name="Sign-in apps", exact=True)).to_be_visible()
    visitor.shoot("40-no-sign-in-apps")
    page.get_by_role("main").get_by_role("link", name="New sign-in app").first.click()
    page.get_by_role("link", name="Provider's API").click()
    expect(page.get_by_label("Redirect URL")).to_have_value(f"{demo.url}/oauth/callback")
    page.get_by_label("Name").fill("Company app")
    page.get_by_label("Client id").fill(CLIENT)
    page.get_by_label("Client secret").first.fill(CLIENT_SECRET)
    page.get_by_label("The secret ends on").fill("2031-12-31")
    visitor.shoot("41-new-sign-in-app")
    page.get_by_role("button", name="Keep the sign-in app").click()
    expect(page.get_by_role("status").filter(has_text="The sign-in app is kept")).to_be_visible()

    page.goto(f"{demo.url}/connections/new")
    page.get_by_role("link", name="New connection Provider's API").click()
    page.get_by_role("link", name="Company app").click()
    expect(page.get_by_label("Client id")).to_have_count(0)
    visitor.shoot("42-connection-with-app")
    page.get_by_label("Name").fill("Ada's items")
    page.get_by_role("button", name="Create connection").click()
    page.get_by_role("main").get_by_role("link", name="Sign in", exact=True).click()
    _allow(demo, page, "ada")
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    (connection,) = demo.get("/connections")["value"]
    assert (connection["account"], connection["health"]) == ("ada", "connected")

    demo.provider.revoke("ada")
    assert not demo.post(f"/connections/{connection['id']}/test")["is_proven"]
    assert demo.read(connection["id"])["health"] == "broken"
    _sign_in_again(demo, page, connection["id"], "ada")
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    assert demo.read(connection["id"])["health"] == "connected"
    assert len(demo.get("/connections")["value"]) == 1

    page.goto(f"{demo.url}/settings/apps")
    expect(page.get_by_role("row").filter(has_text="Company app")).to_contain_text("One connection")
    visitor.shoot("43-sign-in-apps")
    page.get_by_role("link", name="Company app").click()
    visitor.shoot("44-sign-in-app")


def test_an_expired_access_token_is_renewed_and_nobody_is_asked(demo: AtProvider) -> None:
    connection_id = demo.signed_in(demo.new_app("Expiry"), "Expiring", "ben")
    before = demo.provider.refreshes
    demo.provider.expire_access_tokens()
    assert demo.post(f"/connections/{connection_id}/test")["is_proven"]
    assert demo.provider.refreshes == before + 1
    assert demo.read(connection_id)["health"] == "connected"


def test_another_account_is_refused_and_the_old_sign_in_stays(demo: AtProvider, visit: Visit) -> None:
    connection_id = demo.signed_in(demo.new_app("Accounts"), "Ada only", "ada")
    visitor = visit()
    _sign_in_again(demo, visitor.page, connection_id, "ben")
    expect(visitor.page.get_by_role("alert")).to_contain_text("ben")
    visitor.shoot("45-another-account")
    after = demo.read(connection_id)
    assert (after["account"], after["health"]) == ("ada", "connected")
    assert demo.post(f"/connections/{connection_id}/test")["is_proven"]


def test_a_foreign_state_is_refused(demo: AtProvider, visit: Visit) -> None:
    connection_id = demo.signed_in(demo.new_app("States"), "States", "ada")
    theirs = visit().page
    theirs.goto(f"{demo.url}/connections/{connection_id}/verify")
    theirs.get_by_role("main").get_by_role("link", name=re.compile("^Sign in again")).click()
    expect(theirs).to_have_url(re.compile(f"^{re.escape(demo.provider.url)}/authorize"))
    state = re.search(r"[?&]state=([^&]+)", theirs.url)
    assert state is not None
    ours = visit().page
    for answer in (f"state={state[1]}&code=stolen&iss={demo.provider.url}", "state=made-up&code=x", "code=x"):
        ours.goto(f"{demo.url}/oauth/callback?{answer}")
        expect(ours.get_by_role("main")).to_contain_text("not begun in this browser")
    assert demo.read(connection_id)["health"] == "connected"


def test_somebody_signs_in_with_a_code_on_another_device(demo: AtProvider, visit: Visit) -> None:
    body = {"connector": "provider", "display_name": "By code", "parameter_set": "person"}
    connection_id = demo.post("/connections", body | {"sign_in_app": demo.new_app("Codes")})["id"]
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/connections/{connection_id}/verify")
    page.get_by_role("link", name="Sign in with a code on another device").click()
    page.get_by_role("button", name="Show a code").click()
    code = page.get_by_label("Code", exact=True).input_value()
    visitor.shoot("46-code-for-another-device")
    telephone = visit(signs_in=False).page
    telephone.goto(f"{demo.provider.url}/device?user_code={code}")
    _answer(telephone, "ada")
    expect(telephone.get_by_role("heading", name="You can close this page")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Proven, and now in use")).to_be_visible()
    assert demo.read(connection_id)["account"] == "ada"


def test_one_new_secret_mends_twelve_connections_and_closes_one_incident(demo: AtProvider, visit: Visit) -> None:
    app_id = demo.new_app("Shared app")
    connections = [demo.signed_in(app_id, f"Items {number}", "ada" if number % 2 else "ben") for number in range(12)]
    demo.provider.replace_secret(NEW_SECRET)
    demo.provider.expire_access_tokens()
    for connection_id in connections:
        assert demo.post(f"/connections/{connection_id}/test")["category"] == "client_secret_expired"
    incidents = [one for one in demo.get("/incidents?state=open")["value"] if one["source"]["kind"] == "sign_in_app"]
    assert [one["source"]["id"] for one in incidents] == [app_id]
    visitor = visit()
    page = visitor.page
    page.goto(f"{demo.url}/incidents/{incidents[0]['id']}")
    visitor.shoot("47-incident-of-an-app")
    page.get_by_role("main").get_by_role("link", name=re.compile("^Repair")).first.click()
    expect(page.get_by_role("main")).to_contain_text("12 of its connections need repair")
    visitor.shoot("48-app-with-broken-connections")

    page.get_by_label("Client secret").first.fill("wrong")
    page.get_by_role("button", name="Test and replace").click()
    expect(page.get_by_role("alert")).to_contain_text("The service refused the new secret")
    visitor.shoot("49-secret-refused")
    page.get_by_label("Client secret").first.fill(NEW_SECRET)
    page.get_by_role("button", name="Test and replace").click()
    expect(page.get_by_role("status").filter(has_text="12 connections work again")).to_be_visible()
    visitor.shoot("50-all-mended")

    assert {demo.read(one)["health"] for one in connections} == {"connected"}
    assert demo.get(f"/incidents/{incidents[0]['id']}")["incident"]["state"] == "closed"
    assert demo.provider.burnt == 0
    demo.provider.replace_secret(CLIENT_SECRET)


def test_the_pages_speak_traditional_chinese(demo: AtProvider, visit: Visit) -> None:
    app_id = demo.new_app("公司應用程式")
    visitor = visit("zh-Hant")
    visitor.page.goto(f"{demo.url}/settings/apps/{app_id}")
    expect(visitor.page.get_by_role("heading", name="更換密碼")).to_be_visible()
    visitor.shoot("44-sign-in-app")


def _sign_in_again(demo: AtProvider, page: Page, connection_id: str, user: str) -> None:
    page.goto(f"{demo.url}/connections/{connection_id}/verify")
    page.get_by_role("main").get_by_role("link", name="Sign in again", exact=True).click()
    _allow(demo, page, user)


def _allow(demo: AtProvider, page: Page, user: str) -> None:
    expect(page).to_have_url(re.compile(f"^{re.escape(demo.provider.url)}/authorize"))
    _answer(page, user)
    page.wait_for_url(f"{demo.url}/**")


def _answer(page: Page, user: str) -> None:
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(user * 2)
    page.get_by_role("button", name="Allow").click()
