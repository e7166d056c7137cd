"""Tells people what broke and what was mended: notes notices from rows, and sends what stands in the outbox."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.json_value import Json
from flowmend.store.notice_rows import DeliveryRow
from flowmend.use_cases.deliver_messages import deliver
from flowmend.use_cases.message_channels import MailDoor, Write
from flowmend.use_cases.message_routes import ensure_owner_route
from flowmend.use_cases.message_settings import MAIL_CONNECTION_BROKEN, MAIL_SIGN_IN_PENDING
from flowmend.use_cases.note_notices import note_due
from flowmend.use_cases.ports import Services
from flowmend.worker.row_watch import RowWatch

_log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=60)
_SOONEST = timedelta(milliseconds=250)
_MOST_AT_ONCE = 4
_TOPICS = frozenset({"incident", "notice", "repair", "connection"})
#: What is being handed over when the server stops gets so long: cut off, nobody would know whether it arrived.
_ENDS_WITHIN_SECONDS = 5.0
_STORE_TRIED_AGAIN_SECONDS = 2.0
_AFTER_TROUBLE = timedelta(minutes=5)


class Messages(RowWatch):
    """One task that sleeps until somebody is to be told something. write: makes a text of a notice."""

    def __init__(self, services: Callable[[], Services], write: Write) -> None:
        super().__init__(services, name="messages", look_again=_LOOK_AGAIN, soonest=_SOONEST)
        self._write = write
        self._door: MailDoor | None = None
        self._sending: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._told_of: set[str] = set()
        #: Whether rows may say that something is being sent which is not, after a start or trouble with the store.
        self._rows_may_lag = True

    def start(self) -> None:
        self._door = MailDoor(self._services().settings.mail)
        super().start()

    async def stop(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=_ENDS_WITHIN_SECONDS)
        await super().stop()
        if self._door is not None:
            self._door.close()

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`: an incident opened or closed, a plan ended, a message is to be sent."""
        if topic not in _TOPICS:
            return
        if topic == "connection":
            self._told_of.add(str(facts["connection_id"]))
        self._changed.set()

    def _under_way(self) -> Collection[asyncio.Task[None]]:
        return self._sending.values()

    async def _look(self) -> timedelta:
        services = self._services()
        if self._rows_may_lag and not self._sending:
            await asyncio.to_thread(services.store.deliveries.recover, services.clock.now)
            # A corrected password comes with a start; one message finds out, the others wait for it.
            await asyncio.to_thread(services.store.deliveries.wake, MAIL_SIGN_IN_PENDING, services.clock.now)
            self._rows_may_lag = False
        await asyncio.to_thread(ensure_owner_route, services)
        if self._told_of:
            self._told_of.clear()
            # The one that messages go through may work again; whether it does is asked before each.
            await asyncio.to_thread(services.store.deliveries.wake, MAIL_CONNECTION_BROKEN, services.clock.now)
        next_at = await asyncio.to_thread(note_due, services)
        due = await asyncio.to_thread(services.store.deliveries.due, services.clock.now, _MOST_AT_ONCE * 2)
        for row in due:
            if len(self._sending) < _MOST_AT_ONCE and (row.notice_id, row.route_id) not in self._sending:
                self._begin(services, row)
        sent_at = await asyncio.to_thread(services.store.deliveries.next_due)
        if self._sending:
            sent_at = None  # whichever ends says so
        return self._until(min((at for at in (next_at, sent_at) if at is not None), default=None))

    def _begin(self, services: Services, row: DeliveryRow) -> None:
        name = (row.notice_id, row.route_id)
        task = asyncio.get_running_loop().create_task(self._deliver(services, row))
        self._sending[name] = task

        def ended(_: asyncio.Task[None]) -> None:
            del self._sending[name]
            self._changed.set()

        task.add_done_callback(ended)

    async def _deliver(self, services: Services, row: DeliveryRow) -> None:
        if self._door is None:
            return
        try:
            await deliver(services, self._door, row, self._write)
        except StoreUnavailable as error:
            level = services.store.condition.log_level
            _log.log(level, "What became of message %s could not be kept: %s", row.notice_id, error)
            self._rows_may_lag = True
            # Counted as being sent meanwhile, so it is not begun again at once.
            await asyncio.sleep(_STORE_TRIED_AGAIN_SECONDS)
            return
        except FlowmendError as error:
            _log.warning("Message %s could not be sent: %s", row.notice_id, error)
        except Exception:  # noqa: BLE001  # our own defect stops this one for a while, and no other
            _log.exception("Message %s could not be sent", row.notice_id)
        else:
            return
        with suppress(FlowmendError):
            services.store.deliveries.put_off(row, services.clock.now + _AFTER_TROUBLE)
