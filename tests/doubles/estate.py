"""All doubles started together, a Flowmend beside them, and a connection to each that somebody has signed in to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from doubles.dataverse import Dataverse
from doubles.entra import CLIENT, CLIENT_SECRET, Entra
from doubles.github import GitHub
from doubles.graph import Graph
from doubles.logs import DataCollector, LogsQuery
from doubles.resource_manager import ResourceManager
from doubles.service import Service
from doubles.sharepoint import SharePoint
from doubles.slack import Slack
from flowmend.core.json_value import Json
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.import_flow import ImportChoices, import_package
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification
from running import LocalServer, Open, Running

BROWSER = "the secret of this browser's session"
WORKSPACE = {"subscriptionId": "S1", "resourceGroup": "R1", "workspace": "W1"}


@dataclass(kw_only=True)
class Estate:
    """running: once started. connections: ids by connector."""

    graph: Graph = field(default_factory=Graph)
    arm: ResourceManager = field(default_factory=ResourceManager)
    logs: LogsQuery = field(default_factory=LogsQuery)
    collector: DataCollector = field(default_factory=DataCollector)
    dataverse: Dataverse = field(default_factory=Dataverse)
    sharepoint: SharePoint = field(default_factory=SharePoint)
    slack: Slack = field(default_factory=Slack)
    github: GitHub = field(default_factory=GitHub)
    entra: Entra = field(default_factory=Entra)
    connections: dict[str, str] = field(default_factory=dict)
    running: Running = field(init=False)

    def services(self) -> Iterator[Service]:
        """Those that take Entra's tokens."""
        yield from (self.graph, self.arm, self.logs, self.dataverse, self.sharepoint, self.slack, self.github)

    async def start(self, local_server: LocalServer, open_flowmend: Open) -> None:
        everybody = [*self.services(), self.collector, self.entra]
        for service in everybody:
            service.origin = await local_server(service.answer)
        self.entra.services = list(self.services())
        hosts = frozenset(service.host for service in everybody)
        self.running = await open_flowmend(allowed_private_hosts=hosts)

    def asked(self) -> list[str]:
        """What all services were asked, without signing in and without testing."""
        tests = {
            "/v1.0/me",
            "/subscriptions",
            "/api/data/v9.2/WhoAmI",
            "/_api/web/currentuser",
            "/user",
            "/api/auth.test",
        }
        everybody = (*self.services(), self.collector)
        return [str(one) for service in everybody for one in service.asked if one.path not in tests]

    def forget_asked(self) -> None:
        for service in (*self.services(), self.collector):
            service.asked.clear()

    def values(self, connector: str, **more: str) -> dict[str, str]:
        """What making a connection asks for."""
        app = {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
        aad = {**app, "tenant": "contoso", "authority": self.entra.origin}
        known: dict[str, dict[str, str]] = {
            "office365": {**aad, "baseUrl": self.graph.origin},
            "office365users": {**aad, "baseUrl": self.graph.origin},
            "teams": {**aad, "baseUrl": self.graph.origin, "account": "ada@contoso.example"},
            "azuresentinel": {**aad, "baseUrl": self.arm.origin, **WORKSPACE},
            "azuremonitorlogs": {**aad, "baseUrl": self.logs.origin},
            "sharepointonline": {**aad, "baseUrl": self.sharepoint.origin},
            "commondataserviceforapps": {**aad, "baseUrl": self.dataverse.origin},
            "github": {**app, "baseUrl": self.github.origin, "authority": self.entra.origin},
            "azureloganalyticsdatacollector": {
                "baseUrl": self.collector.origin,
                "username": self.collector.workspace,
                "password": self.collector.key,
            },
            "slack": {"baseUrl": self.slack.origin, "api_key": "xoxb-1"},
        }
        return {**known[connector], **more}

    async def connect(self, connector: str, *, parameter_set: str = "", **more: str) -> str:
        """The id of a connection that works."""
        if connector == "slack":
            self.slack.tokens.add("xoxb-1")
            parameter_set = "token"
        services, owner = self.running.services, self.running.owner
        values = self.values(connector, **more)
        view = await create_connection(services, connector, connector, values, owner, parameter_set=parameter_set)
        connection_id = view.row.connection_id
        if view.row.health == "pending_consent":
            await self.sign_in(connection_id)
        self.connections[connector] = connection_id
        return connection_id

    async def sign_in(self, connection_id: str) -> Verification:
        """What came of it when somebody signed in to the connection in a browser."""
        services = self.running.services
        address = await begin_consent(services, connection_id, self.running.owner, BROWSER, "")
        async with aiohttp.ClientSession() as session, session.get(address, allow_redirects=False) as answer:
            query = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
        return await finish_consent(services, query, BROWSER)

    async def take_in(self, content: bytes, name: str, values: dict[str, Json] | None = None) -> str:
        """The id of a flow of this file, mapped to the connections that are there."""
        choices = ImportChoices(values=values or {})
        report = await import_package(self.running.services, content, name, choices, self.running.owner)
        return report.flows[0].flow_id
