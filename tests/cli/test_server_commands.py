"""Commands that speak to a running server."""

import http.client
import json
import shutil
import time
import zipfile
from csv import DictReader
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import Result
from typer.testing import CliRunner

from core.definition.packing import package, packed, standard_app, tree
from flowmend.cli.program import app

from .conftest import StartedServer

runner = CliRunner()

SAMPLE_CONNECTORS = Path(__file__).parents[2] / "src" / "flowmend" / "sample" / "connectors"


def definition() -> dict[str, Any]:
    return {
        "contentVersion": "1.0.0.0",
        "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {"schema": {}}}},
        "actions": {"Compose": {"type": "Compose", "inputs": "@triggerBody()", "runAfter": {}}},
    }


def calling(connector: str) -> dict[str, Any]:
    """A flow with one call to the connector."""
    host = {"connectionReferenceName": f"shared_{connector}", "operationId": "ListCustomers"}
    action = {"type": "OpenApiConnection", "inputs": {"host": host, "parameters": {}}, "runAfter": {}}
    reference = {"api": {"name": f"shared_{connector}"}, "connection": {"connectionReferenceLogicalName": "x"}}
    return {
        "properties": {
            "displayName": "lacking",
            "connectionReferences": {f"shared_{connector}": reference},
            "definition": definition() | {"actions": {"Call": action}},
        }
    }


def flowmend(server: StartedServer, *arguments: str, given: str | None = None) -> Result:
    return runner.invoke(app, [*arguments, "--data", str(server.data)], input=given)


def ended(server: StartedServer, run_name: str, *, patiently: bool = True) -> Any:
    """The run once it is over; as it is where nobody is patient."""
    for _ in range(1_000):
        run = flowmend_json(server, "runs", "show", run_name)
        if run["properties"]["status"] != "Running" or not patiently:
            return run
        time.sleep(0.05)
    raise AssertionError(run)


def flowmend_json(server: StartedServer, *arguments: str) -> Any:
    result = flowmend(server, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def flow(server: StartedServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("flows") / "orders.json"
    path.write_text(json.dumps(definition()))
    (imported,) = flowmend_json(server, "import", str(path))
    assert imported["created"] is True
    assert flowmend(server, "flows", "turn-on", "Orders").exit_code == 0  # names ignore case
    return str(imported["id"])


def test_a_flow_is_imported_listed_and_shown(server: StartedServer, flow: str) -> None:
    assert flow in [one["id"] for one in flowmend_json(server, "flows", "list")]
    shown = flowmend(server, "flows", "show", "orders")
    assert "/paths/invoke?" in shown.stdout
    assert "On" in shown.stdout


def test_a_dry_run_takes_nothing_in(server: StartedServer, tmp_path: Path) -> None:
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(definition()))

    (finding,) = flowmend_json(server, "import", "--dry-run", str(path))

    assert (finding["name"], finding["exists"], finding["can_import"]) == ("draft", False, True)
    assert finding["id"] not in [one["id"] for one in flowmend_json(server, "flows", "list")]


def test_one_bad_file_stops_no_other(server: StartedServer, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{nope")
    (tmp_path / "b.json").write_text(json.dumps(definition()))

    result = flowmend(server, "import", str(tmp_path), "--json")

    assert result.exit_code == 1
    assert "a.json" in result.stderr
    assert [one["name"] for one in json.loads(result.stdout)] == ["b"]


def test_import_works_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "alone.json"
    path.write_text(json.dumps(definition()))
    data = str(tmp_path / "data")

    first = runner.invoke(app, ["import", str(path), "--data", data, "--json"])
    again = runner.invoke(app, ["import", str(path), "--data", data, "--json"])

    assert (json.loads(first.stdout)[0]["created"], json.loads(again.stdout)[0]["created"]) == (True, False)


@pytest.mark.parametrize("has_server", [True, False])
def test_a_folder_of_packages_is_imported_with_values_and_connections(
    server: StartedServer, tmp_path: Path, has_server: bool
) -> None:
    folder = tmp_path / f"exports-{has_server}"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "Orders.zip").write_bytes(packed(package()))
    for path, content in tree(standard_app()).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    data = str(server.data if has_server else tmp_path / "data")

    plan = runner.invoke(app, ["import", str(folder), "--dry-run", "--data", data])
    assert "anna@contoso.test" in plan.stdout
    assert "MAIL_KEY" in plan.stdout
    values = json.dumps({"MAIL_KEY": "hunter2"})
    result = runner.invoke(app, ["import", str(folder), "--parameters", values, "--data", data, "--json"])

    assert result.exit_code == 0, result.output
    assert sorted(one["name"] for one in json.loads(result.stdout)) == ["Greet", "Idle", "Shop orders"]


def test_a_flow_is_exported_to_a_file_or_to_the_pipe(server: StartedServer, flow: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.zip"
    assert flowmend(server, "flows", "export", flow, "--format", "standard", "-o", str(path)).exit_code == 0
    with zipfile.ZipFile(path) as archive:
        assert "orders/workflow.json" in archive.namelist()
    printed = flowmend(server, "flows", "export", flow)
    assert json.loads(printed.stdout)["definition"] == definition()
    refused = flowmend(server, "flows", "export", flow, "--format", "pdf")
    assert (refused.exit_code, "InvalidQuery" in refused.stderr) == (1, True)


def test_a_mapping_that_leads_nowhere_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "Orders.zip"
    path.write_bytes(packed(package()))
    data = str(tmp_path / "data")
    assert runner.invoke(app, ["import", str(path), "--map", "shared_office365", "--data", data]).exit_code == 2
    result = runner.invoke(app, ["import", str(path), "--map", "shared_office365=nowhere", "--data", data])
    assert (result.exit_code, "ConnectionNotFound" in result.stderr) == (1, True)


def test_a_run_is_started_listed_and_resubmitted(server: StartedServer, flow: str) -> None:
    name = flowmend_json(server, "flows", "run", flow, "--input", '{"order": 4711}')["name"]

    assert name in [run["name"] for run in flowmend_json(server, "runs", "list", "--flow", "orders")]
    nobody = flowmend(server, "runs", "list", "--flow", "ordrs")
    assert (nobody.exit_code, "There is no flow ordrs" in nobody.output) == (1, True)
    run = ended(server, name)
    assert run["properties"]["actions"]["Compose"]["status"] == "Succeeded"
    assert "Compose" in flowmend(server, "runs", "show", name).stdout
    (made,) = flowmend_json(server, "runs", "resubmit", name)
    assert made["origin_run"] == name
    assert ended(server, made["name"])["properties"]["originRun"] == name


def test_a_failed_run_is_resumed_and_first_says_what_that_means(server: StartedServer, tmp_path: Path) -> None:
    flow = definition()
    flow["actions"]["Number"] = {
        "type": "Compose", "inputs": "@int(triggerBody()['n'])", "runAfter": {"Compose": ["Succeeded"]},
    }  # fmt: skip
    path = tmp_path / "numbers.json"
    path.write_text(json.dumps({"definition": flow}))
    flow_id = flowmend_json(server, "import", str(path), "--turn-on")[0]["id"]
    name = flowmend_json(server, "flows", "run", flow_id, "--input", '{"n": "x"}')["name"]
    assert ended(server, name)["properties"]["status"] == "Failed"

    said = flowmend(server, "runs", "resume", name, "--dry-run").stdout
    assert said == f"{name} would go on at Number; finished actions not repeated: 1\n"
    (made,) = flowmend_json(server, "runs", "resume", name, "--latest")
    run = ended(server, made["name"])["properties"]
    assert (run["originRun"], run["actions"]["Compose"]["fromRun"]) == (name, name)

    good = flowmend_json(server, "flows", "run", flow_id, "--input", '{"n": "1"}')["name"]
    ended(server, good)
    refused = flowmend(server, "runs", "resume", good, "--dry-run")
    assert (refused.exit_code, "nothing to resume" in refused.stdout) == (1, True)


def test_two_runs_are_compared(server: StartedServer, flow: str) -> None:
    names = [flowmend_json(server, "flows", "run", flow, "--input", body)["name"] for body in ('{"n": 1}', '{"n": 2}')]
    for name in names:
        ended(server, name)
    said = flowmend(server, "runs", "compare", *names).stdout
    assert "Compose" in said
    assert "/n: 1 | 2" in said
    assert flowmend_json(server, "runs", "compare", *names)["actions"][0]["differs"] is True
    assert "Every action went the same way" in flowmend(server, "runs", "compare", names[0], names[0]).stdout


def test_a_list_follows_its_pages(server: StartedServer, flow: str) -> None:
    for _ in range(3):
        flowmend_json(server, "flows", "run", flow)
    assert len(flowmend_json(server, "runs", "list", "--limit", "3")) == 3


def test_runs_are_listed_with_their_flow_by_a_status_of_any_case(server: StartedServer, flow: str) -> None:
    ended(server, flowmend_json(server, "flows", "run", flow)["name"])

    listed = flowmend(server, "runs", "list", "--status", "succeeded", "--limit", "1")

    assert "orders" in listed.stdout
    assert "Succeeded" in listed.stdout


def test_a_status_there_is_not_is_refused_with_those_there_are(server: StartedServer) -> None:
    refused = flowmend(server, "runs", "list", "--status", "Banana")

    assert refused.exit_code == 2
    assert "Succeeded" in refused.stderr


def test_a_connector_is_installed_from_its_folder_and_its_connection_found_by_name(server: StartedServer) -> None:
    folder = SAMPLE_CONNECTORS / "sample_customers"

    added = flowmend(server, "connectors", "add", str(folder))
    made = flowmend(
        server, "connections", "create", "sample_customers", "--name", "Customers", "--secrets-stdin", given="{}"
    )

    assert added.exit_code == 0, added.output
    assert "flowmend connections create sample_customers" in added.stdout
    assert "sample_customers" in [one["id"] for one in flowmend_json(server, "connectors", "list")]
    assert made.exit_code == 0, made.output
    assert flowmend_json(server, "connections", "show", "customers")["display_name"] == "Customers"
    assert flowmend_json(server, "runs", "list", "--connection", "Customers") == []


def test_a_connector_is_named_after_its_folder_without_blanks(server: StartedServer, tmp_path: Path) -> None:
    folder = shutil.copytree(SAMPLE_CONNECTORS / "sample_shipping", tmp_path / "Fast Shipping")

    assert flowmend_json(server, "connectors", "add", str(folder))["id"] == "fastshipping"
    assert flowmend_json(server, "connectors", "add", str(folder), "--name", "shared_faster")["id"] == "faster"


def test_a_folder_that_is_no_connector_says_which_file_it_lacks(server: StartedServer, tmp_path: Path) -> None:
    refused = flowmend(server, "connectors", "add", str(tmp_path))

    assert refused.exit_code == 2
    assert "apiDefinition.swagger.json" in refused.stderr


def test_a_run_that_waited_its_turn_says_how_long_besides_how_long_it_took(
    server: StartedServer, tmp_path: Path
) -> None:
    path = tmp_path / "one at once.json"
    wait = {"type": "Wait", "inputs": {"interval": {"count": 2, "unit": "Second"}}, "runAfter": {}}
    one = definition() | {"actions": {"Wait": wait}}
    manual = next(iter(one["triggers"].values())) | {"runtimeConfiguration": {"concurrency": {"runs": 1}}}
    path.write_text(json.dumps(one | {"triggers": {"manual": manual}}))
    flowmend_json(server, "import", str(path))
    assert flowmend(server, "flows", "turn-on", "one at once").exit_code == 0
    first = flowmend_json(server, "flows", "run", "one at once")["name"]
    flowmend(server, "flows", "run", "one at once")
    ended(server, first)
    while len(found := flowmend_json(server, "runs", "list", "--flow", "one at once")) < 2:
        time.sleep(0.05)

    second = ended(server, next(run["name"] for run in found if run["name"] != first))

    times = [datetime.fromisoformat(second["properties"][key]) for key in ("startTime", "begunTime", "endTime")]
    told = " ".join(flowmend(server, "runs", "show", second["name"]).stdout.split())
    assert f"Held {(times[1] - times[0]).total_seconds():.2f} s" in told
    took = f"{(times[2] - times[1]).total_seconds():.2f} s"
    assert f"Duration {took}" in told
    assert took in flowmend(server, "runs", "list", "--flow", "one at once", "--limit", "1").stdout
    assert "Held" not in flowmend(server, "runs", "show", first).stdout


def test_every_run_of_a_flow_is_cancelled_after_a_question(server: StartedServer, tmp_path: Path) -> None:
    wait = {"type": "Wait", "inputs": {"interval": {"count": 3, "unit": "Day"}}, "runAfter": {}}
    path = tmp_path / "slow orders.json"
    path.write_text(json.dumps(definition() | {"actions": {"Wait": wait}}))
    flowmend_json(server, "import", str(path))
    assert flowmend(server, "flows", "turn-on", "slow orders").exit_code == 0
    runs = [flowmend_json(server, "flows", "run", "slow orders")["name"] for _ in range(3)]

    assert flowmend(server, "runs", "cancel", "--all", "slow orders", given="n\n").exit_code == 1
    assert ended(server, runs[0], patiently=False)["properties"]["status"] == "Running"
    done = flowmend(server, "runs", "cancel", "--all", "slow orders", "--yes")

    assert "3 of 3 cancelled" in done.output
    assert {ended(server, name)["properties"]["status"] for name in runs} == {"Cancelled"}
    assert "No run of this flow" in flowmend(server, "runs", "cancel", "--all", "slow orders", "--yes").output
    assert flowmend(server, "runs", "cancel").exit_code == 2
    assert flowmend(server, "runs", "cancel", runs[0], "--all", "slow orders").exit_code == 2


def test_a_callback_url_is_told_ends_and_is_made_anew(server: StartedServer, flow: str) -> None:
    old = flowmend(server, "flows", "callback-url", flow).stdout.strip()
    ending = flowmend_json(server, "flows", "callback-url", flow, "--until", "2099-01-31T09:00:00Z")
    made = flowmend(server, "flows", "callback-url", flow, "--rotate").stdout.strip()

    assert old.startswith("http")
    assert ending["queries"]["se"] == "2099-01-31T09:00:00Z"
    assert made != old
    assert flowmend(server, "flows", "callback-url", flow).stdout.strip() == made
    assert flowmend(server, "flows", "callback-url", flow, "--rotate", "--until", "2099-01-31").exit_code == 2
    assert flowmend(server, "flows", "callback-url", flow, "--until", "yesterday").exit_code == 1


def test_an_unset_public_address_is_said_with_what_depends_on_it(server: StartedServer, flow: str) -> None:
    told = flowmend(server, "check-url")
    assert told.exit_code == 1
    assert "FLOWMEND_PUBLIC_URL" in told.stdout
    found = json.loads(flowmend(server, "check-url", "--json").stdout)
    assert (found["verdict"], found["reachable"]) == ("NotSet", False)
    assert flow in [one["flow_id"] for one in found["triggers"]]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["flows", "show", "nothing"], "FlowNotFound"),
        (["runs", "show", "nothing"], "WorkflowRunNotFound"),
        (["runs", "cancel", "nothing"], "WorkflowRunNotFound"),
        (["connections", "show", "nothing"], "ConnectionNotFound"),
        (["connections", "test", "nothing"], "ConnectionNotFound"),
        (["runs", "list", "--connection", "nothing"], "ConnectionNotFound"),
        (["connections", "create", "nothing", "--secrets-stdin"], "ConnectorNotFound"),
    ],
)
def test_what_is_not_there_is_one_line_and_a_hint(server: StartedServer, arguments: list[str], code: str) -> None:
    result = flowmend(server, *arguments)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert f"({code})" in result.stderr


def test_a_login_link_signs_in_once(server: StartedServer) -> None:
    link = flowmend(server, "login").stdout.strip()
    parts = urlsplit(link)
    assert f"{parts.scheme}://{parts.netloc}" == server.local.url

    def sign_in() -> int:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": server.local.url}
        connection.request("POST", "/login", parts.query, headers)
        status = connection.getresponse().status
        connection.close()
        return status

    assert sign_in() == 303
    assert sign_in() != 303


def test_a_printed_token_opens_the_server_by_its_url(server: StartedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    token = flowmend(server, "token").stdout.strip()
    monkeypatch.setenv("FLOWMEND_TOKEN", token)

    assert runner.invoke(app, ["flows", "list", "--url", server.local.url]).exit_code == 0


def test_a_wrong_token_says_how_to_get_a_good_one(server: StartedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWMEND_TOKEN", "fm_wrong")

    result = runner.invoke(app, ["flows", "list", "--url", server.local.url])

    assert result.exit_code == 1
    assert "flowmend token" in result.stderr
    assert "fm_wrong" not in result.output


def test_secrets_are_never_taken_from_arguments(server: StartedServer) -> None:
    assert flowmend(server, "connectors", "add", str(SAMPLE_CONNECTORS / "sample_orders")).exit_code == 0

    refused = flowmend(
        server, "connections", "create", "sample_orders", "--parameter", "password=hush", "--secrets-stdin", given="{}"
    )
    unread = flowmend(server, "connections", "create", "sample_orders", "--secrets-stdin", given='{"password": 4711')

    assert refused.exit_code == 2
    assert "is a secret" in refused.output
    assert unread.exit_code == 2
    assert "4711" not in unread.output


def test_a_new_connection_is_chosen_in_the_flows_that_lack_one(server: StartedServer, tmp_path: Path) -> None:
    path = tmp_path / "lacking.json"
    path.write_text(json.dumps(calling("sample_invoices")))
    assert flowmend(server, "import", str(path)).exit_code == 0
    folder = tmp_path / "sample_invoices"
    shutil.copytree(SAMPLE_CONNECTORS / "sample_customers", folder)
    assert flowmend(server, "connector", "add", str(folder)).exit_code == 0
    assert "sample_invoices" in flowmend(server, "flows", "list").stdout

    create = ("connections", "create", "sample_invoices", "--secrets-stdin", "--name")
    told = flowmend(server, *create, "Invoices one", given="{}")
    planned = flowmend(server, "connections", "connect-flows", "invoices one", "--dry-run")
    chosen = flowmend(server, *create, "Invoices two", "--connect-flows", given="{}")
    again = flowmend_json(server, "connections", "connect-flows", "invoices one")

    assert "1 flow lacks a connection to sample_invoices" in told.stdout
    assert "lacking  shared_sample_invoices" in planned.stdout
    assert "Nothing was changed" in planned.stdout
    assert "Chosen in 1 flow." in chosen.stdout
    assert again["references"] == []


def test_a_connection_is_swapped_its_uses_listed_and_nothing_mended_that_works(server: StartedServer) -> None:
    assert flowmend(server, "connectors", "add", str(SAMPLE_CONNECTORS / "sample_customers")).exit_code == 0
    for name in ("Swap old", "Swap new"):
        made = flowmend(
            server, "connections", "create", "sample_customers", "--name", name, "--secrets-stdin", given="{}"
        )
        assert made.exit_code == 0, made.output

    planned = flowmend(server, "connections", "swap", "swap old", "swap new", "--dry-run")
    refused = {
        ("swap", "swap old", "swap new"): "NothingToSwap",
        ("repair-link", "swap old"): "NothingToRepair",
        ("put-back", "swap old"): "NothingToPutBack",
    }

    assert planned.exit_code == 0, planned.output
    assert "Nothing was changed" in planned.stdout
    for command, code in refused.items():
        answer = flowmend(server, "connections", *command)
        assert answer.exit_code == 1
        assert code in answer.stderr
    assert flowmend_json(server, "connections", "uses", "swap old") == []
    assert "not used yet" in flowmend(server, "connections", "uses", "swap old").stdout
    assert "ended: 0" in flowmend(server, "connections", "repair-link", "swap old", "--revoke").stdout


def test_all_runs_that_match_go_into_a_file_or_are_done_together(
    server: StartedServer, flow: str, tmp_path: Path
) -> None:
    name = flowmend_json(server, "flows", "run", flow, "--input", '{"orderNumber": "=C-1"}')["name"]
    assert ended(server, name)["properties"]["status"] == "Succeeded"
    table = tmp_path / "runs.csv"
    output = "output:body/orderNumber"
    written = flowmend(server, "runs", "list", "--flow", flow, "--csv", str(table), "--column", output)
    assert written.exit_code == 0
    rows = list(DictReader(table.read_text("utf-8-sig").splitlines()))
    assert next(row for row in rows if row["Run"] == name)["body/orderNumber"] == "'=C-1"
    assert "newest 5,000" not in written.stderr
    of_text = flowmend(server, "runs", "list", "--text", name, "--csv", "-")
    assert name in of_text.stdout
    assert "as a part of one only in the newest 5,000" in of_text.stderr
    matching = ("--flow", flow, "--status", "succeeded", "--from", "2020-01-01T00:00Z")
    assert flowmend(server, "runs", "resubmit", "--all-matching", *matching, given="n\n").exit_code == 1
    before = len(flowmend_json(server, "runs", "list", *matching, "--limit", "100"))
    plan = flowmend_json(server, "runs", "resubmit", "--all-matching", *matching, "--yes")
    assert flowmend(server, "repair", "status", plan["id"], "--wait").exit_code == 0
    assert len(flowmend_json(server, "runs", "list", *matching, "--limit", "100")) > before
    nothing = flowmend(server, "runs", "cancel", "--all-matching", *matching, "--yes")
    assert "No run that matches" in nothing.output
    assert flowmend(server, "runs", "resubmit", name, "--all-matching").exit_code == 2
    assert flowmend(server, "runs", "resubmit").exit_code == 2
