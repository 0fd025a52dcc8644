"""A full disk is not a bug: the step may be run again when there is space."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest

from shared.disk import full_disk
from shared.errors import ConfigurationError, StorageFull


def test_a_full_disk_is_transient():
    with pytest.raises(StorageFull, match="TMPDIR") as caught, full_disk(), Path("/dev/full").open("wb", 0) as file:
        file.write(b"a")
    assert caught.value.exit_code == 75


@pytest.mark.parametrize(
    "error", [OSError(errno.EDQUOT, "quota"), OSError(errno.EFBIG, "limit"), OSError("No space left on device (28)")]
)
def test_quotas_limits_and_errors_without_a_number_are_too(error: OSError):
    with pytest.raises(StorageFull), full_disk():
        raise error


def test_a_machine_without_a_folder_for_temporary_files_is_not_configured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    with pytest.raises(ConfigurationError, match="TMPDIR"), full_disk(), tempfile.TemporaryDirectory():
        pass


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("No space left on device")])
def test_any_other_error_stays_as_it_is(error: Exception):
    with pytest.raises(type(error)) as caught, full_disk():
        raise error
    assert caught.value is error
