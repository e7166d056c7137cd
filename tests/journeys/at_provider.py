"""A running `flowmend up` beside a real authorization server, met as its users meet it."""

from pathlib import Path
from typing import Any

from authorization_server import CLIENT, CLIENT_SECRET, Provider, connector_documents
from journeys.demonstration import Demonstration


class AtProvider(Demonstration):
    """A Flowmend of its own that may call the provider, with a connector to the provider's API."""

    def __init__(self, data: Path, provider: Provider) -> None:
        super().__init__(data)
        self.provider = provider
        self.service_url = provider.url

    def install(self) -> None:
        """Bring the connector onto the server."""
        definition, properties = connector_documents(self.provider.url)
        self.post("/connectors", {"name": "provider", "definition": definition, "properties": properties})

    def new_app(self, name: str, client_secret: str = CLIENT_SECRET) -> str:
        """The id of a new sign-in app."""
        body = {"connector": "provider", "display_name": name, "client_id": CLIENT, "client_secret": client_secret}
        return str(self.post("/sign_in_apps", body)["id"])

    def signed_in(self, app_id: str, name: str, user: str) -> str:
        """The id of a connection that somebody has signed in to with a code."""
        body = {"connector": "provider", "display_name": name, "parameter_set": "person", "sign_in_app": app_id}
        connection_id = str(self.post("/connections", body)["id"])
        begun = self.post(f"/connections/{connection_id}/device_sign_in", {})
        self.provider.answer_device(begun["user_code"], user)
        path = f"/connections/{connection_id}/device_sign_in/check"
        self._until(lambda: self.post(path)["is_kept"], f"{name} is signed in to")
        return connection_id

    def read(self, connection_id: str) -> Any:
        """A connection as the API gives it."""
        return self.get(f"/connections/{connection_id}")

    def _serving(self) -> list[str]:
        return ["up", "--port", str(self.port)]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "FLOWMEND_ALLOWED_PRIVATE_HOSTS": self.provider.url.partition("//")[2]}
