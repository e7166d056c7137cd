"""How long a credential lasts, as the columns of its connection tell it."""

from datetime import datetime

from flowmend.core.connection.credentials import CertificateCredential, Credential, OAuthCredential
from flowmend.core.connection.forecast import EndKind
from flowmend.store.rows import ConnectionRow


def lifetime_columns(row: ConnectionRow, credential: Credential) -> dict[str, object]:
    """The columns that tell when this credential runs out. A date that the owner noted stands where nothing is known."""
    expires_at = credential.expires_at if isinstance(credential, OAuthCredential) else None
    until, kind = _until(credential)
    if until is None and row.lasts_until_kind in {EndKind.NOTED, EndKind.IDLE}:
        return {"expires_at": expires_at}
    return {"expires_at": expires_at, "lasts_until": until, "lasts_until_kind": kind}


def _until(credential: Credential) -> tuple[datetime | None, str]:
    if isinstance(credential, CertificateCredential):
        return credential.not_after, EndKind.CERTIFICATE.value
    if isinstance(credential, OAuthCredential) and credential.refresh_expires_at is not None:
        return credential.refresh_expires_at, EndKind.REFRESH_TOKEN.value
    return None, ""
