"""ContentLink: where a record's inputs or outputs can be read without a bearer token (rest-api.md §4)."""

import base64
import hashlib
from typing import Protocol

import msgspec

from flowmend.core.json_value import Json

_encoder = msgspec.json.Encoder(decimal_format="number")


class ContentHash(msgspec.Struct, frozen=True, kw_only=True):
    """algorithm: `md5`, as the surface has it; it detects damage, it protects nothing."""

    algorithm: str
    value: str


class ContentLink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """content_size: bytes that the link answers with. content_hash: their MD5 in base64.

    Lists give the address alone: to know the rest is to read the content.
    """

    uri: str
    content_version: str | None = None
    content_size: int | None = None
    content_hash: ContentHash | None = None


class Contents(Protocol):
    """Makes the signed address of a run's content."""

    def uri(self, place: str, kind: str) -> str:
        """place: "" for the run's trigger and response, `actions/A` or `actions/A/repetitions/000000`.
        kind: `TriggerInputs`, `TriggerOutputs`, `ActionInputs` or `ActionOutputs`.
        """
        ...


def content_bytes(content: Json) -> bytes:
    """The very bytes a content link answers with."""
    return _encoder.encode(content)


def content_digest(content: bytes) -> str:
    """MD5 in base64."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def content_link(contents: Contents, place: str, kind: str, content: Json) -> ContentLink | None:
    """The link to a content, None where there is none."""
    if content is None:
        return None
    encoded = content_bytes(content)
    digest = content_digest(encoded)
    return ContentLink(
        uri=contents.uri(place, kind),
        content_version=f'"{digest}"',
        content_size=len(encoded),
        content_hash=ContentHash(algorithm="md5", value=digest),
    )
