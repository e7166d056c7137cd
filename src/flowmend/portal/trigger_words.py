"""A trigger in words: what starts the flow, and what begins once it is turned on."""

from collections.abc import Callable
from dataclasses import dataclass

from flowmend.core.definition.flow import Flow, Trigger
from flowmend.portal.language import marked
from flowmend.portal.times import Gettext
from flowmend.use_cases.poll_states import POLLED_TYPES
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES

Ngettext = Callable[[str, str, int], str]

_EVERY = {
    "second": (marked("Every second"), marked("Every {count} seconds")),
    "minute": (marked("Every minute"), marked("Every {count} minutes")),
    "hour": (marked("Every hour"), marked("Every {count} hours")),
    "day": (marked("Every day"), marked("Every {count} days")),
    "week": (marked("Every week"), marked("Every {count} weeks")),
    "month": (marked("Every month"), marked("Every {count} months")),
    "year": (marked("Every year"), marked("Every {count} years")),
}


@dataclass(frozen=True, slots=True)
class _Words:
    starts: str
    begins: str


_REQUEST = _Words(
    marked("When an HTTP request is received"),
    marked("Once on, it runs for each request to its callback URL."),
)
_BUTTON = _Words(marked("When somebody chooses Run"), marked("Once on, it runs when somebody chooses Run."))
_SCHEDULE = _Words(marked("On a schedule"), marked("Once on, it runs on its schedule: {schedule}."))
_BATCH = _Words(
    marked("When enough messages are gathered"),
    marked("Once on, it runs each time enough messages were sent to its batch."),
)
_NOT_YET = marked("Flowmend cannot wait for this kind of trigger yet.")
_POLLING = _Words(
    marked("When something new is found"),
    marked("Once on, it asks for what is new from then on, and runs for it."),
)
_WEBHOOK = _Words(
    marked("When a service calls back"),
    marked("Once on, it asks the service to call back, and runs each time it does."),
)
_OTHER = _Words(marked("Started by its trigger"), _NOT_YET)


def trigger_in_words(trigger_type: str, kind: str, gettext: Gettext) -> str:
    """What starts a flow, e.g. `When an HTTP request is received`."""
    return gettext(_words(trigger_type, kind).starts)


def begins_in_words(flow: Flow, gettext: Gettext) -> str:
    """What turning the flow on begins, one sentence."""
    trigger = main_trigger(flow)
    if trigger is None:
        return gettext("It has no trigger, so nothing would start it.")
    schedule = schedule_in_words(trigger, gettext)
    return gettext(_words(trigger.type, trigger.kind).begins).format(schedule=schedule[:1].lower() + schedule[1:])


def starts_in_words(flow: Flow, gettext: Gettext) -> str:
    """What starts the flow, its schedule spelled out."""
    trigger = main_trigger(flow)
    if trigger is None:
        return gettext("No trigger")
    if trigger.type in {"Recurrence", "SlidingWindow"}:
        return schedule_in_words(trigger, gettext)
    return trigger_in_words(trigger.type, trigger.kind, gettext)


def schedule_in_words(trigger: Trigger, gettext: Gettext) -> str:
    """`Every 5 minutes`; `On a schedule` where the interval is none of the plain ones."""
    frequency = str(trigger.recurrence.get("frequency", "")).lower()
    interval = str(trigger.recurrence.get("interval", 1))
    if frequency not in _EVERY or not interval.isdecimal():
        return gettext(_SCHEDULE.starts)
    once, often = _EVERY[frequency]
    words = once if interval == "1" else often
    return gettext(words).format(count=interval)


def can_be_run_by_hand(trigger_type: str) -> bool:
    """Whether *Run* makes sense: a request or a schedule, not an event of somebody else's."""
    return trigger_type in {"Request", "Recurrence", "Manual"}


def main_trigger(flow: Flow) -> Trigger | None:
    """The trigger that starts the flow; definitions in use have exactly one."""
    return next(iter(flow.definition.triggers.values()), None)


def _words(trigger_type: str, kind: str) -> _Words:
    if trigger_type in {"Request", "Manual"}:
        return _BUTTON if kind.lower() == "button" else _REQUEST
    if trigger_type in {"Recurrence", "SlidingWindow"}:
        return _SCHEDULE
    if trigger_type == "Batch":
        return _BATCH
    if trigger_type in SUBSCRIBED_TYPES:
        return _WEBHOOK
    if trigger_type in POLLED_TYPES:
        return _POLLING
    return _OTHER
