"""The files of a catalogue import: their size is checked before they are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.viewership.errors import BadCatalog
from jobs.viewership.settings.catalog import CatalogDiffSettings
from jobs.viewership.steps import catalog
from shared.storage import FileStore, ObjectInfo, S3Store


@pytest.fixture
def no_reads(monkeypatch):
    def read(*_args, **_kwargs):
        raise AssertionError("a file was read before its size was checked")

    monkeypatch.setattr(FileStore, "read", read)
    monkeypatch.setattr(S3Store, "read", read)


@pytest.mark.parametrize("whole", ["/big.csv", "", "/"])
@pytest.mark.usefixtures("no_reads")
def test_a_file_that_is_too_large_is_not_read(tmp_path, whole):
    with (tmp_path / "big.csv").open("wb") as stream:
        stream.truncate(catalog._MAX_BYTES + 1)
    with pytest.raises(BadCatalog, match="the files have 536,870,913 bytes; expected at most 536,870,912"):
        catalog.diff(CatalogDiffSettings(file=f"{tmp_path}{whole}", source="a"))


@pytest.mark.usefixtures("no_reads")
def test_an_object_that_is_too_large_is_not_read(monkeypatch):
    def stat(_store, key):
        return ObjectInfo(key=key, size=catalog._MAX_BYTES + 1, etag="e", modified=datetime.now(UTC))

    monkeypatch.setattr(S3Store, "stat", stat)
    with pytest.raises(BadCatalog, match="expected at most 536,870,912"):
        catalog.diff(CatalogDiffSettings(file="s3://bucket/big.csv", source="a"))
