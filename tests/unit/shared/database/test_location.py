"""Folders of the embedded server."""

from __future__ import annotations

import os

import pytest

from shared.database._binaries import Owner
from shared.database._location import restrict_to


def test_only_a_folder_is_restricted_and_not_the_target_of_a_link(tmp_path):
    """Root's project may be in another user's folder, who could place a link to /etc there."""
    target, link = tmp_path / "target", tmp_path / "run"
    target.mkdir(mode=0o755)
    link.symlink_to(target)
    owner = Owner(os.getuid(), os.getgid(), drop=False)
    with pytest.raises(NotADirectoryError, match="it is a link"):
        restrict_to(link, owner)
    assert target.stat().st_mode & 0o777 == 0o755
    restrict_to(target, owner)
    assert target.stat().st_mode & 0o777 == 0o700
