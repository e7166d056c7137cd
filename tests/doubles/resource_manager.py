"""Azure Resource Manager with Microsoft.SecurityInsights: incidents, their comments, entities and relations.

Source: learn.microsoft.com/rest/api/securityinsights, …/azure/azure-resource-manager/management/common-deployment-errors
"""

import re
from dataclasses import dataclass, field
from typing import Any

from doubles.service import Answer, Asked, Service, error, given

WORKSPACE = "/subscriptions/S1/resourceGroups/R1/providers/Microsoft.OperationalInsights/workspaces/W1"
INSIGHTS = f"{WORKSPACE}/providers/Microsoft.SecurityInsights"
_MUST_HAVE = ("title", "severity", "status")


@dataclass(kw_only=True)
class ResourceManager(Service):
    """incidents: by name. comments: (incident, comment id, text). alerts: entities of kind SecurityAlert."""

    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    comments: list[tuple[str, str, str]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on("GET", "/subscriptions", lambda _asked, _found: given({"value": [{"subscriptionId": "S1"}]}))
        base = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.OperationalInsights/workspaces/[^/]+"
        base += r"/providers/Microsoft\.SecurityInsights"
        self.on("GET", f"{base}/incidents", self._list)
        self.on("GET", f"{base}/incidents/([^/]+)", self._read)
        self.on("PUT", f"{base}/incidents/([^/]+)", self._put)
        self.on("PUT", f"{base}/incidents/([^/]+)/comments/([^/]+)", self._comment)
        self.on("GET", f"{base}/entities", lambda _asked, _found: given({"value": self.alerts}))
        self.on("GET", f"{base}/entities/([^/]+)/relations", self._relations)

    def add_incident(self, name: str, **properties: Any) -> dict[str, Any]:
        number = len(self.incidents) + 1
        known = {"title": f"Incident {number}", "severity": "High", "status": "New", "incidentNumber": number}
        incident = {
            "id": f"{INSIGHTS}/incidents/{name}",
            "name": name,
            "type": "Microsoft.SecurityInsights/incidents",
            "etag": f'"{number}"',
            "properties": {**known, "labels": [], **properties},
        }
        self.incidents[name] = incident
        return incident

    def add_alert(self, alert_id: str, **properties: Any) -> None:
        self.alerts.append(
            {"name": alert_id, "kind": "SecurityAlert", "properties": {"systemAlertId": alert_id, **properties}}
        )

    def refusal(self, asked: Asked) -> Answer | None:
        refused = super().refusal(asked)
        if refused is None and "api-version" not in asked.query:
            return error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        return refused

    def unauthorized(self, asked: Asked) -> Answer:
        return error(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge="Bearer")

    def _list(self, asked: Asked, _found: object) -> Answer:
        found = list(self.incidents.values())
        wanted = asked.query.get("$filter", "")
        number = re.search(r"properties/incidentNumber eq (\d+)", wanted)
        since = re.search(r"properties/createdTimeUtc ge ([^) ]+)", wanted)
        if number is not None:
            found = [one for one in found if one["properties"]["incidentNumber"] == int(number[1])]
        if since is not None:
            found = [one for one in found if one["properties"].get("createdTimeUtc", "") >= since[1]]
        return given({"value": sorted(found, key=lambda one: one["properties"].get("createdTimeUtc", ""))})

    def _read(self, asked: Asked, found: re.Match[str]) -> Answer:
        incident = self.incidents.get(found[1])
        return given(incident) if incident is not None else self.nothing_there(asked)

    def _put(self, asked: Asked, found: re.Match[str]) -> Answer:
        properties = (asked.body or {}).get("properties", {})
        missing = next((name for name in _MUST_HAVE if not properties.get(name)), None)
        if missing is not None:
            return error(400, "BadRequest", f"The property '{missing}' is required.")
        known = self.incidents[found[1]]
        if asked.body.get("etag") not in {None, known["etag"]}:
            return error(409, "Conflict", "Newer instance of the incident exists.")
        known |= {"properties": {**known["properties"], **properties}, "etag": known["etag"][:-1] + '1"'}
        return given(known)

    def _comment(self, asked: Asked, found: re.Match[str]) -> Answer:
        if found[1] not in self.incidents:
            return error(404, "NotFound", f"Incident '{found[1]}' does not exist.")
        message = (asked.body or {}).get("properties", {}).get("message")
        if not message:
            return error(400, "BadRequest", "The comment has no message.")
        self.comments.append((found[1], found[2], message))
        return given({"name": found[2], "properties": {"message": message}}, 201)

    def _relations(self, _asked: Asked, _found: object) -> Answer:
        name = next(iter(self.incidents), "none")
        related = {"relatedResourceId": f"{INSIGHTS}/incidents/{name}", "relatedResourceName": name}
        return given({"value": [{"name": "r1", "properties": {**related, "relatedResourceKind": "Incident"}}]})
