"""The command's tree: every command and group, with what turns our errors into one line and an exit code."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import flowmend
import flowmend.cli.connection_health  # its commands join the group of connections
import flowmend.cli.connection_repair  # its commands join the group of connections
import flowmend.cli.flow_editing  # its commands join the group of flows
import flowmend.cli.flow_settings  # its commands join the group of flows
import flowmend.cli.run_compare  # its command joins the group of runs
import flowmend.cli.run_resume  # its command joins the group of runs
from flowmend.cli.approvals import approvals
from flowmend.cli.backup import backup, go_on, restore
from flowmend.cli.check import check
from flowmend.cli.check_url import check_url
from flowmend.cli.connections import connections
from flowmend.cli.connectors import connectors
from flowmend.cli.demo import demo
from flowmend.cli.diagnose import diagnose
from flowmend.cli.evaluate import evaluate
from flowmend.cli.failures import report
from flowmend.cli.flows import flows
from flowmend.cli.held import held
from flowmend.cli.import_files import import_files
from flowmend.cli.incidents import incidents
from flowmend.cli.keys import keys
from flowmend.cli.login import login, token
from flowmend.cli.messages import messages
from flowmend.cli.repair import repair
from flowmend.cli.run import run
from flowmend.cli.runs import runs
from flowmend.cli.sign_in_apps import sign_in_apps
from flowmend.cli.up import up
from flowmend.core.errors import FlowmendError


class _Group(TyperGroup):
    """Reports our errors in one line; anything else keeps its traceback, which a bug report needs."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FlowmendError as error:
            report(error)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Group,
    help="Runs Power Automate and Logic Apps flows on your own machine, and mends them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"flowmend {flowmend.__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[  # the callback acts on it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Runs Power Automate and Logic Apps flows on your own machine, and mends them."""


app.command("up")(up)
app.command("demo")(demo)
app.command("login")(login)
app.command("token")(token)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("go-on")(go_on)
app.add_typer(keys, name="keys")
app.command("import")(import_files)
app.command("check")(check)
app.command("check-url")(check_url)
app.command("run")(run)
app.command("eval")(evaluate)
app.command("diagnose")(diagnose)
app.add_typer(flows, name="flows")
app.add_typer(runs, name="runs")
app.add_typer(held, name="held")
app.add_typer(connections, name="connections")
app.add_typer(incidents, name="incidents")
app.add_typer(repair, name="repair")
app.add_typer(messages, name="messages")
app.add_typer(approvals, name="approvals")
app.add_typer(sign_in_apps, name="sign-in-apps")
app.add_typer(connectors, name="connector")
app.add_typer(connectors, name="connectors", hidden=True)  # as it was called first
