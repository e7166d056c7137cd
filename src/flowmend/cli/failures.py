"""How errors look on the terminal: one line that says what happened, then what to do next."""

import sys

from flowmend.core.errors import FlowmendError, InvalidDocument

_MOST_PROBLEMS = 20

_HINTS = {
    "Unauthorized": "`flowmend token` prints an API token; put it into FLOWMEND_TOKEN.",
    "FlowNotFound": "`flowmend flows list` shows the flows there are.",
    "WorkflowRunNotFound": "`flowmend runs list` shows the runs there are.",
    "ConnectorNotFound": "`flowmend connector list` shows the installed ones, `flowmend connector add FOLDER` installs one.",
    "ConnectionNotFound": "`flowmend connections list` shows the connections there are.",
    "WorkflowTriggerIsNotEnabled": "`flowmend flows turn-on FLOW` turns it on.",
    "StoreFull": "`df` shows how full a disk is; `flowmend up` goes on by itself once there is room.",
    "StoreUnavailable": "See that the data folder is writable and the disk has room.",
}


def report(error: FlowmendError) -> None:
    """Write the error to standard error."""
    lines = [f"Error: {error.message} ({error.code})"]
    if isinstance(error, InvalidDocument):
        lines += [f"  {problem.pointer or '/'}: {problem.message}" for problem in error.problems[:_MOST_PROBLEMS]]
        if len(error.problems) > _MOST_PROBLEMS:
            lines.append(f"  … and {len(error.problems) - _MOST_PROBLEMS} more.")
    hint = _HINTS.get(error.code)
    if hint:
        lines.append(f"Hint: {hint}")
    sys.stderr.write("\n".join(lines) + "\n")
