"""Definitions as people published them, untouched: taken in, connected, signed in and run against services' doubles."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from doubles.estate import Estate
from doubles.resource_manager import INSIGHTS
from flowmend.core.json_value import Json
from flowmend.store.rows import RunRow
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.flows import turn_on
from running import LocalServer, Open

_SITES = re.compile(r"[\w-]+\.sharepoint\.com")
FLOWS = Path(__file__).parents[3] / "shared" / "data" / "flows"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not FLOWS.is_dir(), reason="the collection of real definitions is not there: ../shared/data/flows"
    ),
]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """file: how its name begins. body, headers: of the trigger where it is run by hand. values: of its template's
    parameters. happens: what the trigger polls for; None runs by hand. asked: how what must have been asked begins.
    """

    file: str
    connectors: tuple[str, ...]
    asked: tuple[str, ...]
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Json] = field(default_factory=dict)
    prepare: Callable[[Estate], None] = lambda _estate: None
    happens: Callable[[Estate], None] | None = None


def an_incident(estate: Estate) -> None:
    estate.arm.add_incident("I1", createdTimeUtc=_LATER, description="Many sign-ins", **INCIDENT)


def an_alert(estate: Estate) -> None:
    estate.arm.add_incident("I1", createdTimeUtc="2026-01-01T00:00:00Z", **INCIDENT)
    alert = {"alertDisplayName": "Many sign-ins", "severity": "High", "productName": "Azure Security Center"}
    estate.arm.add_alert(ALERT, timeGenerated=_LATER, **alert)


def remediation(estate: Estate) -> None:
    estate.logs.columns = ["RemediationSteps", "ProviderName"]
    estate.logs.rows = [['["Isolate the machine."]', "MDATP"]]


def costs(estate: Estate) -> None:
    estate.logs.columns, estate.logs.rows = ["AggregatedValue"], [[99.5]]


def a_training(estate: Estate) -> None:
    estate.dataverse.add("admin_inadayevents", "e1", admin_name="App in a day", admin_starttime=_LATER)


def an_event(estate: Estate) -> None:
    estate.sharepoint.items["Events"] = [{"Id": 1, "Title": "Spring", "EventName": "Spring"}]
    estate.sharepoint.items["Event Attendees"] = [
        {"Id": 1, "EventID": "1", "Attendee": {"Email": "ada@contoso.example"}}
    ]


def a_reminder(estate: Estate) -> None:
    owner = {"Email": "ben@contoso.example", "DisplayName": "Ben"}
    item = {"Id": 1, "Title": "Pay", "DueDate": "2026-03-01", "Owner": owner}
    estate.sharepoint.items["12c7ef01-03e8-481f-906d-58a0937c5281"] = [item]


MAIL = "POST /v1.0/me/sendMail → 202"
ALERT = "2a8f0000-0000-4000-8000-00000000a1e7"
INCIDENTS = f"GET {INSIGHTS}/incidents"
ENTITIES = f"GET {INSIGHTS}/entities"
COMMENT = f"PUT {INSIGHTS}/incidents/I1/comments/"
#: After everything that was there when a trigger began to poll.
_LATER = "2099-01-01T00:00:00Z"
INCIDENT: dict[str, Any] = {
    "incidentUrl": "https://portal.azure.example/1",
    "owner": {"assignedTo": "Ada"},
    "additionalData": {"alertProductNames": ["Sentinel"], "tactics": ["Persistence"], "alertsCount": 1},
}

SCENARIOS = (
    Scenario(
        file="arm/Azure-Sentinel__Solutions_Armorblox_Playbooks_azuredeploy",
        connectors=("azuresentinel", "office365"),
        values={"to": "soc@contoso.example"},
        happens=an_alert,
        asked=(ENTITIES, MAIL),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Notify-IncidentClosed_azuredeploy",
        connectors=("azuresentinel", "office365", "teams"),
        values={"Notification email": "soc@contoso.example", "Teams Channel ID": "19:c@thread", "Teams Team ID": "T1"},
        happens=an_incident,
        asked=(INCIDENTS, MAIL, "POST /v1.0/teams/T1/channels/19:c@thread/messages → 201"),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Post-Message-Slack_azuredeploy",
        connectors=("azuresentinel", "slack"),
        happens=an_alert,
        asked=("GET /subscriptions/", "POST /api/chat.postMessage → 200"),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Post-Message-Teams_incident-trigger_azuredeploy",
        connectors=("azuresentinel", "teams"),
        happens=an_incident,
        asked=(INCIDENTS, "POST /v1.0/teams/"),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Change-Incident-Severity_alert-trigger_azuredeploy",
        connectors=("azuresentinel",),
        happens=an_alert,
        asked=(f"{ENTITIES} → 200", f"{ENTITIES}/{ALERT}/relations → 200", f"{INCIDENTS}/I1 → 200"),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Comment-RemediationSteps_azuredeploy_alert",
        connectors=("azuresentinel", "azuremonitorlogs"),
        prepare=remediation,
        happens=an_alert,
        asked=("POST /v1/subscriptions/", COMMENT),
    ),
    Scenario(
        file="arm/Azure-Sentinel__Playbooks_Send-IngestionCostAlert_azuredeploy",
        connectors=("azuremonitorlogs", "office365", "teams"),
        prepare=costs,
        asked=("POST /v1/subscriptions/", MAIL, "POST /v1.0/teams/"),
    ),
    Scenario(
        file="arm/Security__Technical_Workshops_Custom_Plugin_Workshop_Task01",
        connectors=("office365",),
        body={"email": "ada@contoso.example", "joke": "Knock, knock"},
        asked=(MAIL,),
    ),
    Scenario(
        file="pa-solution/kit__LMAcceleratorSampleSolution_SolutionPackage_Workflows_DevOpsKitSampleFlow",
        connectors=("commondataserviceforapps",),
        asked=("GET /api/data/v9.2/",),
    ),
    Scenario(
        file="pa-solution/kit__Components_SolutionPackage_Workflows_AdminCompliancerequestcompleteappsv3",
        connectors=("commondataserviceforapps",),
        body={"_bpf_admin_appid_value": "r1", "completedon": "2026-03-01T08:00:00Z"},
        asked=("POST /api/data/v9.2/callbackregistrations → 201", "PATCH /api/data/v9.2/admin_apps(r1) → 200"),
    ),
    Scenario(
        file="pa-solution/kit__mponents_SolutionPackage_Workflows_TrainingInADayRegistrationConfirmation",
        connectors=("commondataserviceforapps", "office365"),
        prepare=a_training,
        body={"_admin_registeredevent_value": "e1", "admin_attendeeemail": "ada@contoso.example"},
        asked=("GET /api/data/v9.2/admin_inadayevents(e1) → 200", MAIL),
    ),
    Scenario(
        file="pa-solution/les__65goddess_solution_scheduledquoteemail",
        connectors=("commondataserviceforapps", "office365"),
        asked=("GET /api/data/v9.2/quotes → 200", "POST /v1.0/users/"),
    ),
    Scenario(
        file="pa-solution/kit__ALMAcceleratorSampleSolution_SolutionPackage_src_Workflows_Sm",
        connectors=("office365",),
        headers={"x-ms-user-email-encoded": "ada@contoso.example"},
        asked=(MAIL,),
    ),
    Scenario(
        file="pa-solution/orm__sources_Kudos_mpa_Kudos_managed",
        connectors=("office365", "office365users"),
        body={"text": "Thanks", **{f"text_{number}": "ada@contoso.example" for number in range(1, 10)}},
        asked=("GET /v1.0/users/ada@contoso.example/photo/$value → 200", MAIL),
    ),
    Scenario(
        file="pa-package/les__events_solution_EventRegistrationApp.zip__Microsoft.Flow_flows_8c20bd9f",
        connectors=("office365", "sharepointonline"),
        prepare=an_event,
        body={
            "Getattendeesforevent_FilterQuery": "1",
            "InitializeEventIdvariable_Value": 1,
            "Sendemailtoattendees_Body": "See you",
        },
        asked=("GET /", MAIL),
    ),
    Scenario(
        file="pa-package/ons__SiteVisitTracker_SiteVisitTrackerApp",
        connectors=("sharepointonline",),
        body={"Createfile_FileName": "a.png", "Createfile_FileContent": "data:image/png;base64,eHl6"},
        asked=("POST /sites/SiteTrackerChadDev/_api/web/GetFolderByServerRelativePath",),
    ),
    Scenario(
        file="pa-package/ples__TeamsAdaptiveCardRemindersFromLists",
        connectors=("sharepointonline", "teams"),
        prepare=a_reminder,
        asked=("GET /sites/TeamSite-Demo/_api/web/lists", "POST /v1.0/chats → 201", "POST /v1.0/chats/19:chat-1"),
    ),
    Scenario(
        file="pa-solution/les__tomation.zip__Workflows_Flow-CreateSharePointGroup",
        connectors=("sharepointonline",),
        asked=("POST /",),
    ),
    Scenario(
        file="pa-package/les__esign-homepage_solution_CopyTemplate",
        connectors=("sharepointonline",),
        asked=("POST /sites/engage/_api/web/GetFileByServerRelativePath",),
    ),
)


@pytest.fixture
async def estate(local_server: LocalServer, open_flowmend: Open) -> Estate:
    made = Estate()
    await made.start(local_server, open_flowmend)
    return made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.file.partition("/")[2][-40:])
async def test_a_published_flow_runs_to_its_end(estate: Estate, scenario: Scenario) -> None:
    run, asked = await carried_out(estate, scenario)
    assert run.status == "Succeeded", (run.code, run.error_message, asked)
    for wanted in scenario.asked:
        assert any(one.startswith(wanted) for one in asked), (wanted, asked)


async def carried_out(estate: Estate, scenario: Scenario) -> tuple[RunRow, list[str]]:
    """(the run as it ended, what the services were asked)."""
    (path,) = sorted(FLOWS.glob(f"{scenario.file}*.json"))
    content = path.read_bytes()
    scenario.prepare(estate)
    for connector in scenario.connectors:
        hosts = ",".join(sorted(set(_SITES.findall(content.decode("utf-8-sig")))))
        more = {"formerHosts": hosts} if connector == "sharepointonline" else {}
        await estate.connect(connector, **more)
    running = estate.running
    flow_id = await estate.take_in(content, path.name, dict(scenario.values))
    assert set(running.services.flows.latest(flow_id).mappings.values()) == set(estate.connections.values())
    estate.forget_asked()
    await turn_on(running.services, flow_id, running.owner)
    if scenario.headers:
        await running.call(flow_id, scenario.body, headers=dict(scenario.headers))
    elif scenario.happens is None:
        await run_now(running.services, flow_id, scenario.body, running.owner)
    else:
        await polled_once(estate, flow_id)
        scenario.happens(estate)
        for _ in range(100):
            running.clock.move(minutes=1)
            await running.settled()
            if running.runs(flow_id):
                break
    (first, *_) = await running.reached_count(flow_id, 1)
    return await running.ended(first.run_name), estate.asked()


async def polled_once(estate: Estate, flow_id: str) -> None:
    """Until the trigger has looked at what was there before."""
    running = estate.running
    for _ in range(100):
        if running.events(flow_id):
            return
        running.clock.move(minutes=1)
        await running.settled()
    raise AssertionError("the trigger never asked")
