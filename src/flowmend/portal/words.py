"""Each status as the portal shows it: its own shape, colour and word, never colour alone."""

from dataclasses import dataclass

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Status
from flowmend.portal.language import marked
from flowmend.store.rows import FlowState

#: codes that say why something waits
HELD_CODE = "ConnectionNeedsRepair"
DOUBT_CODE = "ActionInDoubt"


@dataclass(frozen=True, slots=True)
class Look:
    """icon: a symbol of icons.svg. tone: `is-…` class. word: to be translated."""

    icon: str
    tone: str
    word: str
    spins: bool = False


SUCCEEDED = Look("ok", "good", marked("Succeeded"))
SUCCEEDED_WITH_RETRIES = Look("retries", "good", marked("Succeeded with retries"))
FAILED = Look("bad", "bad", marked("Failed"))
HELD = Look("held", "held", marked("Held"))
IN_DOUBT = Look("warn", "warn", marked("Needs your answer"))
NOT_REACHED = Look("none", "idle", marked("Not reached"))

_STATUS_LOOKS = {
    Status.SUCCEEDED: SUCCEEDED,
    Status.FAILED: FAILED,
    Status.FAULTED: FAILED,
    Status.TIMED_OUT: Look("wait", "bad", marked("Timed out")),
    Status.RUNNING: Look("run", "run", marked("Running"), spins=True),
    Status.WAITING: Look("wait", "held", marked("Waiting")),
    Status.PAUSED: Look("wait", "held", marked("Waiting")),
    Status.SUSPENDED: Look("wait", "held", marked("Waiting")),
    Status.SKIPPED: Look("skip", "idle", marked("Skipped")),
    Status.IGNORED: Look("skip", "idle", marked("Skipped")),
    Status.CANCELLED: Look("cancel", "idle", marked("Cancelled")),
    Status.ABORTED: Look("cancel", "idle", marked("Aborted")),
    Status.NOT_SPECIFIED: NOT_REACHED,
}

HEALTH_LOOKS = {
    HealthState.UNTESTED: Look("none", "idle", marked("Not tested yet")),
    HealthState.PENDING_CONSENT: Look("half", "warn", marked("Sign-in not finished")),
    HealthState.CONNECTED: Look("ok", "good", marked("Connected")),
    HealthState.SUSPECT: Look("run", "good", marked("Connected (checking)")),
    HealthState.BROKEN: Look("broken", "bad", marked("Needs repair")),
    HealthState.REPAIRING: Look("mend", "mend", marked("Repairing")),
}

_ON = Look("ok", "good", marked("On"))
_HOLDING = Look("held", "held", marked("On, holding events"))
_OFF = Look("power", "idle", marked("Off"))

#: checks of a trigger that started no run
CHECKS = Look("search", "idle", marked("Checks (no new data)"))

#: what the filter of All runs offers: query value → look; held events are no runs yet
RUN_FILTERS = {
    Status.SUCCEEDED.value: SUCCEEDED,
    Status.FAILED.value: FAILED,
    Status.RUNNING.value: _STATUS_LOOKS[Status.RUNNING],
    Status.WAITING.value: _STATUS_LOOKS[Status.WAITING],
    "Held": HELD,
    Status.CANCELLED.value: _STATUS_LOOKS[Status.CANCELLED],
    Status.TIMED_OUT.value: _STATUS_LOOKS[Status.TIMED_OUT],
}


#: the guide's words for the codes people meet most
_CODE_WORDS = {
    "Unauthorized": marked("Unauthorized"),
    "Forbidden": marked("Forbidden"),
    "BadRequest": marked("Bad request"),
    "NotFound": marked("Not found"),
    "InternalServerError": marked("Internal server error"),
    "BadGateway": marked("Bad gateway"),
    "ServiceUnavailable": marked("Service unavailable"),
    "GatewayTimeout": marked("Gateway timeout"),
}


#: what most connectors ask for, by its English title in lower case
_FIELD_WORDS = {
    "user name": marked("User name"),
    "username": marked("User name"),
    "password": marked("Password"),
    "api key": marked("API key"),
    "client id": marked("Client id"),
    "client secret": marked("Client secret"),
    "certificate": marked("Certificate"),
    "password of the certificate": marked("Password of the certificate"),
    "authorization header": marked("Authorization header"),
    "tenant": marked("Tenant"),
    "audience": marked("Audience"),
    "authority": marked("Authority"),
    "identity": marked("Identity"),
    "sign-in app for managed identities": marked("Sign-in app for managed identities"),
}


def field_words(title: str) -> str:
    """A connector's title of a field, as a text that can be translated where it is a usual one."""
    return _FIELD_WORDS.get(title.strip().lower(), "")


def code_in_words(code: str) -> str:
    """What a code means, to be translated; "" where it speaks for itself. `401 Unauthorized` is read too."""
    return _CODE_WORDS.get(code.rpartition(" ")[2], "")


def status_look(status: str, code: str = "", *, was_retried: bool = False) -> Look:
    """How a run's or an action's status is shown; a wait is told by its code."""
    if status == Status.WAITING and code == HELD_CODE:
        return HELD
    if status == Status.WAITING and code == DOUBT_CODE:
        return IN_DOUBT
    if status == Status.SUCCEEDED and was_retried:
        return SUCCEEDED_WITH_RETRIES
    return _STATUS_LOOKS.get(Status(status), NOT_REACHED) if status in set(Status) else NOT_REACHED


def flow_look(state: str, held: int = 0) -> Look:
    """How a flow's state is shown: On says whether its events are held."""
    if state != FlowState.ON:
        return _OFF
    return _HOLDING if held else _ON


def health_look(health: str) -> Look:
    """How a connection's health is shown."""
    return HEALTH_LOOKS[HealthState(health)]


@dataclass(frozen=True, slots=True)
class Tile:
    """A connector's or an action's sign: a glyph on a tint of one hue, never a third party's logo."""

    icon: str
    hue: int


_TILES_BY_WORD = (
    (("approval",), Tile("check", 280)),
    (("outlook", "office365", "mail", "smtp", "imap"), Tile("mail", 255)),
    (("sharepoint", "onedrive", "dropbox", "drive", "file", "blob", "box"), Tile("folder", 185)),
    (("sql", "database", "postgres", "mysql", "oracle", "dataverse", "commondata", "table"), Tile("db", 300)),
    (("teams", "slack", "chat", "message", "sms", "twilio"), Tile("chat", 280)),
    (("excel", "word", "pdf", "doc", "form"), Tile("doc", 185)),
    (("order", "shop", "cart", "commerce"), Tile("cart", 30)),
    (("freight", "ship", "parcel", "truck"), Tile("truck", 75)),
    (("pay", "card", "stripe", "bill"), Tile("card", 265)),
    (("salesforce", "crm", "cloud", "azure"), Tile("cloud", 220)),
    (("ftp", "http", "web", "rest"), Tile("globe", 150)),
)
_HUES = (30, 60, 75, 150, 185, 210, 220, 255, 280, 300)

_ACTION_TILES = {
    "Http": Tile("globe", 150),
    "Request": Tile("globe", 150),
    "Response": Tile("arrow", 150),
    "Compose": Tile("var", 300),
    "ParseJson": Tile("var", 300),
    "Query": Tile("filter", 300),
    "Select": Tile("list", 300),
    "Join": Tile("list", 300),
    "Table": Tile("list", 300),
    "If": Tile("branch", 280),
    "Switch": Tile("branch", 280),
    "Foreach": Tile("loop", 60),
    "Until": Tile("loop", 60),
    "Scope": Tile("scope", 215),
    "Wait": Tile("wait", 210),
    "Recurrence": Tile("wait", 210),
    "Terminate": Tile("stop", 30),
}


def connector_tile(connector: str) -> Tile:
    """A connector's tile, always the same one for the same name."""
    name = connector.lower()
    for words, tile in _TILES_BY_WORD:
        if any(word in name for word in words):
            return tile
    return Tile("plug", _HUES[sum(name.encode()) % len(_HUES)])


def action_tile(action_type: str, connector: str = "") -> Tile:
    """An action's tile: its connector's where it calls one, else its type's."""
    if connector:
        return connector_tile(connector)
    return _ACTION_TILES.get(action_type, Tile("var", 300))
