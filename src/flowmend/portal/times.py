"""Times and durations as people read them, in their language and zone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from markupsafe import Markup

from flowmend.portal.language import marked

Gettext = Callable[[str], str]

_MONTHS = (
    marked("Jan"), marked("Feb"), marked("Mar"), marked("Apr"), marked("May"), marked("Jun"),
    marked("Jul"), marked("Aug"), marked("Sep"), marked("Oct"), marked("Nov"), marked("Dec"),
)  # fmt: skip
_WEEKDAYS = (
    marked("Monday"), marked("Tuesday"), marked("Wednesday"), marked("Thursday"),
    marked("Friday"), marked("Saturday"), marked("Sunday"),
)  # fmt: skip


def zone_named(name: str) -> tzinfo | None:
    """The zone of an IANA name (`Asia/Taipei`), or None where there is no such."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Words for times, seen from `now` in `zone`."""

    now: datetime
    zone: tzinfo
    gettext: Gettext

    @property
    def zone_name(self) -> str:
        """`Asia/Taipei`, or `UTC+08:00` where the zone has no name of its own."""
        if isinstance(self.zone, ZoneInfo):
            return self.zone.key
        offset = self.now.astimezone(self.zone).strftime("%z")
        return f"UTC{offset[:3]}:{offset[3:5]}"

    def moment(self, at: datetime) -> Markup:
        """A `<time>`: today and yesterday by name, other days by date; to the second."""
        return self._time(at, f"{self._day(at)} {self._local(at):%H:%M:%S}")

    def minute(self, at: datetime) -> Markup:
        """A `<time>` to the minute; only the clock time if it is today."""
        local = self._local(at)
        return self._time(at, f"{local:%H:%M}" if self._days_ago(at) == 0 else f"{self._day(at)} {local:%H:%M}")

    def second(self, at: datetime) -> Markup:
        """As `minute`, to the second."""
        local = self._local(at)
        return self._time(at, f"{local:%H:%M:%S}") if self._days_ago(at) == 0 else self.moment(at)

    def plain(self, at: datetime) -> str:
        """As `moment`, to the minute, as text that stays true when it is read another day: never by "today"."""
        local = self._local(at)
        month = self.gettext(_MONTHS[local.month - 1])
        day = self.gettext("{day} {month} {year}").format(day=local.day, month=month, year=local.year)
        return f"{day} {local:%H:%M} ({self.zone_name})"

    def day(self, at: datetime) -> Markup:
        """A `<time>` that names only the day."""
        return self._time(at, self._day(at))

    def today(self) -> str:
        """`Tuesday 17 November, 09:12`, without the year."""
        local = self._local(self.now)
        weekday, month = self.gettext(_WEEKDAYS[local.weekday()]), self.gettext(_MONTHS[local.month - 1])
        words = self.gettext("{weekday} {day} {month}, {clock}")
        return words.format(weekday=weekday, day=local.day, month=month, clock=f"{local:%H:%M}")

    def duration(self, length: timedelta) -> str:
        """`13 ms`, `4.3 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`."""
        seconds = max(length.total_seconds(), 0.0)
        if seconds < 0.1:
            return self.gettext("{milliseconds} ms").format(milliseconds=round(seconds * 1000))
        if seconds < 60:
            return self.gettext("{seconds} s").format(seconds=f"{seconds:.1f}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self.gettext("{minutes} min {seconds} s").format(minutes=minutes, seconds=rest)
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            return self.gettext("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
        return self.gettext("{days} d {hours} h").format(days=hours // 24, hours=hours % 24)

    def between(self, started_at: datetime, ended_at: datetime | None) -> str:
        """The duration up to the end, or up to now."""
        return self.duration((ended_at or self.now) - started_at)

    def _time(self, at: datetime, words: str) -> Markup:
        local = self._local(at)
        full = f"{local:%Y-%m-%d %H:%M:%S} {self.zone_name}"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            local.isoformat(timespec="milliseconds"), full, words
        )

    def _day(self, at: datetime) -> str:
        days = self._days_ago(at)
        if days == 0:
            return self.gettext("today")
        if days == 1:
            return self.gettext("yesterday")
        local = self._local(at)
        month = self.gettext(_MONTHS[local.month - 1])
        if local.year == self._local(self.now).year:
            return self.gettext("{day} {month}").format(day=local.day, month=month)
        return self.gettext("{day} {month} {year}").format(day=local.day, month=month, year=local.year)

    def _days_ago(self, at: datetime) -> int:
        return (self._local(self.now).date() - self._local(at).date()).days

    def _local(self, at: datetime) -> datetime:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(self.zone)
