"""Files that a user names: regular ones are opened, pipes and devices are refused at once."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jobs.viewership.phases.keeping import fetched
from jobs.viewership.uploads.formats.library import load_formats
from jobs.viewership.uploads.reading import read
from shared.errors import UsageError
from shared.settings.storage import StorageSettings
from shared.storage import open_regular


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_and_a_link_to_one_are_opened(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"content"


def test_pipes_sockets_devices_and_folders_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket has at most 107 bytes
    os.mkfifo("pipe")
    before = descriptors()
    for name, number in (("pipe", "not a regular file"), ("/dev/zero", "not a regular file"), (".", "directory")):
        with pytest.raises(OSError, match=number) as error:
            open_regular(name)
        assert error.value.filename == name
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(OSError, match="No such device"):
            open_regular("socket")
    with pytest.raises(FileNotFoundError):
        open_regular("missing")
    assert descriptors() == before


def test_no_command_waits_for_a_pipe(tmp_path: Path):
    pipe = tmp_path / "x-1.yaml"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="not a regular file"), fetched(str(pipe), StorageSettings(), bucket="s3://b"):
        pass
    with pytest.raises(OSError, match="not a regular file"):
        read(pipe)
    with pytest.raises(UsageError, match="not a regular file"):
        load_formats(str(tmp_path))
