"""Mutated definitions, and what is done with each: read, checked, compiled, and run as a mock."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from flowmend.core.checking import check_flow
from flowmend.core.definition import detect_packaging, read_flow
from flowmend.core.definition.action_types import ACTION_KINDS, ACTION_TYPES
from flowmend.core.definition.document_text import nests_too_deep
from flowmend.core.definition.opening import open_package
from flowmend.core.definition.recurrence_expressions import with_evaluated_recurrences
from flowmend.core.definition.run_duration import longest_run
from flowmend.core.definition.templates import is_template
from flowmend.core.definition.trigger_types import TRIGGER_KINDS, TRIGGER_TYPES
from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import ActionKey, Entry, fold
from flowmend.store.payloads import decode_payload, encode_payload
from flowmend.use_cases.run_once import run_once
from fuzz_expressions import Expressions
from fuzz_vocabulary import TEXTS

MOST_ENTRIES = 2_000
LARGEST_REAL = 40_000
_TYPES = tuple(
    sorted(
        {*(one.name for one in ACTION_TYPES.values()), *(one.name for one in TRIGGER_TYPES.values()), "Nonsense", ""}
    )
)
_KINDS = tuple(sorted({*ACTION_KINDS.values(), *TRIGGER_KINDS.values(), "Stateful", "Stateless"}))
_TIMES = (
    "PT1S",
    "PT1H",
    "P1D",
    "P1Y",
    "PT",
    "P",
    "PT0S",
    "-PT5M",
    "P99999999999D",
    "PT1.5S",
    "1h",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
)
_STATUSES = ("Succeeded", "Failed", "Skipped", "TimedOut", "Cancelled", "succeeded", "Never")
_ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    60,
    5000,
    10**9,
    2**63,
    2**70,
    -(2**63),
    0.5,
    1e308,
    [],
    {},
    [[]],
    {"": None},
    [None],
    "",
)


def _after(*names: str) -> dict[str, Any]:
    return {"runAfter": {name: ["Succeeded"] for name in names}}


def _connector(operation: str, **inputs: Any) -> dict[str, Any]:
    host = {"connectionName": "shared_office365", "operationId": operation, "apiId": "/apis/shared_office365"}
    return {
        "type": "OpenApiConnection",
        "inputs": {"host": host, "parameters": {"id": "@triggerBody()?['id']"}, **inputs},
    }


def _flow(actions: dict[str, Any], triggers: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    manual = {
        "manual": {
            "type": "Request",
            "kind": "Http",
            "inputs": {"schema": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        }
    }
    schema = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
    return {
        "definition": {
            "$schema": schema,
            "contentVersion": "1.0.0.0",
            "triggers": triggers or manual,
            "actions": actions,
            **more,
        }
    }


def _compose(value: Any, *after: str) -> dict[str, Any]:
    return {"type": "Compose", "inputs": value, **_after(*after)}


_HTTP: dict[str, Any] = {
    "type": "Http",
    "inputs": {"method": "POST", "uri": "https://service/@{triggerBody()?['id']}", "body": {"a": "@utcNow()"}},
}
_SUM = {"type": "IncrementVariable", "inputs": {"name": "n", "value": "@length(item())"}}
_ITEMS = "@createArray('a', 'bc')"

#: Small definitions that between them hold every part a definition may have.
DEFINITIONS: tuple[dict[str, Any], ...] = (
    _flow(
        {
            "V": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 0}]}},
            "Each": {
                "type": "Foreach",
                "foreach": _ITEMS,
                "actions": {"I": _SUM, "C": _compose("@{item()}-@{items('Each')}", "I")},
                "runtimeConfiguration": {"concurrency": {"repetitions": 2}},
                **_after("V"),
            },
            "Loop": {
                "type": "Until",
                "expression": "@greater(variables('n'), 5)",
                "limit": {"count": 4, "timeout": "PT1H"},
                "actions": {"S": {"type": "SetVariable", "inputs": {"name": "n", "value": "@add(iterationIndexes('Loop'), 1)"}}},
                **_after("Each"),
            },
            "R": {"type": "Response", "kind": "Http", "inputs": {"statusCode": 200, "headers": {"a": "b"}, "body": "@result('Each')"}, **_after("Loop")},
        },
        outputs={"o": {"type": "string", "value": "@string(variables('n'))"}},
    ),
    _flow(
        {
            "If": {
                "type": "If",
                "expression": {"and": [{"equals": ["@triggerBody()?['id']", 0]}, {"not": {"contains": ["abc", "@'d'"]}}]},
                "actions": {"Yes": _HTTP},
                "else": {"actions": {"No": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"code": "X", "message": "@workflow().name"}}}}},
            },
            "Switch": {
                "type": "Switch",
                "expression": "@outputs('Yes')?['statusCode']",
                "cases": {"Case": {"case": 200, "actions": {"D": _compose("@body('Yes')")}}},
                "default": {"actions": {"E": _compose(None)}},
                **_after("If"),
            },
            "Caught": {"type": "Scope", "actions": {"Wait": {"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Minute"}}}}, "runAfter": {"Switch": ["Failed", "Skipped", "TimedOut", "Succeeded"]}},
        },
        staticResults={"Yes0": {"status": "Failed", "outputs": {"statusCode": 404, "headers": {}, "body": "no"}}},
    ),
    _flow(
        {
            "Parse": {"type": "ParseJson", "inputs": {"content": "@string(triggerBody())", "schema": {"type": "object", "required": ["id"]}}},
            "Select": {"type": "Select", "inputs": {"from": "@range(0, 5)", "select": {"x": "@mul(item(), 2)"}}, **_after("Parse")},
            "Query": {"type": "Query", "inputs": {"from": "@body('Select')", "where": "@greater(item()['x'], 3)"}, **_after("Select")},
            "Table": {"type": "Table", "inputs": {"from": "@body('Query')", "format": "HTML", "columns": [{"header": "X", "value": "@item()?['x']"}]}, **_after("Query")},
            "Join": {"type": "Join", "inputs": {"from": _ITEMS, "joinWith": ","}},
            "Time": {"type": "Expression", "kind": "AddToTime", "inputs": {"baseTime": "@utcNow()", "interval": 1, "timeUnit": "Month"}, **_after("Join")},
            "Number": {"type": "Expression", "kind": "FormatNumber", "inputs": {"number": 12.5, "format": "N1", "locale": "de-DE"}},
        },
        {"Every": {"type": "Recurrence", "recurrence": {"frequency": "Week", "interval": 1, "timeZone": "UTC", "schedule": {"weekDays": ["Monday"], "hours": [8], "minutes": "@createArray(0, parameters('minute'))"}}}},
        parameters={"minute": {"type": "Int", "defaultValue": 30, "allowedValues": [0, 30]}},
        metadata={"flowmend": {"runDuration": "P7D"}},
    ),
    {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"names": {"type": "array", "defaultValue": ["a", "b"]}},
        "variables": {"copy": [{"name": "steps", "count": 2, "input": {"n": "[copyIndex('steps')]"}}]},
        "resources": [
            {
                "type": "Microsoft.Logic/workflows",
                "copy": {"name": "flows", "count": "[length(parameters('names'))]"},
                "name": "[concat('f-', parameters('names')[copyIndex('flows')])]",
                "properties": _flow({"A": _compose("[variables('steps')]"), "B": _compose({"copy": [{"name": "x", "count": 3, "input": "[copyIndex('x', 1)]"}]})}),
            }
        ],
    },
    {
        "properties": {
            "displayName": "Flow",
            "connectionReferences": {"shared_office365": {"connectionName": "c", "source": "Embedded", "id": "/providers/Microsoft.PowerApps/apis/shared_office365", "tier": "NotSpecified"}},
            **_flow(
                {
                    "Send": _connector("SendEmailV2", retryPolicy={"type": "exponential", "count": 2, "interval": "PT5S", "maximumInterval": "PT1H"}),
                    "Approve": {**_connector("StartAndWait", authentication="@parameters('$authentication')"), "type": "OpenApiConnectionWebhook", "limit": {"timeout": "P1D"}, **_after("Send")},
                    "Old": {
                        "type": "ApiConnection",
                        "inputs": {"host": {"connection": {"name": "@parameters('$connections')['shared_office365']['connectionId']"}}, "method": "get", "path": "/v2/@{encodeURIComponent('x')}", "queries": {"q": 1}},
                        "runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}, "paginationPolicy": {"minimumItemCount": 10}, "contentTransfer": {"transferMode": "Chunked"}},
                        "operationOptions": "DisableAsyncPattern",
                        "trackedProperties": {"t": "@action()['outputs']"},
                        **_after("Approve"),
                    },
                },
                {"Poll": {**_connector("OnNewMail"), "recurrence": {"frequency": "Minute", "interval": 3}, "splitOn": "@triggerOutputs()?['body/value']", "conditions": [{"expression": "@equals(1, 1)"}]}},
                parameters={"$connections": {"defaultValue": {}, "type": "Object"}, "$authentication": {"defaultValue": {}, "type": "SecureObject"}, "p": {"type": "String", "allowedValues": ["a"]}},
            ),
        }
    },
    _flow(
        {
            "Hook": {"type": "HttpWebhook", "inputs": {"subscribe": {"method": "POST", "uri": "http://x", "body": "@listCallbackUrl()"}, "unsubscribe": {"uri": "http://x/@{action().status}"}}},
            "Child": {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "/x", "triggerName": "manual"}}, "body": {}}, **_after("Hook")},
            "Batch": {"type": "SendToBatch", "inputs": {"host": {"workflow": {"id": "/x"}}, "batchName": "b", "content": "@triggerBody()"}},
            "Function": {"type": "Function", "inputs": {"function": {"id": "/f"}, "body": {}}},
            "Provider": {"type": "ServiceProvider", "inputs": {"parameters": {}, "serviceProviderConfiguration": {"connectionName": "s", "operationId": "o", "serviceProviderId": "/serviceProviders/x"}}},
            "Secret": {**_HTTP, "inputs": {**_HTTP["inputs"], "authentication": {"type": "Basic", "username": "u", "password": "@parameters('secret')"}}, "limit": {"timeout": "PT5M"}},
            "A": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "a", "type": "array"}]}},
            "B": {"type": "AppendToArrayVariable", "inputs": {"name": "a", "value": "@outputs('Function')"}, **_after("A", "Function")},
            "S": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "s", "type": "string", "value": "x"}]}, **_after("B")},
            "T": {"type": "AppendToStringVariable", "inputs": {"name": "s", "value": "@guid()"}, **_after("S")},
        },
        {"Sliding": {"type": "SlidingWindow", "recurrence": {"frequency": "Hour", "interval": 1}, "inputs": {"delay": "PT5S"}, "runtimeConfiguration": {"concurrency": {"runs": 1}}}},
        parameters={"secret": {"type": "SecureString", "defaultValue": "s"}},
    ),
)  # fmt: skip


class Definitions:
    """Makes documents out of known ones and tries them."""

    def __init__(self, shared: Path, expressions: Expressions) -> None:
        paths = [path for path in sorted((shared / "flows").rglob("*.json")) if path.stat().st_size < LARGEST_REAL]
        real = [json.loads(path.read_text("utf-8-sig")) for path in paths]
        self._own = [msgspec.json.encode(document) for document in DEFINITIONS]
        self._real = [msgspec.json.encode(document) for document in real]
        self._parts = [part for document in (*DEFINITIONS, *real[:200]) for _, _, part in _places(document)]
        self._keys = sorted(
            {key for document in (*DEFINITIONS, *real[:200]) for _, key, _ in _places(document) if isinstance(key, str)}
        )
        self._expressions = expressions

    def make(self, random: Random) -> dict[str, Any]:
        """`{document, answers, body}`: a definition, what its calls are answered, and what its trigger got."""
        answers = [_answer(random, self._expressions) for _ in range(random.choice((0, 0, 2)))]
        body = random.choice((None, {"id": 0}, {"id": "x", "value": [{"a": 1}, 2]}, random.choice(self._parts)))
        return {"document": self._document(random), "answers": answers, "body": _copied(body)}

    def _document(self, random: Random) -> Any:
        known = self._real if self._real and random.random() < 0.3 else self._own
        document = msgspec.json.decode(random.choice(known))
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            self._mutate(random, document)
        return document

    def _mutate(self, random: Random, document: Any) -> None:
        places = list(_places(document))
        if not places:
            return
        holder, key, value = random.choice(places)
        match random.randrange(9):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = self._changed(random, value)
            case 3:
                holder[key] = _copied(random.choice(self._parts))
            case 4 if isinstance(holder, dict):
                holder[random.choice((*self._keys, *TEXTS, f"{key}2", str(key).upper()))] = holder.pop(key)
            case 5 if isinstance(holder, dict):
                holder[random.choice((*self._keys, f"{key}2", f"{key} ", str(key).swapcase()))] = _copied(value)
            case 6:
                holder[key] = _copied(random.choice(places)[2])
            case 7:
                self._turn(random, document)
            case _:
                holder[key] = _nested(random, _copied(value))

    def _changed(self, random: Random, value: Any) -> Any:
        if isinstance(value, str) and random.random() < 0.6:
            return self._expressions.mutated(random, value)
        choices = (_ODD, TEXTS, _TIMES, _STATUSES, _TYPES, _KINDS, (f"@{self._expressions.text(random)}",))
        return _copied(random.choice(random.choice(choices)))

    def _turn(self, random: Random, document: Any) -> None:
        """Change what makes steps what they are: type, kind, what they run after, what they loop over."""
        steps = [value for _, _, value in _places(document) if isinstance(value, dict) and "type" in value]
        if not steps:
            return
        step = random.choice(steps)
        names = [key for _, key, value in _places(document) if isinstance(key, str) and isinstance(value, dict)]
        match random.randrange(4):
            case 0:
                step["type"] = random.choice(_TYPES)
            case 1:
                step["kind"] = random.choice(_KINDS)
            case 2:
                step["runAfter"] = {
                    random.choice(names): random.choices(_STATUSES, k=2) for _ in range(random.randint(0, 3))
                }
            case _:
                step[random.choice(("foreach", "expression", "inputs", "splitOn"))] = self._expressions.json(random, 2)


class _EnoughError(Exception):
    """The run has no end in sight and none is asked for."""


def try_definition(case: dict[str, Any]) -> bool:
    """Whether it ran to some end; raises whatever is not an error of ours, and what the journal cannot keep."""
    document, answers = case.get("document"), case.get("answers")
    if nests_too_deep(document):
        return False  # no file with it is opened
    if is_template(document):
        opened = open_package(json.dumps(document).encode(), "template.json")
        found = [one.flow for one in opened.flows if one.flow is not None]
        for flow in found:
            check_flow(flow)
        return bool(found)
    flow = read_flow(document, packaging=detect_packaging(document, "flow.json"), name="flow").flow
    if flow is None:
        return False
    check_flow(flow)
    longest_run(flow)
    declared = flow.definition.parameters
    with_evaluated_recurrences(flow, {name: one.default for name, one in declared.items()})
    entries: list[Entry] = []

    def heard(entry: Entry) -> None:
        entries.append(entry)
        if len(entries) > MOST_ENTRIES:
            raise _EnoughError

    def answer(key: ActionKey) -> Outcome | None:
        outputs = answers[len(key[0]) % len(answers)] if answers else None
        if outputs is None:
            return None
        status = Status.SUCCEEDED if outputs["statusCode"] < 400 else Status.FAILED
        return Outcome(
            status=status, code=str(outputs["statusCode"]), outputs=outputs, is_retryable=outputs["statusCode"] > 428
        )

    received = None if case.get("body") is None else {"headers": {}, "body": case["body"]}
    is_traced = len(flow.definition.raw) % 2 == 0
    run = run_once(flow, mock=True, trigger_outputs=received, on_entry=heard, trace=is_traced, answer=answer)
    try:
        result = _ended(run)
    except (FlowmendError, _EnoughError):
        return False
    encode_payload(result.run)
    kept: list[Entry] = decode_payload(encode_payload(result.entries), list[Entry])
    end = fold(result.compiled, result.start, kept).end
    if (end.status if end else Status.WAITING) != result.status:
        raise AssertionError("The journal does not give the run's end back.")
    return True


def _answer(random: Random, expressions: Expressions) -> dict[str, Any]:
    """The outputs of a call, of the shape every transport gives."""
    headers = {"Location": random.choice((*TEXTS, "http://service/later")), "Retry-After": random.choice((*TEXTS, "1"))}
    body = random.choice((*TEXTS, {"nextLink": "http://service/2"}, [1, 2], None, expressions.json(random, 2)))
    return {
        "statusCode": random.choice((200, 201, 202, 204, 302, 400, 401, 404, 429, 503)),
        "headers": headers,
        "body": body,
    }


def _ended(run: Any) -> Any:
    """What a coroutine that never waits comes to; a mock run does not."""
    try:
        run.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("A mock run waited.")


def _places(value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every `(holder, key, value)` below a value."""
    pending = [value]
    while pending:
        holder = pending.pop()
        for key, inner in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            yield holder, key, inner
            if isinstance(inner, (dict, list)):
                pending.append(inner)


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _nested(random: Random, value: Any) -> Any:
    """A value inside others: a container within a container, or lists within lists."""
    for _ in range(random.choice((1, 2, 9, 30))):
        value = random.choice(([value], {"actions": value}, {"type": "Scope", "actions": {"Inner": value}}))
    return value
