"""What ends of a sign-in, and how a connection is tested, in words."""

from datetime import datetime

from flowmend.core.connection.forecast import End, EndKind, Urgency, days_left, urgency
from flowmend.core.connection.probe import ProbeKind
from flowmend.portal.language import marked

_ENDS = {
    EndKind.REFRESH_TOKEN: marked("The sign-in ends"),
    EndKind.CERTIFICATE: marked("The certificate ends"),
    EndKind.IDLE: marked("The sign-in ends if nothing uses it"),
    EndKind.NOTED: marked("Good until, as noted"),
    EndKind.ACCESS_TOKEN: marked("The sign-in ends, and nothing renews it"),
    EndKind.APP_SECRET: marked("The secret of the sign-in app ends"),
}
_PROBES = {
    ProbeKind.CHOSEN: marked("A call chosen here"),
    ProbeKind.DECLARED: marked("A call its connector declares for that"),
    ProbeKind.FAILED_CALL: marked("The very call that failed last, because it only reads"),
    ProbeKind.INFERRED: marked("A call that was found to fit"),
    ProbeKind.REFRESH: marked("Asking the service for new tokens"),
    ProbeKind.NONE: marked("None; runs will show whether it works"),
}
#: Sooner than this an end is worth a word in a list.
_WORTH_A_WORD = frozenset({Urgency.OVER, Urgency.DAY, Urgency.WEEK, Urgency.MONTH})


def end_words(kind: str) -> str:
    """What ends, to be translated."""
    return _ENDS[EndKind(kind)]


def probe_words(kind: str) -> str:
    """What tests a connection, to be translated."""
    return _PROBES[ProbeKind(kind)]


def days_to(end: End, now: datetime) -> int:
    """Whole days until then, begun ones counted; 0 once it is over."""
    return days_left(end.at, now)


def near_end(ends: tuple[End, ...], now: datetime) -> End | None:
    """The first end that is worth a word in a list, None where all is far."""
    first = next(iter(ends), None)
    return first if first is not None and urgency(first.at, now) in _WORTH_A_WORD else None
