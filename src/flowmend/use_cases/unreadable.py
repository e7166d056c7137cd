"""What a list says of a flow or connector that no longer reads, so that one of them does not take the others along."""

from flowmend.core.errors import AskedWrongly, FlowmendError, InvalidDocument, SecretUnreadable

#: What reading a stored document can meet; a store that does not answer is no fault of the document.
CANNOT_BE_READ = (AskedWrongly, SecretUnreadable)


def why_flow_unreadable(error: FlowmendError) -> str:
    """What is wrong with the flow and what to do next, as sentences."""
    return f"{_what_is_wrong(error)} Import its file again, or delete the flow."


def why_connector_unreadable(error: FlowmendError) -> str:
    """What is wrong with the connector and what to do next, as sentences."""
    return f"{_what_is_wrong(error)} Install the connector again."


def _what_is_wrong(error: FlowmendError) -> str:
    first = error.problems[0] if isinstance(error, InvalidDocument) and error.problems else None
    return f"{error.message} {first.message}" if first else error.message
