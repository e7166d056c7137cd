"""What a run is called."""

from flowmend.use_cases.runs import RunHead, tracked_headline


def run_title(detail: RunHead) -> str:
    """Its flow, and the first value it is tracked by."""
    headline = tracked_headline(dict(detail.tracked))
    return f"{detail.flow_row.name} · {headline}" if headline else detail.flow_row.name
