"""One run of a flow in memory, without a server: what `flowmend run FILE` does.

With `mock` no call leaves the machine and the clock is virtual: waits, retries and time-outs pass at once.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from flowmend.core.checking import check_flow
from flowmend.core.definition.flow import Flow, Parameter, Trigger
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.problem import Problem
from flowmend.core.run import (
    AbandonCall,
    ActionKey,
    CallFinished,
    CallOperation,
    CompiledFlow,
    EndRecord,
    Entry,
    Event,
    Moment,
    RunStart,
    RunState,
    Started,
    TimerFired,
    WaitUntil,
    compile_flow,
    decide,
    new_state,
)
from flowmend.core.run.compiling import Node
from flowmend.core.run.history import run_document
from flowmend.core.run.naming import countdown_ticks, run_name
from flowmend.core.run.scope import RunScope
from flowmend.core.run.static_results import outcome_of
from flowmend.core.run.tracing import trace_action
from flowmend.core.run.transitions import apply
from flowmend.core.run.views import timestamp
from flowmend.core.trigger import generate_from_schema

Perform = Callable[[CallOperation], Awaitable[Outcome]]
#: The answer a call is given in a mock run, None for the usual one.
Answer = Callable[[ActionKey], Outcome | None]
OnEntry = Callable[[Entry], None]

_EMPTY_VALUES: Mapping[str, Json] = {
    "string": "",
    "securestring": "",
    "int": 0,
    "float": 0.0,
    "bool": False,
    "array": [],
    "object": {},
    "secureobject": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOnceResult:
    """run: a Run of rest-api §4, everything inline. status: Waiting where only a person could go on.

    traces: `{action key: [{path, text, value, subexpressions?, error?}]}`, empty unless asked for.
    """

    run: dict[str, Json]
    status: Status
    compiled: CompiledFlow
    start: RunStart
    entries: list[Entry]
    traces: dict[ActionKey, list[dict[str, Json]]]


async def run_once(
    flow: Flow,
    *,
    trigger_outputs: Json = None,
    mock: bool = False,
    perform: Perform | None = None,
    parameters: Mapping[str, Json] | None = None,
    trace: bool = False,
    on_entry: OnEntry | None = None,
    answer: Answer | None = None,
) -> RunOnceResult:
    """Run a flow to its end.

    trigger_outputs: as `triggerOutputs()` gives them; None makes them from the trigger's schema when mocking.
    A flow with something that Flowmend never runs does not begin: it ends Failed with that problem's code and pointer.
    perform: makes a call; not used when mocking. on_entry: told of each journal entry as it is decided. answer: what
    calls are answered when mocking, before static results.
    Errors: InvalidDocument where the flow cannot run at all; AskedWrongly where a parameter has no value, or
    nothing is given to perform its calls.
    """
    compiled = compile_flow(flow, is_mock=mock)
    if not mock and perform is None:
        raise AskedWrongly("Nothing is given to perform the flow's calls. Run it as a mock, or give it connections.")
    clock: Moment = _VirtualMoment() if mock else _SystemMoment()
    start = _start(flow, clock.now, trigger_outputs, _parameters(flow, parameters or {}, mock=mock), mock=mock)
    once = _Once(compiled, start, clock, on_entry)
    if trace:
        once.trace()
    unsupported = next((one for one in check_flow(flow) if one.code.startswith("Unsupported")), None)
    if unsupported is not None:
        once.refuse(unsupported)
    elif isinstance(clock, _VirtualMoment):
        once.run_mocked(clock, answer or (lambda _: None))
    elif perform is not None:
        await once.run_live(perform)
    state = once.state
    return RunOnceResult(
        run=run_document(compiled, start, once.entries),
        status=state.end.status if state.end else Status.WAITING,
        compiled=compiled,
        start=start,
        entries=once.entries,
        traces=once.traces,
    )


class _Once:
    """A run under way: decides, and remembers what its commands ask for."""

    def __init__(self, compiled: CompiledFlow, start: RunStart, clock: Moment, on_entry: OnEntry | None) -> None:
        self.compiled = compiled
        self.state: RunState = new_state(compiled, start)
        self.entries: list[Entry] = []
        self.traces: dict[ActionKey, list[dict[str, Json]]] = {}
        self._clock = clock
        self._on_entry = on_entry
        self._observer: Callable[[Node, tuple[int, ...], RunScope], None] | None = None
        self._timers: dict[ActionKey, datetime] = {}

    def trace(self) -> None:
        """From now on, note what the expressions of each action come to."""

        def observe(node: Node, repetition: tuple[int, ...], scope: RunScope) -> None:
            self.traces[node.name, repetition] = trace_action(node, scope, self.compiled.secrecy)

        self._observer = observe

    def refuse(self, problem: Problem) -> None:
        """The run ends before it begins."""
        error = ErrorDetail(problem.code, f"{problem.message} See {problem.pointer}.")
        end = EndRecord(status=Status.FAILED, code=problem.code, error=error, at=self._clock.now)
        apply(self.state, end)
        self.entries.append(end)
        if self._on_entry is not None:
            self._on_entry(end)

    def run_mocked(self, clock: "_VirtualMoment", answer: Answer) -> None:
        """Every call answered at once, timers in their order; ends with the run, or where only a person could go on."""
        pending: deque[Event] = deque([Started()])
        while pending or self._timers:
            if not pending:
                key, at = min(self._timers.items(), key=lambda timer: timer[1])
                del self._timers[key]
                clock.now = max(clock.now, at)
                pending.append(TimerFired(key))
            calls, _ = self._decide(pending.popleft())
            for call in calls:
                outcome = answer(call.key) or _mock_outcome(self.compiled, call.key[0])
                pending.append(CallFinished(call.key, outcome, started_at=clock.now, ended_at=clock.now))

    async def run_live(self, perform: Perform) -> None:
        """Calls performed at the same time, timers waited for; ends as `run_mocked`. Errors: what `perform` raises."""
        pending: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        pending.put_nowait(Started())
        tasks: dict[ActionKey, asyncio.Task[None]] = {}
        try:
            while self.state.end is None and (tasks or self._timers or not pending.empty()):
                event = await self._next_event(pending)
                if isinstance(event, BaseException):
                    raise event
                if isinstance(event, CallFinished):
                    tasks.pop(event.key, None)
                calls, abandoned = self._decide(event)
                for key in abandoned:
                    if key in tasks:
                        tasks.pop(key).cancel()
                for call in calls:
                    tasks[call.key] = asyncio.create_task(self._perform(perform, call, pending))
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _next_event(self, pending: "asyncio.Queue[Event | BaseException]") -> Event | BaseException:
        if not self._timers or not pending.empty():
            return await pending.get()
        key, at = min(self._timers.items(), key=lambda timer: timer[1])
        try:
            return await asyncio.wait_for(pending.get(), max((at - self._clock.now).total_seconds(), 0.0))
        except TimeoutError:
            del self._timers[key]
            return TimerFired(key)

    async def _perform(
        self, perform: Perform, call: CallOperation, pending: "asyncio.Queue[Event | BaseException]"
    ) -> None:
        started_at = self._clock.now
        try:
            outcome = await perform(call)
        except Exception as error:  # noqa: BLE001  told to the loop, which raises it again
            pending.put_nowait(error)
            return
        pending.put_nowait(CallFinished(call.key, outcome, started_at=started_at, ended_at=self._clock.now))

    def _decide(self, event: Event) -> tuple[list[CallOperation], list[ActionKey]]:
        calls: list[CallOperation] = []
        abandoned: list[ActionKey] = []
        more = True
        while more:
            decision = decide(self.compiled, self.state, event, self._clock, observer=self._observer)
            for entry in decision.entries:
                self.entries.append(entry)
                if self._on_entry is not None:
                    self._on_entry(entry)
            for command in decision.commands:
                if isinstance(command, CallOperation):
                    calls.append(command)
                elif isinstance(command, WaitUntil):
                    self._timers[command.key] = command.at
                elif isinstance(command, AbandonCall):
                    abandoned.append(command.key)
            event, more = Started(), decision.more
        for key in [key for key in self._timers if key not in self.state.unfinished]:
            del self._timers[key]
        return calls, abandoned


class _SystemMoment:
    """The machine's clock and chance."""

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def guid(self) -> UUID:
        return uuid4()

    def draw(self) -> float:
        return random.random()  # noqa: S311  the language's rand() and retry jitter, no secret


class _VirtualMoment(_SystemMoment):
    """A clock that stands still until the next timer."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    @property
    def now(self) -> datetime:
        return self._now

    @now.setter
    def now(self, at: datetime) -> None:
        self._now = at


def _mock_outcome(compiled: CompiledFlow, name: str) -> Outcome:
    """The action's static result, enabled or not, else 200 with an empty body."""
    static = compiled.nodes[name].action.runtime.raw.get("staticResult")
    written = static.get("name") if isinstance(static, Mapping) else None
    found = outcome_of(compiled.flow.definition.static_results.get(written)) if isinstance(written, str) else None
    empty = {"statusCode": 200, "headers": {}, "body": {}}
    return found or Outcome(status=Status.SUCCEEDED, code="OK", outputs=empty)


def _start(flow: Flow, now: datetime, trigger_outputs: Json, parameters: dict[str, Json], *, mock: bool) -> RunStart:
    name = run_name(countdown_ticks(now), 0.0)
    trigger = next(iter(flow.definition.triggers.values()), None)
    outputs = _trigger_outputs(trigger) if trigger_outputs is None and mock else trigger_outputs
    view: dict[str, Json] = {
        "name": trigger.name if trigger else "manual",
        "startTime": timestamp(now),
        "endTime": timestamp(now),
        "trackingId": name,
        "clientTrackingId": name,
        "originHistoryName": name,
        "status": Status.SUCCEEDED.value,
    }
    if outputs is not None:
        view["outputs"] = outputs
    place = f"/workflows/{flow.flow_id}"
    return RunStart(
        run_name=name,
        flow_id=flow.flow_id,
        version="",
        trigger=view,
        workflow={
            "id": place,
            "name": flow.flow_id if flow.packaging.is_power_automate else flow.name,
            "type": "Microsoft.Logic/workflows",
            "location": "local",
            "tags": {"flowDisplayName": flow.name, "environmentName": "local"},
            "run": {"id": f"{place}/runs/{name}", "name": name, "type": "Microsoft.Logic/workflows/runs"},
        },
        parameters=parameters,
        client_tracking_id=name,
        started_at=now,
        is_synchronous=True,  # whoever runs the flow by hand sees its Response
    )


def _trigger_outputs(trigger: Trigger | None) -> Json:
    schema = trigger.inputs.get("schema") if trigger and isinstance(trigger.inputs, Mapping) else None
    return {"headers": {}, "body": generate_from_schema(schema)} if isinstance(schema, Mapping) else {}


def _parameters(flow: Flow, given: Mapping[str, Json], *, mock: bool) -> dict[str, Json]:
    values = {"$connections": _connections(flow), "$authentication": {}}
    missing = []
    for name, parameter in flow.definition.parameters.items():
        if name in given:
            values[name] = given[name]
        elif name in values:
            continue
        elif name in flow.parameter_values:
            values[name] = flow.parameter_values[name]
        elif parameter.has_default:
            values[name] = parameter.default
        elif mock:
            values[name] = _empty(parameter)
        else:
            missing.append(name)
    if missing:
        raise AskedWrongly(f"There is no value for parameter {', '.join(missing)}.", code="WorkflowRunParameterMissing")
    return values


def _empty(parameter: Parameter) -> Json:
    return _EMPTY_VALUES.get(parameter.type, "")


def _connections(flow: Flow) -> Json:
    return {
        key: {
            "connectionId": f"/connections/{reference.connection_name or key}",
            "connectionName": reference.connection_name or key,
            "id": f"/apis/{reference.connector}",
        }
        for key, reference in flow.connection_references.items()
    }
