"""The pages of a repair: what Home leads with, what a plan says before it starts, and what it says while it runs."""

from lxml import html

from portal.conftest import Draw


def text_of(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def primaries(page: html.HtmlElement) -> list[str]:
    return [text_of(one) for one in page.xpath("//main//*[contains(concat(' ', @class, ' '), ' primary ')]")]


def test_home_has_one_next_step_and_it_leads_on_to_the_plan(draw: Draw) -> None:
    page = html.document_fromstring(draw("home", "en"))
    (repair,) = page.xpath("//main//a[contains(@class, 'primary')]")
    assert text_of(repair) == "Repair: Contoso Orders"
    assert "/verify?then=plan" in repair.get("href")
    assert "You were told once, at" in text_of(page)


def test_a_missing_permission_offers_a_question_and_no_sign_in(draw: Draw) -> None:
    page = html.document_fromstring(draw("home-all", "en"))
    (row,) = page.xpath("//li[contains(., 'Orders mailbox: sign-in refused')]")
    assert not row.xpath(".//a[contains(@href, '/verify')]")
    assert row.xpath(".//a[starts-with(., 'What to ask')]")
    assert len(primaries(page)) == 1


def test_home_leads_a_flow_at_fault_to_the_editor_and_lets_what_passes_pass(draw: Draw) -> None:
    page = html.document_fromstring(draw("home-all", "en"))
    at_fault, passing, permission = page.xpath("//section[@aria-labelledby='faults']//li")
    assert at_fault.xpath(".//a[contains(@href, '/edit?action=')]")
    assert "is retried" in text_of(passing)
    assert not passing.xpath(".//a[contains(@href, '/edit')]")
    assert "grants svc-orders@contoso.com the right" in text_of(permission)


def test_home_asks_what_became_of_a_call_and_comes_back(draw: Draw) -> None:
    page = html.document_fromstring(draw("home-doubt", "en"))
    (form,) = page.xpath("//form[contains(@action, '/answer')]")
    assert [one.get("value") for one in form.xpath(".//button")] == ["happened", "send_again", "fail"]
    assert form.xpath(".//input[@name='next']/@value") == ["/"]


def test_a_plan_says_what_goes_on_and_what_would_happen_twice(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan", "en"))
    assert primaries(page) == ["Start with Order 4711"]
    rows = [text_of(row) for row in page.xpath("//tbody/tr")]
    assert "Resume at Create order line" in rows[0]
    assert "Mail to finance, 5 times" in rows[2]
    assert "does nothing the second time" in rows[2]
    assert "Cannot go on" in rows[3]
    assert page.xpath("count(//tbody/tr[4]//input[@type='checkbox'])") == 0
    assert [one.get("checked") is not None for one in page.xpath("//tbody//input")] == [True, False, True, True, True]
    assert "Held events wait for your decision until" in text_of(page)


def test_enter_in_a_plan_starts_it_and_changes_no_way(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan", "en"))
    (form,) = page.xpath("//form[contains(@action, '/start')]")
    own = [one for one in form.xpath(".//button") if one.get("form") is None]
    assert (text_of(own[0]), own[0].get("formaction"), own[0].get("name")) == ("Start", None, None)


def test_a_plan_that_changed_says_what_and_that_nothing_began(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan-changed", "en"))
    (alert,) = page.xpath("//*[@role='alert']")
    assert "nothing was started" in text_of(alert)
    assert "Order intake to ERP, Failed runs: 96 → 97" in text_of(alert)


def test_a_plan_whose_connection_broke_again_leads_to_its_repair_and_says_why_it_cannot_start(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan-waits", "en"))
    start = next(one for one in page.xpath("//button") if "Start with" in text_of(one))
    assert start.get("aria-disabled") == "true"
    assert "needs repair first" in text_of(page.get_element_by_id(start.get("aria-describedby")))
    assert page.xpath("//a[contains(@href, '/verify?then=plan')]")


def test_progress_tells_its_numbers_in_words_and_offers_pause_and_stop(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan-progress", "en"))
    (bar, *_) = page.xpath("//progress")
    assert (bar.get("value"), bar.get("max")) == ("181", "442")
    assert "181 of 442" in text_of(page)
    assert [one.get("value") for one in page.xpath("//button[@name='move']")] == ["pause", "stop"]
    assert "about 5 min left" in text_of(page)


def test_a_recovery_that_stopped_says_why_and_leads_to_the_second_repair(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan-stopped", "en"))
    (said,) = page.xpath("//*[@role='status' and contains(@class, 'note')]")
    assert "a credential was refused again" in text_of(said)
    assert said.xpath(".//a[contains(@href, '/verify?then=plan')]")


def test_a_plan_that_is_done_says_what_is_left_and_the_way_home(draw: Draw) -> None:
    page = html.document_fromstring(draw("plan-done", "en"))
    assert page.findtext(".//h1") == "Contoso Orders is mended"
    assert "One is left for you" in text_of(page)
    assert primaries(page) == ["Home"]
