"""The page and the requests that say whether Flowmend is reached from outside, and the door that is open for it."""

from flowmend.use_cases.public_proofs import Proof

from .conftest import Flowmend


def test_a_token_of_our_own_is_answered_without_signing_in_and_once(flowmend: Flowmend) -> None:
    proofs = flowmend.application.services.public_proofs
    with proofs.expecting(Proof(token="own", answer="only we know")):
        first = flowmend.ask("GET", "/reachable/own")
        again = flowmend.ask("GET", "/reachable/own")
    assert first.json == {"flowmend": "only we know", "host": f"127.0.0.1:{flowmend.port}"}
    assert again.status == flowmend.ask("GET", "/reachable/made-up").status == 404
    assert flowmend.ask("GET", "/reachable/").status == 404


def test_the_check_takes_no_address_and_nobody_without_signing_in(flowmend: Flowmend) -> None:
    place = "/api/v1/public_address/check"
    assert flowmend.ask("POST", place, {}, headers={"Authorization": "Bearer x"}).status in {401, 403}
    assert flowmend.ask("GET", "/api/v1/public_address/triggers").status == 401
    found = flowmend.api("POST", "/public_address/check?address=http://169.254.169.254", {"address": "http://10.0.0.1"})
    assert (found.json["verdict"], found.json["reachable"]) == ("NotSet", False)
    assert found.json["address"].endswith(f":{flowmend.application.services.settings.port}")


def test_the_page_says_what_is_wrong_and_lists_what_depends_on_it(flowmend: Flowmend, echo_flow: str) -> None:
    cookie = {"Cookie": f"flowmend_session={flowmend.cookie}", "Accept-Language": "en"}
    page = flowmend.ask("GET", "/settings/reachable", headers=cookie).content.decode()
    assert "No public address is set" in page
    assert f"/flows/{echo_flow}" in page
    place = "/settings/reachable"
    assert flowmend.ask("POST", place, content=b"", headers={**cookie, "Origin": "https://evil.example"}).status == 403
    checked = flowmend.ask("POST", place, content=b"", headers={**cookie, "Origin": flowmend.origin})
    assert (checked.status, "No public address is set" in checked.content.decode()) == (200, True)
    assert flowmend.ask("GET", place).status in {303, 401}
    listed = flowmend.api("GET", "/public_address/triggers").json["value"]
    assert [one["needs_address"] for one in listed if one["flow_id"] == echo_flow] == [False]
