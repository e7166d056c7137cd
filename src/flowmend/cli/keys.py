"""`flowmend keys …`: what seals secrets, by id; a key itself is never shown."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from flowmend.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from flowmend.settings import Settings
    from flowmend.store import Store
    from flowmend.use_cases.reseal import Resealed
    from flowmend.vault import Vault

keys = typer.Typer(
    help="The keys that seal secrets, of the data folder; also while its server runs.", no_args_is_help=True
)


@keys.command("show")
def show_keys(data: DataOption = None, json: JsonOption = False) -> None:
    """The keys by their ids, newest first, and how much is sealed under each."""
    from flowmend.cli.output import print_json, print_table
    from flowmend.use_cases.sealed_places import count_by_key

    with _opened(data) as (_, store, vault):
        counts = count_by_key(store)
    here = vault.key_ids
    listed = [*here, *sorted(set(counts) - set(here))]
    states = {
        key_id: "not here" if key_id not in here else "seals" if key_id == here[0] else "opens" for key_id in listed
    }
    if json:
        print_json([{"id": one, "state": states[one], "sealed": counts.get(one, {})} for one in listed])
        return
    print_table(
        ("Key", "State", "Sealed under it"),
        ((one, states[one], ", ".join(f"{n} {what}" for what, n in counts.get(one, {}).items())) for one in listed),
        nothing="There is no key.",
    )
    typer.echo("What a run's history keeps sealed is not counted: it stays under the key of its time.")


@keys.command("rotate")
def rotate(data: DataOption = None, json: JsonOption = False) -> None:
    """Make a new key beside the old ones, and seal everything anew under it."""
    with _opened(data) as (settings, store, vault):
        vault.rotate()
        if not json:
            typer.echo(f"The new key {vault.key_ids[0]} is in {settings.data / 'flowmend.key'}: back that file up.")
        _reseal(store, vault, json=json)


@keys.command("reseal")
def reseal_all(data: DataOption = None, json: JsonOption = False) -> None:
    """Seal everything anew that is under an older key than the newest: after `rotate` was cut off, or with a new
    FLOWMEND_MASTER_KEY.
    """
    with _opened(data) as (_, store, vault):
        _reseal(store, vault, json=json)


def _reseal(store: "Store", vault: "Vault", *, json: bool) -> None:
    from flowmend.cli.output import print_json
    from flowmend.use_cases.reseal import reseal

    found = reseal(store, vault)
    if json:
        print_json({"key": vault.key_ids[0], "resealed": dict(found.done), "unreadable": dict(found.unreadable)})
    else:
        typer.echo(f"Sealed anew under {vault.key_ids[0]}: {_listed(found)}.")
        typer.echo("The older keys stay in the key file: the history of runs, and backups, still need them.")
    for what, count in found.unreadable.items():
        typer.echo(f"{count} {what} do not open with any key that is here, and stay as they are.", err=True)
    if found.unreadable:
        raise typer.Exit(1)


def _listed(found: "Resealed") -> str:
    return ", ".join(f"{count} {what}" for what, count in found.done.items()) or "nothing, all was"


@contextlib.contextmanager
def _opened(data: "DataOption") -> Iterator[tuple["Settings", "Store", "Vault"]]:
    """The store and the keys of a data folder; nobody else changes keys meanwhile. Errors: Conflict; NotFound."""
    from flowmend.assembly import database_url
    from flowmend.cli.local_server import keys_held_alone
    from flowmend.core.errors import Conflict, NotFound
    from flowmend.settings import read_settings
    from flowmend.store import open_store
    from flowmend.vault import open_vault, present_key_ids

    settings = read_settings(os.environ, data=data)
    if not present_key_ids(settings.data, settings.master_key):
        raise NotFound(f"There is no key in {settings.data}; the first start makes one.", code="NoKey")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(keys_held_alone(settings.data))
        except BlockingIOError:
            raise Conflict("Another command changes the keys right now. Try again.", code="KeysInUse") from None
        store = open_store(database_url(settings))
        held.callback(store.close)
        yield settings, store, open_vault(settings.data, settings.master_key)
