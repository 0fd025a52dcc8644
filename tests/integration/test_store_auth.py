"""Credentials for a bucket: chosen by settings, not by the environment of the machine."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING

import pytest

from shared.errors import ConfigurationError
from shared.settings.storage import StorageSettings
from shared.storage import close_stores, open_store
from tests.fakes.s3_faults import FaultyS3, Reply
from tests.s3_server import fake_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.settings.storage import S3Options

CONFIG = """
[profile narrow]
aws_access_key_id = AKNARROW
aws_secret_access_key = hush
[profile wide]
aws_access_key_id = AKWIDE
aws_secret_access_key = hush
aws_session_token = for-an-hour
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FaultyS3]:
    """A server that gives everybody the same object and keeps what they sent."""
    (tmp_path / "config").write_text(CONFIG)
    fake_credentials(monkeypatch, AWS_ACCESS_KEY_ID="AKAMBIENT", AWS_SECRET_ACCESS_KEY="hush")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with FaultyS3() as running:
        running.default = Reply(body=b"x", headers={"ETag": '"1"'})
        yield running
        close_stores()


def told(server: FaultyS3, **auth: str) -> dict[str, str]:
    """The request that the server receives from such a reader, header names in lower case."""
    open_store("runs", options=options(server, **auth)).read("key")
    return {name.lower(): value for name, value in server.requests[-1].headers.items()}


def options(server: FaultyS3, **auth: str) -> S3Options:
    base = StorageSettings(s3_endpoint_url=server.endpoint_url, s3_region="us-east-1", s3_attempts=1).s3_options()
    return dataclasses.replace(base, **auth)


def test_each_way_signs_as_its_own_key(server: FaultyS3):
    static = {"auth": "static", "access_key_id": "AKSTATIC", "secret_access_key": "hush"}
    assert "Credential=AKAMBIENT/" in told(server)["authorization"]
    assert "Credential=AKNARROW/" in told(server, auth="profile", profile="narrow")["authorization"]
    wide = told(server, auth="profile", profile="wide")
    assert "Credential=AKWIDE/" in wide["authorization"]
    assert wide["x-amz-security-token"] == "for-an-hour"
    key = told(server, **static)
    assert "Credential=AKSTATIC/" in key["authorization"]
    assert "x-amz-security-token" not in key
    assert told(server, **static, session_token="brief")["x-amz-security-token"] == "brief"
    assert "authorization" not in told(server, auth="anonymous")
    # The clients that are kept are not mixed up: the first again, after the others.
    assert "Credential=AKAMBIENT/" in told(server)["authorization"]


def test_who_is_said_beats_the_machine_s_own_profile(server: FaultyS3, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-another-key")
    key = told(server, auth="static", access_key_id="AKSTATIC", secret_access_key="hush")
    assert "Credential=AKSTATIC/" in key["authorization"]
    assert "x-amz-security-token" not in key
    assert "authorization" not in told(server, auth="anonymous")
    assert "Credential=AKNARROW/" in told(server, auth="profile", profile="narrow")["authorization"]


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (
            {"auth": "profile", "profile": "narow"},
            r"AWS profile 'narow' does not exist; available profiles: narrow, wide\.",
        ),
        ({"auth": "profile"}, r"no AWS profile was given; available profiles: narrow, wide\..*--profile"),
        ({"auth": "static", "access_key_id": "AK"}, r"--access-key-id and --secret-access-key"),
        ({"auth": "static", "secret_access_key": "hush"}, r"--access-key-id and --secret-access-key"),
    ],
)
def test_what_is_missing_is_named_before_any_request(server: FaultyS3, auth: dict[str, str], words: str):
    with pytest.raises(ConfigurationError, match=words) as caught:
        told(server, **auth)
    assert "hush" not in str(caught.value)
    assert server.requests == []


def test_secrets_are_not_shown_and_travel_to_workers(server: FaultyS3):
    given = options(server, auth="static", access_key_id="AK", secret_access_key="hush", session_token="hush")
    assert "hush" not in repr(given) + str(given)
    store = open_store("runs", options=given)
    assert "hush" not in repr(store)
    assert store is open_store("runs", options=given)
    assert store is not open_store("runs", options=dataclasses.replace(given, secret_access_key="other"))
    assert pickle.loads(pickle.dumps(given)) == given
    pickle.loads(pickle.dumps(store)).read("key")
    assert (
        "Credential=AK/"
        in {name.lower(): value for name, value in server.requests[-1].headers.items()}["authorization"]
    )
