"""Sessions of S3: what they share in a process."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import JSONFileLoader

from shared.settings.storage import StorageSettings
from shared.storage._s3_client import session

if TYPE_CHECKING:
    from shared.settings.storage import S3Options


def options(**auth: Any) -> S3Options:
    return dataclasses.replace(StorageSettings(s3_endpoint_url="http://127.0.0.1:1").s3_options(), **auth)


@pytest.mark.parametrize(
    "auth",
    [{"auth": "ambient"}, {"auth": "anonymous"}, {"auth": "static", "access_key_id": "k", "secret_access_key": "s"}],
)
def test_a_later_session_reads_no_description_of_a_service_again(
    monkeypatch: pytest.MonkeyPatch, auth: dict[str, str]
) -> None:
    session(options()).client("s3", region_name="us-east-1")
    read: list[str] = []
    plain = JSONFileLoader.load_file

    def load_file(self: JSONFileLoader, path: str) -> object:
        read.append(path)
        return plain(self, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", load_file)
    session(options(**auth)).client("s3", region_name="us-east-1")
    assert read == []
