"""A flow as values: what a Workflow Definition Language document says, its spelling made canonical.

Parts that may carry a secret stay out of `repr`, and so out of logs and tracebacks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from flowmend.core.json_value import Json
from flowmend.core.problem import Problem

EMPTY: Mapping[str, Json] = MappingProxyType({})


def _empty() -> Mapping[str, Json]:
    # Until Python 3.12 a mappingproxy has no hash, and dataclasses then refuse it as a default value.
    return EMPTY


class Packaging(StrEnum):
    """The form in which a flow arrived; some defaults follow it."""

    PLAIN = "plain"  # a bare definition, or {definition, connectionReferences, parameters}
    PACKAGE = "package"  # Power Automate export
    SOLUTION = "solution"  # solution, Workflows/*.json
    CLIENTDATA = "clientdata"  # Dataverse `clientdata`
    ARM = "arm"  # Microsoft.Logic/workflows in a template
    STANDARD = "standard"  # Logic Apps Standard folder

    @property
    def is_power_automate(self) -> bool:
        return self in {Packaging.PACKAGE, Packaging.SOLUTION, Packaging.CLIENTDATA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared parameter. type: lower case (`string`, `securestring`, …)."""

    name: str
    type: str
    default: Json = field(default=None, repr=False)
    has_default: bool = False
    allowed_values: tuple[Json, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=_empty)

    @property
    def is_secret(self) -> bool:
        return self.type.startswith("secure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`limit`: timeout None and count None mean the type's default."""

    timeout: timedelta | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfiguration:
    """`runtimeConfiguration`, the parts that change how a step runs.

    repetitions: Foreach concurrency, None where unset. concurrent_runs, waiting_runs: of a trigger.
    static_result: the name of the enabled static result, else "". is_chunked: content goes out in pieces.
    """

    repetitions: int | None = None
    concurrent_runs: int | None = None
    waiting_runs: int | None = None
    minimum_item_count: int | None = None
    secure_inputs: bool = False
    secure_outputs: bool = False
    static_result: str = ""
    is_chunked: bool = False
    raw: Mapping[str, Json] = field(default_factory=_empty, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action of the tree.

    type: canonical spelling (`Http`), or as written when unknown. run_after: predecessor's declared
    name → statuses in canonical spelling. branches: `actions`, `else`, `default`, and each Switch case
    under `case:<name>`, in document order. cases: case name → its value. condition: If's expression,
    Until's expression or Switch's expression; foreach: the Foreach's. operation_options: lower case.
    raw: the whole node as written, so that unknown keys survive export.
    """

    name: str
    type: str
    pointer: str
    kind: str = ""
    inputs: Json = field(default=None, repr=False)
    run_after: Mapping[str, tuple[str, ...]] = field(default_factory=_empty)
    branches: Mapping[str, Mapping[str, "Action"]] = field(default_factory=_empty)
    condition: Json = None
    foreach: Json = None
    cases: Mapping[str, Json] = field(default_factory=_empty)
    limit: Limit = field(default_factory=Limit)
    runtime: RuntimeConfiguration = field(default_factory=RuntimeConfiguration)
    operation_options: frozenset[str] = frozenset()
    tracked_properties: Mapping[str, Json] = field(default_factory=_empty)
    metadata: Mapping[str, Json] = field(default_factory=_empty)
    raw: Mapping[str, Json] = field(default_factory=_empty, repr=False)

    def walk(self) -> Iterator["Action"]:
        """This action and everything inside it, in document order."""
        yield self
        for branch in self.branches.values():
            for child in branch.values():
                yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger. recurrence: as written, read by `core.trigger.recurrence`. operation_options: lower case."""

    name: str
    type: str
    pointer: str
    kind: str = ""
    inputs: Json = field(default=None, repr=False)
    recurrence: Mapping[str, Json] = field(default_factory=_empty)
    conditions: tuple[Json, ...] = ()
    split_on: Json = None
    runtime: RuntimeConfiguration = field(default_factory=RuntimeConfiguration)
    operation_options: frozenset[str] = frozenset()
    correlation: Mapping[str, Json] = field(default_factory=_empty)
    metadata: Mapping[str, Json] = field(default_factory=_empty)
    raw: Mapping[str, Json] = field(default_factory=_empty, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReference:
    """The name by which a flow means a connection. connector: the API's short name, e.g. `office365`.

    connection_name: what the file calls the connection (a hint for mapping), may be "". display_name: what people
    called it where the file was made, may be "".
    """

    key: str
    connector: str
    connection_name: str = ""
    logical_name: str = ""
    display_name: str = ""
    runtime_source: str = ""
    raw: Mapping[str, Json] = field(default_factory=_empty, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole definition. raw: as written, for export and for `unknown keys survive`. pointer: where it stands."""

    parameters: Mapping[str, Parameter] = field(default_factory=_empty)
    triggers: Mapping[str, Trigger] = field(default_factory=_empty)
    actions: Mapping[str, Action] = field(default_factory=_empty)
    outputs: Mapping[str, Json] = field(default_factory=_empty)
    static_results: Mapping[str, Json] = field(default_factory=_empty)
    metadata: Mapping[str, Json] = field(default_factory=_empty)
    raw: Mapping[str, Json] = field(default_factory=_empty, repr=False)
    pointer: str = ""

    def walk(self) -> Iterator[Action]:
        """Every action of the tree, in document order."""
        for action in self.actions.values():
            yield from action.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow as imported.

    flow_id: the file's own UUID, else UUIDv5 of packaging and flow name. parameter_values: values the
    file carries, `{name: value}`, and those kept for it. sealed_parameters: names of those kept sealed, which no file
    holds. is_stateless: Logic Apps Standard `kind: Stateless`. reading_problems: what
    did not read, so that a flow read long ago still says why it cannot be turned on.
    """

    flow_id: str
    name: str
    packaging: Packaging
    definition: Definition
    connection_references: Mapping[str, ConnectionReference] = field(default_factory=_empty)
    parameter_values: Mapping[str, Json] = field(default_factory=_empty, repr=False)
    sealed_parameters: frozenset[str] = frozenset()
    is_stateless: bool = False
    reading_problems: tuple[Problem, ...] = ()
