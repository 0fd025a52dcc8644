"""The variables that the chart's customCA sets: S3, webhook, mail and PostgreSQL trust a private CA with them only."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socketserver
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import TelecineError
from shared.notify import mail, webhook
from shared.notify.message import Notification
from shared.notify.settings import NotifySettings
from shared.settings.step import StepSettings
from shared.storage import _s3_client, open_store

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "PGSSLROOTCERT")
LISTING = b'<?xml version="1.0"?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>'


def certificate(subject: str, key: Any, issuer: x509.Certificate | None, issuer_key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return made.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA's certificate, and a server's certificate and key."""
    folder = tmp_path_factory.mktemp("ca")
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    ca = certificate("a private CA", keys[0], None, keys[0])
    server = certificate("127.0.0.1", keys[1], ca, keys[0])
    (folder / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        server.public_bytes(serialization.Encoding.PEM)
        + keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder


class Http(socketserver.StreamRequestHandler):
    """Answers each request like a store with an empty bucket, or like a webhook."""

    def handle(self) -> None:
        if not self.rfile.readline():
            return
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(LISTING))
        self.wfile.write(LISTING)


class Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            self.wfile.write({b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}.get(word, b"250 ok\r\n"))
            if word == b"DATA":
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.wfile.write(b"250 taken\r\n")


@contextmanager
def serving(handler: Any, files: Path, *, postgresql: bool = False) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files / "server.pem")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def finish_request(self, request: socket.socket, address: Any) -> None:
            try:
                if postgresql:
                    request.recv(8)  # SSLRequest
                    request.sendall(b"S")
                with context.wrap_socket(request, server_side=True) as secured:
                    handler(secured, address, self)
            except OSError:
                pass  # a client that does not trust us

        def handle_error(self, *_: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=[True, False], ids=["with the bundle", "without"])
def trusted(request: pytest.FixtureRequest, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    for name in BUNDLES:
        monkeypatch.delenv(name, raising=False)
        if request.param:
            monkeypatch.setenv(name, str(files / "ca.crt"))
    _s3_client.forget()
    yield request.param
    _s3_client.forget()


def message() -> Notification:
    return Notification(
        id="u:failed", event="run.failed", at=dt.datetime.now(dt.UTC), run_id="u", pipeline="gamedata", status="failed"
    )


def expect(trusted: bool, call: Any) -> None:
    if trusted:
        call()
    else:
        with pytest.raises(TelecineError, match=r"(?i)certificate.verify.failed|SSL"):
            call()


def test_the_store(trusted, files, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr(_s3_client, "_LONGEST_WAIT_S", 0.01)
    with serving(Http, files) as port:
        settings = StepSettings(
            s3_endpoint_url=f"https://127.0.0.1:{port}", s3_region="us-east-1", s3_addressing="path"
        )
        expect(trusted, lambda: list(open_store("s3://bucket", settings).list()))


def test_the_webhook(trusted, files):
    with serving(Http, files) as port:
        settings = NotifySettings(notify_webhook_url=f"https://127.0.0.1:{port}/hook")
        expect(trusted, lambda: webhook.send(message(), settings))


def test_mail(trusted, files):
    with serving(Smtp, files) as port:
        settings = NotifySettings(
            notify_smtp_host="127.0.0.1",
            notify_smtp_port=port,
            notify_smtp_security="tls",
            notify_smtp_from="a@example.org",
            notify_smtp_to=("b@example.org",),
        )
        expect(trusted, lambda: mail.send(message(), settings))


def test_postgresql(trusted, files):
    """The server hangs up after the handshake: the client has trusted it if that is what it complains of."""
    hang_up = type("HangUp", (socketserver.BaseRequestHandler,), {"handle": lambda _: None})
    with (
        serving(hang_up, files, postgresql=True) as port,
        pytest.raises(psycopg.OperationalError) as caught,
    ):
        psycopg.connect(f"postgresql://u@127.0.0.1:{port}/d?sslmode=verify-full&connect_timeout=5")
    said = str(caught.value)
    assert ("root certificate" in said or "certificate verify failed" in said) != trusted, said
