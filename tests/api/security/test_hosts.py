"""Which hosts and origins are ours."""

from pathlib import Path

import pytest

from flowmend.api.security.hosts import KnownHosts, came_from_own_page, forwarded_address, is_unsafe
from flowmend.settings import Settings

SETTINGS = Settings(data=Path(), host="127.0.0.1", port=8080, public_url="https://flows.example.org")


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("[::1]:8080", True),
        ("flows.example.org", True),
        ("flows.example.org:443", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("flows.example.org.evil.example", False),
        ("localhost@evil.example", False),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104  # compared with
    ],
)
def test_only_names_of_ours_are_answered(host: str, is_known: bool) -> None:
    assert KnownHosts(SETTINGS).knows(host) is is_known


def test_listening_everywhere_does_not_make_every_name_ours() -> None:
    everywhere = "0.0.0.0"  # noqa: S104  # compared with
    assert not KnownHosts(Settings(data=Path(), host=everywhere)).knows(everywhere)


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_own"),
    [
        ("http://127.0.0.1:8080", None, True),
        ("http://127.0.0.1:8080", "same-origin", True),
        ("https://flows.example.org", None, True),
        (None, "same-origin", True),
        (None, None, False),
        ("null", None, False),
        ("http://127.0.0.1:9999", None, False),
        ("http://localhost:8080", None, False),
        ("https://evil.example", None, False),
        ("http://127.0.0.1:8080", "cross-site", False),
        (None, "same-site", False),
        (None, "none", False),
        ("", None, False),
    ],
)
def test_only_our_own_pages_may_change_things(origin: str | None, fetch_site: str | None, is_own: bool) -> None:
    found = came_from_own_page(
        KnownHosts(SETTINGS), origin=origin, fetch_site=fetch_site, scheme="http", host="127.0.0.1:8080"
    )
    assert found is is_own


def test_without_a_public_url_no_empty_origin_is_ours() -> None:
    known = KnownHosts(Settings(data=Path()))
    assert not known.is_own_origin("", "http", "localhost:8080")


@pytest.mark.parametrize(
    ("method", "expected"), [("GET", False), ("HEAD", False), ("POST", True), ("DELETE", True), ("BREW", True)]
)
def test_methods_that_may_change_something(method: str, expected: bool) -> None:
    assert is_unsafe(method) is expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [("1.2.3.4", "1.2.3.4"), ("6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"), ("", "10.0.0.1"), ("10.0.0.1", "10.0.0.1")],
)
def test_the_caller_is_the_last_address_a_trusted_proxy_saw(chain: str, expected: str) -> None:
    assert forwarded_address(chain, "10.0.0.1", ("10.0.0.1",)) == expected
