"""Test a credential by one harmless call, and say what it proved.

Which call that is, `core.connection.probe` says. What the owner chose and the connector declares is believed; a guess may be
public, so it proves something only if the same call without a credential is refused, which is remembered. OAuth without
a probe is proven by its token endpoint. Everything else is judged by runs.
"""

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from flowmend.core.connection.credentials import Credential
from flowmend.core.connection.probe import (
    NO_PROBE,
    Probe,
    ProbeKind,
    ProbeMemory,
    SafeCall,
    decode_memory,
    encode_memory,
    probes_of,
)
from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector import Connector, SignInKind, fill_url
from flowmend.core.connector.server import WITHOUT_SERVER
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.failed_calls import failed_call
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import (
    CredentialTest,
    answers_anybody,
    probe_once,
    refused_by_provider,
    shown_address,
)
from flowmend.use_cases.protocol_sign_in import SIGN_IN, try_sign_in
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.secret_uses import Purpose, note_use

__all__ = ["CredentialTest", "TestPlan", "plan_test", "test_credential", "test_opened"]

#: So many guesses are tried in one test; each costs two calls.
_MOST_GUESSES = 3
_GUESSES = frozenset({ProbeKind.INFERRED, ProbeKind.FAILED_CALL})
_NOT_TESTABLE = "This connector offers no call that could test a credential; runs will show whether it works."
_PUBLIC = "The only call that could test this credential answers without one, so it proves nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPlan:
    """What a test would call. url_hint: without query, and without what a run had put into its path.

    kind: where the probe comes from; a refresh calls the token endpoint. is_trusted: False of a guess until it was seen
    to refuse without a good credential.
    """

    __test__: ClassVar[bool] = False  # not a class of tests

    operation_id: str
    method: str
    url_hint: str
    sentence: str
    kind: ProbeKind = ProbeKind.DECLARED
    is_trusted: bool = True
    arguments: Mapping[str, Json] = field(default_factory=dict)

    @property
    def is_inferred(self) -> bool:
        return self.kind is ProbeKind.INFERRED


def plan_test(connector: Connector, row: ConnectionRow, *, failed: SafeCall | None = None) -> TestPlan | None:
    """What would test a connection; None where nothing can. failed: the call it refused last, where that is known."""
    if connector.protocol != "http":
        return _plan_of_sign_in(connector, row)
    sign_in = connector.method_named(row.parameter_set)
    memory = decode_memory(row.probe)
    can_refresh = sign_in.kind in {SignInKind.OAUTH2, SignInKind.CLIENT_CREDENTIALS}
    probe = next(probes_of(connector, memory, failed_call=failed, can_refresh=can_refresh, kind=sign_in.kind), NO_PROBE)
    if probe.kind is ProbeKind.NONE:
        return None
    if probe.kind is ProbeKind.REFRESH:
        address = _token_address(sign_in.oauth.refresh_url, row) if sign_in.oauth is not None else ""
        sentence = "The token endpoint must give new tokens."
        return TestPlan(operation_id="token", method="POST", url_hint=address, sentence=sentence, kind=probe.kind)
    method, address = shown_address(connector, probe.call, row.parameters or {})
    return TestPlan(
        operation_id=probe.call.operation_id,
        method=method,
        url_hint=address,
        sentence=f"{method} {address} must answer.",
        kind=probe.kind,
        is_trusted=memory.trusts(probe),
        arguments=probe.call.arguments if probe.kind in {ProbeKind.DECLARED, ProbeKind.CHOSEN} else {},
    )


def _token_address(template: str, row: ConnectionRow) -> str:
    """Where tokens come from; as far as it is known while the sign-in app that names its directory is not."""
    address = fill_url(template, row.parameters or {})
    scheme, between, rest = address.partition("://")
    return f"{scheme}{between}{rest.partition('//')[0]}"


def _plan_of_sign_in(connector: Connector, row: ConnectionRow) -> TestPlan:
    origin = next(iter(row.allowed_origins or ()), "")
    if connector.protocol in WITHOUT_SERVER:
        address = origin.partition(":")[2]
        sentence = f"{address or connector.display_name} must be there."
    else:
        address = origin.partition("://")[2]
        sentence = f"Signing in to {address} must succeed."
    return TestPlan(operation_id=SIGN_IN, method=connector.protocol.upper(), url_hint=address, sentence=sentence)


async def test_credential(
    services: Services, connector: Connector, connection_row: ConnectionRow, credential: Credential
) -> CredentialTest:
    """Try a credential, which need not be the stored one, on a connection as this row says it is.

    Where a call had been refused, that very call is made again once the credential is proven otherwise. An access token
    that has aged is refreshed first where it is the stored one, and kept.
    Errors: SecretUnreadable, Conflict where what is stored cannot be opened; AskedWrongly where a parameter names no server.
    """
    test, _ = await test_opened(services, open_connection(connection_row, connector, credential))
    return test


async def test_opened(services: Services, opened: OpenedConnection) -> tuple[CredentialTest, OpenedConnection]:
    """As `test_credential`; with the connection as it was left, newer tokens and all. Errors: as that."""
    began = time.perf_counter()
    attempt = _Attempt(services, opened)
    test = await attempt.made()
    if test.operation_id or test.status_code is not None:  # else nothing was sent
        note_use(services, opened.holder, Purpose.PROBE, outcome=test.code)
    return dataclasses.replace(test, duration_ms=round((time.perf_counter() - began) * 1000)), attempt.opened


class _Attempt:
    """One test under way. opened: with newer tokens once they were refreshed."""

    def __init__(self, services: Services, opened: OpenedConnection) -> None:
        self._services = services
        self.opened = opened
        self._is_refreshed = False
        self._failed = failed_call(services.vault, opened.row)

    async def made(self) -> CredentialTest:
        if self.opened.connector.protocol != "http":
            return await try_sign_in(self._services, self.opened)
        oauth = self.opened.oauth
        if oauth is not None and oauth.is_due(self._services.clock.now) and (refusal := await self._refreshed()):
            return refusal
        memory = decode_memory(self.opened.row.probe)
        test: CredentialTest | None = None
        guesses = 0
        for probe in self._probes(memory):
            if probe.kind is ProbeKind.INFERRED and (guesses := guesses + 1) > _MOST_GUESSES:
                break
            test, memory = await self._by(probe, memory)
            # A guess that neither proves nor refuses may ask for too much, or for what is gone: the next one may tell.
            is_away = test.is_testable and test.status_code is None
            if probe.kind not in _GUESSES or test.is_proven or test.is_refused or test.is_transient or is_away:
                return await self._replayed(test)
        if test is not None and test.code == "NotTestable":
            return test
        return CredentialTest(is_testable=False, is_proven=False, code="NotTestable", message=_NOT_TESTABLE)

    def _probes(self, memory: ProbeMemory) -> tuple[Probe, ...]:
        opened = self.opened
        return tuple(
            probes_of(
                opened.connector,
                memory,
                failed_call=self._failed,
                can_refresh=opened.oauth is not None and self._can_refresh(),
                kind=opened.method.kind,
            )
        )

    async def _by(self, probe: Probe, memory: ProbeMemory) -> tuple[CredentialTest, ProbeMemory]:
        if probe.kind is ProbeKind.REFRESH:
            refusal = None if self._is_refreshed else await self._refreshed()
            # Where nothing was stored yet, the token endpoint has just issued what is tested.
            good = CredentialTest(
                is_testable=True, is_proven=True, operation_id="token", code="OK", kind=ProbeKind.REFRESH
            )
            return refusal or good, memory
        test = await probe_once(self._services, self.opened, probe)
        if test.is_refused and not self._is_refreshed and self.opened.oauth is not None:
            stale = self.opened  # its token may only have aged: once more with a new one, as for a run's call
            if (refusal := await self._refreshed()) is not None:
                return refusal, memory
            if self.opened is not stale:
                test = await probe_once(self._services, self.opened, probe)
        if memory.trusts(probe):
            return test, memory
        if not test.is_proven:
            return dataclasses.replace(test, is_trusted=False), memory
        is_public = await answers_anybody(self._services, self.opened, probe)
        memory = memory.has_seen(probe, refusing=not is_public)
        self._keep(probe, refusing=not is_public)
        if is_public:
            test = dataclasses.replace(test, is_testable=False, is_proven=False, code="NotTestable", message=_PUBLIC)
        return test, memory

    def _keep(self, probe: Probe, *, refusing: bool) -> None:
        """Remember what was seen, beside what the owner may have chosen meanwhile."""
        connections, connection_id = self._services.store.connections, self.opened.row.connection_id
        row = connections.get(connection_id)
        if row is not None:
            memory = decode_memory(row.probe).has_seen(probe, refusing=refusing)
            connections.change(connection_id, probe=encode_memory(memory), probe_is_trusted=refusing)

    async def _replayed(self, test: CredentialTest) -> CredentialTest:
        """The test, and what the very call that had failed says now: it is what its owner waits for."""
        opened = self.opened
        if test.is_proven and test.kind is ProbeKind.FAILED_CALL:
            return dataclasses.replace(test, replayed=test.status_code)
        if not test.is_proven or self._failed is None:
            return test
        wanted = (probe for probe in self._probes(ProbeMemory()) if probe.kind is ProbeKind.FAILED_CALL)
        probe = next(wanted, None)
        if probe is None:
            return test
        again = await probe_once(self._services, opened, probe)
        if again.is_refused:
            return again
        return dataclasses.replace(test, replayed=again.status_code)

    def _stored(self) -> ConnectionRow | None:
        """The row whose credential is tested, where it is the stored one."""
        row = self._services.store.connections.get(self.opened.row.connection_id)
        holder = credential_holder(self._services, row) if row is not None else None
        if holder is None or not holder.sealed_credential:
            return None
        is_it = open_credential(self._services.vault, holder) == self.opened.credential
        return holder if is_it else None

    def _can_refresh(self) -> bool:
        """Whether the token endpoint says something of this credential: it has just issued it, or can renew it."""
        oauth = self.opened.oauth
        if oauth is not None and oauth.refresh_token:
            return True
        return self.opened.method.kind is SignInKind.CLIENT_CREDENTIALS or self._stored() is None

    async def _refreshed(self) -> CredentialTest | None:
        """New tokens for the stored ones, or how the test ends without them; another credential stays as it is."""
        opened = self.opened
        holder = self._stored()
        renews_itself = opened.method.kind is SignInKind.CLIENT_CREDENTIALS
        if holder is None or opened.oauth is None or not (opened.oauth.refresh_token or renews_itself):
            return None
        row = self._services.store.connections.get(opened.row.connection_id)
        stale = open_connection(row or opened.row, opened.connector, opened.credential, holder=holder)
        fresh: OpenedConnection | SignInRefusal = await self._services.operations.refresher.refreshed(
            self._services, stale
        )
        if isinstance(fresh, SignInRefusal):
            return refused_by_provider(fresh)
        self.opened, self._is_refreshed = fresh, True
        return None
