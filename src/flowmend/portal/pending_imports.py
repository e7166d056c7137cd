"""Uploaded files between their dry run and the word to import them."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

_KEPT_FOR = timedelta(minutes=30)
_MOST_KEPT_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file, kept in memory for whoever uploaded it."""

    content: bytes
    file_name: str
    person_id: str
    at: datetime


class PendingImports:
    """A few uploads, the oldest forgotten first; a restart forgets all, and the page then asks for the file again."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def keep(self, upload: Upload) -> str:
        """Keeps the file and names it by a word nobody can guess."""
        self._forget(upload.at)
        kept = sum(len(one.content) for one in self._uploads.values())
        while self._uploads and kept + len(upload.content) > _MOST_KEPT_BYTES:
            _, oldest = self._uploads.popitem(last=False)
            kept -= len(oldest.content)
        name = secrets.token_urlsafe(18)
        self._uploads[name] = upload
        return name

    def find(self, name: str, person_id: str, now: datetime) -> Upload | None:
        """The file, if this person uploaded it not long ago."""
        self._forget(now)
        upload = self._uploads.get(name)
        return upload if upload is not None and upload.person_id == person_id else None

    def drop(self, name: str) -> None:
        """It was imported."""
        self._uploads.pop(name, None)

    def _forget(self, now: datetime) -> None:
        for name in [name for name, upload in self._uploads.items() if now - upload.at > _KEPT_FOR]:
            del self._uploads[name]
