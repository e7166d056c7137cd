"""`flowmend backup`, `flowmend restore` and `flowmend go-on`: everything in one file, and back."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowmend.cli.options import DataOption, JsonOption, UrlOption

if TYPE_CHECKING:
    from flowmend.settings import Settings
    from flowmend.store.backup import BackupReport
    from flowmend.use_cases.keys_needed import KeysNeeded

_MOST_NAMES = 20


def backup(
    place: Annotated[
        Path,
        typer.Argument(metavar="PLACE", help="A file that is not there yet, or a folder; with --verify, a backup."),
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Make none: read that backup from end to end and check it.")
    ] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write everything the database holds into one file, also while the server runs. Keys are not in it."""
    from flowmend.assembly import database_url
    from flowmend.settings import read_settings
    from flowmend.store.backup import check_backup, make_backup, note_made
    from flowmend.use_cases.keys_needed import KeysNeeded

    settings = read_settings(os.environ, data=data)
    if verify:
        keys = KeysNeeded()
        with _progress("Checking") as tell:
            report = check_backup(place, see=keys.see, progress=tell)
        _print_report(settings, report, keys, json=json, verb="is whole")
        return
    now = datetime.now(UTC)
    path = place / f"flowmend-{now:%Y%m%d-%H%M%S}.backup" if place.is_dir() else place
    with _progress("Backing up") as tell:
        report = make_backup(database_url(settings), path, made_at=now, progress=tell)
    note_made(database_url(settings), report)
    _print_report(settings, report, None, json=json, verb="was made and read back")
    if report.damage:
        raise typer.Exit(1)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Keep aside what is there, and restore in its place.")
    ] = False,
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Nothing happened since the backup: let flows be on and runs go on at once.")
    ] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup into a new data folder or database. What it restores stands still until `flowmend go-on`."""
    from flowmend.assembly import database_url, make_data_folder
    from flowmend.cli.output import print_json
    from flowmend.settings import read_settings
    from flowmend.store.backup import check_backup, restore_backup
    from flowmend.use_cases.keys_needed import KeysNeeded
    from flowmend.vault import present_key_ids

    settings = read_settings(os.environ, data=data)
    keys = KeysNeeded()
    with _progress("Checking") as tell:
        report = check_backup(file, see=keys.see, progress=tell)
    present = present_key_ids(settings.data, settings.master_key)
    make_data_folder(settings)
    with _no_server(settings), _progress("Restoring") as tell:
        restored = restore_backup(
            database_url(settings), report, at=datetime.now(UTC), replace=replace, go_on=go_on, progress=tell
        )
    still = restored.still
    if json:
        print_json(
            {
                "made_at": report.made_at,
                "rows": report.rows,
                "kept_as": restored.kept_as,
                "flows_off": list(still.flows),
                "runs_waiting": still.runs,
                "events_held": still.events,
                "missing_keys": keys.missing(present),
                "connections_to_sign_in": keys.connections_without(present),
                "flows_unreadable": keys.flows_without(present),
            }
        )
        return
    typer.echo(f"Restored {report.row_count} rows of {report.made_at.astimezone():%Y-%m-%d %H:%M:%S}.")
    if restored.kept_as:
        typer.echo(f"What was there before is kept: {restored.kept_as}")
    _print_keys(settings, keys, present)
    if still.flows or still.runs:
        typer.echo(
            f"Off, of those that were on: {_counted(len(still.flows), 'flow')}. Waiting, of those under way: "
            f"{_counted(still.runs, 'run')}. What they did after the backup is not known. Start the server, look, and let them "
            "go on with `flowmend go-on`."
        )
    if still.events:
        typer.echo(
            f"Held for a repair: {_counted(still.events, 'event')}. What of it ran after the backup is to be discarded with "
            "`flowmend held discard` before its flow goes on."
        )


def go_on(data: DataOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """After a restore: turn the flows on that were on, and let the runs go on that were under way."""
    from flowmend.cli.output import print_json
    from flowmend.cli.server_client import find_server

    went_on = find_server(url, data).send("POST", "/backup/go-on")
    if json:
        print_json(went_on)
        return
    typer.echo(f"Turned on: {_counted(went_on['flows'], 'flow')}. Going on: {_counted(went_on['runs'], 'run')}.")
    for one in went_on["stay_off"]:
        typer.echo(f"{one['name']}: {one['message']}", err=True)
    if went_on["stay_off"]:
        raise typer.Exit(1)


def _print_report(
    settings: "Settings", report: "BackupReport", keys: "KeysNeeded | None", *, json: bool, verb: str
) -> None:
    from flowmend.cli.output import print_json
    from flowmend.vault import present_key_ids

    present = present_key_ids(settings.data, settings.master_key)
    if json:
        missing = {} if keys is None else {"missing_keys": keys.missing(present)}
        print_json(
            {
                "path": str(report.path),
                "made_at": report.made_at,
                "program": report.program,
                "revision": report.revision,
                "database": report.database,
                "bytes": report.bytes,
                "rows": report.rows,
                "damage": report.damage,
                **missing,
            }
        )
    else:
        runs = report.rows.get("runs", 0)
        typer.echo(
            f"{report.path} {verb}: {report.row_count} rows, of them {runs} runs, in {report.bytes / 1e6:.1f} MB, as of "
            f"{report.made_at.astimezone():%Y-%m-%d %H:%M:%S}."
        )
        if keys is None:
            typer.echo(f"It holds no key. {_where_keys_are(settings)} Keep that apart from the backup; without it every "
                       "connection must be signed in again and every flow imported again.")  # fmt: skip
        else:
            _print_keys(settings, keys, present)
    if report.damage:
        typer.echo(f"Error: the database that it is of is damaged, says its own check: {report.damage}", err=True)


def _print_keys(settings: "Settings", keys: "KeysNeeded", present: tuple[str, ...]) -> None:
    missing = keys.missing(present)
    if not missing:
        if keys.by_key:
            typer.echo(f"Every secret in it opens with the keys that are here ({', '.join(sorted(keys.by_key))}).")
        return
    typer.echo(
        f"Its secrets were sealed under {', '.join(missing)}, which is not here: put the key file that belongs to the backup "
        f"at {settings.data / 'flowmend.key'} (or its keys in FLOWMEND_MASTER_KEY) before the server starts. Without it:",
        err=True,
    )
    _print_names("to be signed in again", "connection", keys.connections_without(present))
    _print_names("to be imported again", "flow", keys.flows_without(present))


def _print_names(what: str, of: str, names: list[str]) -> None:
    if not names:
        return
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    typer.echo(f"  {_counted(len(names), of)} {what}: {', '.join(names[:_MOST_NAMES])}{more}", err=True)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _where_keys_are(settings: "Settings") -> str:
    if settings.master_key:
        return "The keys are in FLOWMEND_MASTER_KEY."
    return f"The key is in {(settings.data / 'flowmend.key').resolve()}."


@contextlib.contextmanager
def _no_server(settings: "Settings") -> Iterator[None]:
    """No server runs on the folder and database for as long as this does. Errors: Conflict; StoreUnavailable."""
    from flowmend.assembly import database_url
    from flowmend.cli.local_server import held_alone
    from flowmend.core.errors import Conflict
    from flowmend.store.database import Database
    from flowmend.store.opening import engine_as_it_is
    from flowmend.store.sole_server import SoleServer

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(held_alone(settings.data))
        except BlockingIOError:
            raise Conflict(
                f"A Flowmend runs on {settings.data}. Stop it first; nothing was changed.", code="DatabaseInUse"
            ) from None
        if settings.database_url and not settings.database_url.startswith("sqlite"):
            engine = engine_as_it_is(database_url(settings))
            held.callback(engine.dispose)
            server = SoleServer(Database(engine))
            held.callback(server.release)
            server.claim(0)
        yield


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal's error stream; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
