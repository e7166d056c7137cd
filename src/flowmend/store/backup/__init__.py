"""Backups: everything a database holds, as it was in one moment, in one file that fits either database.

`archive` is the file's form, `contents` what stands in it, `table_shapes` what the tables of a revision look like.
`making` writes one beside a running server; `loading` puts it into an empty database; `restoring` puts that in place.
"""

from flowmend.store.backup.contents import BackupReport, check_backup
from flowmend.store.backup.making import make_backup, note_made
from flowmend.store.backup.restoring import Restored, restore_backup

__all__ = [
    "BackupReport",
    "Restored",
    "check_backup",
    "make_backup",
    "note_made",
    "restore_backup",
]
