"""Messages on real paths: services that refuse, runs that fail, a mail server that receives; each thing is told once."""

import asyncio
import base64
import hmac
import json
import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.health import HealthState
from flowmend.settings import MailServer
from flowmend.store.notice_rows import DeliveryState, NoticeKind
from flowmend.store.rows import PersonRow
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.deliver_messages import TOO_MANY, WAITS
from flowmend.use_cases.flows import map_connection
from flowmend.use_cases.mail_sign_in import WAITS as SIGN_IN_WAITS
from flowmend.use_cases.message_routes import (
    NewRoute,
    add_route,
    change_owner,
    change_route,
    list_notices,
    read_messages,
    send_again,
    send_test,
)
from flowmend.use_cases.message_settings import MAIL_CONNECTION_BROKEN, MAIL_SIGN_IN_PENDING, change_message_settings
from flowmend.use_cases.verify_connection import verify_connection
from kept_mail import PASSWORD, Mailbox
from running import LocalServer, MovableClock, Open, Running, SparseStore, create_order, until

pytestmark = pytest.mark.anyio

FAILS = {"flowmend": {"onBrokenConnection": "fail"}}
OWNER = "mei@example.com"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


def way(mailbox: Mailbox, **parts: Any) -> dict[str, Any]:
    """Settings that send to it."""
    server = MailServer(
        host="127.0.0.1", port=mailbox.port, security="none", user="flows@example.com", password=PASSWORD
    )
    return {"mail": server, "mail_from": "flowmend@example.com", **parts}


async def opened(open_flowmend: Open, mailbox: Mailbox, **parts: Any) -> Running:
    """A Flowmend that tells its owner by mail."""
    running = await open_flowmend(clock=MovableClock(), **way(mailbox, **parts))
    await change_owner(running.services, email=OWNER, person_id=running.owner)
    return running


def look(running: Running) -> None:
    running.application.messages.heard("notice", {})


async def break_it(running: Running, flows: list[str], runs: int = 1) -> None:
    running.service.change("password", user="ada", password="changed")
    for _ in range(runs):
        await asyncio.gather(*(running.call(flow) for flow in flows))
    await running.at_rest()


async def mend_it(running: Running, connection_id: str) -> None:
    result = await verify_connection(running.services, connection_id, {"password": "changed"}, person_id=running.owner)
    assert result.is_proven


async def mailed(mailbox: Mailbox, count: int) -> None:
    await until(lambda: len(mailbox.mails) >= count, lambda: f"{len(mailbox.mails)} mails came")


async def noted(running: Running, kind: NoticeKind) -> None:
    await until(lambda: bool(kinds(running).count(kind)), lambda: f"the notices are {kinds(running)}")


def kinds(running: Running) -> list[NoticeKind]:
    """Of the notices, the oldest first."""
    return [one.kind for one in reversed(running.services.store.notices.list()[0])]


def text_of(mail: EmailMessage, subtype: str = "plain") -> str:
    part = mail.get_body((subtype,))
    assert part is not None
    return str(part.get_content())


async def settle(running: Running) -> None:
    """Until nothing more is to be sent now."""
    look(running)
    await asyncio.sleep(0.4)


class TestOneBreakOneMessage:
    async def test_many_failed_runs_over_flows_and_connections_of_one_account_are_one_message_and_one_end(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox, public_url="https://flows.example.com")
        connections = [await running.connect()]
        flows = [await running.add_flow({"Order": create_order()}, name=f"flow {n}", metadata=FAILS) for n in range(3)]
        connections += [await running.connect() for _ in range(2)]
        for flow, connection in zip(flows, connections, strict=True):
            running.services.store.connections.change(connection, account_name="ada")
            reference = next(iter(running.services.flows.latest(flow).mappings))
            await map_connection(running.services, flow, reference, connection, running.owner)
        await break_it(running, flows, runs=10)
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 1)
        await settle(running)
        (broken,) = mailbox.mails
        assert (broken["To"], broken["From"], broken["Auto-Submitted"]) == (
            OWNER,
            "flowmend@example.com",
            "auto-generated",
        )
        assert str(broken["Subject"]).endswith("needs repair: Password, key or certificate refused")
        text = text_of(broken)
        assert "3 flows affected · 3 connections · 30 runs failed" in text
        (incident,) = running.services.store.incidents.list(state="open")[0]
        link = f"https://flows.example.com/incidents/{incident.incident_id}"
        assert link in text
        assert text_of(broken, "html").count(f'href="{link}"') == 1

        await mend_it(running, connections[0])
        await until(lambda: not running.services.store.incidents.count_open(), lambda: "it stays open")
        await mailed(mailbox, 2)
        await settle(running)
        _, mended = mailbox.mails
        assert mended["In-Reply-To"] == broken["Message-ID"]
        assert mended["Subject"].strip() == f"Re: {broken['Subject'].strip()}"
        assert "30 runs failed meanwhile" in text_of(mended)
        assert kinds(running) == [NoticeKind.BROKEN, NoticeKind.MENDED]

    async def test_what_is_mended_within_the_delay_is_told_to_nobody(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        connection_id = await running.connect()
        flow = await running.add_flow({"Order": create_order()}, metadata=FAILS)
        await break_it(running, [flow])
        await settle(running)
        await mend_it(running, connection_id)
        running.clock.move(seconds=60)
        await settle(running)
        assert (kinds(running), mailbox.mails) == ([], [])

    async def test_a_kill_between_break_and_mail_and_between_mail_and_end_tells_each_once(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        clock = MovableClock()
        running = await open_flowmend(clock=clock, **way(mailbox))
        await change_owner(running.services, email=OWNER, person_id=running.owner)
        connection_id = await running.connect()
        flow = await running.add_flow({"Order": create_order()}, metadata=FAILS)
        await break_it(running, [flow], runs=3)
        await running.crash()
        clock.move(seconds=40)
        running = await open_flowmend(clock=clock, **way(mailbox))
        await mailed(mailbox, 1)
        await until(
            lambda: running.services.store.deliveries.latest(1)[0].delivery.state is DeliveryState.SENT,
            lambda: "unsent",
        )
        await running.crash()
        running = await open_flowmend(clock=clock, **way(mailbox))
        await settle(running)
        await mend_it(running, connection_id)
        await running.crash()
        running = await open_flowmend(clock=clock, **way(mailbox))
        await mailed(mailbox, 2)
        await settle(running)
        assert len(mailbox.mails) == 2
        assert kinds(running) == [NoticeKind.BROKEN, NoticeKind.MENDED]

    async def test_without_a_public_address_a_mail_says_how_the_page_is_found(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 1)
        assert "choose Incidents" in text_of(mailbox.mails[0])
        assert "<a " not in text_of(mailbox.mails[0], "html")

    async def test_a_mail_is_in_the_language_of_who_reads_it(self, open_flowmend: Open, mailbox: Mailbox) -> None:
        running = await opened(open_flowmend, mailbox)
        await change_owner(running.services, language="zh-Hant", person_id=running.owner)
        await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 1)
        assert re.search("[\u4e00-\u9fff]", str(mailbox.mails[0]["Subject"]))
        assert "How to fix" not in text_of(mailbox.mails[0])


class TestWhoIsTold:
    async def test_a_later_route_is_told_only_of_what_nobody_mended_by_then(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        await add_route(running.services, "boss@example.com", after_minutes=30, person_id=running.owner)
        connection_id = await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 1)
        running.clock.move(minutes=29)
        await settle(running)
        assert len(mailbox.mails) == 1
        running.clock.move(minutes=2)
        look(running)
        await mailed(mailbox, 2)
        assert mailbox.mails[1]["To"] == "boss@example.com"
        assert "within 30 minutes" in text_of(mailbox.mails[1])
        await mend_it(running, connection_id)
        await mailed(mailbox, 4)
        await settle(running)
        ends = {str(mail["To"]): mail["In-Reply-To"] for mail in mailbox.mails[2:]}
        assert ends == {
            OWNER: mailbox.mails[0]["Message-ID"],
            "boss@example.com": mailbox.mails[1]["Message-ID"],
        }

    async def test_a_route_that_is_off_or_wants_other_kinds_gets_nothing(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        off = await add_route(running.services, "off@example.com", person_id=running.owner)
        await change_route(running.services, off.row.route_id, is_on=False, person_id=running.owner)
        await add_route(running.services, "sums@example.com", kinds=["digest"], person_id=running.owner)
        await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 1)
        await settle(running)
        assert [mail["To"] for mail in mailbox.mails] == [OWNER]

    async def test_a_route_that_wants_breaks_alone_is_not_told_of_their_end(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        await add_route(running.services, "breaks@example.com", kinds=["broken"], person_id=running.owner)
        connection_id = await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await mailed(mailbox, 2)
        await mend_it(running, connection_id)
        await mailed(mailbox, 3)
        await settle(running)
        told = [mail["To"] for mail in mailbox.mails]
        assert (sorted(told[:2]), told[2:]) == (["breaks@example.com", OWNER], [OWNER])


class TestWebhooks:
    async def test_a_webhook_is_signed_and_repeated_under_its_id(
        self, open_flowmend: Open, mailbox: Mailbox, local_server: LocalServer
    ) -> None:
        got: list[tuple[dict[str, str], bytes]] = []
        status = [500]

        async def hook(request: web.Request) -> web.Response:
            got.append((dict(request.headers), await request.read()))
            return web.Response(status=status[0])

        origin = await local_server(hook)
        running = await opened(open_flowmend, mailbox, allowed_private_hosts=frozenset({origin.partition("//")[2]}))
        added: NewRoute = await add_route(running.services, f"{origin}/hook", person_id=running.owner)
        assert added.secret not in repr(added)
        person = running.services.store.access.person(running.owner)
        assert person is not None
        await send_test(running.services, added.row.route_id, person)
        await until(lambda: len(got) == 1, lambda: "no call came")
        status[0] = 204
        running.clock.move(seconds=31)
        look(running)
        await until(lambda: len(got) == 2, lambda: f"{len(got)} calls came")
        first, second = (headers["webhook-id"] for headers, _ in got)
        assert first == second
        headers, body = got[1]
        secret = base64.b64decode(added.secret.removeprefix("whsec_"))
        signed = f"{first}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        said = json.loads(body)
        assert (said["type"], said["data"]["facts"]) == ("flowmend.test", {"person": "Owner"})
        assert added.secret not in body.decode()

    async def test_a_webhook_that_leads_inside_is_given_up_and_never_called(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        added = await add_route(running.services, "https://localhost:1/hook", person_id=running.owner)
        person = running.services.store.access.person(running.owner)
        assert person is not None
        await send_test(running.services, added.row.route_id, person)
        delivery = await given_up(running)
        assert delivery.code == "AddressNotAllowed"


class TestMailThatDoesNotLeave:
    async def test_it_is_tried_again_with_growing_waits_and_then_given_up(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        mailbox.stop()
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        for attempt, wait in enumerate(WAITS, 1):
            await until(lambda attempt=attempt: last(running).attempts == attempt, lambda: str(last(running)))  # type: ignore[misc]
            await until(lambda: last(running).state is DeliveryState.DUE, lambda: str(last(running)))
            assert last(running).code == "ConnectionRefused"
            running.clock.move(seconds=wait.total_seconds() + 1)
            look(running)
        delivery = await given_up(running)
        assert delivery.attempts == len(WAITS) + 1

    async def test_a_refused_recipient_is_given_up_at_once_and_sent_again_only_by_hand(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        async def refuse(*_: Any) -> str:
            return "550 5.1.1 No such user"

        mailbox.handle_RCPT = refuse  # type: ignore[attr-defined]
        running = await opened(open_flowmend, mailbox)
        notice = await send_test(running.services, "owner", owner_of(running))
        delivery = await given_up(running)
        assert (delivery.attempts, delivery.code) == (1, "550")
        del mailbox.handle_RCPT  # type: ignore[attr-defined]
        await send_again(running.services, notice.notice_id, "owner", running.owner)
        await mailed(mailbox, 1)

    async def test_one_whose_answer_was_lost_is_not_sent_again(self, open_flowmend: Open, mailbox: Mailbox) -> None:
        async def take_and_go(server: Any, _session: Any, envelope: Any) -> str:
            mailbox.mails.append(envelope)
            server.transport.abort()
            return "250 OK"

        mailbox.handle_DATA = take_and_go  # type: ignore[method-assign]
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        await until(lambda: last(running).state is DeliveryState.UNKNOWN, lambda: str(last(running)))
        running.clock.move(hours=12)
        await settle(running)
        assert len(mailbox.mails) == 1

    async def test_one_that_was_being_sent_in_a_kill_is_not_sent_again(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        await mailed(mailbox, 1)
        await until(lambda: last(running).state is DeliveryState.SENT, lambda: str(last(running)))
        entry = last(running)
        running.services.store.deliveries.change(
            entry.notice_id, entry.route_id, state=DeliveryState.SENDING, sent_at=None
        )
        await running.crash()
        running = await open_flowmend(clock=running.clock, **way(mailbox))
        await until(lambda: last(running).state is DeliveryState.UNKNOWN, lambda: str(last(running)))
        await settle(running)
        assert len(mailbox.mails) == 1

    async def test_what_became_of_one_while_the_store_took_no_writes_is_said_without_a_restart(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        store = SparseStore(running)

        async def take_while_nothing_is_kept(_server: Any, _session: Any, envelope: Any) -> str:
            mailbox.mails.append(envelope)
            store.refuse_writes()
            return "250 OK"

        mailbox.handle_DATA = take_while_nothing_is_kept  # type: ignore[method-assign]
        await send_test(running.services, "owner", owner_of(running))
        await mailed(mailbox, 1)
        await until(lambda: store.is_refusing, lambda: "every write was taken")
        assert last(running).state is DeliveryState.SENDING
        store.allow_writes()
        await until(lambda: last(running).state is DeliveryState.UNKNOWN, lambda: str(last(running)))
        assert len(mailbox.mails) == 1

    async def test_no_more_than_so_many_an_hour_leave_and_what_is_mended_meanwhile_does_not(
        self, open_flowmend: Open, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flowmend.use_cases.deliver_messages.MOST_PER_HOUR", 1)
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        await mailed(mailbox, 1)
        connection_id = await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await noted(running, NoticeKind.BROKEN)
        await until(lambda: last(running).code == TOO_MANY, lambda: str(last(running)))
        await mend_it(running, connection_id)
        running.clock.move(hours=2)
        await settle(running)
        assert len(mailbox.mails) == 1
        assert [one.delivery.state for one in running.services.store.deliveries.latest(5)] == [
            DeliveryState.DROPPED,
            DeliveryState.SENT,
        ]

    async def test_a_wrong_password_is_tried_by_one_message_while_the_others_wait_for_it(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        mailbox.refuses = True
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        await until(lambda: last(running).code == "535", lambda: str(last(running)))
        await running.connect()
        flow = await running.add_flow({"Order": create_order()}, metadata=FAILS)
        await break_it(running, [flow])
        running.clock.move(seconds=31)
        look(running)
        await noted(running, NoticeKind.BROKEN)
        await until(lambda: last(running).code == MAIL_SIGN_IN_PENDING, lambda: str(last(running)))
        assert mailbox.sign_ins == 1
        for tries, wait in enumerate(SIGN_IN_WAITS, 2):
            running.clock.move(seconds=wait.total_seconds())
            look(running)
            await until(lambda tries=tries: mailbox.sign_ins == tries, lambda: f"{mailbox.sign_ins} tries")  # type: ignore[misc]
            await settle(running)
            assert mailbox.sign_ins == tries
        mailbox.refuses = False
        await send_test(
            running.services, "owner", owner_of(running)
        )  # does not wait, and opens the door for the others
        await mailed(mailbox, 2)

    async def test_after_a_start_the_password_is_tried_at_once_and_what_waited_is_sent(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        mailbox.refuses = True
        running = await opened(open_flowmend, mailbox)
        await send_test(running.services, "owner", owner_of(running))
        await until(lambda: last(running).code == "535", lambda: str(last(running)))
        running.clock.move(seconds=31)  # its own wait is over, the server's is not
        look(running)
        await until(lambda: last(running).code == MAIL_SIGN_IN_PENDING, lambda: str(last(running)))
        await running.crash()
        mailbox.refuses = False
        await open_flowmend(clock=running.clock, **way(mailbox))
        await mailed(mailbox, 1)


class TestTheMailConnectionItself:
    async def test_while_it_is_broken_the_portal_says_so_and_other_routes_are_used(
        self, open_flowmend: Open, mailbox: Mailbox, local_server: LocalServer
    ) -> None:
        calls: list[bytes] = []

        async def hook(request: web.Request) -> web.Response:
            calls.append(await request.read())
            return web.Response()

        origin = await local_server(hook)
        hosts = frozenset({f"127.0.0.1:{mailbox.port}", origin.partition("//")[2]})
        running = await open_flowmend(clock=MovableClock(), allowed_private_hosts=hosts)
        services = running.services
        smtp = await create_connection(services, "smtp", "Mail", mailbox.parameters, running.owner)
        change_message_settings(services, mail_connection=smtp.row.connection_id, person_id=running.owner)
        await change_owner(services, email=OWNER, person_id=running.owner)
        await add_route(services, f"{origin}/hook", person_id=running.owner)
        person = owner_of(running)
        await send_test(services, "owner", person)
        await mailed(mailbox, 1)
        mailbox.refuses = True
        await send_test(services, "owner", person)
        await until(lambda: last(running).code == MAIL_CONNECTION_BROKEN, lambda: str(last(running)))
        assert running.connection(smtp.row.connection_id).health is HealthState.BROKEN
        assert (await read_messages(services)).way.problem == MAIL_CONNECTION_BROKEN
        running.clock.move(seconds=31)
        look(running)
        await until(lambda: bool(calls), lambda: "the webhook was not called")
        assert json.loads(calls[0])["data"]["facts"]["is_mail"] is True
        mailbox.refuses = False
        proof = await verify_connection(
            services, smtp.row.connection_id, {"password": PASSWORD}, person_id=running.owner
        )
        assert proof.is_proven
        await mailed(mailbox, 2)  # the second test message
        await until(lambda: len(calls) == 2, lambda: f"{len(calls)} calls came")
        await settle(running)
        subjects = [str(mail["Subject"]) for mail in mailbox.mails]
        assert subjects == ["Test message of Flowmend"] * 2  # that it was broken is old by now


class TestDigests:
    async def test_runs_that_failed_for_other_reasons_are_summed_up_once_a_day(
        self, open_flowmend: Open, mailbox: Mailbox
    ) -> None:
        running = await opened(open_flowmend, mailbox)
        fails = {"Stop": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "Late"}}}}
        flow = await running.add_flow(fails, name="Invoices")
        for _ in range(4):
            await running.call(flow)
        await running.at_rest()
        running.clock.move(hours=24)
        look(running)
        await mailed(mailbox, 1)
        await settle(running)
        assert str(mailbox.mails[0]["Subject"]) == "4 runs failed"
        assert "Invoices: 4 (Late)" in text_of(mailbox.mails[0])
        running.clock.move(hours=48)
        await settle(running)
        assert len(mailbox.mails) == 1


class TestTheBell:
    async def test_notices_are_unread_until_somebody_reads_them(self, open_flowmend: Open, mailbox: Mailbox) -> None:
        running = await opened(open_flowmend, mailbox)
        await running.connect()
        await break_it(running, [await running.add_flow({"Order": create_order()}, metadata=FAILS)])
        running.clock.move(seconds=31)
        look(running)
        await noted(running, NoticeKind.BROKEN)
        assert (await list_notices(running.services)).unread == 1
        running.services.store.notices.mark_read(running.clock.now)
        assert (await list_notices(running.services)).unread == 0


def owner_of(running: Running) -> PersonRow:
    person = running.services.store.access.person(running.owner)
    assert person is not None
    return person


def last(running: Running) -> Any:
    """The latest delivery."""
    return running.services.store.deliveries.latest(1)[0].delivery


async def given_up(running: Running) -> Any:
    await until(lambda: last(running).state is DeliveryState.GIVEN_UP, lambda: str(last(running)))
    return last(running)
