"""The settings page in its states."""

from dataclasses import replace
from datetime import datetime, timedelta

from flowmend.portal.pages.settings import SettingsPage
from flowmend.use_cases.after_restore import BackupState

_KEY = "/var/lib/flowmend/flowmend.key"


def settings_pages(now: datetime) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}."""
    page = SettingsPage(
        base_url="http://127.0.0.1:8080",
        backup_command="flowmend backup . --data /var/lib/flowmend",
        key_file=_KEY,
        key_is_given=False,
        backup=BackupState(),
    )
    made = BackupState(last_made_at=now - timedelta(hours=9), last_path="/backups/flowmend-20261117-001200.backup")
    restored = BackupState(
        restored_at=now - timedelta(minutes=3),
        restored_from=now - timedelta(days=2),
        flows=[("f1", "Order received"), ("f2", "Nightly sync")],
        runs=12,
        events=3,
    )
    cases = {
        "settings": replace(page, backup=made),
        "settings-no-backup": page,
        "settings-restored": replace(page, key_is_given=True, backup=restored),
        "settings-stay-off": replace(page, backup=_mostly_on(restored), stay_off=[("Order received", "It stays off.")]),
    }
    return {name: ("settings.html", "settings", {"page": case}) for name, case in cases.items()}


def _mostly_on(state: BackupState) -> BackupState:
    """The state once all but one flow went on."""
    return BackupState(restored_at=state.restored_at, restored_from=state.restored_from, flows=state.flows[:1])
