"""`flowmend import`: flows from files, packages and folders, with or without a running server."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption
from flowmend.core.json_value import Json

if TYPE_CHECKING:
    from flowmend.cli.server_client import Server
    from flowmend.core.errors import FlowmendError


def import_files(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR…", exists=True, help="Definitions, packages (zip), or folders of them."),
    ],
    data: DataOption = None,
    url: UrlOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the files hold and need.")] = False,
    as_new: Annotated[bool, typer.Option("--as-new", help="A fresh id instead of a new version.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="A name instead of the file's; for one file.")] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            "--parameters", metavar="JSON", help="Values of parameters and environment variables, by name, or @FILE."
        ),
    ] = None,
    connections: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="REFERENCE=CONNECTION", help="Which connection a reference means; repeatable."),
    ] = None,
    turn_on: Annotated[bool, typer.Option("--turn-on", help="Turn on at once what can run.")] = False,
    json: JsonOption = False,
) -> None:
    """Import flows; they arrive turned off. Importing a flow again is a new version of it."""
    from flowmend.cli.failures import report
    from flowmend.cli.flow_files import NO_FILE, hold_files
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import running_server
    from flowmend.core.errors import FlowmendError

    if not hold_files(paths):
        raise typer.BadParameter(NO_FILE)
    if name is not None and (len(paths) > 1 or paths[0].is_dir()):
        raise typer.BadParameter("--name goes with one file.")
    wanted = _Wanted(
        dry_run=dry_run,
        as_new=as_new,
        name=name,
        values=_values(parameters),
        connections=_mapped(connections or []),
        turns_on=turn_on,
    )
    server = running_server(url, data)
    results: list[Json] = []
    failed = False
    for path, outcome in _through_server(server, paths, wanted) if server else _into_store(data, paths, wanted):
        if isinstance(outcome, FlowmendError):
            failed = True
            typer.echo(f"{path}:", err=True)
            report(outcome)
            continue
        results.append(outcome)
        for problem in outcome["problems"]:
            failed = failed or problem["severity"] == "error"
            typer.echo(f"{problem['file']}: {problem['message']} ({problem['code']})", err=True)
    if json:
        print_json([one for result in results for one in result["value"]])
    elif dry_run:
        _print_plans(results)
    else:
        _print_imported([one for result in results for one in result["value"]])
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    dry_run: bool
    as_new: bool
    name: str | None
    values: Mapping[str, Json] = field(repr=False)
    connections: Mapping[str, str]
    turns_on: bool


Outcomes = Iterator[tuple[Path, "Json | FlowmendError"]]


def _through_server(server: "Server", paths: list[Path], wanted: _Wanted) -> Outcomes:
    from flowmend.cli.output import with_progress
    from flowmend.core.errors import FlowmendError, ServiceUnreachable

    for path in with_progress(paths, "Importing"):
        try:
            found = _send(server, path, wanted)
        except ServiceUnreachable:
            raise
        except FlowmendError as error:
            yield path, error
        else:
            yield path, found


def _send(server: "Server", path: Path, wanted: _Wanted) -> Json:
    import msgspec

    from flowmend.cli.flow_files import package_files
    from flowmend.cli.form_body import form_body

    choices = {"values": wanted.values, "connections": wanted.connections, "turn_on": wanted.turns_on}
    body, content_type = form_body(package_files(path), {"choices": msgspec.json.encode(choices).decode()})
    query: dict[str, str | int | None] = {"file_name": path.name}
    if not wanted.dry_run:
        query |= {"as_new": "true" if wanted.as_new else None, "name": wanted.name}
    address = "/flows/inspect" if wanted.dry_run else "/flows"
    return server.send("POST", address, content=body, content_type=content_type, query=query)


def _into_store(data: Path | None, paths: list[Path], wanted: _Wanted) -> Outcomes:
    import msgspec

    from flowmend.api.shapes.import_finding import plan_shape, report_shape
    from flowmend.assembly import open_services
    from flowmend.cli.flow_files import package_files
    from flowmend.cli.output import with_progress
    from flowmend.core.errors import FlowmendError
    from flowmend.settings import read_settings
    from flowmend.use_cases.access import ensure_owner
    from flowmend.use_cases.import_flow import ImportChoices, import_package
    from flowmend.use_cases.import_plan import plan_import

    services = open_services(read_settings(os.environ, data=data)).services

    async def take(path: Path) -> Json:
        files = package_files(path)
        if wanted.dry_run:
            return msgspec.to_builtins(plan_shape(await plan_import(services, files, path.name, wanted.values)))
        owner = await ensure_owner(services)
        choices = ImportChoices(
            connections=wanted.connections,
            values=wanted.values,
            as_new=wanted.as_new,
            name=wanted.name,
            turns_on=wanted.turns_on,
        )
        report = await import_package(services, files, path.name, choices, owner.person_id)
        return msgspec.to_builtins(report_shape(report))

    try:
        for path in with_progress(paths, "Importing"):
            try:
                yield path, asyncio.run(take(path))
            except FlowmendError as error:
                yield path, error
    finally:
        services.store.close()


def _values(text: str | None) -> dict[str, Json]:
    from flowmend.cli.flows import read_input

    values = {} if text is None else read_input(text, "--parameters")
    if not isinstance(values, dict):
        raise typer.BadParameter("The parameters must be a JSON object, {name: value}.", param_hint="--parameters")
    return values


def _mapped(pairs: list[str]) -> dict[str, str]:
    mapped = {}
    for pair in pairs:
        reference, found, connection = pair.rpartition("=")
        if not found or not reference or not connection:
            raise typer.BadParameter(f"{pair!r} is not REFERENCE=CONNECTION.", param_hint="--map")
        mapped[reference] = connection
    return mapped


def _print_plans(plans: list[Json]) -> None:
    from flowmend.cli.output import console, print_table

    print_table(
        ("Flow", "Id", "Trigger", "Actions", "Problems", "Secrets to move"),
        (
            (
                one["name"],
                one["id"],
                one["trigger"],
                str(one["action_count"]),
                _problems(one["problems"]),
                str(len(one["secrets"]) or ""),
            )
            for plan in plans
            for one in plan["value"]
        ),
        nothing="Nothing to import.",
    )
    references = [one for plan in plans for one in plan["references"]]
    if references:
        print_table(
            ("Connection reference", "Connector", "Fitting connections", "Id for --map"),
            ((one["name"], one["connector"], _fitting(one), one["id"]) for one in references),
            nothing="",
        )
    sign_ins = [one for plan in plans for one in plan["sign_ins"]]
    if sign_ins:
        print_table(
            ("Sign-in in flows", "Who", "Goes to", "Actions", "Becomes", "Id for --map"),
            (
                (
                    one["kind"],
                    one["account"],
                    ", ".join((*one["hosts"], *(["any address"] if one["is_anywhere"] else []))),
                    str(len(one["steps"])),
                    one["display_name"] if one["connection"] else f"new: {one['display_name']}",
                    one["id"],
                )
                for one in sign_ins
            ),
            nothing="",
        )
    values = [one for plan in plans for one in (*plan["parameters"], *plan["environment_variables"])]
    if values:
        print_table(
            ("Value", "Type", "Read by", "Now"),
            (
                (one["name"], one["type"], ", ".join(one["flows"]), "missing" if one["is_required"] else _shown(one))
                for one in values
            ),
            nothing="",
        )
        console().print("Give values with --parameters '{\"name\": …}'.", markup=False)


def _fitting(reference: Json) -> str:
    if not reference["connector_installed"]:
        return "connector not installed"
    return ", ".join(f"{one['display_name']} ({one['id']})" for one in reference["candidates"]) or "none yet"


def _shown(value: Json) -> str:
    return "" if value["value"] is None else str(value["value"])


def _print_imported(imported: list[Json]) -> None:
    from flowmend.cli.output import console, print_table

    print_table(
        ("Flow", "Id", "Is", "Problems"),
        (
            (
                one["name"],
                one["id"],
                f"{'new' if one['created'] else 'a new version'}, {'on' if one['is_on'] else 'off'}",
                _problems(one["problems"]),
            )
            for one in imported
        ),
        nothing="Nothing was imported.",
    )
    for one in imported:
        for sign_in in one["sign_ins"]:
            made = "is the new connection" if sign_in["is_new"] else "is the connection"
            lacks = f" It cannot sign in yet ({', '.join(sign_in['needs']) or 'verify it'})." * (
                not sign_in["is_signed_in"]
            )
            console().print(
                f"{one['name']}: the sign-in at {', '.join(sign_in['pointers'])} {made} {sign_in['display_name']!r} "
                f"({sign_in['connection']}).{lacks}",
                markup=False,
            )
        if one["moved_secrets"]:
            console().print(
                f"{one['name']}: {len(one['moved_secrets'])} plain secret(s) moved into the vault, from "
                f"{', '.join(one['moved_secrets'])}. The file still holds them.",
                markup=False,
            )


def _problems(problems: list[Json]) -> str:
    counts = {word: sum(1 for one in problems if one["severity"] == word) for word in ("error", "warning")}
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count)
