"""The kinds of Expression action: a function of the language each, its arguments written as named inputs (wdl.md §4)."""

from collections.abc import Mapping
from types import MappingProxyType

#: {kind: (function, its arguments' names in order)}
EXPRESSIONS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "ConvertTimeZone": ("convertTimeZone", ("baseTime", "sourceTimeZone", "destinationTimeZone", "formatString")),
        "CurrentTime": ("utcNow", ("formatString",)),
        "AddToTime": ("addToTime", ("baseTime", "interval", "timeUnit", "formatString")),
        "SubtractFromTime": ("subtractFromTime", ("baseTime", "interval", "timeUnit", "formatString")),
        "GetFutureTime": ("getFutureTime", ("interval", "timeUnit", "formatString")),
        "GetPastTime": ("getPastTime", ("interval", "timeUnit", "formatString")),
        "IndexOf": ("indexOf", ("text", "searchText")),
        "Substring": ("substring", ("text", "startPosition", "length")),
        "FormatNumber": ("formatNumber", ("number", "format", "locale")),
    }
)
