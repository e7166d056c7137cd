"""The Terminate action: what it asks for, and the end of the run it leads to."""

from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Node
from flowmend.core.run.finish import Finish, failed
from flowmend.core.run.scope import RunScope
from flowmend.core.run.state import Ending

#: The code of everything a Terminate stopped, and of a run it failed without a code of its own.
TERMINATED = "Terminated"

_ENDS = {status.value.lower(): status for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)}


def run_terminate(node: Node, scope: RunScope) -> Finish:
    """Succeeds with its inputs, which end the run once they are applied. Errors: ExpressionError."""
    inputs = node.template("inputs", node.action.inputs).evaluate(scope)
    status = inputs.get("runStatus") if isinstance(inputs, dict) else None
    if not isinstance(status, str) or status.lower() not in _ENDS:
        return failed(
            "InvalidTerminateRunStatus",
            f"The 'runStatus' of action '{node.name}' is {status!r}. Use Succeeded, Failed or Cancelled.",
            inputs=inputs,
        )
    return Finish(inputs=inputs)


def read_ending(inputs: Json) -> Ending:
    """The end that a succeeded Terminate asked for."""
    status = _ENDS[inputs["runStatus"].lower()]
    if status is not Status.FAILED:
        return Ending(status=status, code="", error=None)
    error = inputs.get("runError")
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or TERMINATED)
    return Ending(status=status, code=code, error=ErrorDetail(code, str(error.get("message") or "")))
