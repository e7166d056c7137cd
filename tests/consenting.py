"""Somebody who signs in at the sample's own provider."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent
from flowmend.use_cases.verify_connection import Verification
from running import Running

BROWSER = "the secret of this browser's session"
ADA = {"decision": "allow", "user": "ada", "password": "sunny-harbour"}


async def unfinished(running: Running) -> str:
    """A connection nobody has signed in to yet."""
    values = {"token:HostUrl": running.service.url, "client_secret": "sample-application-secret"}
    return await running.connect("sample_customers", **values)


async def answered(address: str, form: Mapping[str, str] = ADA) -> dict[str, str]:
    """The query of the redirect after somebody has answered the provider's page."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=form, allow_redirects=False) as answer,
    ):
        assert answer.status == 303, await answer.text()
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


async def consent(running: Running, connection_id: str, form: Mapping[str, str] = ADA) -> Verification:
    """What came of it when somebody signed in to the connection."""
    query = await answered(await begin_consent(running.services, connection_id, running.owner, BROWSER, ""), form)
    return await finish_consent(running.services, query, BROWSER)
