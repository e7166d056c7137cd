"""A flow made ready to run: computed once per version, shared by every run of it, never changed by one.

The tree of actions becomes nodes that know their neighbours, so that the engine follows references
instead of searching. Expressions are compiled when an action first needs them: a flow with one bad
expression still runs, and that action fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flowmend.core.checking.inline_authentication import embedded_key
from flowmend.core.definition.connection_references import connection_key, find_reference
from flowmend.core.definition.flow import Action, Flow
from flowmend.core.definition.ordering import find_cycles
from flowmend.core.errors import InvalidDocument
from flowmend.core.expression import Template, compile_condition, compile_template
from flowmend.core.expression.data_operations import Column, compile_columns
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity
from flowmend.core.run.secrecy import Secrecy, find_secrets

LOOPS = frozenset({"Foreach", "Until"})
CONTAINERS = frozenset({"If", "Switch", "Scope", *LOOPS})
#: What subscribes, then waits to be called.
WEBHOOKS = frozenset({"HttpWebhook", "ApiConnectionWebhook", "OpenApiConnectionWebhook"})

#: Iterations of a Foreach that run at once where nothing is set (wdl.md §6).
_DEFAULT_CONCURRENCY = 20

#: Stands for columns nobody asked for yet; None means automatic ones.
_NOT_COMPILED: tuple[Column, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Branch:
    """Actions that stand beside each other: those of the flow, or of one branch of a container.

    name: `actions`, `else`, `default` or `case:<name>`. owner: None for the flow's own actions.
    waits: per node, how many predecessors it has. leaves: what nothing runs after.
    """

    number: int
    name: str
    owner: "Node | None"
    nodes: tuple["Node", ...] = ()
    starts: tuple["Node", ...] = ()
    leaves: tuple["Node", ...] = ()
    waits: tuple[int, ...] = ()

    def contains(self, other: "Branch") -> bool:
        """Whether `other` is this branch or lies anywhere inside it."""
        while other is not self:
            if other.owner is None:
                return False
            other = other.owner.branch
        return True

    def in_order(self) -> Iterator["Node"]:
        """The nodes, each after those it runs after."""
        waits = list(self.waits)
        ready = list(self.starts)
        for node in ready:  # grows as it goes
            yield node
            for follower in node.dependents:
                waits[follower.index] -= 1
                if waits[follower.index] == 0:
                    ready.append(follower)


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One action in its place. index: its position in its branch.

    loops: the enclosing ones, outermost first; a record of this action has one repetition index for each.
    predecessors: with the statuses it accepts. concurrency: of a Foreach. reference: the connection
    reference its host names, or "". secured: `inputs` and `outputs`, where they are not to be shown.
    """

    action: Action
    index: int
    branch: Branch
    loops: tuple["Node", ...]
    name: str
    type: str
    depth: int
    is_container: bool
    is_webhook: bool = False
    concurrency: int = 1
    reference: str = ""
    holds_on_broken_connection: bool = False
    on_interruption: str = ""
    secured: tuple[str, ...] = ()
    predecessors: tuple[tuple["Node", tuple[str, ...]], ...] = ()
    dependents: tuple["Node", ...] = ()
    branches: tuple[Branch, ...] = ()
    _templates: dict[str, Template] = field(default_factory=dict)
    _embedded: dict[str, str] = field(default_factory=dict)
    _columns: tuple[Column, ...] | None = _NOT_COMPILED

    def template(self, part: str, raw: Json) -> Template:
        """The compiled form of one part of the action, kept under `part`.

        Errors: ExpressionError where an expression in it does not parse.
        """
        template = self._templates.get(part)
        if template is None:
            template = self._templates[part] = compile_template(raw)
        return template

    def embedded(self, part: str = "") -> str:
        """The key for the authentication the action writes out itself (`core.checking.inline_authentication`), or "".

        part: of an HttpWebhook, which of its requests.
        """
        key = self._embedded.get(part)
        if key is None:
            inputs = self.action.inputs
            holder = inputs.get(part) if part and isinstance(inputs, Mapping) else inputs
            written = holder.get("authentication") if isinstance(holder, Mapping) else None
            key = self._embedded[part] = embedded_key(written) if written else ""
        return key

    def condition(self, part: str, raw: Json) -> Template:
        """The compiled form of a condition, kept under `part`. Errors: as `template`."""
        template = self._templates.get(part)
        if template is None:
            template = self._templates[part] = compile_condition(raw)
        return template

    def columns(self) -> tuple[Column, ...] | None:
        """The compiled columns of a Table, None for automatic ones. Errors: as `template`."""
        if self._columns is _NOT_COMPILED:
            self._columns = compile_columns(self.action.inputs.get("columns"))
        return self._columns


@dataclass(slots=True, eq=False, repr=False)
class CompiledFlow:
    """A flow ready to run. nodes: by declared name. has_response: a synchronous caller can be answered.

    is_mock: every outward call is answered by the one who runs it, also of types Flowmend cannot perform.
    """

    flow: Flow
    root: Branch
    nodes: Mapping[str, Node]
    has_response: bool
    is_mock: bool
    secrecy: Secrecy
    _folded_names: Mapping[str, Node]
    _outputs: dict[str, Template] = field(default_factory=dict)

    def find(self, name: str) -> Node | None:
        """The node of that name, ignoring case (wdl.md §1)."""
        return self.nodes.get(name) or self._folded_names.get(name.lower())

    def output_template(self, name: str, raw: Json) -> Template:
        """The compiled value of one of the definition's outputs. Errors: ExpressionError."""
        if name not in self._outputs:
            self._outputs[name] = compile_template(raw)
        return self._outputs[name]

    def walk(self) -> Iterator[Node]:
        """Every node, in document order."""
        return iter(self.nodes.values())


def compile_flow(flow: Flow, *, is_mock: bool = False, on_broken_connection: str = "") -> CompiledFlow:
    """The flow ready to run.

    on_broken_connection: the owner's setting, `holdEvents`, `fail` or `holdAtAction`; "" leaves it to the definition.
    Errors: InvalidDocument where actions wait for each other in a circle or two have the same name; what
    else is wrong with an action fails it when it runs.
    """
    compiler = _Compiler(flow, on_broken_connection)
    root = compiler.branch("actions", flow.definition.actions, owner=None, loops=())
    if compiler.problems:
        raise InvalidDocument(compiler.problems[0].message, compiler.problems)
    folded = {name.lower(): node for name, node in compiler.nodes.items()}
    has_response = any(node.type == "Response" for node in compiler.nodes.values())
    return CompiledFlow(
        flow=flow,
        root=root,
        nodes=compiler.nodes,
        has_response=has_response,
        is_mock=is_mock,
        secrecy=compiler.secrecy,
        _folded_names=folded,
    )


class _Compiler:
    def __init__(self, flow: Flow, on_broken_connection: str) -> None:
        self._flow = flow
        self._branch_count = 0
        self._taken_names: set[str] = set()
        self.secrecy = find_secrets(flow)
        chosen = on_broken_connection or _flowmend_setting(flow.definition.metadata, "onBrokenConnection")
        self._holds = chosen == "holdAtAction"
        self.nodes: dict[str, Node] = {}
        self.problems: list[Problem] = []

    def branch(
        self, name: str, actions: Mapping[str, Action], *, owner: Node | None, loops: tuple[Node, ...]
    ) -> Branch:
        self._branch_count += 1
        branch = Branch(number=self._branch_count, name=name, owner=owner)
        self._refuse_cycles(actions)
        nodes = {action.name: self._node(action, index, branch, loops) for index, action in enumerate(actions.values())}
        dependents: dict[str, list[Node]] = {action_name: [] for action_name in nodes}
        for node in nodes.values():
            run_after = [(nodes[before], statuses) for before, statuses in node.action.run_after.items()]
            node.predecessors = tuple(run_after)
            for before, _ in run_after:
                dependents[before.name].append(node)
        for action_name, following in dependents.items():
            nodes[action_name].dependents = tuple(following)
        branch.nodes = tuple(nodes.values())
        branch.starts = tuple(node for node in branch.nodes if not node.predecessors)
        branch.leaves = tuple(node for node in branch.nodes if not node.dependents)
        branch.waits = tuple(len(node.predecessors) for node in branch.nodes)
        return branch

    def _node(self, action: Action, index: int, branch: Branch, loops: tuple[Node, ...]) -> Node:
        if action.name.lower() in self._taken_names:
            self._problem("DuplicateName", action.pointer, f"Two actions are called '{action.name}'.")
        self._taken_names.add(action.name.lower())
        held = _flowmend_setting(action.metadata, "onBrokenConnection")
        node = Node(
            action=action,
            index=index,
            branch=branch,
            loops=loops,
            name=action.name,
            type=action.type,
            depth=len(loops),
            is_container=action.type in CONTAINERS,
            is_webhook=action.type in WEBHOOKS,
            concurrency=self._concurrency(action, loops),
            reference=self._reference(action),
            holds_on_broken_connection=held == "holdAtAction" if held else self._holds,
            on_interruption=_flowmend_setting(action.metadata, "onInterruption"),
            secured=self.secrecy.parts.get(action.name, ()),
        )
        self.nodes[action.name] = node
        inside = (*loops, node) if action.type in LOOPS else loops
        node.branches = tuple(
            self.branch(name, actions, owner=node, loops=inside) for name, actions in action.branches.items()
        )
        return node

    def _reference(self, action: Action) -> str:
        key = connection_key(action.inputs) or ""
        declared = find_reference(key, self._flow.connection_references)
        return declared.key if declared else key

    def _concurrency(self, action: Action, loops: tuple[Node, ...]) -> int:
        # A Foreach inside a Foreach runs one at a time, whatever it says (wdl.md §6).
        if "sequential" in action.operation_options or any(loop.type == "Foreach" for loop in loops):
            return 1
        if action.runtime.repetitions is not None:
            return action.runtime.repetitions
        return 1 if self._flow.packaging.is_power_automate else _DEFAULT_CONCURRENCY

    def _refuse_cycles(self, actions: Mapping[str, Action]) -> None:
        for cycle in find_cycles(actions):
            circle = " → ".join((*cycle, cycle[0]))
            pointer = f"{actions[cycle[0]].pointer}/runAfter"
            self._problem("CyclicRunAfter", pointer, f"The actions wait for each other in a circle: {circle}.")

    def _problem(self, code: str, pointer: str, message: str) -> None:
        self.problems.append(Problem(severity=Severity.ERROR, code=code, pointer=pointer, message=message))


def _flowmend_setting(metadata: Mapping[str, Json], name: str) -> str:
    settings = metadata.get("flowmend")
    value = settings.get(name) if isinstance(settings, Mapping) else None
    return value if isinstance(value, str) else ""
