"""`flowmend messages …` against a running server."""

from typer.testing import CliRunner

from flowmend.cli.program import app

from .conftest import StartedServer
from .test_server_commands import flowmend_json

runner = CliRunner()


def flowmend(server: StartedServer, *arguments: str, exit_code: int = 0) -> str:
    result = runner.invoke(app, ["messages", *arguments, "--data", str(server.data)])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_an_address_is_added_turned_off_and_removed(server: StartedServer) -> None:
    later = ("add", "https://hooks.example.com/x", "--after", "30")
    assert "name escalated" in flowmend(server, *later, "--kind", "broken", exit_code=1)  # it would never be told
    said = flowmend(server, *later, "--kind", "broken", "--kind", "escalated")
    assert "whsec_" in said
    (added,) = (one for one in flowmend_json(server, "messages", "routes") if one["channel"] == "webhook")
    assert (added["after_minutes"], added["kinds"], added["secret"]) == (30, ["broken", "escalated"], "")
    assert "after 30 min" in flowmend(server, "routes")
    assert "is off" in flowmend(server, "turn", "https://hooks.example.com/x", "off")
    assert "turned off" in flowmend(server, "test", added["id"], exit_code=1)
    assert "nothing any more" in flowmend(server, "remove", "https://hooks.example.com/x")
    assert "Nobody is told at" in flowmend(server, "remove", "https://hooks.example.com/x", exit_code=1)


def test_the_owner_is_told_at_an_address_and_a_test_shows_in_the_list(server: StartedServer) -> None:
    assert "No mail leaves yet: NoMailServer" in flowmend(server, "owner", "mei@example.com", "--language", "zh-Hant")
    assert "on its way to mei@example.com" in flowmend(server, "test", "owner")
    assert "test" in flowmend(server, "list")
    assert flowmend_json(server, "messages", "list")[0]["kind"] == "test"
    assert "on or off" in flowmend(server, "turn", "owner", "maybe", exit_code=1)
