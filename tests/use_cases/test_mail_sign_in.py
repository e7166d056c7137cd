"""Whether the mail server lets us in, asked by one message at a time."""

from datetime import UTC, datetime, timedelta

from flowmend.use_cases.mail_sign_in import WAITS, MailSignIn

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NONE = timedelta()


def test_until_the_server_is_known_to_let_us_in_one_message_tries() -> None:
    sign_in = MailSignIn()
    assert sign_in.wait(NOW) == NONE
    sign_in.begin()
    assert sign_in.wait(NOW) > NONE
    assert sign_in.let_in()
    sign_in.end()
    sign_in.begin()
    assert sign_in.wait(NOW) == NONE
    assert not sign_in.let_in()


def test_after_each_refusal_in_a_row_the_wait_grows_to_its_longest() -> None:
    sign_in, now, waits = MailSignIn(), NOW, []
    for _ in range(len(WAITS) + 2):
        sign_in.refused(now)
        waits.append(sign_in.wait(now))
        now += waits[-1]
        assert sign_in.wait(now) == NONE
    assert tuple(waits) == (*WAITS, WAITS[-1], WAITS[-1])
    sign_in.let_in()
    sign_in.refused(now)
    assert sign_in.wait(now) == WAITS[0]


def test_several_that_were_refused_at_once_count_as_one() -> None:
    sign_in = MailSignIn()
    sign_in.let_in()
    for _ in range(4):
        sign_in.refused(NOW)
    assert sign_in.wait(NOW) == WAITS[0]


def test_a_server_that_was_not_reached_says_nothing_of_the_password() -> None:
    sign_in = MailSignIn()
    sign_in.begin()
    sign_in.end()
    assert sign_in.wait(NOW) == NONE
