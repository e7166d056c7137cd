"""How long a run may take: the flow's word, then the setting, then the service the flow comes from."""

from datetime import timedelta
from typing import Any

import pytest

from flowmend.core.definition import read_flow
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.definition.run_duration import longest_run, read_run_duration
from flowmend.core.errors import InvalidDocument


def flow_with(duration: Any, packaging: Packaging = Packaging.PLAIN) -> Flow:
    trigger = {"manual": {"type": "Request", "inputs": {}}}
    metadata = {} if duration is None else {"flowmend": {"runDuration": duration}}
    reading = read_flow({"triggers": trigger, "actions": {}, "metadata": metadata}, packaging=packaging, name="f")
    assert reading.flow is not None
    return reading.flow


@pytest.mark.parametrize(
    ("duration", "packaging", "otherwise", "expected"),
    [
        pytest.param(None, Packaging.SOLUTION, None, timedelta(days=30), id="power automate"),
        pytest.param(None, Packaging.ARM, None, timedelta(days=90), id="logic apps"),
        pytest.param(None, Packaging.SOLUTION, timedelta(days=7), timedelta(days=7), id="the setting"),
        pytest.param(None, Packaging.SOLUTION, timedelta(), timedelta(), id="no limit"),
        pytest.param("PT2H", Packaging.SOLUTION, timedelta(days=7), timedelta(hours=2), id="the flow's own"),
        pytest.param("soon", Packaging.SOLUTION, None, timedelta(days=30), id="not readable"),
    ],
)
def test_the_nearest_word_counts(
    duration: Any, packaging: Packaging, otherwise: timedelta | None, expected: timedelta
) -> None:
    assert longest_run(flow_with(duration, packaging), otherwise=otherwise) == expected


@pytest.mark.parametrize("duration", ["soon", "PT0S", "-P1D", "P200Y", 5, True])
def test_what_is_no_time_is_refused(duration: Any) -> None:
    with pytest.raises(InvalidDocument):
        read_run_duration(flow_with(duration).definition)
