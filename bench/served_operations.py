"""Which connector operations real definitions use, and how many of those uses a connector serves that can be had here.

    python bench/served_operations.py FLOWS CONNECTORS [--most 0.9] [--of CONNECTOR …]

FLOWS: a folder of definitions. CONNECTORS: a tree of connector folders. A use is one trigger or action of a connector;
it is served where a built-in connector, or one of the tree, has the operation it means and can make its request.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmend.core.connector import Connector, match_operation, parse_lenient_json, read_connector
from flowmend.core.definition import open_package
from flowmend.core.definition.connection_references import connection_key, connector_name
from flowmend.core.errors import InvalidDocument
from flowmend.use_cases.built_in_connectors import built_in_connector, built_in_ids

TYPES = ("OpenApiConnection", "ApiConnection", "ServiceProvider")


@dataclass(frozen=True, kw_only=True)
class Use:
    """operation: its id, or its method and path with {} where the flow puts a value."""

    connector: str
    operation: str
    is_trigger: bool


def uses(folder: Path) -> Iterator[Use]:
    for path in sorted(folder.rglob("*.json")):
        package = open_package({f"flows/{path.name}": path.read_bytes()}, path.name, each_once=False)
        for one in package.flows:
            if one.flow is None:
                continue
            known = {key.lower(): it.connector for key, it in one.flow.connection_references.items()}
            for trigger in one.flow.definition.triggers.values():
                yield from _use(trigger.type, trigger.inputs, known, is_trigger=True)
            for action in one.flow.definition.walk():
                yield from _use(action.type, action.inputs, known, is_trigger=False)


def _use(kind: str, inputs: Any, known: Mapping[str, str], *, is_trigger: bool) -> Iterator[Use]:
    if not kind.startswith(TYPES) or not isinstance(inputs, dict):
        return
    said_host = inputs.get("host")
    host: dict[str, Any] = said_host if isinstance(said_host, dict) else {}
    if kind == "ServiceProvider":
        said = inputs.get("serviceProviderConfiguration") or {}
        provider = str(said.get("serviceProviderId") or "").rstrip("/").rpartition("/")[2].lower()
        yield Use(
            connector=f"serviceproviders/{provider}", operation=str(said.get("operationId")), is_trigger=is_trigger
        )
        return
    key = connection_key(inputs) or ""
    connector = known.get(key.lower()) or connector_name(str(host.get("apiId") or "") or key)
    operation = str(host.get("operationId") or "")
    if not operation:
        fallback = "post" if "Webhook" in kind else "get"
        operation = f"{str(inputs.get('method') or fallback).upper()} {without_values(str(inputs.get('path') or ''))}"
    yield Use(connector=connector.lower(), operation=operation, is_trigger=is_trigger)


def without_values(path: str) -> str:
    """A path with {} in the place of each `@{…}`; strings in expressions may hold braces of their own."""
    if path.startswith("@") and not path.startswith("@{"):
        return "(an expression)"
    out, at = "", 0
    while (start := path.find("@{", at)) >= 0:
        out += path[at:start] + "{}"
        depth, is_text, at = 1, False, start + 2
        while at < len(path) and depth:
            if path[at] == "'":
                is_text = not is_text
            elif not is_text:
                depth += {"{": 1, "}": -1}.get(path[at], 0)
            at += 1
    return (out + path[at:]).partition("?")[0]


def available(tree: Path) -> dict[str, Connector]:
    """{connector id: connector}, of the tree under the letters and digits of its folder's name and of its title."""
    found: dict[str, Connector] = {}
    for place in sorted(tree.rglob("apiProperties.json")):
        documents = sorted(place.parent.glob("*.swagger.json"))
        if not documents:
            continue
        try:
            definition, properties = (parse_lenient_json(one.read_bytes()) for one in (documents[0], place))
        except InvalidDocument:
            continue
        connector = read_connector(definition, properties, connector_id=place.parent.name).connector
        if connector is not None:
            found[_letters(connector.display_name)] = found[_letters(place.parent.name)] = connector
    for name in built_in_ids():
        row = built_in_connector(name)
        made = read_connector(row.definition, row.properties, connector_id=name).connector if row else None
        if made is not None:
            found[_letters(name)] = made
    return found


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def is_served(use: Use, connectors: Mapping[str, Connector]) -> bool:
    connector = connectors.get(_letters(use.connector.removeprefix("serviceproviders/")))
    if connector is None:
        return False
    method, space, path = use.operation.partition(" ")
    if space:
        match = match_operation(connector, method, path.replace("{}", "x"))
        operation = match.operation if match else None
    else:
        operation = connector.operation(use.operation)
    return operation is not None and not operation.unsupported


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("flows", type=Path)
    asked.add_argument("connectors", type=Path)
    asked.add_argument("--most", type=float, default=0.9, help="how much of a connector's uses to list")
    asked.add_argument("--of", nargs="*", default=(), help="connectors whose operations to list")
    asked.add_argument("--json", action="store_true")
    chosen = asked.parse_args()
    counts = Counter(uses(chosen.flows))
    connectors = available(chosen.connectors)
    served = {use for use in counts if is_served(use, connectors)}
    total, met = counts.total(), sum(counts[use] for use in served)
    if chosen.json:
        print(json.dumps({"uses": total, "served": met, "share": met / total}))
        return
    print(f"{total} uses of {len(counts)} operations of {len({use.connector for use in counts})} connectors")
    print(f"served: {met} = {met / total:.1%}")
    for name in chosen.of:
        _print_most(name.lower(), counts, served, chosen.most)
    print("\nUses by connector: served of all")
    by_connector = Counter[str]()
    for use, count in counts.items():
        by_connector[use.connector] += count
    for name, count in by_connector.most_common():
        print(f"  {sum(counts[use] for use in served if use.connector == name):5} of {count:5}  {name}")
    print("\nMissing, by frequency")
    for use, count in counts.most_common():
        if use not in served:
            print(f"  {count:5}  {use.connector}  {use.operation}{'  (trigger)' if use.is_trigger else ''}")


def _print_most(name: str, counts: Counter[Use], served: set[Use], most: float) -> None:
    mine = sorted((use for use in counts if use.connector == name), key=lambda use: -counts[use])
    total = sum(counts[use] for use in mine)
    print(f"\n{name}: {total} uses of {len(mine)} operations; these make up {most:.0%}:")
    met = 0
    for use in mine:
        if met >= most * total:
            break
        met += counts[use]
        mark = "served " if use in served else "missing"
        print(f"  {counts[use]:5} {met / total:6.1%}  {mark}  {use.operation}{'  (trigger)' if use.is_trigger else ''}")


if __name__ == "__main__":
    main()
