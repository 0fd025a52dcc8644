"""Operator tasks on a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing
    from tests.e2e.installation import Installation


def test_helm_test_runs_the_pipeline_on_three_tiny_videos(installation: Installation, closing: Closing) -> None:
    said = installation.node.helm(
        "-n", installation.namespace, "test", "telecine", "--logs", "--timeout", "10m", seconds=630
    )
    assert "Phase:          Succeeded" in said
    assert "ok: 3 TARs -> 3 .pt files" in said


def test_a_failed_migration_leaves_its_log_but_not_the_owners_password(
    installation: Installation, closing: Closing
) -> None:
    """Helm deletes the Secret because it is a hook that has succeeded, whatever became of the Job after it."""
    core, namespace = installation.node.core, installation.namespace
    before = core.read_namespaced_secret("telecine-ray-auth", namespace).data
    # Another environment than the database's: the Job fails at once.
    installation.set({"database": {"environment": "staging"}})
    try:
        with pytest.raises(AssertionError, match=r"telecine-migration|pre-upgrade"):
            installation.install()
        names = [each.metadata.name for each in core.list_namespaced_secret(namespace).items]
        assert "telecine-database" in names
        assert "telecine-database-migration" not in names
        log = installation.node.kubectl("-n", namespace, "logs", "job/telecine-migration")
        assert "staging" in log
    finally:
        installation.set({"database": {"environment": "dev"}})
        installation.install()
    assert core.read_namespaced_secret("telecine-ray-auth", namespace).data == before, "upgrades keep the token"
