"""`flowmend import`: flows from files and folders, with or without a running server."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
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
        list[Path], typer.Argument(metavar="FILE|DIR…", exists=True, help="Definitions, or folders of them.")
    ],
    data: DataOption = None,
    url: UrlOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the files hold and need.")] = False,
    as_new: Annotated[bool, typer.Option("--as-new", help="A fresh id instead of a new version.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="A name instead of the file's; for one file.")] = None,
    json: JsonOption = False,
) -> None:
    """Import flows; they arrive turned off. Importing a flow again is a new version of it."""
    from flowmend.cli.failures import report
    from flowmend.cli.flow_files import NO_FILE, files_below
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import running_server
    from flowmend.core.errors import FlowmendError

    files = [found for path in paths for found in files_below(path)]
    if not files:
        raise typer.BadParameter(NO_FILE)
    if name is not None and len(files) > 1:
        raise typer.BadParameter("--name goes with one file.")
    wanted = _Wanted(dry_run=dry_run, as_new=as_new, name=name)
    server = running_server(url, data)
    results: list[Json] = []
    failed: list[FlowmendError] = []
    for path, outcome in _through_server(server, files, wanted) if server else _into_store(data, files, wanted):
        if isinstance(outcome, list):
            results += [{"file": str(path), **one} for one in outcome]
        else:
            failed.append(outcome)
            typer.echo(f"{path}:", err=True)
            report(outcome)
    if json:
        print_json(results)
    else:
        _print(results, dry_run=dry_run)
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    dry_run: bool
    as_new: bool
    name: str | None


Outcomes = Iterator[tuple[Path, "list[Json] | FlowmendError"]]


def _through_server(server: "Server", files: list[Path], wanted: _Wanted) -> Outcomes:
    from flowmend.cli.output import with_progress
    from flowmend.core.errors import FlowmendError, ServiceUnreachable

    for path in with_progress(files, "Importing"):
        try:
            found = _send(server, path, wanted)
        except ServiceUnreachable:
            raise
        except FlowmendError as error:
            yield path, error
        else:
            yield path, found["value"]


def _send(server: "Server", path: Path, wanted: _Wanted) -> Json:
    content = path.read_bytes()
    if wanted.dry_run:
        return server.send("POST", "/flows/inspect", content=content, query={"file_name": _told(path)})
    query = {"file_name": _told(path), "as_new": "true" if wanted.as_new else None, "name": wanted.name}
    return server.send("POST", "/flows", content=content, query=query)


def _into_store(data: Path | None, files: list[Path], wanted: _Wanted) -> Outcomes:
    import msgspec

    from flowmend.api.shapes.import_finding import finding_shape, imported_shape
    from flowmend.assembly import open_services
    from flowmend.cli.output import with_progress
    from flowmend.core.errors import FlowmendError
    from flowmend.settings import read_settings
    from flowmend.use_cases.access import ensure_owner
    from flowmend.use_cases.import_flow import import_flows, inspect_import

    services = open_services(read_settings(os.environ, data=data)).services

    async def take(path: Path, content: bytes) -> list[Json]:
        if wanted.dry_run:
            findings = await inspect_import(services, content, _told(path))
            return [msgspec.to_builtins(finding_shape(one)) for one in findings]
        owner = await ensure_owner(services)
        imported = await import_flows(
            services,
            content,
            _told(path),
            as_new=wanted.as_new,
            name=wanted.name,
            person_id=owner.person_id,
        )
        return [msgspec.to_builtins(imported_shape(one)) for one in imported]

    try:
        for path in with_progress(files, "Importing"):
            try:
                yield path, asyncio.run(take(path, path.read_bytes()))
            except FlowmendError as error:
                yield path, error
    finally:
        services.store.close()


def _told(path: Path) -> str:
    """The folder's name goes along: a Logic Apps Standard flow is called by it."""
    return f"{path.resolve().parent.name}/{path.name}"


def _print(results: list[Json], *, dry_run: bool) -> None:
    from flowmend.cli.output import print_table

    if dry_run:
        print_table(
            ("Flow", "Id", "Trigger", "Actions", "Needs", "Problems"),
            (
                (
                    one["name"],
                    one["id"],
                    one["trigger"],
                    str(one["action_count"]),
                    ", ".join([*one["connectors"], *one["parameters"]]),
                    _problems(one["problems"]),
                )
                for one in results
            ),
            nothing="Nothing to import.",
        )
        return
    print_table(
        ("Flow", "Id", "Is", "Problems"),
        (
            (
                one["name"],
                one["id"],
                "new, turned off" if one["created"] else "a new version",
                _problems(one["problems"]),
            )
            for one in results
        ),
        nothing="Nothing was imported.",
    )


def _problems(problems: list[Json]) -> str:
    counts = {word: sum(1 for one in problems if one["severity"] == word) for word in ("error", "warning")}
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count)
