"""A full disk is no bug: the step may be run again when there is space."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from shared.disk import full_disk
from shared.errors import StorageFull


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


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), ValueError("No space left on device")])
def test_any_other_error_stays_as_it_is(error: Exception):
    with pytest.raises(type(error)) as caught, full_disk():
        raise error
    assert caught.value is error
