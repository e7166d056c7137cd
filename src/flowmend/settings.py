"""Settings: the environment read once into one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from flowmend.core.errors import AskedWrongly

MEGABYTE = 1024 * 1024
_MOST_DAYS = 36_500
_SECRET_USES_DAYS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over. security: `tls`, `starttls` or `none`. port: 0 for the usual one. user: "" where nobody signs in."""

    host: str
    port: int
    security: str
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"MailServer(host={self.host!r}, port={self.port}, security={self.security!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this Flowmend runs.

    data: the folder with database and key file. database_url: SQLAlchemy URL, "" means SQLite in `data`.
    public_url: what links in pages and mails begin with, no trailing slash. trusted_proxies: addresses whose
    X-Forwarded-* headers count. master_key: base64 key from the environment, "" means the key file.
    allowed_private_hosts: `host:port` of private or loopback addresses that flows may call. caller_waits_seconds: how
    long a synchronous caller waits for the Response action (wdl.md §8). max_definition_bytes: of a flow edited as
    text. run_duration_days: how long a run may take, 0 for any time, None for as long as the flow's own service lets it
    (wdl.md §6). history_days: how long runs and trigger events are kept, 0 for ever; a flow may say otherwise.
    held_days: how long events are held for a repair, 0 for ever; a flow may say otherwise.
    secret_uses_days: how long the uses of secrets are kept, 0 for ever. probe_period_minutes: how often a
    connection is probed that no good call has proven meanwhile, 0 for never. probe_ahead_minutes: how long before a
    scheduled run its connections are probed, 0 for not at all. diagnosis_rules: a file or folder of an operator's own
    rules of diagnosis. files_roots: folders of this machine whose files connections may be made to, none by default.
    mail: the server that messages to people go through, None for none. mail_from: their sender. notice_delay_seconds: how long a
    connection is broken before people are told. repair_waits_minutes: how long a repair plan that nobody starts keeps events back.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 8080
    database_url: str = ""
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    master_key: str = ""
    allowed_private_hosts: frozenset[str] = frozenset()
    max_body_bytes: int = MEGABYTE
    max_trigger_body_bytes: int = 10 * MEGABYTE
    max_import_bytes: int = 100 * MEGABYTE
    max_definition_bytes: int = 10 * MEGABYTE
    caller_waits_seconds: float = 120.0
    run_duration_days: int | None = None
    history_days: int = 0
    held_days: int = 0
    secret_uses_days: int = _SECRET_USES_DAYS
    probe_period_minutes: int = 360
    probe_ahead_minutes: int = 120
    diagnosis_rules: Path | None = None
    files_roots: tuple[Path, ...] = ()
    mail: "MailServer | None" = None
    mail_from: str = ""
    notice_delay_seconds: int = 30
    repair_waits_minutes: int = 15

    def __repr__(self) -> str:
        return f"Settings(data={str(self.data)!r}, host={self.host!r}, port={self.port!r})"

    @property
    def base_url(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"


def read_settings(environment: Mapping[str, str], **overrides: object) -> Settings:
    """The settings of `FLOWMEND_*` variables, each replaced by the override that is not None.

    Errors: AskedWrongly naming the variable whose value does not read.
    """
    kept_days = _days(environment, "FLOWMEND_SECRET_USES_DAYS")
    chosen = {name: value for name, value in overrides.items() if value is not None}
    found: dict[str, object] = {
        "data": Path(environment.get("FLOWMEND_DATA", "flowmend-data")),
        "host": environment.get("FLOWMEND_HOST", "127.0.0.1"),
        "port": _whole_number(environment, "FLOWMEND_PORT", 8080),
        "database_url": environment.get("FLOWMEND_DATABASE_URL", ""),
        "public_url": environment.get("FLOWMEND_PUBLIC_URL", "").rstrip("/"),
        "trusted_proxies": _names(environment, "FLOWMEND_TRUSTED_PROXIES"),
        "master_key": environment.get("FLOWMEND_MASTER_KEY", ""),
        "allowed_private_hosts": frozenset(_names(environment, "FLOWMEND_ALLOWED_PRIVATE_HOSTS")),
        "run_duration_days": _days(environment, "FLOWMEND_RUN_DURATION_DAYS"),
        "history_days": _days(environment, "FLOWMEND_HISTORY_DAYS") or 0,
        "held_days": _days(environment, "FLOWMEND_HELD_DAYS") or 0,
        "secret_uses_days": _SECRET_USES_DAYS if kept_days is None else kept_days,
        "probe_period_minutes": _whole_number(environment, "FLOWMEND_PROBE_PERIOD_MINUTES", 360),
        "probe_ahead_minutes": _whole_number(environment, "FLOWMEND_PROBE_AHEAD_MINUTES", 120),
        "diagnosis_rules": Path(named) if (named := environment.get("FLOWMEND_DIAGNOSIS_RULES", "")) else None,
        "files_roots": _folders(environment, "FLOWMEND_FILES_ROOTS"),
        "mail": _mail_server(environment, "FLOWMEND_SMTP_URL"),
        "mail_from": environment.get("FLOWMEND_MAIL_FROM", ""),
        "notice_delay_seconds": _whole_number(environment, "FLOWMEND_NOTICE_DELAY_SECONDS", 30),
        "repair_waits_minutes": _whole_number(environment, "FLOWMEND_REPAIR_WAITS_MINUTES", 15),
        "max_trigger_body_bytes": _whole_number(environment, "FLOWMEND_MAX_TRIGGER_BODY_BYTES", 10 * MEGABYTE),
    }
    return Settings(**(found | chosen))  # type: ignore[arg-type]  # each value is read by its own line above


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise AskedWrongly(f"{name} must be a whole number, not {text!r}.", code="InvalidSetting", target=name)
    return int(text)


def _days(environment: Mapping[str, str], name: str) -> int | None:
    if not environment.get(name):
        return None
    days = _whole_number(environment, name, 0)
    if days > _MOST_DAYS:
        raise AskedWrongly(f"{name} must be at most {_MOST_DAYS}, not {days}.", code="InvalidSetting", target=name)
    return days


def _mail_server(environment: Mapping[str, str], name: str) -> MailServer | None:
    """Errors: AskedWrongly, which does not repeat the value: it holds a password."""
    text = environment.get(name, "").strip()
    if not text:
        return None
    wanted = "smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:PORT (with ?security=none for no encryption)"
    wrong = AskedWrongly(f"{name} must be {wanted}.", code="InvalidSetting", target=name)
    try:
        parts = urlsplit(text)
        port = parts.port or 0
    except ValueError:
        raise wrong from None
    security = _mail_security(parts)
    if not security or not parts.hostname or parts.path.strip("/"):
        raise wrong
    return MailServer(
        host=parts.hostname,
        port=port,
        security=security,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _mail_security(parts: SplitResult) -> str:
    """Empty where the address asks for none that there is."""
    asked = parse_qs(parts.query).get("security", [""])[-1]
    if parts.scheme == "smtps":
        return "tls" if asked in {"", "tls"} else ""
    if parts.scheme != "smtp":
        return ""
    return asked if asked in {"starttls", "none", "tls"} else "" if asked else "starttls"


def _folders(environment: Mapping[str, str], name: str) -> tuple[Path, ...]:
    folders = tuple(Path(part).expanduser() for part in _names(environment, name))
    wrong = next((folder for folder in folders if not folder.is_absolute()), None)
    if wrong is not None:
        raise AskedWrongly(
            f"{name} must name folders by their full paths, not {wrong}.", code="InvalidSetting", target=name
        )
    return folders


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())
