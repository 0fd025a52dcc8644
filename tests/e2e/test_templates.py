"""The API server's validation of the rendered chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.node import ROOT

if TYPE_CHECKING:
    from tests.e2e.installation import Installation

FILES = sorted((ROOT / "charts" / "telecine" / "files").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_api_server_accepts_the_rendered_objects(installation: Installation, path: object) -> None:
    said = installation.node.kubectl(
        "-n", installation.namespace, "apply", "--server-side", "--force-conflicts", "--dry-run=server",
        "--validate=strict", "-f", str(path),
    )  # fmt: skip
    assert "serverside-applied" in said


@pytest.mark.parametrize(
    ("name", "least"),
    [("gamedata", 20), ("screenalytics", 12), ("viewership", 20), ("trakt", 10), ("trakt-backfill", 10), ("media", 63)],
)
def test_the_form_shows_every_parameter_with_a_value_or_its_source(
    installation: Installation, name: str, least: int
) -> None:
    """Every parameter has a value: submitting the form without one would fail."""
    path = f"/api/v1/workflow-templates/{installation.namespace}/{name}"
    template = installation.argo.call("GET", path)
    parameters = template["spec"]["arguments"]["parameters"]
    assert len(parameters) > least
    for parameter in parameters:
        assert "value" in parameter or "valueFrom" in parameter, parameter["name"]
        assert parameter["description"]
