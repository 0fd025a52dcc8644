"""Operator tasks on a release."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing
    from tests.e2e.installation import Installation


def test_helm_test_runs_the_pipeline_on_three_tiny_videos(installation: Installation, closing: Closing) -> None:
    said = installation.node.helm(
        "-n", installation.namespace, "test", "telecine", "--logs", "--timeout", "10m", seconds=630
    )
    assert "Phase:          Succeeded" in said
    assert "ok: 3 TARs -> 3 .pt files" in said
