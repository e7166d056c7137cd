"""`flowmend sign-in-apps …` against a running server."""

import base64
from pathlib import Path

from typer.testing import CliRunner

from flowmend.cli.program import app
from made_certificates import make

from .conftest import StartedServer
from .test_server_commands import SAMPLE_CONNECTORS, flowmend_json

runner = CliRunner()
SECRET = "a-planted-client-secret-8f21"


def flowmend(server: StartedServer, *arguments: str, given: str = "", exit_code: int = 0) -> str:
    result = runner.invoke(app, [*arguments, "--data", str(server.data)], input=given)
    assert result.exit_code == exit_code, result.output
    assert SECRET not in result.output
    return result.output


def kept(server: StartedServer, name: str, *more: str, given: str = f"{SECRET}\n") -> str:
    flowmend(server, "connectors", "add", str(SAMPLE_CONNECTORS / "sample_customers"))
    place = ("--parameter", "token:HostUrl=https://customers.example")
    arguments = ("add", "sample_customers", "--client-id", "ours", "--name", name, *place, *more)
    return flowmend(server, "sign-in-apps", *arguments, "--secret-stdin", given=given)


def test_an_app_is_kept_shown_and_gets_a_new_secret(server: StartedServer) -> None:
    assert "/oauth/callback" in kept(server, "First app", "--secret-ends", "2031-01-31")
    assert "First app" in flowmend(server, "sign-in-apps", "list")
    shown = flowmend_json(server, "sign-in-apps", "show", "First app")
    assert shown["secret_expires_at"].startswith("2031-01-31")
    said = flowmend(server, "sign-in-apps", "replace-secret", "First app", "--secret-stdin", given=f"{SECRET}2\n")
    assert "Untested, and now in use" in said


def test_a_certificate_is_read_from_its_file(server: StartedServer, tmp_path: Path) -> None:
    made = make("our app")
    pfx = tmp_path / "app.pfx"
    pfx.write_bytes(made.pfx(SECRET))
    kept(server, "By certificate", "--certificate", str(pfx))
    shown = flowmend_json(server, "sign-in-apps", "show", "By certificate")
    assert shown["proof"] == "certificate"
    output = flowmend(
        server, "sign-in-apps", "replace-secret", "By certificate", "--certificate", str(tmp_path / "none.pfx"),
        "--secret-stdin", given="\n", exit_code=1,
    )  # fmt: skip
    assert "cannot be read" in output
    assert base64.b64encode(made.pfx(""))[:40].decode() not in output


def test_an_app_that_is_not_there_is_one_line(server: StartedServer) -> None:
    assert "There is no sign-in app nobody" in flowmend(server, "sign-in-apps", "show", "nobody", exit_code=1)
