"""Settings of steps that contradict each other, exceed the service's limits, or are written in forms of old."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from flowmend.core.checking.expressions import strings
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Flow, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.run_duration import read_run_duration
from flowmend.core.definition.step_settings import whole_number
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

# wdl.md §8. What is over these is refused by the service, though Flowmend could run it: a warning.
_LONGEST_EXPRESSION = 131_072
_LONGEST_DESCRIPTION = 256
_LONGEST_URI = 16_384
_LARGEST_TRACKED_BYTES = 16 * 1024

# wdl.md §8, the floor of Power Automate's recurrences.
_SHORTEST_SECONDS = 60
# wdl.md §4, in lower case.
_OPTIONS = frozenset(
    {
        *("disableasyncpattern", "disableautomaticdecompression", "asynchronous", "sequential", "singleinstance"),
        *("suppressworkflowheaders", "suppressworkflowheadersonresponse", "enableschemavalidation"),
        *("includeauthorizationheadersinoutputs", "failwhenlimitsreached"),
    }
)

_CURRENT_SCHEMA = "2016-06-01"
_OLD_SCHEMAS = ("2014-12-01-preview", "2015-02-01-preview", "2015-08-01-preview")


def check_settings(flow: Flow, findings: Findings) -> None:
    """Report contradictions, what is too long, and deprecated forms."""
    definition = flow.definition
    has_response = any(action.type == "Response" for action in definition.walk())
    _check_schema(flow, findings)
    _check_run_duration(flow, findings)
    for trigger in definition.triggers.values():
        _check_trigger(trigger, findings, has_response=has_response)
        _check_lengths(trigger, findings)
        _check_options(trigger, findings)
        if flow.packaging.is_power_automate:
            _check_shortest_interval(trigger, findings)
    for action in definition.walk():
        _check_foreach(action, findings)
        _check_lengths(action, findings)
        _check_options(action, findings)
    for text, pointer in strings(definition.raw, definition.pointer):
        if len(text) > _LONGEST_EXPRESSION and "@" in text:
            findings.warning(
                "LimitExceeded",
                pointer,
                f"The expression has {len(text):,} characters; Microsoft's service allows {_LONGEST_EXPRESSION:,}.",
            )


def _check_schema(flow: Flow, findings: Findings) -> None:
    # Any other spelling is accepted, as the service does: exports mangle the address in many ways.
    written = flow.definition.raw.get("$schema")
    old = next((one for one in _OLD_SCHEMAS if isinstance(written, str) and one in written.lower()), "")
    if old:
        findings.warning(
            "DeprecatedSchema",
            pointer_to(flow.definition.pointer, "$schema"),
            f"The definition is written for the language of {old}, which was replaced by that of {_CURRENT_SCHEMA}.",
            "Flowmend reads it as the current language. Check what its actions ask for.",
        )


def _check_run_duration(flow: Flow, findings: Findings) -> None:
    try:
        read_run_duration(flow.definition)
    except InvalidDocument as error:
        findings.warning(
            error.code,
            pointer_to(flow.definition.pointer, "metadata", "flowmend", "runDuration"),
            f"{error.message} The default is used.",
            "Write it as an ISO 8601 duration: PT12H, P7D.",
        )


def _check_trigger(trigger: Trigger, findings: Findings, *, has_response: bool) -> None:
    if str(trigger.raw.get("type", "")).lower() == "manual":
        findings.info(
            "DeprecatedForm",
            pointer_to(trigger.pointer, "type"),
            f"Trigger '{trigger.name}' is of type manual, the older name of Request.",
            'Write "Request".',
        )
    if "singleinstance" in trigger.operation_options and trigger.runtime.concurrent_runs is not None:
        findings.warning(
            "ConflictingSetting",
            pointer_to(trigger.pointer, "operationOptions"),
            f"Trigger '{trigger.name}' asks for a single instance and for {trigger.runtime.concurrent_runs} runs at once.",
            "Keep one: SingleInstance is the same as one run at once.",
        )
    if trigger.split_on is not None and has_response:
        findings.warning(
            "ConflictingSetting",
            pointer_to(trigger.pointer, "splitOn"),
            f"Trigger '{trigger.name}' starts a run for each item, so its caller is answered 202 and no Response reaches it.",
            "Remove 'splitOn' and go through the items with a Foreach, or remove the Response.",
        )


def _check_shortest_interval(trigger: Trigger, findings: Findings) -> None:
    is_by_seconds = str(trigger.recurrence.get("frequency", "")).lower() == "second"
    interval = whole_number(trigger.recurrence.get("interval", 1))
    if is_by_seconds and interval is not None and interval < _SHORTEST_SECONDS:
        findings.warning(
            "LimitExceeded",
            pointer_to(trigger.pointer, "recurrence", "interval"),
            f"Trigger '{trigger.name}' fires every {interval} s; Power Automate allows no less than {_SHORTEST_SECONDS} s.",
        )


def _check_options(step: Action | Trigger, findings: Findings) -> None:
    for option in sorted(step.operation_options - _OPTIONS):
        near = get_close_matches(option, _OPTIONS, n=1)
        findings.warning(
            "UnknownOption",
            pointer_to(step.pointer, "operationOptions"),
            f"'{step.name}' has the option '{option}', which means nothing and is ignored.",
            f"Did you mean '{near[0]}'?" if near else "Remove it.",
        )


def _check_foreach(action: Action, findings: Findings) -> None:
    if action.type != "Foreach":
        return
    if "sequential" in action.operation_options and action.runtime.repetitions is not None:
        findings.warning(
            "ConflictingSetting",
            pointer_to(action.pointer, "operationOptions"),
            f"Loop '{action.name}' is to be sequential and to take {action.runtime.repetitions} items at once.",
            "Keep one: Sequential is the same as one item at once.",
        )
    if action.foreach is not None and not isinstance(action.foreach, str | list):
        findings.error(
            "WrongType",
            pointer_to(action.pointer, "foreach"),
            f"Loop '{action.name}' goes through something that is no list.",
            "Give a list, or an expression that gives one.",
        )


def _check_lengths(step: Action | Trigger, findings: Findings) -> None:
    for pointer, length, most, what in _lengths(step):
        if length > most:
            findings.warning(
                "LimitExceeded",
                pointer,
                f"The {what} of '{step.name}' has {length:,} characters; Microsoft's service allows {most:,}.",
            )


def _lengths(step: Action | Trigger) -> Iterator[tuple[str, int, int, str]]:
    description = step.raw.get("description")
    if isinstance(description, str):
        yield pointer_to(step.pointer, "description"), len(description), _LONGEST_DESCRIPTION, "description"
    uri: Json = step.inputs.get("uri") if isinstance(step.inputs, Mapping) else None
    if isinstance(uri, str):
        yield pointer_to(step.pointer, "inputs", "uri"), len(uri), _LONGEST_URI, "uri"
    if isinstance(step, Action) and step.tracked_properties:
        tracked = len(json.dumps(dict(step.tracked_properties), default=str))
        yield pointer_to(step.pointer, "trackedProperties"), tracked, _LARGEST_TRACKED_BYTES, "trackedProperties"
