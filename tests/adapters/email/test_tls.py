"""TLS as an administrator meets it: a good certificate, an unknown one, another name's."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.model.clock import utc_now
from tests.adapters.case_files import part_of, read_cases
from tests.adapters.email.fetching import channel, imap, mail, pulling
from tests.adapters.email.proxy import CuttingProxy
from tests.servers import DovecotServer


@dataclass
class Certificate:
    """A self-signed certificate for 127.0.0.1 in one file with its key."""

    path: Path

    def server(self) -> ssl.SSLContext:
        """Return the server's context."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.path)
        return made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail test")])
    now = utc_now()
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return Certificate(path)


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The same certificate, known to the machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate


class _Handler:
    def __init__(self) -> None:
        self.got: list[Envelope] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        self.got.append(envelope)
        return "250 OK"


@asynccontextmanager
async def submission(
    certificate: Certificate, security: str
) -> AsyncIterator[tuple[_Handler, dict[str, Any]]]:
    """Run a submission server; yields what it got and how to reach it."""
    handler, loop = _Handler(), asyncio.get_running_loop()
    starttls = certificate.server() if security == "starttls" else None

    def session() -> SMTP:
        return SMTP(
            handler, hostname="t", tls_context=starttls, require_starttls=bool(starttls), loop=loop
        )

    tls = certificate.server() if security == "tls" else None
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield handler, {"host": "127.0.0.1", "port": port, "security": security}


PART = part_of(next(case for case in read_cases("email", "out") if case.name == "answer"))


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_smtp_over_tls(trusted: Certificate, security: str) -> None:
    async with submission(trusted, security) as (handler, smtp):
        await channel(smtp=smtp, listener={}).send(PART)
        assert len(handler.got) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_smtp_to_a_server_nobody_vouches_for(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, security: str, host: str
) -> None:
    if host == "localhost":  # known, but it is another name's certificate
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    async with submission(certificate, security) as (handler, smtp):
        report = await channel(smtp={**smtp, "host": host}, listener={}).probe()
        assert (report.ok, report.code) == (False, "certificate_refused")
        assert handler.got == []


async def test_imap_over_tls(trusted: Certificate, dovecot: DovecotServer) -> None:
    dovecot.deliver("tls", mail(1))
    async with CuttingProxy(dovecot.imap_port, tls=trusted.server()) as proxy:
        config = imap(dovecot, "tls", port=proxy.port, security="tls")
        async with pulling(channel(imap=config)) as pull:
            assert await pull.subjects(1) == ["1"]
            waiting = asyncio.ensure_future(pull.subjects(1))
            await asyncio.to_thread(dovecot.deliver, "tls", mail(2))
            assert await waiting == ["2"]


async def test_imap_at_a_server_nobody_vouches_for(
    certificate: Certificate, dovecot: DovecotServer
) -> None:
    async with CuttingProxy(dovecot.imap_port, tls=certificate.server()) as proxy:
        config = imap(dovecot, "tls", port=proxy.port, security="tls")
        report = await channel(imap=config).probe()
        assert (report.ok, report.code) == (False, "certificate_refused")
