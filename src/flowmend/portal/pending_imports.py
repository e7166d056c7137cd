"""Uploaded files between their dry run and the word to import them."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_KEPT_FOR = timedelta(minutes=30)
_MOST_KEPT_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Files by name, kept in memory for whoever uploaded them. file_name: what to call them together."""

    files: Mapping[str, bytes] = field(repr=False)
    file_name: str
    person_id: str
    at: datetime

    @property
    def size(self) -> int:
        return sum(len(content) for content in self.files.values())


class PendingImports:
    """A few uploads, the oldest forgotten first; a restart forgets all, and the page then asks for the file again."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, Upload] = OrderedDict()

    def keep(self, upload: Upload) -> str:
        """Keeps the files and names it by a word nobody can guess."""
        self._forget(upload.at)
        kept = sum(one.size for one in self._uploads.values())
        while self._uploads and kept + upload.size > _MOST_KEPT_BYTES:
            _, oldest = self._uploads.popitem(last=False)
            kept -= oldest.size
        name = secrets.token_urlsafe(18)
        self._uploads[name] = upload
        return name

    def find(self, name: str, person_id: str, now: datetime) -> Upload | None:
        """The files, if this person uploaded it not long ago."""
        self._forget(now)
        upload = self._uploads.get(name)
        return upload if upload is not None and upload.person_id == person_id else None

    def drop(self, name: str) -> None:
        """It was imported."""
        self._uploads.pop(name, None)

    def _forget(self, now: datetime) -> None:
        for name in [name for name, upload in self._uploads.items() if now - upload.at > _KEPT_FOR]:
            del self._uploads[name]
