"""Flows of any shape, for laws that hold of all of them."""

from typing import Any

from hypothesis import strategies as st

from core.run.driving import child, compose, failing, http, webhook

Actions = dict[str, Any]

VARIABLES: Actions = {
    "I": {
        "type": "InitializeVariable",
        "inputs": {"variables": [{"name": "list", "type": "array", "value": []}, {"name": "n", "type": "integer"}]},
    }
}
ADD: Actions = {"type": "IncrementVariable", "inputs": {"name": "n"}}
WAIT: Actions = {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}

#: What goes well whenever its calls do.
HARMLESS = ("compose", "http", "http", "add", "append", "wait", "child")
_ONE_BY_ONE: Actions = {
    "type": "Foreach",
    "foreach": "@range(0, 3)",
    "runtimeConfiguration": {"concurrency": {"repetitions": 1}},
}
_EVERYTHING = (*HARMLESS, "failing", "response", "webhook", "terminate", "time-out")
_CONTAINERS = ("if", "scope", "foreach", "until", "switch")

ANY_STATUS = st.sets(st.sampled_from(["Succeeded", "Failed", "Skipped", "TimedOut"]), min_size=1).map(sorted)


@st.composite
def any_actions(draw: st.DrawFn, depth: int = 0, prefix: str = "", kinds: tuple[str, ...] = _EVERYTHING) -> Actions:
    """Actions with any `runAfter`. kinds: what they may be, besides containers; with `time-out` these may time out."""
    actions: Actions = {}
    for index in range(draw(st.integers(1, 4 if depth == 0 else 3))):
        name = f"{prefix}{index}"
        possible = [one for one in kinds if one != "time-out" and (one != "terminate" or depth == 0)]
        possible += _CONTAINERS if depth < 2 else ()
        kind = draw(st.sampled_from(possible))
        actions[name] = draw(_any_action(kind, depth, name, kinds)) | {
            "runAfter": {before: draw(ANY_STATUS) for before in actions if draw(st.booleans())}
        }
    return actions


@st.composite
def _any_action(draw: st.DrawFn, kind: str, depth: int, name: str, kinds: tuple[str, ...]) -> Actions:
    def inner(part: str) -> Actions:
        return draw(any_actions(depth + 1, f"{name}{part}", kinds))

    def limit() -> Actions:
        return draw(st.sampled_from([{}, {"limit": {"timeout": "PT10S"}}])) if "time-out" in kinds else {}

    can_fail = "failing" in kinds
    match kind:
        case "compose":
            return compose("@guid()")
        case "failing":
            return failing()
        case "http":
            return http(body="@rand(0, 9)", method=draw(st.sampled_from(["GET", "POST"])))
        case "webhook":
            return webhook(**limit())
        case "child":
            return child()
        case "add":
            return ADD
        case "append":
            return {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@variables('n')"}}
        case "wait":
            return WAIT
        case "response":
            return {"type": "Response", "inputs": {}}
        case "terminate":
            return {
                "type": "Terminate",
                "inputs": {"runStatus": draw(st.sampled_from(["Succeeded", "Failed", "Cancelled"]))},
            }
        case "if":
            condition = draw(st.sampled_from(["@less(rand(0, 2), 1)", "@string('x')" if can_fail else "@equals(1, 1)"]))
            return {"type": "If", "expression": condition, "actions": inner("y"), "else": {"actions": inner("n")}}
        case "switch":
            case = {"case": 1, "actions": inner("c")}
            return {
                "type": "Switch",
                "expression": "@rand(0, 3)",
                "cases": {"C": case},
                "default": {"actions": inner("d")},
            }
        case "scope":
            return {"type": "Scope", "actions": inner("s")} | limit()
        case "foreach":
            items = draw(st.sampled_from(["@range(0, 3)", "@createArray(1)", "@json('[]')", *(["@null"] * can_fail)]))
            repetitions = {"runtimeConfiguration": {"concurrency": {"repetitions": draw(st.integers(1, 3))}}}
            return {"type": "Foreach", "foreach": items, "actions": inner("f")} | repetitions
        case _:
            return {
                "type": "Until",
                "expression": "@greater(rand(0, 4), 1)",
                "limit": {"count": 3},
                "actions": inner("u"),
            }


def with_variables(actions: Actions) -> Actions:
    """The actions after the one that initializes what they count and collect."""
    first = VARIABLES | {"I": VARIABLES["I"] | {"runAfter": {}}}
    return first | {
        name: action if action["runAfter"] else action | {"runAfter": {"I": ["Succeeded"]}}
        for name, action in actions.items()
    }


@st.composite
def lines(draw: st.DrawFn, depth: int = 0, prefix: str = "", *, is_in_loop: bool = False) -> Actions:
    """Actions one after another, whose calls tell what the variables and results before them were."""
    actions: Actions = {}
    made = "C"
    for index in range(draw(st.integers(1, 4))):
        name = f"{prefix}{index}"
        kinds = ["call", "call", "set", "add", "append", "compose", *(["scope", "if", "each"] if depth < 2 else [])]
        kind = draw(st.sampled_from(kinds))
        if kind == "call":
            told = {"n": "@variables('n')", "list": "@variables('list')", "made": f"@outputs('{made}')"}
            actions[name] = http(method="POST", body=told)
        elif kind == "set":
            value = f"@add(mul(item(), 10), {index})" if is_in_loop else 7 + index
            actions[name] = {"type": "SetVariable", "inputs": {"name": "n", "value": value}}
        elif kind == "add":
            actions[name] = ADD
        elif kind == "append":
            value = "@item()" if is_in_loop else index
            actions[name] = {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": value}}
        elif kind == "compose":
            actions[name], made = compose("@variables('n')"), name
        else:
            is_loop = kind == "each"
            inner = draw(lines(depth + 1, f"{name}{kind[0]}", is_in_loop=is_in_loop or is_loop))
            around = {"scope": {"type": "Scope"}, "if": {"type": "If", "expression": "@true"}}
            actions[name] = {**around.get(kind, _ONE_BY_ONE), "actions": inner}
    return actions
