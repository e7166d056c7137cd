from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from flowmend.core.errors import NotAllowed
from flowmend.core.trigger import CallbackUrl, sign_callback, sign_content_link, verify_callback, verify_content_link

FLOW = "c7db5284-eae5-ed11-a7c7-0022480492d7"
KEY = b"k" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTENT = "runs/08584/actions/Call it/contents/ActionOutputs"


def queries_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def signed(expires_at: datetime | None = None) -> CallbackUrl:
    return sign_callback("http://127.0.0.1:8080", FLOW, "When_called", key=KEY, expires_at=expires_at)


def is_allowed(queries: dict[str, str], *, flow: str = FLOW, trigger: str = "When_called", key: bytes = KEY) -> bool:
    try:
        verify_callback(flow, trigger, queries, key=key, now=NOW)
    except NotAllowed as refusal:
        assert refusal.code == "DirectApiAuthorizationRequired"  # noqa: PT017  # every refusal has the one code
        return False
    return True


def test_a_url_has_the_service_s_form() -> None:
    url = sign_callback(
        "http://127.0.0.1:8080", FLOW, "When called", key=KEY, relative_path="/orders/{id}/lines/{line}"
    )
    parts = urlsplit(url.value)
    assert parts.path == f"/workflows/{FLOW}/triggers/When%20called/paths/invoke/orders/{{id}}/lines/{{line}}"
    assert list(queries_of(url.value)) == ["api-version", "sp", "sv", "sig"]
    assert queries_of(url.value) == url.queries
    assert url.queries["sp"] == "/triggers/When called/run"
    assert "sp=%2Ftriggers%2FWhen%20called%2Frun" in parts.query
    assert len(url.queries["sig"]) == 43
    assert (url.relative_path_parameters, url.method) == (("id", "line"), "POST")


def test_a_signed_url_is_let_in() -> None:
    assert is_allowed(queries_of(signed().value))


@pytest.mark.parametrize("missing", ["sp", "sv", "sig"])
def test_a_url_without_a_part_of_its_signature_is_refused(missing: str) -> None:
    assert not is_allowed({name: value for name, value in signed().queries.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"), [("sig", "A" * 43), ("sig", "é"), ("sp", "//*"), ("sv", "2.0"), ("se", "2099-01-01T00:00:00Z")]
)
def test_a_changed_url_is_refused(name: str, value: str) -> None:
    assert not is_allowed({**signed().queries, name: value})


def test_a_signature_is_for_one_flow_one_trigger_and_one_key() -> None:
    queries = dict(signed().queries)
    assert not is_allowed(queries, flow="another")
    assert not is_allowed(queries, trigger="Another")
    assert not is_allowed(queries, key=b"z" * 32)


def test_names_in_a_path_ignore_case() -> None:
    assert is_allowed(dict(signed().queries), flow=FLOW.upper(), trigger="WHEN_CALLED")


def test_an_empty_key_lets_nothing_in() -> None:
    queries = dict(sign_callback("http://h", FLOW, "When_called", key=b"").queries)
    assert not is_allowed(queries, key=b"")


def test_a_url_ends_when_it_says() -> None:
    assert is_allowed(dict(signed(NOW + timedelta(seconds=1)).queries))
    assert not is_allowed(dict(signed(NOW).queries))


def test_a_url_does_not_show_its_signature() -> None:
    url = signed()
    assert url.queries["sig"] not in repr(url)


def test_a_content_link_reads_one_value_for_a_while() -> None:
    link = sign_content_link("http://h", FLOW, CONTENT, key=KEY, expires_at=NOW + timedelta(minutes=5))
    queries = queries_of(link)
    assert urlsplit(link).path == f"/workflows/{FLOW}/runs/08584/actions/Call%20it/contents/ActionOutputs"
    verify_content_link(FLOW, CONTENT, queries, key=KEY, now=NOW)
    for path, moment in ((CONTENT.replace("Outputs", "Inputs"), NOW), (CONTENT, NOW + timedelta(minutes=5))):
        with pytest.raises(NotAllowed):
            verify_content_link(FLOW, path, queries, key=KEY, now=moment)


def test_a_content_link_starts_no_run() -> None:
    link = sign_content_link("http://h", FLOW, "triggers/When_called/run", key=KEY, expires_at=NOW + timedelta(1))
    assert not is_allowed(queries_of(link))
