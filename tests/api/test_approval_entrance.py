"""The public door of approvals' links, as a stranger finds it."""

from urllib.parse import urlencode

import pytest

from .conftest import Answer, Flowmend

pytestmark = pytest.mark.usefixtures("open_door")

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


def knock(
    flowmend: Flowmend, path: str = "/approve", *, headers: dict[str, str] | None = None, **fields: str
) -> Answer:
    content = urlencode(fields).encode()
    return flowmend.ask("POST", path, headers={**_FORM, **(headers or {})}, content=content)


@pytest.mark.parametrize("path", ["/approve", "/approve/question"])
@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_of_another_site_is_refused(flowmend: Flowmend, path: str, headers: dict[str, str]) -> None:
    answer = knock(flowmend, path, headers=headers, code="x" * 43, response="Approve")
    assert (answer.status, answer.error_code) == (403, "ForeignOrigin")


def test_the_page_asks_for_the_link_and_is_not_kept(flowmend: Flowmend) -> None:
    session = {"Accept": "text/html", "Cookie": f"flowmend_session={flowmend.cookie}"}
    answer = flowmend.ask("GET", "/approve", headers=session)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert b"data-from-fragment" in answer.content
    assert b"/logout" not in answer.content  # whoever is signed in sees nothing of their own there
    assert "set-cookie" not in answer.headers


def test_whatever_is_wrong_the_answer_is_the_same_until_it_is_too_often(flowmend: Flowmend) -> None:
    own = {"Origin": flowmend.origin}
    guesses = ["x" * 43, "", "a#b", "\N{SNOWMAN}", "x" * 5000, f"{flowmend.origin}/approve#guess"]
    answers = [knock(flowmend, headers=own, code=guess) for guess in guesses]
    answers.append(flowmend.ask("GET", "/approve/question", headers={"Accept": "text/html"}))
    cookie = own | {"Cookie": "flowmend_approve=guess"}
    answers.append(knock(flowmend, "/approve/question", headers=cookie, response="Approve"))
    assert {answer.status for answer in answers} == {400}
    assert all(b"This link is not good" in answer.content for answer in answers)
    assert not any("flowmend_approve=x" in answer.headers.get("set-cookie", "") for answer in answers)
    last = [knock(flowmend, headers=own, code=f"guess {number}") for number in range(20)][-1]
    assert last.status == 429
    assert int(last.headers["retry-after"]) > 0


def test_nothing_below_it_and_no_approval_is_open_without_a_person(flowmend: Flowmend) -> None:
    for path in (
        "/approve/x",
        "/approve/../approvals",
        "/approvals",
        "/approvals/a1",
        "/connectors",
        "/connectors/add",
    ):
        answer = flowmend.ask("GET", path, headers={"Accept": "text/html"})
        assert answer.status in {303, 401, 404}
        assert b"Sign out" not in answer.content
    for path in ("/api/v1/approvals", "/api/v1/approvals/a1"):
        assert flowmend.ask("GET", path).status == 401
