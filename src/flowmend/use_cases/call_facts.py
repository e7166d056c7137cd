"""What the calls in a run's history are to people, and whether their services know a repeat."""

from urllib.parse import urlsplit

from flowmend.core.run import ActionRecord, BatchCall, Call, ChildCall, ConnectorCall, HttpCall
from flowmend.core.run.call_making import call_of
from flowmend.core.run.compiling import Node
from flowmend.core.run.effects import CallFacts
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services


class CallWords:
    """Tells facts of a flow's calls, and remembers them: a loop makes the same call a thousand times."""

    def __init__(self, services: Services, loaded: LoadedFlow) -> None:
        self._services = services
        self._loaded = loaded
        self._known: dict[tuple[str, str, str], CallFacts] = {}

    def of(self, node: Node, record: ActionRecord) -> CallFacts:
        """The facts of a recorded call."""
        inputs = record.inputs if isinstance(record.inputs, dict) else {}
        place = (node.name, str(inputs.get("method")), str(inputs.get("uri")))
        facts = self._known.get(place)
        if facts is None:
            call = call_of(self._loaded.compiled, node, inputs, None)
            known = self._services.operations.facts(call, self._loaded.mappings)
            summary = known.operation.summary if known.operation is not None else ""
            facts = self._known[place] = CallFacts(
                is_read=known.is_read, honours_key=known.honours_key, words=summary or self._words(node, call)
            )
        return facts

    def _words(self, node: Node, call: Call) -> str:
        if isinstance(call, HttpCall):
            # The host alone: a path may hold a secret.
            host = urlsplit(call.uri).hostname or ""
            return f"{call.method.upper()} {host}".strip() if "inputs" not in node.secured else call.method.upper()
        if isinstance(call, ChildCall | BatchCall):
            row = self._services.store.flows.get(call.flow)
            return row.name if row is not None else call.flow
        if isinstance(call, ConnectorCall):
            return call.operation_id or f"{call.method.upper()} {call.path}"
        return node.type
