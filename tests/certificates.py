"""A certificate authority for the tests, and who it vouches for."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme


class Authority:
    """A CA with a server certificate for this machine. folder: where the files lie."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.root = folder / "root.pem"
        self._ca.cert_pem.write_to_path(self.root)
        server = self._ca.issue_cert("localhost", "127.0.0.1")
        self.server_chain, self.server_key = folder / "server.pem", folder / "server.key"
        server.private_key_pem.write_to_path(self.server_key)
        for blob in server.cert_chain_pems:
            blob.write_to_path(self.server_chain, append=True)
        self.server_key.chmod(0o600)

    def server_context(self, *, asks_for_client: bool = False) -> ssl.SSLContext:
        """asks_for_client: only who shows a certificate of this CA gets in."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.server_chain, self.server_key)
        if asks_for_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.root)
        return context

    def client(self, name: str, *, until: datetime | None = None) -> tuple[str, str]:
        """(certificate, key) as PEM texts."""
        issued = self._ca.issue_cert(common_name=name, not_after=until or datetime(2099, 1, 1, tzinfo=UTC))
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return chain.decode(), issued.private_key_pem.bytes().decode()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted_authority(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """The CA, trusted by this process as if its system did."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    return authority
