"""Every page, in both languages: sound HTML that anybody can read, and nothing a content policy would refuse."""

import re
from itertools import pairwise

import pytest
from lxml import html

from portal.conftest import Draw
from portal.sample_pages import sample_pages
from portal.texts import extracted

LANGUAGES = ("en", "zh-Hant")
PAGES = tuple(sample_pages())
ANY_PAGE = pytest.mark.parametrize("name", PAGES)
ANY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def english() -> frozenset[str]:
    """Every longer text of the sources, but for words that the sample's values and codes use as they are."""
    texts = {str(one.id if isinstance(one.id, str) else one.id[0]) for one in extracted() if one.id}
    values = {"When an HTTP request is received", "There is no such page", "Order number", "Too many tries for now"}
    codes = {"Unauthorized", "Once on, it runs for each request to its callback URL."}
    return frozenset(one for one in texts - values - codes if len(one) > 11 and not re.search(r"[%{]", one))


@ANY_PAGE
@ANY_LANGUAGE
def test_a_page_holds_no_inline_style_or_script(draw: Draw, name: str, language: str) -> None:
    page = html.document_fromstring(draw(name, language))
    assert not page.xpath("//*[@style] | //style | //script[not(@src)] | //base | //iframe")
    assert not [one for element in page.iter() for one in element.attrib if str(one).startswith("on")]
    # What a flow links to is for people to follow; a page itself asks nobody else for anything.
    links = [link for element, _, link, _ in page.iterlinks() if element.get("rel") != "noreferrer noopener"]
    assert not [link for link in links if re.match(r"https?:|//|data:|javascript:", link)]


@ANY_PAGE
@ANY_LANGUAGE
def test_a_page_has_one_heading_one_main_part_and_its_language(draw: Draw, name: str, language: str) -> None:
    page = html.document_fromstring(draw(name, language))
    assert page.get("lang") == language
    assert len(page.xpath("//h1")) == 1
    assert len(page.xpath("//main[@id='main']")) == 1
    assert page.xpath("//a[@href='#main']")
    levels = [int(one.tag[1]) for one in page.xpath("//main//*[self::h1 or self::h2 or self::h3 or self::h4]")]
    assert all(below - above <= 1 for above, below in pairwise(levels)), levels


@ANY_PAGE
def test_every_field_and_command_of_a_page_has_words(draw: Draw, name: str) -> None:
    page = html.document_fromstring(draw(name, "en"))
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    for field in page.xpath("//input[not(@type='hidden')] | //select | //textarea"):
        labels = page.xpath("//label[@for=$id]", id=field.get("id")) or field.xpath("ancestor::label")
        assert labels or field.get("aria-label"), html.tostring(field)
    for command in page.xpath("//a | //button | //summary"):
        assert command.text_content().strip() or command.get("aria-label"), html.tostring(command)
    for reference in page.xpath("//@aria-labelledby | //@aria-describedby"):
        assert set(reference.split()) <= set(ids), reference


@ANY_PAGE
def test_a_form_that_changes_something_is_posted_and_works_without_script(draw: Draw, name: str) -> None:
    page = html.document_fromstring(draw(name, "en"))
    for form in page.xpath("//main//form"):
        assert form.get("action", "").startswith("/")
        assert form.get("method") == "post" or form.get("role") == "search"
        assert form.xpath(".//button[not(@type='button')]")


@ANY_PAGE
def test_a_chinese_page_says_nothing_in_english_that_has_a_translation(
    draw: Draw, english: frozenset[str], name: str
) -> None:
    page = html.document_fromstring(draw(name, "zh-Hant"))
    for element in page.xpath("//*[@lang='en' or @lang='']"):
        element.drop_tree()
    said = " ".join(page.xpath("//body//text()"))
    assert {text for text in english if text in said} == set()


def test_values_are_escaped(draw: Draw) -> None:
    assert "<script>" not in draw("message", "en").replace('<script src="', "")


def test_a_password_is_never_sent_back(draw: Draw) -> None:
    page = html.document_fromstring(draw("verify-wrong", "en"))
    (field,) = page.xpath("//input[@type='password']")
    assert field.get("value") is None
    assert field.get("aria-invalid") == "true"
    assert "nothing was changed" in page.get_element_by_id(field.get("aria-describedby").split()[0]).text_content()


def test_a_certificate_is_called_one_also_where_no_flow_uses_it_yet(draw: Draw) -> None:
    refused = html.document_fromstring(draw("verify-certificate-wrong", "en")).find_class("is-bad")[0].text_content()
    assert "This certificate was refused" in refused
    assert "password" not in refused.split("Nothing was changed.")[0].lower()
    proven = html.document_fromstring(draw("verify-certificate-proven", "en"))
    assert proven.findtext(".//h1") == "Certificate replaced"
    assert "it is ready" in proven.find_class("head")[0].text_content()
    assert not proven.xpath("//main//a[contains(@href, '#used-by')]")


def test_the_failed_card_is_open_and_how_to_fix_leads_to_the_very_connection(draw: Draw) -> None:
    page = html.document_fromstring(draw("run", "en"))
    (opened,) = page.xpath("//details[contains(@class, 'act') and @open]")
    assert opened.get("id") == "a-Create_order_line"
    assert "401 Unauthorized" in opened.text_content()
    (cure,) = page.xpath("//aside//a[contains(@class, 'primary')]")
    assert cure.text_content().strip() == "Verify password"
    assert cure.get("href").startswith("/connections/contoso-orders/verify?run=")


def test_a_refusal_for_lack_of_permission_offers_no_sign_in(draw: Draw) -> None:
    (pane,) = html.document_fromstring(draw("run-forbidden", "en")).xpath("//aside")
    assert "Ask for permission" in pane.text_content()
    assert "signing in again changes nothing" in pane.text_content()
    assert not pane.xpath(".//a[contains(@href, '/verify')]")


def test_a_run_whose_connection_was_mended_offers_resume_first_and_says_what_each_way_repeats(draw: Draw) -> None:
    page = html.document_fromstring(draw("run-mended", "en"))
    (primary,) = page.xpath("//main//*[contains(@class, 'primary')]")
    assert primary.text_content().strip() == "Resume from here"
    said = page.get_element_by_id(primary.get("aria-describedby")).text_content()
    assert "Goes on at Create order line, pass 3 of 7. The 9 finished actions are not repeated." in said
    resume, resubmit = (page.xpath(f"//section[@aria-labelledby='{name}']")[0] for name in ("resume", "from-the-start"))
    (only_if,) = resume.xpath(".//p[normalize-space()='Only if it fails again:']/following-sibling::ul[1]")
    assert "Mail to finance" in only_if.text_content()
    (again,) = resubmit.xpath(".//p[normalize-space()='Would be done again:']/following-sibling::ul[1]")
    assert "Reserve stock" in again.text_content()
    assert "starts the flow Pick and pack" in resubmit.text_content()


def test_a_run_whose_connection_is_broken_says_why_it_cannot_go_on(draw: Draw) -> None:
    page = html.document_fromstring(draw("run", "en"))
    (button,) = page.xpath("//main//button[normalize-space()='Resume from here']")
    assert button.get("aria-disabled") == "true"
    assert "still needs repair" in page.get_element_by_id(button.get("aria-describedby")).text_content()


def test_what_a_run_took_over_leads_to_the_run_that_did_it(draw: Draw) -> None:
    page = html.document_fromstring(draw("run-resumed", "en"))
    assert page.xpath("//details//*[normalize-space()='taken over']")
    action = html.document_fromstring(draw("action-Get_customer", "en"))
    assert action.xpath("//main//a[@href='/runs/08585265143234327272054208430CU00']")
    assert action.xpath("//main//a[@href='/runs/08584child']")
    assert "is taken over and not repeated" in page.xpath("//*[@role='status']")[0].text_content()


@pytest.mark.parametrize(
    ("language", "seconds", "held"), [("en", "s", "held 2 min 57 s"), ("zh-Hant", "秒", "保留了 2 分 57 秒")]
)
def test_a_run_that_was_held_tells_that_apart_from_how_long_it_took(
    draw: Draw, language: str, seconds: str, held: str
) -> None:
    (facts,) = html.document_fromstring(draw("run-was-held", language)).find_class("run-facts")
    assert [one.text_content() for one in facts][2:4] == [f"4.0 {seconds}", held]
    for name in ("home", "runs"):
        cells = html.document_fromstring(draw(name, language)).xpath("//td[contains(@class, 'num muted')]")
        assert [one.text_content() for one in cells if held in one.text_content()] == [f"7.0 {seconds}{held}"]


def test_a_run_that_is_held_again_says_so_instead_of_offering_one_more(draw: Draw) -> None:
    page = html.document_fromstring(draw("run-held-again", "en"))
    (button,) = page.xpath("//main//button[normalize-space()='Resubmit']")
    assert button.get("aria-disabled") == "true"
    assert "already" in page.get_element_by_id(button.get("aria-describedby")).text_content()
    (pane,) = page.xpath("//aside")
    assert "starts by itself" in pane.text_content()


@pytest.mark.parametrize(("name", "said"), [("run-repeated", "Nothing is left to do"), ("run-repeating", "under way")])
def test_a_run_that_was_repeated_since_leads_to_that_attempt(draw: Draw, name: str, said: str) -> None:
    page = html.document_fromstring(draw(name, "en"))
    (pane,) = page.xpath("//aside")
    assert said in pane.text_content()
    assert pane.xpath(".//a[contains(@href, '/runs/08584again')]")
    assert not page.xpath("//main//*[contains(@class, 'primary')]")


def test_what_cannot_be_deleted_now_says_why_before_a_name_is_typed(draw: Draw) -> None:
    page = html.document_fromstring(draw("flow-delete-not-now", "en"))
    (button,) = page.xpath("//main//button")
    assert button.get("aria-disabled") == "true"
    assert "Turn it off first." in page.get_element_by_id(button.get("aria-describedby")).text_content()
    assert not page.xpath("//main//form")


@pytest.mark.parametrize("name", ["flow-blocked"])
def test_a_connector_that_is_missing_leads_to_the_command_that_installs_it(draw: Draw, name: str) -> None:
    assert draw(name, "en").count("flowmend connector add FOLDER") == 1


def test_a_call_in_doubt_asks_with_three_answers(draw: Draw) -> None:
    page = html.document_fromstring(draw("run-doubt", "en"))
    assert page.xpath("//button[@name='answer']/@value") == ["happened", "send_again", "fail"]


def test_hidden_values_and_long_ones_are_marked(draw: Draw) -> None:
    text = draw("run", "en") + draw("action-Get_customer", "en") + draw("action-Parse_order", "en")
    assert '<b class="kept">hidden</b>' in text
    assert "*sanitized*" not in text
    action = html.document_fromstring(draw("action-Get_customer", "en"))
    said = action.text_content()
    assert re.search(r"The first \d+ of \d+ characters", said)
    assert "10 more rows" in said
    assert action.xpath(
        "//a[starts-with(@href, '/runs/') and contains(@href, '/action/outputs.json?name=Get_customer')]"
    )
    assert len(draw("action-Get_customer", "en")) < 120_000


def test_a_comparison_marks_what_differs_and_tells_no_hidden_value(draw: Draw) -> None:
    page = html.document_fromstring(draw("compare", "en"))
    assert "10 actions went otherwise" in page.xpath("//h1/following-sibling::p")[0].text_content()
    card = page.get_element_by_id("a-Create_order_line")
    assert "differs" in card.text_content()
    assert [row.text_content() for row in card.xpath(".//tbody/tr/th")] == ["/more", "/sku"]
    assert "hidden, so not compared" in card.text_content()
    assert "only in this run" in page.get_element_by_id("a-Ask_purchasing").text_content()
    assert "Tell sales" in page.xpath("//section[@aria-labelledby='only-right']")[0].text_content()
    assert page.xpath("//select[@name='other']/option[@selected]/@value") == [
        option.get("value")
        for option in page.xpath("//select[@name='other']/option")
        if "4710" in option.text_content()
    ]
    assert "*sanitized*" not in draw("compare-list", "en")


def test_the_chinese_run_page_uses_the_guides_words(draw: Draw) -> None:
    said = html.document_fromstring(draw("run", "zh-Hant")).text_content()
    for words in ("驗證密碼", "重新提交", "連接", "未授權", "401", "流程"):
        assert words in said


def test_a_client_secret_is_asked_for_with_the_hosts_it_will_be_sent_to(draw: Draw) -> None:
    page = html.document_fromstring(draw("verify-client-secret", "en"))
    (form,) = page.xpath("//form[contains(@action, '/client_secret')]")
    assert "https://login.example.net" in form.text_content()
    assert form.xpath(".//input[@name='p.client_secret'][@type='password']")
    assert not page.xpath("//a[contains(@href, '/consent')]")
