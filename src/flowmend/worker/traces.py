"""The headers by which a service can tell which run and action called it (rest-api §7).

A flow that does not want them says `SuppressWorkflowHeaders`. Names are percent-encoded: headers are ASCII.
"""

from urllib.parse import quote

from flowmend.core.run import ActionKey
from flowmend.core.run.views import action_tracking_id
from flowmend.use_cases.start_run import workflow_headers
from flowmend.worker.active_run import ActiveRun

#: Of the answer's headers, those that speak of the answer and not of the run.
_OF_THE_ANSWER = ("x-ms-trigger-history-name", "x-ms-request-id")
_ASCII = "".join(map(chr, range(32, 127)))


def outgoing_headers(run: ActiveRun, key: ActionKey) -> dict[str, str]:
    """The headers of one call of this run."""
    if run.traces is None:
        start = run.state.start
        headers = workflow_headers(
            run.loaded, run.name, start.client_tracking_id, str(start.trigger.get("trackingId") or run.name)
        )
        run.traces = {name: _written(value) for name, value in headers.items() if name not in _OF_THE_ANSWER}
    name, repetition = key
    return run.traces | {
        "x-ms-workflow-operation-name": _written(name),
        "x-ms-action-tracking-id": action_tracking_id(run.name, name, repetition),
    }


def _written(value: str) -> str:
    return value if value.isascii() and value.isprintable() else quote(value, safe=_ASCII)
