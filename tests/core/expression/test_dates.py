from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.dates.formatting import format_timestamp
from flowmend.core.expression.dates.reading import read_timestamp
from flowmend.core.expression.dates.timestamp import ExactTime, Timestamp, ZoneKind

Evaluate = Callable[..., Any]
AT = "2026-03-05T13:07:09.1200000Z"


@pytest.mark.parametrize(
    ("given_text", "read"),
    [
        ("2026-03-05", "2026-03-05T00:00:00.0000000"),
        ("2026-03", "2026-03-01T00:00:00.0000000"),
        ("2026-03-05T13:07Z", "2026-03-05T13:07:00.0000000Z"),
        ("2026-03-05 13:07:09.1234567", "2026-03-05T13:07:09.1234567"),
        ("2026-03-05T01:07:09+02:00", "2026-03-04T23:07:09.0000000+00:00"),
        ("2026-03-05T01:07:09-0730", "2026-03-05T08:37:09.0000000+00:00"),
        ("3/5/2026 1:07:09 PM", "2026-03-05T13:07:09.0000000"),
        ("3/5/2026 12:00 AM", "2026-03-05T00:00:00.0000000"),
        ("3/5/26", "2026-03-05T00:00:00.0000000"),
        ("March 5, 2026", "2026-03-05T00:00:00.0000000"),
        ("5 Mar 2026 3 pm", "2026-03-05T15:00:00.0000000"),
        ("Thu, 05 Mar 2026 13:07:09 GMT", "2026-03-05T13:07:09.0000000Z"),
        ("2026/3/5", "2026-03-05T00:00:00.0000000"),
    ],
)
def test_a_date_is_read_and_its_zone_kept(evaluate: Evaluate, given_text: str, read: str) -> None:
    assert evaluate("formatDateTime(item())", item=given_text) == read


@pytest.mark.parametrize(
    "text",
    ["", "x", "2026-02-30", "2026-03-05T24:00:00", "13/13/2026", "Fri, 05 Mar 2026", "3/5", "12:00", "2026-03-05T10:00:00+99:00",
     "1 2 3 4 5", "99999999999999999999", "13:00 PM 3/5/2026", "5 Mar 2026 $"],
)  # fmt: skip
def test_what_is_no_date_is_refused(evaluate: Evaluate, text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("addDays(item(), 1)", item=text)
    assert (
        f"In function 'addDays', the value provided for date time string '{text}' was not valid."
        in caught.value.message
    )


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("d", "3/5/2026"),
        ("D", "Thursday, March 5, 2026"),
        ("f", "Thursday, March 5, 2026 1:07 PM"),
        ("F", "Thursday, March 5, 2026 1:07:09 PM"),
        ("g", "3/5/2026 1:07 PM"),
        ("G", "3/5/2026 1:07:09 PM"),
        ("M", "March 5"),
        ("R", "Thu, 05 Mar 2026 13:07:09 GMT"),
        ("s", "2026-03-05T13:07:09"),
        ("u", "2026-03-05 13:07:09Z"),
        ("Y", "March 2026"),
        ("o", AT),
        ("%d", "5"),
        ("%h", "1"),
        ("yy-M-d H:m:s t", "26-3-5 13:7:9 P"),
        ("ddd dd MMM yyyyy", "Thu 05 Mar 02026"),
        ("ss.f ss.ff ss.FFF ss.FFFFFFF", "09.1 09.12 09.12 09.12"),
        ("hh tt K z zz zzz", "01 PM Z +0 +00 +00:00"),
        ("'at' \"d\" \\d TZ", "at d d TZ"),
        ("yyyy/MM/dd", "2026/03/05"),
    ],
)
def test_formats(evaluate: Evaluate, form: str, text: str) -> None:
    assert evaluate("formatDateTime(item().at, item().form)", item={"at": AT, "form": form}) == text


def test_an_optional_fraction_takes_its_dot_along(evaluate: Evaluate) -> None:
    assert evaluate("formatDateTime('2026-03-05', 'ss.FFF')") == "00"


@pytest.mark.parametrize("form", ["x", "Q", "'open", "ends\\", "ffffffff", "%%"])
def test_formats_that_are_not_valid_are_refused(evaluate: Evaluate, form: str) -> None:
    with pytest.raises(ExpressionError, match="not a valid date and time format"):
        evaluate("utcNow(item())", item=form)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("utcNow()", "2026-03-15T13:27:36.1234560Z"),
        ("getPastTime(2, 'Weeks')", "2026-03-01T13:27:36.1234560Z"),
        ("getFutureTime(1, 'month', 'yyyy-MM-dd')", "2026-04-15"),
        ("addDays('2026-03-05', 1.5)", "2026-03-06T12:00:00.0000000"),
        ("addToTime('2024-02-29', 1, 'YEAR')", "2025-02-28T00:00:00.0000000"),
        ("subtractFromTime('2026-03-31', 1, 'Month')", "2026-02-28T00:00:00.0000000"),
        ("addSeconds('2026-03-05T00:00:00.0000001Z', 1)", "2026-03-05T00:00:01.0000001Z"),
        ("startOfHour('2026-03-05T13:07:09+01:00')", "2026-03-05T12:00:00.0000000+00:00"),
        ("dayOfWeek('2026-03-15')", 0),
        ("dayOfYear('2024-12-31')", 366),
        ("ticks('0001-01-01')", 0),
        ("dateDifference('2026-03-05T10:00:00Z', '2026-03-05T10:00:00.5Z')", "00:00:00.5000000"),
        ("dateDifference('2026-03-05', '2026-03-03T23:00:00')", "-1.01:00:00"),
        ("convertFromUtc('2026-07-01T12:00:00Z', 'W. Europe Standard Time')", "2026-07-01T14:00:00.0000000"),
        ("convertFromUtc('2026-07-01T12:00:00Z', 'GMT Standard Time', 'HH:mm')", "13:00"),
        ("convertFromUtc('2026-07-01T12:00:00Z', 'greenwich standard time', 'HH:mm')", "12:00"),
        ("convertToUtc('2026-07-01T12:00:00', 'Taipei Standard Time')", "2026-07-01T04:00:00.0000000Z"),
        ("convertToUtc('2026-10-25T02:30:00', 'W. Europe Standard Time')", "2026-10-25T01:30:00.0000000Z"),
        ("convertTimeZone('2026-07-01T12:00:00Z', 'UTC', 'India Standard Time', 'HH:mm')", "17:30"),
        ("convertTimeZone('2026-01-01T12:00:00', 'Eastern Standard Time', 'UTC')", "2026-01-01T17:00:00.0000000Z"),
        ("formatDateTime('2026-03-05', 'D', 'de-DE')", "Donnerstag, 5. M\u00e4rz 2026"),
        ("formatDateTime('2026-03-05', 'dd/MM/yyyy', 'de-DE')", "05.03.2026"),
        ("formatDateTime('2026-03-05', 'd MMMM', 'ru-RU')", "5 \u043c\u0430\u0440\u0442\u0430"),
        ("formatDateTime('2026-03-05', 'MMMM yyyy', 'ru-RU')", "\u043c\u0430\u0440\u0442 2026"),
        ("formatDateTime('2026-03-05', 'd', 'en-GB')", "05/03/2026"),
        ("parseDateTime('05/03/2026', 'en-GB')", "2026-03-05T00:00:00.0000000"),
        ("parseDateTime('5. M\u00e4rz 2026 14:30', 'de-DE')", "2026-03-05T14:30:00.0000000"),
        ("parseDateTime('05032026 0107PM', 'en-US', 'ddMMyyyy hhmmtt')", "2026-03-05T13:07:00.0000000"),
        ("parseDateTime('2026-03-05T01:00:00+01:00', 'en-US', 'o')", None),
    ],
)  # fmt: skip
def test_date_functions(evaluate: Evaluate, expression: str, value: Any) -> None:
    if value is None:
        with pytest.raises(ExpressionError):
            evaluate(expression)
    else:
        assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("addToTime('2026-03-05', 1, 'Fortnight')", "time unit 'Fortnight'"),
        ("addDays('9999-12-31', 1)", "outside the years"),
        ("addDays('2026-01-01', 1e300)", "outside the years"),
        ("addToTime('2026-01-01', -3000, 'year')", "outside the years"),
        ("convertFromUtc('2026-01-01', 'A.U.S. Eastern Standard Time')", "time zone id 'A.U.S. Eastern Standard Time' is not valid"),
        ("convertFromUtc('0001-01-01', 'Eastern Standard Time')", "outside the years"),
        ("convertToUtc('2026-01-01T00:00:00Z', 'Eastern Standard Time')", "already names its zone"),
        ("convertFromUtc('2026-01-01', '../etc/passwd')", "is not valid"),
        ("formatDateTime('2026-01-01', 'd', 'zz-zz-zz')", "not a known culture"),
        ("addDays('2026-01-01', '1')", "integer or a decimal number"),
    ],
)  # fmt: skip
def test_date_functions_refuse(evaluate: Evaluate, expression: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression)
    assert message in caught.value.message


_TICKS = st.integers(0, 3_155_378_975_999_999_999)


@given(_TICKS, st.sampled_from(ZoneKind))
def test_the_round_trip_format_reads_back(ticks: int, kind: ZoneKind) -> None:
    moment = Timestamp(ticks, kind)
    assert read_timestamp(format_timestamp(moment, None)) == moment


@given(_TICKS)
def test_an_exact_time_keeps_every_tick(ticks: int) -> None:
    assert Timestamp.of(ExactTime.at_tick(ticks)).ticks == ticks


@given(st.text(alphabet=st.sampled_from(list("0123456789 /:-.,TZampMarch+'\\dyHK")), max_size=30))
def test_reading_a_date_never_fails_otherwise(text: str) -> None:
    moment = read_timestamp(text)
    assert moment is None or moment.ticks >= 0
