"""A Flowmend beside a real authorization server, and people who sign in there."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from authorization_server import CLIENT, CLIENT_SECRET, Provider, connector_documents
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification
from running import Open, Running

BROWSER = "the secret of this browser's session"


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    found.start()
    yield found
    found.stop()


def host_of(provider: Provider) -> str:
    return provider.url.partition("//")[2]


async def opened_at(open_flowmend: Open, provider: Provider) -> Running:
    """A Flowmend that may call the provider, with a connector to its API."""
    running = await open_flowmend(allowed_private_hosts=frozenset({host_of(provider)}))
    await install_connector_documents(running.services, "provider", *connector_documents(provider.url), running.owner)
    return running


async def signed_in(running: Running, user: str = "ada", *, app_id: str = "", name: str = "Provider") -> str:
    """The id of a connection that somebody has signed in to."""
    connection_id = await unfinished(running, app_id=app_id, name=name)
    await sign_in_again(running, connection_id, user)
    return connection_id


async def unfinished(running: Running, *, app_id: str = "", name: str = "Provider") -> str:
    """The id of a connection that nobody has signed in to."""
    values = {} if app_id else {"client_id": CLIENT, "client_secret": CLIENT_SECRET}
    view = await create_connection(
        running.services, "provider", name, values, running.owner, parameter_set="person", app_id=app_id
    )
    return view.row.connection_id


async def sign_in_again(running: Running, connection_id: str, user: str = "ada") -> Verification:
    """What came of it when somebody signed in to the connection in the browser."""
    address = await begin_consent(running.services, connection_id, running.owner, BROWSER, "")
    return await finish_consent(running.services, await answered(address, user), BROWSER)


async def answered(address: str, user: str = "ada") -> dict[str, str]:
    """The query of the redirect after somebody has allowed it at the provider."""
    form = {"decision": "allow", "user": user, "password": user * 2}
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=form, allow_redirects=False) as answer,
    ):
        assert answer.status == 302, await answer.text()
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
