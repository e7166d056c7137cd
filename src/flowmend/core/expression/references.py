"""What a template refers to, for checking flows and for knowing what an action reads."""

from dataclasses import dataclass, field

from flowmend.core.expression.functions.function import Function, Refers


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Names as written, where they are written as literals. loops: of `items()` and `iterationIndexes()`."""

    actions: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    loops: frozenset[str] = frozenset()
    results: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    uses_item: bool = False
    uses_trigger: bool = False


@dataclass(slots=True)
class ReferenceCollector:
    """Gathers references while a template is compiled. calls: how many function calls it has."""

    names: dict[Refers, set[str]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    calls: int = 0

    def note(self, written: str, function: Function, first_argument: object) -> None:
        self.calls += 1
        self.functions.add(written)
        if function.refers is not Refers.NOTHING:
            named = self.names.setdefault(function.refers, set())
            if isinstance(first_argument, str):
                named.add(first_argument)

    def collected(self) -> References:
        def named(refers: Refers) -> frozenset[str]:
            return frozenset(self.names.get(refers, ()))

        return References(
            actions=named(Refers.ACTION),
            variables=named(Refers.VARIABLE),
            parameters=named(Refers.PARAMETER),
            loops=named(Refers.LOOP),
            results=named(Refers.RESULT),
            functions=frozenset(self.functions),
            uses_item=Refers.ITEM in self.names,
            uses_trigger=Refers.TRIGGER in self.names,
        )
