"""Rows as values: what the tables hold, for everyone above the store. Frozen; times aware, UTC."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from flowmend.core.connection.health import HealthState
from flowmend.core.json_value import Json

#: What a poll brings waits for its turn, for milliseconds, as held events do: nobody need be told.
_HELD_IN_PASSING = timedelta(seconds=1)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row read from or written to the store."""


class FlowState(StrEnum):
    """Whether a flow reacts to its trigger."""

    ON = "On"
    OFF = "Off"


class PersonRow(Row, frozen=True, kw_only=True):
    """Someone who may sign in to the portal; one owner for now."""

    person_id: str
    name: str
    email: str = ""
    language: str = ""
    created_at: datetime


class FlowRow(Row, frozen=True, kw_only=True):
    """A flow. sealed_access_key: signs its callback URLs. version: the latest. settings: ours, by name."""

    flow_id: str
    name: str
    packaging: str
    state: FlowState
    version: str
    owner_id: str
    sealed_access_key: bytes
    settings: Json
    created_at: datetime
    changed_at: datetime


class FlowVersionRow(Row, frozen=True, kw_only=True):
    """One version of a flow. document: the file as given, with the secrets written out in it sealed."""

    flow_id: str
    version: str
    document: Json
    created_at: datetime


class ConnectionMappingRow(Row, frozen=True, kw_only=True):
    """Which connection a flow's connection reference means; swapping it edits no flow."""

    flow_id: str
    reference: str
    connection_id: str


class RunRow(Row, frozen=True, kw_only=True):
    """A run's head. start: an encoded `RunStart` (payload). error_*: of the run, for lists and filters.

    failed_action, diagnosis_category, connection_id: of the first failed action with a diagnosis.
    epoch: who may write its journal; raised when another worker takes over. wake_at: when a run at rest
    goes on. origin_run: the run it resubmits. resubmitted_by: the person. started_by: trigger, person or schedule.
    journal_block: where its journal is packed, None while it has pages of its own. started_at: when its event came;
    begun_at: when it began where that was later, since the event was held or waited for its turn.
    """

    run_name: str
    flow_id: str
    version: str
    trigger_name: str
    status: str
    code: str = ""
    error_code: str = ""
    error_message: str = ""
    started_at: datetime
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    client_tracking_id: str
    origin_run: str = ""
    resubmitted_by: str = ""
    failed_action: str = ""
    diagnosis_category: str = ""
    connection_id: str = ""
    epoch: int = 1
    journal_block: int | None = None
    begun_at: datetime | None = None
    start: bytes

    @property
    def timed_from(self) -> datetime:
        """From when its duration counts."""
        return self.begun_at or self.started_at

    @property
    def held_for(self) -> timedelta | None:
        """How long its event was held before it began; None where it was not, or only for its turn in passing."""
        held = self.timed_from - self.started_at
        return held if held >= _HELD_IN_PASSING else None


class TriggerEventRow(Row, frozen=True, kw_only=True):
    """One firing (or check) of a trigger: its history entry. Kept until its run is done with.

    status: Succeeded, Skipped, Failed, or Waiting while held. event_name equals the run's name if it fired.
    outputs: payload. code: `ConnectionNeedsRepair` while held. origin_event: the event it resubmits.
    client_request_id: what the caller named its request, "" if it named none; a repeat is known by it.
    checks: how many checks of the same result in a row this one entry tells of; from started_at to ended_at.
    business_key: what a held event is about, "" where its flow has no word for it.
    """

    event_name: str
    flow_id: str
    trigger_name: str
    status: str
    code: str = ""
    fired: bool
    started_at: datetime
    ended_at: datetime | None = None
    scheduled_at: datetime | None = None
    tracking_id: str
    client_tracking_id: str
    client_request_id: str = ""
    run_name: str = ""
    origin_event: str = ""
    error_code: str = ""
    error_message: str = ""
    inputs: bytes = b""
    outputs: bytes = b""
    checks: int = 1
    business_key: str = ""


class TriggerStateRow(Row, frozen=True, kw_only=True):
    """Where a trigger stands: next due time and what it remembers.

    next_at: of a clock. poll_at: when a trigger that polls asks next. problem: the code with which its last check failed,
    "" where it did not.
    """

    flow_id: str
    trigger_name: str
    next_at: datetime | None
    last_at: datetime | None = None
    memory: Json = None
    poll_at: datetime | None = None
    problem: str = ""


class SubscriptionState(StrEnum):
    """Where a subscription stands. A row is there before anything is sent, so that none can be lost."""

    WANTED = "wanted"  # to be begun; the service may know of it already
    ACTIVE = "active"  # the service said that it is there
    ENDING = "ending"  # to be ended; the row goes when the service said that it is gone


class SubscriptionRow(Row, frozen=True, kw_only=True):
    """One subscription of a trigger with its service; outlives its flow until it is ended.

    fingerprint: of what was asked for; a flow that asks for something else gets another one. sealed_calls: how it is begun,
    renewed and ended. next_at: when something is to be done for it. code, message: why that failed last, "" if it did not.
    """

    subscription_id: str
    flow_id: str
    trigger_name: str
    state: str
    connection_id: str = ""
    fingerprint: str
    sealed_calls: bytes
    attempts: int = 0
    next_at: datetime | None
    expires_at: datetime | None = None
    created_at: datetime
    code: str = ""
    message: str = ""


class TrackedValueRow(Row, frozen=True, kw_only=True):
    """A tracked property of a run: how people find the run for order 4711."""

    run_name: str
    flow_id: str
    name: str
    value: str


class ConnectorRow(Row, frozen=True, kw_only=True):
    """An installed connector folder: its two documents, and the hosts and sign-in its secrets are bound to."""

    connector_id: str
    display_name: str
    definition: Json
    properties: Json
    fingerprint: str
    installed_at: datetime


class SignInAppRow(Row, frozen=True, kw_only=True):
    """Client id, secret or certificate, and tenant of one provider; a page of its own.

    sealed_secret: a client secret, or a certificate with its key. settings: ours, by name.
    """

    app_id: str
    connector_id: str
    client_id: str
    sealed_secret: bytes = b""
    tenant: str = ""
    settings: Json = None
    secret_expires_at: datetime | None = None
    created_at: datetime
    display_name: str = ""
    owner_id: str = ""


class AccountRow(Row, frozen=True, kw_only=True):
    """The person or principal connections are signed in as."""

    account_id: str
    connector_id: str
    name: str
    created_at: datetime


class ConnectionRow(Row, frozen=True, kw_only=True):
    """Someone's signed-in access to a connector.

    parameters: the values that are no secrets. sealed_credential: the current slot. sealed_candidate: the
    other slot, a new credential under test or the old one kept until the first good use. allowed_origins:
    the origins the credential is bound to. refused_*: the refusal as received, secrets removed.
    expires_at: of the access token; a refresh renews it. lasts_until: when somebody must act, for `lasts_until_kind`
    (`refresh_token`, `certificate`, `idle`, or `noted` by the owner). refreshed_at: when tokens were last renewed.
    shares_with: the connection whose credential this one uses, "" for its own.
    probe: the chosen probe (`core.connection.probe`). probe_is_trusted: it was seen to fail with a broken credential.
    doubts: answers in a row that neither proved nor refused the credential. sealed_failed_call: the safe form of the call that failed last.
    lease_holder, lease_until: which process renews the tokens just now.
    """

    connection_id: str
    connector_id: str
    display_name: str
    account_id: str = ""
    account_name: str = ""
    app_id: str = ""
    owner_id: str
    parameter_set: str = ""
    parameters: Json
    allowed_origins: Json
    sealed_credential: bytes = b""
    sealed_candidate: bytes = b""
    credential_version: int = 0
    health: HealthState
    health_changed_at: datetime
    last_good_at: datetime | None = None
    refused_at: datetime | None = None
    refused_code: str = ""
    refused_message: str = ""
    refused_category: str = ""
    refused_fixable_by: str = ""
    remedy: str = ""
    expires_at: datetime | None = None
    created_at: datetime
    changed_at: datetime
    shares_with: str = ""
    probe: Json = None
    probe_is_trusted: bool = False
    next_probe_at: datetime | None = None
    last_probe_at: datetime | None = None
    doubts: int = 0
    sealed_failed_call: bytes | None = None
    refreshed_at: datetime | None = None
    lasts_until: datetime | None = None
    lasts_until_kind: str = ""
    lease_holder: str = ""
    lease_until: datetime | None = None


class AttemptRow(Row, frozen=True, kw_only=True):
    """A verify attempt, counted across entrances."""

    connection_id: str
    at: datetime
    was_refused: bool


class TokenRow(Row, frozen=True, kw_only=True):
    """An API token; only its digest is kept."""

    token_id: str
    person_id: str
    digest: bytes
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class SessionRow(Row, frozen=True, kw_only=True):
    """A browser's sign-in; only the digest of its cookie is kept."""

    digest: bytes
    person_id: str
    created_at: datetime
    expires_at: datetime


class LoginLinkRow(Row, frozen=True, kw_only=True):
    """A link good for one sign-in within ten minutes; only its digest is kept."""

    digest: bytes
    person_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class AuditRow(Row, frozen=True, kw_only=True):
    """Who did what to which thing, or which secret was used where. details: values without secrets."""

    at: datetime
    person_id: str
    verb: str
    target: str
    details: Json = None


class SecretUseRow(Row, frozen=True, kw_only=True):
    """One use of a connection's secret. purpose: `call`, `refresh`, `probe`, `verify`, `repair_link` or `consent`.

    run_name, action: of a run's call, else "". host: where the secret went. outcome: the code the use ended with.
    """

    at: datetime
    connection_id: str
    purpose: str
    run_name: str = ""
    action: str = ""
    host: str
    outcome: str
