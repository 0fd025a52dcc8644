"""Fetched files: neither a link out of the bucket nor one that is changed after its check leads to another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.viewership.phases import keeping
from jobs.viewership.phases.keeping import fetched, keep
from jobs.viewership.uploads.formats import library
from jobs.viewership.uploads.reading import file as reading
from shared.errors import AccessDenied, UsageError
from shared.secrets import FOLDER_VARIABLE
from shared.settings.storage import StorageSettings
from shared.storage import holds_secrets, open_store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def read(place: str, bucket: Path) -> bytes:
    with fetched(place, StorageSettings(), bucket=f"file://{bucket}") as kept:
        return kept.path.read_bytes()


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bk"
    (folder / "uploads").mkdir(parents=True)
    (tmp_path / "outside.txt").write_text("outside")
    return folder


@pytest.mark.parametrize("scheme", ["file://", ""])
def test_a_link_out_of_the_bucket_is_refused(bucket: Path, scheme: str) -> None:
    (bucket / "uploads/l.csv").symlink_to("../../outside.txt")
    with pytest.raises(AccessDenied, match="is a link that points outside"):
        read(f"{scheme}{bucket}/uploads/l.csv", bucket)


def test_a_link_within_the_bucket_and_files_elsewhere_are_read(bucket: Path, tmp_path: Path) -> None:
    (bucket / "uploads/a.csv").write_text("inside")
    (bucket / "uploads/l.csv").symlink_to("a.csv")
    (tmp_path / "link.csv").symlink_to("outside.txt")
    assert read(f"file://{bucket}/uploads/l.csv", bucket) == b"inside"
    assert read(str(tmp_path / "link.csv"), bucket) == b"outside"


READERS = {
    keeping: lambda link, bucket: read(str(link), bucket),
    reading: lambda link, _: reading.read(link),
    library: lambda link, _: library.load_format_file(link),
}


@pytest.mark.parametrize("module", READERS)
def test_a_link_that_is_changed_after_its_check_leads_to_no_secret(
    module: ModuleType, bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "key").write_text("hidden")
    monkeypatch.setenv(FOLDER_VARIABLE, str(secrets))
    link = tmp_path / "link.csv"
    link.symlink_to("outside.txt")

    def check(file: str | int) -> bool:
        found = holds_secrets(file)
        if isinstance(file, str):
            link.unlink()
            link.symlink_to("secrets/key")
        return found

    monkeypatch.setattr(module, "holds_secrets", check)
    with pytest.raises(UsageError, match="is in a folder of secrets or processes"):
        READERS[module](link, bucket)


@pytest.mark.parametrize("there", [b"inside", b"insid3", b"in", None])
def test_a_raw_object_with_other_bytes_is_written_again(bucket: Path, there: bytes | None) -> None:
    (bucket / "uploads/a.csv").write_bytes(b"inside")
    store = open_store(f"file://{bucket}", StorageSettings())
    with fetched(str(bucket / "uploads/a.csv"), StorageSettings(), bucket=store.uri) as kept:
        raw = bucket / keeping.raw_key(kept.sha256)
        if there is not None:
            raw.parent.mkdir(parents=True)
            raw.write_bytes(there)
        before = raw.stat().st_ino if there == b"inside" else None
        assert bucket / keep(kept, store) == raw
    assert raw.read_bytes() == b"inside"
    assert before in (None, raw.stat().st_ino)
