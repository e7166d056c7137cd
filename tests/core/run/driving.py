"""Drives the engine by hand: flows from short definitions, events in, records out."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flowmend.core.definition import read_flow
from flowmend.core.definition.flow import Flow, Packaging
from flowmend.core.outcome import Category, Diagnosis, ErrorDetail, FixableBy, Outcome, Status
from flowmend.core.run import (
    ActionRecord,
    AnswerArrived,
    AnswerAwaited,
    CallFinished,
    CallOperation,
    ChildCall,
    Command,
    CompiledFlow,
    Decision,
    EndRecord,
    Entry,
    Event,
    RunStart,
    RunState,
    Started,
    TimerFired,
    WaitUntil,
    compile_flow,
    decide,
    fold,
    new_state,
)
from flowmend.core.run.history import latest_records

BEGINNING = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

OK = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": 200, "headers": {}, "body": {}})
CALLED_BACK = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"headers": {}, "body": {"decision": "Approve"}})
ACCEPTED = Outcome(
    status=Status.SUCCEEDED, code="Accepted", outputs={"statusCode": 202, "headers": {"Location": "/jobs/7"}}
)
UNAVAILABLE = Outcome(status=Status.FAILED, code="ServiceUnavailable", outputs={"statusCode": 503}, is_retryable=True)
NOT_FOUND = Outcome(status=Status.FAILED, code="NotFound", outputs={"statusCode": 404})
UNAUTHORIZED = Outcome(
    status=Status.FAILED,
    code="Unauthorized",
    outputs={"statusCode": 401},
    error=ErrorDetail("Unauthorized", "The password is wrong."),
    diagnosis=Diagnosis(
        category=Category.WRONG_PASSWORD, fixable_by=FixableBy.REVERIFY, is_auth_failure=True, connection_broken=True
    ),
    was_refused=True,
    connection_id="c1",
)

Answers = Mapping[str, Outcome | list[Outcome]] | Callable[[CallOperation], Outcome]


class Moment:
    """A clock that stands until it is moved; guids and draws in order."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.guids = 0

    def guid(self) -> UUID:
        self.guids += 1
        return UUID(int=self.guids)

    def draw(self) -> float:
        return 0.5


def flow_of(actions: dict[str, Any], *, packaging: Packaging = Packaging.PLAIN, **definition: Any) -> Flow:
    """A flow with a Request trigger. An action without `runAfter` runs after the one before it."""
    trigger = {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}}
    document = {"definition": {"triggers": trigger, "actions": chained(actions)} | definition}
    reading = read_flow(document, packaging=packaging, name="test", flow_id="00000000-0000-4000-8000-000000000001")
    assert reading.flow is not None, reading.problems
    return reading.flow


def chained(actions: dict[str, Any]) -> dict[str, Any]:
    """The actions with `runAfter` filled in: each after the one before, on success."""
    result: dict[str, Any] = {}
    before = None
    for name, action in actions.items():
        written = dict(action)
        written.setdefault("runAfter", {before: ["Succeeded"]} if before else {})
        for part in ("actions",):
            if part in written:
                written[part] = chained(written[part])
        for part in ("else", "default"):
            if part in written:
                written[part] = {"actions": chained(written[part]["actions"])}
        if "cases" in written:
            written["cases"] = {
                key: case | {"actions": chained(case["actions"])} for key, case in written["cases"].items()
            }
        result[name] = written
        before = name
    return result


def http(**inputs: Any) -> dict[str, Any]:
    return {"type": "Http", "inputs": {"method": "GET", "uri": "http://service/x"} | inputs}


def webhook(**parts: Any) -> dict[str, Any]:
    """A webhook that is told where to call back, and how its subscription ends."""
    subscribe = {"method": "POST", "uri": "http://service/hooks", "body": "@listCallbackUrl()"}
    unsubscribe = {"method": "DELETE", "uri": "http://service/hooks/1"}
    return {"type": "HttpWebhook", "inputs": {"subscribe": subscribe, "unsubscribe": unsubscribe}} | parts


def child(**parts: Any) -> dict[str, Any]:
    """A call of another flow."""
    return {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "child"}}, "body": "@guid()"}} | parts


def compose(value: Any = 1, **parts: Any) -> dict[str, Any]:
    return {"type": "Compose", "inputs": value} | parts


def failing(**parts: Any) -> dict[str, Any]:
    """An action that fails by itself."""
    return {"type": "Compose", "inputs": "@int('no number')"} | parts


def after(**statuses: str) -> dict[str, Any]:
    """`runAfter` of several predecessors: after(A='Succeeded Failed')."""
    return {name: listed.split() for name, listed in statuses.items()}


def start_of(**parts: Any) -> RunStart:
    given: dict[str, Any] = {
        "run_name": "R1",
        "flow_id": "f1",
        "version": "v1",
        "trigger": {"name": "manual", "outputs": {"headers": {}, "body": {"n": 3}}},
        "workflow": {"name": "test", "run": {"name": "R1"}},
        "parameters": {"$connections": {}, "$authentication": {}},
        "client_tracking_id": "R1",
        "started_at": BEGINNING,
        "is_synchronous": True,
    }
    return RunStart(**given | parts)


class Drive:
    """One run. entries: everything journalled so far; calls: everything that was sent."""

    def __init__(self, flow: Flow, start: RunStart | None = None, *, budget: int = 500, is_mock: bool = False) -> None:
        self.compiled: CompiledFlow = compile_flow(flow, is_mock=is_mock)
        self.start = start or start_of()
        self.moment = Moment()
        self.state: RunState = new_state(self.compiled, self.start)
        self.entries: list[Entry] = []
        self.commands: list[Command] = []
        self.calls: list[CallOperation] = []
        self.slices: list[int] = []
        self._budget = budget

    def send(self, event: Event) -> list[Command]:
        """The commands an event leads to, all slices of it."""
        commands: list[Command] = []
        more = True
        while more:
            decision: Decision = decide(self.compiled, self.state, event, self.moment, budget=self._budget)
            self.entries += decision.entries
            self.slices.append(len(decision.entries))
            commands += decision.commands
            event, more = Started(), decision.more
        self.commands += commands
        self.calls += [command for command in commands if isinstance(command, CallOperation)]
        return commands

    def begin(self) -> list[Command]:
        return self.send(Started())

    def answer(self, call: CallOperation, outcome: Outcome = OK) -> list[Command]:
        return self.send(CallFinished(call.key, outcome, started_at=self.moment.now, ended_at=self.moment.now))

    def callbacks(self) -> list[Command]:
        """Calls back every webhook that waits for it."""
        waiting = [key for key, record in self.state.unfinished.items() if record.code == "AwaitingCallback"]
        return [command for key in waiting for command in self.send(AnswerArrived(key, CALLED_BACK))]

    def to_end(self, answers: Answers | None = None, commands: list[Command] | None = None) -> "Drive":
        """Answers every call, calls every webhook back and lets every timer pass, until nothing is left to do."""
        queue = list(self.begin() if commands is None else commands)
        timers: dict[Any, datetime] = {}
        left = (
            {name: list(given) for name, given in answers.items() if isinstance(given, list)}
            if isinstance(answers, Mapping)
            else {}
        )
        while self.state.end is None:
            queue = queue or self.callbacks()
            if not queue and not timers:
                break
            if queue:
                command = queue.pop(0)
                if isinstance(command, CallOperation) and isinstance(command.call, ChildCall) and not command.is_repeat:
                    queue += self.send(AnswerAwaited(command.key))
                    queue += self.send(AnswerArrived(command.key, _outcome(answers, left, command)))
                elif isinstance(command, CallOperation):
                    queue += self.answer(command, _outcome(answers, left, command))
                elif isinstance(command, WaitUntil):
                    timers[command.key] = command.at
                continue
            key = min(timers, key=lambda one: timers[one])
            self.moment.now = max(self.moment.now, timers.pop(key))
            if key in self.state.unfinished:
                queue += self.send(TimerFired(key))
        return self

    def recovered(self, entries: list[Entry] | None = None) -> "Drive":
        """Another process that reads the journal back."""
        other = object.__new__(Drive)
        other.compiled, other.start, other.moment = self.compiled, self.start, Moment()
        other.moment.now = self.moment.now
        other.entries = list(self.entries if entries is None else entries)
        other.state = fold(self.compiled, self.start, other.entries)
        other.commands, other.calls, other.slices, other._budget = [], [], [], self._budget
        return other

    def later(self, **length: float) -> None:
        self.moment.now += timedelta(**length)

    # -- what came of it

    @property
    def records(self) -> dict[Any, ActionRecord]:
        return latest_records(self.entries)

    def record(self, name: str, *repetition: int) -> ActionRecord:
        return self.records[name, repetition]

    def statuses(self) -> dict[str, str]:
        """`{name or name[index]: status}`."""
        return {
            name + "".join(f"[{index}]" for index in repetition): record.status.value
            for (name, repetition), record in self.records.items()
        }

    @property
    def end(self) -> EndRecord:
        assert self.state.end is not None, self.statuses()
        return self.state.end

    @property
    def status(self) -> str:
        return self.end.status.value


def run(actions: dict[str, Any], answers: Answers | None = None, start: RunStart | None = None, **parts: Any) -> Drive:
    """A flow run to its end."""
    return Drive(flow_of(actions, **parts), start).to_end(answers)


def _outcome(answers: Answers | None, left: dict[str, list[Outcome]], call: CallOperation) -> Outcome:
    if answers is None:
        return OK
    if callable(answers):
        return answers(call)
    name = call.key[0]
    if name in left:
        return left[name].pop(0) if len(left[name]) > 1 else left[name][0]
    found = answers.get(name, OK)
    return found if isinstance(found, Outcome) else OK
