"""How long a credential lasts, as the columns of its connection tell it."""

from datetime import datetime
from enum import StrEnum

from flowmend.core.connection.credentials import CertificateCredential, Credential, OAuthCredential
from flowmend.store.rows import ConnectionRow


class LastsUntilKind(StrEnum):
    """What runs out when `lasts_until` has come, so that somebody must act."""

    REFRESH_TOKEN = "refresh_token"  # noqa: S105  the name of a kind
    CERTIFICATE = "certificate"
    IDLE = "idle"  # the provider withdraws what is not used
    NOTED = "noted"  # the owner wrote it down


def lifetime_columns(row: ConnectionRow, credential: Credential) -> dict[str, object]:
    """The columns that tell when this credential runs out. A date that the owner noted stands where nothing is known."""
    expires_at = credential.expires_at if isinstance(credential, OAuthCredential) else None
    until, kind = _until(credential)
    if until is None and row.lasts_until_kind in {LastsUntilKind.NOTED, LastsUntilKind.IDLE}:
        return {"expires_at": expires_at}
    return {"expires_at": expires_at, "lasts_until": until, "lasts_until_kind": kind}


def _until(credential: Credential) -> tuple[datetime | None, str]:
    if isinstance(credential, CertificateCredential):
        return credential.not_after, LastsUntilKind.CERTIFICATE.value
    if isinstance(credential, OAuthCredential) and credential.refresh_expires_at is not None:
        return credential.refresh_expires_at, LastsUntilKind.REFRESH_TOKEN.value
    return None, ""
