"""Flows read and compiled once, kept in memory: an invocation asks the store for nothing."""

import hmac
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

from flowmend.core.checking.inline_authentication import inline_authentications
from flowmend.core.checking.parameters import sign_in_parameters
from flowmend.core.definition import read_flow
from flowmend.core.definition.connection_references import connection_key
from flowmend.core.definition.flow import Action, Flow, Packaging, Trigger
from flowmend.core.definition.recurrence_expressions import with_evaluated_recurrences
from flowmend.core.errors import InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.core.run import CompiledFlow, compile_flow
from flowmend.store import Store
from flowmend.store.rows import FlowRow, FlowVersionRow
from flowmend.use_cases.flow_parameters import sealed_values, with_sealed
from flowmend.vault import Binding, Vault

_MOST_KEPT = 512
_Key = TypeVar("_Key")

#: Parameters the service fills in by itself (wdl.md §1).
_OURS = frozenset({"$connections", "$authentication"})

HOLD_EVENTS = "holdEvents"
HOLD_AT_ACTION = "holdAtAction"
#: The setting of a flow that counts how often its callback URL was made anew.
ROTATIONS = "callbackUrlRotations"
FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFlow:
    """One version of a flow, ready to run.

    row: the flow's head when it was loaded. flow: with what its recurrences come to by its parameters. mappings: {reference: connection id}. certain_connections: those the
    trigger or an action outside conditions and failure handlers uses, for which new events are held. parameters: by
    name, defaults applied, shared by all runs. has_secure_trigger: the trigger's outputs are stored sealed.
    access_key: signs what runs and pages give out; request_key: the URLs of Request triggers, another one after each
    rotation. ascii_name: the flow's name as a header may carry it. answers_later: its callers hear 202 at once and ask for the
    answer (`operationOptions: Asynchronous` of a Response).
    """

    row: FlowRow
    version: str
    flow: Flow = field(repr=False)
    compiled: CompiledFlow = field(repr=False)
    access_key: bytes = field(repr=False)
    request_key: bytes = field(repr=False)
    mappings: dict[str, str]
    certain_connections: tuple[str, ...]
    answers_caller: bool
    answers_later: bool
    on_broken_connection: str
    parameters: dict[str, Json] = field(repr=False)
    missing_parameters: tuple[str, ...]
    has_secure_trigger: bool
    ascii_name: str


class LoadedFlows:
    """A bounded cache over the store; told to forget a flow whenever it changes."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault
        self._latest: OrderedDict[str, LoadedFlow] = OrderedDict()
        self._versions: OrderedDict[tuple[str, str], LoadedFlow] = OrderedDict()

    def latest(self, flow_id: str) -> LoadedFlow:
        """Errors: NotFound; InvalidDocument where the stored document no longer reads; SecretUnreadable for its values."""
        found = self._latest.get(flow_id)
        if found is None:
            found = self._load(flow_id, None)
            _keep(self._latest, flow_id, found)
            _keep(self._versions, (flow_id, found.version), found)
        return found

    def version(self, flow_id: str, version: str) -> LoadedFlow:
        """One version. Errors: as `latest`."""
        found = self._versions.get((flow_id, version))
        if found is None:
            found = self._load(flow_id, version)
            _keep(self._versions, (flow_id, version), found)
        return found

    def forget(self, flow_id: str) -> None:
        """The flow's head, mapping or versions changed."""
        self._latest.pop(flow_id, None)
        for key in [key for key in self._versions if key[0] == flow_id]:
            del self._versions[key]

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`."""
        if topic == "flow":
            self.forget(facts["flow_id"])

    def _load(self, flow_id: str, version: str | None) -> LoadedFlow:
        row = self._store.flows.get(flow_id)
        stored = self._store.flows.version(flow_id, version) if row else None
        if row is None or stored is None:
            raise NotFound(f"There is no flow {flow_id}.", code="FlowNotFound", target=flow_id)
        flow = with_sealed(read_stored_flow(row, stored), sealed_values(stored, self._vault))
        mappings = {one.reference: one.connection_id for one in self._store.flows.mappings(flow_id)}
        parameters = _parameters(flow, mappings)
        flow = with_evaluated_recurrences(flow, parameters, unknown=missing_parameters(flow))
        answers = any(action.type == "Response" for action in flow.definition.walk())
        on_broken = _on_broken_connection(flow, row, answers_caller=answers)
        access_key = self._vault.open(row.sealed_access_key, bound_to=access_key_binding(flow_id))
        return LoadedFlow(
            row=row,
            version=stored.version,
            flow=flow,
            compiled=compile_flow(flow, on_broken_connection=on_broken),
            access_key=access_key,
            request_key=_request_key(row, access_key),
            mappings=mappings,
            certain_connections=_certain_connections(flow, mappings),
            answers_caller=answers,
            answers_later=any(
                action.type == "Response" and "asynchronous" in action.operation_options
                for action in flow.definition.walk()
            ),
            on_broken_connection=on_broken,
            parameters=parameters,
            missing_parameters=missing_parameters(flow, mappings),
            has_secure_trigger=any(one.runtime.secure_outputs for one in flow.definition.triggers.values()),
            ascii_name=quote(row.name, safe=" ()-_.,"),
        )


def read_stored_flow(row: FlowRow, stored: FlowVersionRow) -> Flow:
    """The flow of a stored version, without its sealed values. Errors: InvalidDocument."""
    reading = read_flow(stored.document, packaging=Packaging(row.packaging), name=row.name, flow_id=row.flow_id)
    if reading.flow is None:
        raise InvalidDocument(f"The stored definition of {row.name!r} does not read.", reading.problems)
    return reading.flow


def missing_parameters(flow: Flow, mapped: Collection[str] = ()) -> tuple[str, ...]:
    """Parameters that neither the file nor the definition gives a value, and that a run needs one of.

    mapped: the references that mean a connection; what only their sign-ins read is given to the connection.
    """
    missing = [
        name
        for name, parameter in flow.definition.parameters.items()
        if name not in _OURS and name not in flow.parameter_values and not parameter.has_default
    ]
    given = sign_in_parameters(flow, mapped) if missing else ()
    return tuple(name for name in missing if name.lower() not in given)


def _request_key(row: FlowRow, access_key: bytes) -> bytes:
    count = int((row.settings or {}).get(ROTATIONS) or 0)
    return hmac.digest(access_key, f"callback URLs {count}".encode(), "sha256") if count else access_key


def access_key_binding(flow_id: str) -> Binding:
    """What a flow's sealed access key is bound to."""
    return Binding(kind="flow_access_key", parts=(flow_id,))


def _keep(cache: "OrderedDict[_Key, LoadedFlow]", key: _Key, loaded: LoadedFlow) -> None:
    cache[key] = loaded
    if len(cache) > _MOST_KEPT:
        cache.popitem(last=False)


def _parameters(flow: Flow, mappings: dict[str, str]) -> dict[str, Json]:
    values = {
        name: flow.parameter_values.get(name, parameter.default)
        for name, parameter in flow.definition.parameters.items()
    }
    values["$authentication"] = {}
    values["$connections"] = {
        key: {
            "connectionId": f"/connections/{mappings.get(key, '')}",
            "connectionName": mappings.get(key, ""),
            "id": f"/apis/{reference.connector}",
        }
        for key, reference in flow.connection_references.items()
    }
    return values


def _on_broken_connection(flow: Flow, row: FlowRow, *, answers_caller: bool) -> str:
    chosen = (row.settings or {}).get("onBrokenConnection")
    ours = flow.definition.metadata.get("flowmend")
    if not chosen and isinstance(ours, dict):
        chosen = ours.get("onBrokenConnection")
    # A synchronous caller cannot wait for a repair (architecture: `fail` is the default there).
    return str(chosen) if chosen else FAIL if answers_caller else HOLD_EVENTS


def _certain_connections(flow: Flow, mappings: dict[str, str]) -> tuple[str, ...]:
    steps: list[Action] = []
    _collect_certain(flow.definition.actions.values(), steps)
    every: list[Action | Trigger] = [*steps, *flow.definition.triggers.values()]
    inputs = [step.inputs for step in every]
    references = [key for value in inputs if (key := connection_key(value)) is not None]
    names = {step.name for step in every}
    references += [one.key for one in inline_authentications(flow) if one.key and one.step in names]
    return tuple(dict.fromkeys(mappings[key] for key in references if key in mappings))


def _collect_certain(actions: Iterable[Action], into: list[Action]) -> None:
    for action in actions:
        if any("Succeeded" not in statuses for statuses in action.run_after.values()):
            continue  # a failure handler: it may never run
        into.append(action)
        if action.type in {"Scope", "Foreach", "Until"}:
            _collect_certain(action.branches.get("actions", {}).values(), into)
