"""The line to a graph server is encrypted, and both ends show who they are where that is asked for.

A real handshake: a proxy of this test ends the encryption in front of a real server.
"""

import datetime
import gc
import ipaddress
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from atlas.servers import Arcade
from industriverse.atlas import AtlasError, AtlasUnreachableError
from industriverse.atlas.bolt import BoltEngine
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.engine import Statement

pytestmark = pytest.mark.service


@dataclass(frozen=True)
class Authority:
    """Signs certificates; all files lie in one folder."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(self.name, key, self._signed(self.name, key, key, self.name, None))

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def sign(self, name: str, address: str) -> tuple[Path, Path]:
        """A certificate for an address, and its key."""
        own = serialization.load_pem_private_key((self.folder / f"{self.name}.key").read_bytes(), None)
        assert isinstance(own, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, key, self._signed(name, key, own, self.name, address))

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> tuple[Path, Path]:
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    @staticmethod
    def _signed(
        name: str,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        issuer: str,
        address: str | None,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)

        def of(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        made = (
            x509.CertificateBuilder()
            .subject_name(of(name))
            .issuer_name(of(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        )
        if address is not None:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(signer, hashes.SHA256())


@contextmanager
def encrypted(target: str, certificate: Path, key: Path, clients: Path | None = None) -> Iterator[int]:
    """A port that ends encryption in front of a server; ``clients`` signs whom it lets in."""
    parts = urlsplit(target)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()
    ends: list[socket.socket] = [listener]

    def carry(source: socket.socket, into: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                into.sendall(data)
        with suppress(OSError):
            into.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        while not ended.is_set():
            try:
                plain, _ = listener.accept()
            except OSError:
                continue
            ends.append(plain)
            plain.settimeout(10)
            try:
                near = context.wrap_socket(plain, server_side=True)
            except OSError:
                continue
            near.settimeout(None)
            far = socket.create_connection((parts.hostname, parts.port))
            ends.extend((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        # First the thread that opens sockets, then the sockets.
        thread.join(10)
        for one in ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture(autouse=True)
def _sockets_of_failed_handshakes() -> Iterator[None]:
    """The driver leaves the socket of a handshake that failed to the garbage collector, which says so."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


def through(
    arcade: Arcade,
    port: int,
    authority: Authority,
    client: tuple[Path, Path] | tuple[None, None] = (None, None),
) -> BoltSettings:
    return replace(
        arcade.settings,
        uri=f"bolt://127.0.0.1:{port}",
        authority=authority.certificate,
        client_certificate=client[0],
        client_key=client[1],
        connect_timeout_s=5,
        retry_s=1,
    )


def answers(settings: BoltSettings) -> bool:
    engine = BoltEngine(settings)
    try:
        return engine.read([Statement("RETURN 1 AS one")]) == [[{"one": 1}]]
    finally:
        engine.close()


def test_a_server_of_the_trusted_authority_is_spoken_to_and_others_are_not(
    arcade: Arcade, authority: Authority, tmp_path: Path
) -> None:
    with encrypted(arcade.settings.uri, *authority.sign("server", "127.0.0.1")) as port:
        assert answers(through(arcade, port, authority))
        stranger = Authority(tmp_path, "stranger")
        with pytest.raises(AtlasUnreachableError, match="cannot be reached"):
            answers(through(arcade, port, stranger))
        with pytest.raises(AtlasError):
            answers(replace(arcade.settings, uri=f"bolt://127.0.0.1:{port}", connect_timeout_s=5))


def test_a_certificate_of_another_host_is_refused(arcade: Arcade, authority: Authority) -> None:
    with (
        encrypted(arcade.settings.uri, *authority.sign("elsewhere", "127.0.0.9")) as port,
        pytest.raises(AtlasUnreachableError, match="cannot be reached"),
    ):
        answers(through(arcade, port, authority))


def test_a_client_shows_its_certificate_where_the_server_asks_for_one(
    arcade: Arcade, authority: Authority
) -> None:
    server = authority.sign("server", "127.0.0.1")
    client = authority.sign("client", "127.0.0.1")
    with encrypted(arcade.settings.uri, *server, authority.certificate) as port:
        assert answers(through(arcade, port, authority, client))
        with pytest.raises(AtlasError):
            answers(through(arcade, port, authority))
