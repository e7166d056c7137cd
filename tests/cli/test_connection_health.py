"""How connections are tested, what ends and who leaves, from the command line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flowmend.cli.program import app

from .conftest import StartedServer

runner = CliRunner()
DEFINITION: dict[str, Any] = {
    "swagger": "2.0",
    "host": "127.0.0.1:9",
    "schemes": ["http"],
    "securityDefinitions": {"b": {"type": "basic"}},
    "paths": {
        "/thing": {
            "get": {
                "operationId": "GetThing",
                "parameters": [{"name": "id", "in": "query", "required": True, "type": "string"}],
            }
        },
    },
}
PROPERTIES = {
    "properties": {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
}


def flowmend(server: StartedServer, *arguments: str, given: str | None = None) -> Result:
    return runner.invoke(app, ["connections", *arguments, "--data", str(server.data)], input=given)


@pytest.fixture(scope="module")
def connection(server: StartedServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("connectors") / "things"
    folder.mkdir()
    (folder / "apiDefinition.swagger.json").write_text(json.dumps(DEFINITION))
    (folder / "apiProperties.json").write_text(json.dumps(PROPERTIES))
    assert runner.invoke(app, ["connectors", "add", str(folder), "--data", str(server.data)]).exit_code == 0
    made = flowmend(
        server, "create", "things", "--name", "Things", "--secrets-stdin", "--json",
        given='{"user": "ada@example.com", "password": "s3cret"}',
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    return str(json.loads(made.stdout)["id"])


def test_the_test_of_a_connection_is_shown_chosen_and_forgotten(server: StartedServer, connection: str) -> None:
    shown = flowmend(server, "probe", "Things")
    assert "judged by runs" in shown.stdout
    assert "GetThing" in shown.stdout
    chosen = flowmend(server, "probe", "Things", "--operation", "GetThing", "--argument", "id=7")
    assert chosen.exit_code == 0, chosen.output
    assert "chosen by the owner" in chosen.stdout
    assert "judged by runs" in flowmend(server, "probe", "Things", "--default").stdout
    assert flowmend(server, "probe", "Things", "--operation", "Nothing").exit_code == 1
    assert flowmend(server, "probe", "Things", "--operation", "GetThing", "--argument", "id").exit_code == 2
    assert flowmend(server, "probe", "Things", "--operation", "GetThing", "--default").exit_code == 2


def test_an_end_is_noted_and_forecast(server: StartedServer, connection: str) -> None:
    assert "Nothing ends" in flowmend(server, "forecast").stdout
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    assert flowmend(server, "ends", "Things", day).exit_code == 0
    told = flowmend(server, "forecast").stdout
    assert "as its owner noted" in told
    assert day in told
    assert "Nothing ends" in flowmend(server, "forecast", "--days", "5").stdout
    (found,) = json.loads(flowmend(server, "forecast", "--json").stdout)
    assert found["days_left"] in {8, 9}
    assert flowmend(server, "list", "--needs-attention", "--text", "Things").stdout.startswith("No connections")
    assert flowmend(server, "ends", "Things", "never").exit_code == 0
    assert flowmend(server, "ends", "Things", "tomorrow").exit_code == 2


def test_what_stops_when_somebody_goes_is_told(server: StartedServer, connection: str) -> None:
    told = flowmend(server, "leaving", "ADA@example.com")
    assert "stops" in told.stdout
    assert "Things" in told.stdout
    assert "Nothing here concerns" in flowmend(server, "leaving", "nobody@example.com").stdout
    assert json.loads(flowmend(server, "leaving", "ada@example.com", "--json").stdout)["accounts"]
