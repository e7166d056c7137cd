"""The contract of `store.access` and `store.audit`, on both databases."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.rows import AuditRow, LoginLinkRow, SessionRow, TokenRow

HOUR = timedelta(hours=1)


@pytest.fixture
def owned(store: Store, examples: Any) -> Store:
    store.access.add_person(examples.person())
    return store


class TestPeople:
    def test_people_come_in_the_order_they_came(self, store: Store, examples: Any) -> None:
        later = examples.person("b", created_at=examples.noon + HOUR)
        store.access.add_person(later)
        store.access.add_person(examples.person("z"))
        assert [person.person_id for person in store.access.people()] == ["z", "b"]
        assert store.access.person("b") == later
        assert store.access.person("nobody") is None
        assert store.access.change_person("b", language="zh-Hant")
        changed = store.access.person("b")
        assert changed is not None
        assert changed.language == "zh-Hant"


class TestTokens:
    def test_a_token_is_found_by_its_digest_until_removed(self, owned: Store, examples: Any) -> None:
        token = TokenRow(token_id="t", person_id="owner", digest=b"\0d", name="ci", created_at=examples.noon)
        owned.access.add_token(token)
        assert owned.access.token(b"\0d") == token
        assert owned.access.token(b"other") is None
        owned.access.touch_token("t", examples.noon + HOUR)
        (touched,) = owned.access.tokens("owner")
        assert touched.last_used_at == examples.noon + HOUR
        assert owned.access.tokens() == [touched]
        assert owned.access.remove_token("t")
        assert owned.access.token(b"\0d") is None

    def test_a_token_of_nobody_is_refused(self, store: Store, examples: Any) -> None:
        with pytest.raises(Conflict):
            store.access.add_token(
                TokenRow(token_id="t", person_id="nobody", digest=b"d", name="", created_at=examples.noon)
            )


class TestSessions:
    def test_a_session_is_found_by_its_digest_until_removed(self, owned: Store, examples: Any) -> None:
        session = SessionRow(digest=b"s", person_id="owner", created_at=examples.noon, expires_at=examples.noon + HOUR)
        owned.access.add_session(session)
        assert owned.access.session(b"s") == session
        assert owned.access.remove_session(b"s")
        assert owned.access.session(b"s") is None
        assert not owned.access.remove_session(b"s")


class TestLoginLinks:
    def link(self, examples: Any) -> LoginLinkRow:
        return LoginLinkRow(digest=b"l", person_id="owner", created_at=examples.noon, expires_at=examples.noon + HOUR)

    def test_a_link_is_looked_at_without_using_it_up(self, owned: Store, examples: Any) -> None:
        owned.access.add_login_link(self.link(examples))
        assert owned.access.login_link(b"l") == owned.access.login_link(b"l") == self.link(examples)

    def test_a_link_is_used_once(self, owned: Store, examples: Any) -> None:
        owned.access.add_login_link(self.link(examples))
        used = owned.access.use_login_link(b"l", examples.noon)
        assert used is not None
        assert used.used_at == examples.noon
        assert owned.access.use_login_link(b"l", examples.noon) is None
        assert owned.access.use_login_link(b"other", examples.noon) is None

    def test_a_link_past_its_time_is_not_used(self, owned: Store, examples: Any) -> None:
        owned.access.add_login_link(self.link(examples))
        assert owned.access.use_login_link(b"l", examples.noon + HOUR) is None

    def test_of_many_uses_at_once_one_wins(self, owned: Store, examples: Any) -> None:
        owned.access.add_login_link(self.link(examples))
        used: list[LoginLinkRow | None] = []
        barrier = threading.Barrier(4)

        def use() -> None:
            barrier.wait()
            used.append(owned.access.use_login_link(b"l", examples.noon))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(link is not None for link in used) == 1

    def test_what_has_expired_is_forgotten(self, owned: Store, examples: Any) -> None:
        owned.access.add_login_link(self.link(examples))
        for digest, hours in ((b"old", 1), (b"new", 2)):
            expires_at = examples.noon + hours * HOUR
            owned.access.add_session(
                SessionRow(digest=digest, person_id="owner", created_at=examples.noon, expires_at=expires_at)
            )
        owned.access.add_token(
            TokenRow(token_id="t", person_id="owner", digest=b"d", name="for ever", created_at=examples.noon)
        )
        assert owned.access.forget_expired(examples.noon + HOUR) == 2
        assert owned.access.session(b"new") is not None
        assert owned.access.token(b"d") is not None


class TestAudit:
    def test_what_was_done_comes_newest_first_page_by_page(self, store: Store, examples: Any) -> None:
        for number in range(1, 6):
            store.audit.note("owner", "verify", "shop", {"number": number}, at=examples.noon)
        store.audit.add(AuditRow(at=examples.noon, person_id="owner", verb="delete", target="other"))
        first, cursor = store.audit.list("shop", limit=3)
        second, end = store.audit.list("shop", limit=3, cursor=cursor)
        assert [row.details["number"] for row in (*first, *second)] == [5, 4, 3, 2, 1]
        assert end == 0
        assert [row.verb for row in store.audit.list(limit=1)[0]] == ["delete"]
        assert first[0] == AuditRow(
            at=examples.noon, person_id="owner", verb="verify", target="shop", details={"number": 5}
        )
