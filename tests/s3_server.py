"""An S3 server (moto's) for tests, in a thread of this process.

from tests.s3_server import s3_server, s3_process  # noqa: F401 - fixtures

@pytest.mark.xdist_group("s3")
def test_x(s3_server):
    s3_server.create_bucket("game-data")
    open_store("s3://game-data").put(...)   # the environment names the server and fake credentials
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

__all__ = ["S3Server", "fake_credentials", "s3_process", "s3_server"]

_REGION = "us-east-1"


class S3Server:
    """A running server.

    Attributes:
        endpoint_url: ``http://127.0.0.1:port``.
        env: variables a subprocess needs in addition to its environment.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.env = {
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": _REGION,
        }

    @cached_property
    def client(self) -> S3Client:
        """A plain boto3 client: what the store under test did not do itself."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=_REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def create_bucket(self, name: str) -> str:
        """Make an empty bucket and return its URI."""
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    @staticmethod
    def fill(bucket: str, objects: dict[str, bytes]) -> None:
        """Put many objects at once, past HTTP: 0.1 ms each instead of 3."""
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key, body in objects.items():
            backend.put_object(bucket, key, body)


def fake_credentials(monkeypatch: pytest.MonkeyPatch, **env: str) -> None:
    """Leave nothing of the machine's own S3 settings in the environment, and set these."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TELECINE_S3_")):
            monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def s3_process() -> Iterator[S3Server]:
    """One server for the whole session; tests use ``s3_server``."""
    from moto.server import ThreadedMotoServer

    from shared.storage import close_stores

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    running = S3Server(f"http://{host}:{port}")
    yield running
    running.client.close()
    close_stores()
    server.stop()


@pytest.fixture
def s3_server(s3_process: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An empty server; the environment leads every store of the test to it."""
    import urllib.request

    from shared.storage import close_stores

    fake_credentials(monkeypatch, **s3_process.env)
    close_stores(connections=False)  # a client takes 50 ms to make, and is the same for every test
    reset = urllib.request.Request(f"{s3_process.endpoint_url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=10):
        pass
    yield s3_process
    close_stores(connections=False)
