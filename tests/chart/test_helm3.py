"""The helm binary of tests/cluster (3.x), if built, renders the charts as Helm 4's code does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.chart.rendering import CHART, DEV, VALUES, parsed, render, values_of

BINARY = Path(os.environ.get("CLUSTER_HOME", "/var/cache/telecine/cluster")) / "bin" / "helm"
CASES = [*((CHART, name) for name in VALUES), (DEV, "values")]

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason="no helm binary: tests/cluster builds it")


def key(document):
    return document["apiVersion"], document["kind"], document["metadata"]["name"]


def is_token(document):
    return document["kind"] == "Secret" and document["metadata"]["name"] == "telecine-ray-auth"


@pytest.mark.parametrize(("chart", "name"), CASES, ids=lambda each: each if isinstance(each, str) else each.name)
def test_the_renders_are_the_same(chart, name, tmp_path):
    done = subprocess.run(
        [
            BINARY,
            "template",
            "telecine",
            chart,
            "-n",
            "telecine",
            "-f",
            chart / f"{name}.yaml",
            "--kube-version=1.34.4",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert not done.returncode, done.stderr
    renders = [sorted(each, key=key) for each in (parsed(done.stdout), render(values_of(name, chart), chart))]
    tokens = [secret["stringData"].pop("auth_token") for each in renders for secret in each if is_token(secret)]
    # Random, because a render without a cluster has no earlier one.
    assert len(set(tokens)) == len(tokens) == (2 if chart == CHART else 0)
    assert renders[0] == renders[1]


@pytest.mark.parametrize("chart", [CHART, DEV], ids=lambda each: each.name)
def test_an_unknown_key_is_rejected(chart, tmp_path):
    done = subprocess.run(
        [BINARY, "template", "telecine", chart, "--set", "imagse.tag=1", "--set", "database.existingSecret=a"],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert done.returncode
    assert "imagse" in done.stderr
