"""The settings any trigger or action may carry: `limit`, `runtimeConfiguration`, `operationOptions`."""

import re
from collections.abc import Mapping
from datetime import timedelta

from flowmend.core.definition.durations import parse_duration
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import EMPTY, Limit, RuntimeConfiguration
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

# Source: wdl.md §4 and §8, learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration
_MOST_REPETITIONS = 50
_MOST_CONCURRENT_RUNS = 100
_MOST_WAITING_RUNS = 100
_MOST_ITERATIONS = 5000
_MOST_PAGED_ITEMS = 100_000

_WHOLE_NUMBER = re.compile(r"\s*-?\d{1,20}\s*", re.ASCII)


def read_limit(raw: Json, pointer: str, findings: Findings) -> Limit:
    """`{timeout, count}`; a part that does not read is left at the type's default, with a warning."""
    limit = read_object(raw, pointer, "limit", findings)
    return Limit(
        timeout=_read_timeout(limit.get("timeout"), pointer_to(pointer, "timeout"), findings),
        count=read_count(limit.get("count"), pointer_to(pointer, "count"), findings, most=_MOST_ITERATIONS),
    )


def read_runtime_configuration(raw: Json, pointer: str, findings: Findings) -> RuntimeConfiguration:
    """What changes how a step runs; keys Flowmend does not know stay in `raw`."""
    configuration = read_object(raw, pointer, "runtimeConfiguration", findings)
    if not configuration:
        return RuntimeConfiguration()

    def part(name: str) -> Mapping[str, Json]:
        return read_object(configuration.get(name), pointer_to(pointer, name), name, findings)

    def count(section: str, name: str, most: int) -> int | None:
        return read_count(part(section).get(name), pointer_to(pointer, section, name), findings, most=most)

    transfer_mode = part("contentTransfer").get("transferMode")
    is_chunked = str(transfer_mode).lower() == "chunked"
    if transfer_mode is not None and not is_chunked:
        pointed = pointer_to(pointer, "contentTransfer", "transferMode")
        findings.warning("InvalidSetting", pointed, "The only mode of transfer is 'Chunked'; this one is ignored.")
    secured = _secured_properties(part("secureData").get("properties"))
    return RuntimeConfiguration(
        repetitions=count("concurrency", "repetitions", _MOST_REPETITIONS),
        concurrent_runs=count("concurrency", "runs", _MOST_CONCURRENT_RUNS),
        waiting_runs=count("concurrency", "maximumWaitingRuns", _MOST_WAITING_RUNS),
        minimum_item_count=count("paginationPolicy", "minimumItemCount", _MOST_PAGED_ITEMS),
        secure_inputs="inputs" in secured,
        secure_outputs="outputs" in secured,
        static_result=_enabled_static_result(part("staticResult")),
        is_chunked=is_chunked,
        raw=configuration,
    )


def read_operation_options(raw: Json, pointer: str, findings: Findings) -> frozenset[str]:
    """The comma list `A, B` as a set in lower case."""
    if raw is None:
        return frozenset()
    if not isinstance(raw, str):
        findings.warning(
            "InvalidOperationOptions",
            pointer,
            "'operationOptions' is not a text and is ignored.",
            'Write the options as one text, separated by commas: "DisableAsyncPattern, Sequential".',
        )
        return frozenset()
    return frozenset(option for part in raw.split(",") if (option := part.strip().lower()))


def read_object(raw: Json, pointer: str, name: str, findings: Findings) -> Mapping[str, Json]:
    """`raw` where it is an object; absent, null or of another type reads as empty, the last with a warning."""
    if isinstance(raw, Mapping):
        return raw
    if raw is not None:
        findings.warning("InvalidSetting", pointer, f"'{name}' is not an object and is ignored.")
    return EMPTY


def read_count(raw: Json, pointer: str, findings: Findings, *, most: int) -> int | None:
    """A whole number of at least 1, which may be written as a text; over `most` it is cut to it."""
    if raw is None:
        return None
    number = whole_number(raw)
    if number is None or number < 1:
        findings.warning(
            "InvalidSetting",
            pointer,
            "This is not a whole number of at least 1, and the default is used.",
            f"Give a number from 1 to {most}.",
        )
        return None
    if number > most:
        findings.warning("LimitExceeded", pointer, f"{number} is over the limit of {most}, which is used instead.")
    return min(number, most)


def whole_number(raw: Json) -> int | None:
    """A whole number, which may be written as a text; None for anything else."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        return raw
    # A number of twenty digits is over every limit already, and int() refuses texts of thousands.
    if isinstance(raw, str) and _WHOLE_NUMBER.fullmatch(raw):
        return int(raw)
    return None


def _read_timeout(raw: Json, pointer: str, findings: Findings) -> timedelta | None:
    if raw is None:
        return None
    try:
        timeout = parse_duration(raw) if isinstance(raw, str) else timedelta()
    except InvalidDocument as error:
        findings.warning("InvalidDuration", pointer, f"{error.message} The default is used.", _TIMEOUT_HINT)
        return None
    if timeout <= timedelta():
        findings.warning(
            "InvalidDuration", pointer, "The time-out is not a time, and the default is used.", _TIMEOUT_HINT
        )
        return None
    return timeout


_TIMEOUT_HINT = "Write it as an ISO 8601 duration: PT30S, PT1H, P1D."


def _secured_properties(raw: Json) -> frozenset[str]:
    return frozenset(str(name).lower() for name in raw) if isinstance(raw, list) else frozenset()


def _enabled_static_result(raw: Mapping[str, Json]) -> str:
    is_enabled = str(raw.get("staticResultOptions", "")).lower() == "enabled"
    return str(raw.get("name", "")) if is_enabled else ""
