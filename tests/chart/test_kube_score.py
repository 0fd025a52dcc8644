"""kube-score over the charts, if tests/cluster has built it. Accepted findings are listed here with their reasons."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.rendering import CHART, DEV, LEAST, render, values_of

BINARY = Path(os.environ.get("CLUSTER_HOME", "/var/cache/telecine/cluster")) / "bin" / "kube-score"
# (finding, objects) -> reason to accept it.
EVERYWHERE = {
    (
        r"ImagePullPolicy is not set to Always",
        r".*",
    ): "tags are fixed, latest is rejected; on kind, images are loaded, not pulled",
    (r"low (user|group) ID", r".*"): "1000 is the uid of all our containers, 999 that of the PostgreSQL image",
}
EXCEPTIONS = {
    CHART: {
        **EVERYWHERE,
        (
            r"selector doesn't match any pods",
            r"telecine-(steps|ray|ray-head|launcher|notify|trakt|lineage)/.*NetworkPolicy",
        ): "KubeRay and Argo create the pods that they select",
        (
            r"Deployment does not have a host PodAntiAffinity",
            r"telecine-console/.*",
        ): "a topology spread constraint does that, and a cluster of one node can still run two replicas",
        (r"does not have a matching NetworkPolicy", r".*"): "optional: they need a CNI plugin that enforces them",
    },
    DEV: {
        **EVERYWHERE,
        (r"does not have a matching NetworkPolicy", r".*"): "a local cluster that nothing else can reach",
        (r"few replicas", r"(s3|postgresql|replayer)/.*"): "each pod has its own data, so two pods would be two stores",
        (r"update strategy", r"(s3|postgresql|replayer)/.*"): "Recreate, for the same reason",
    },
}
CASES = {
    "least": (CHART, LEAST),
    "prod": (CHART, values_of("values-prod")),
    "node": (CHART, values_of("values-node")),
    "dev": (DEV, {}),
}

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason="no kube-score: `tests/cluster/build.sh score` builds it")


@pytest.mark.parametrize("case", CASES)
def test_each_finding_has_a_reason(case, tmp_path):
    chart, values = CASES[case]
    path = tmp_path / "objects.yaml"
    path.write_text(yaml.safe_dump_all(render(values, chart)), encoding="utf-8")
    done = subprocess.run(
        [BINARY, "score", "--output-format=ci", "--kubernetes-version=v1.34", path],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^\[(CRITICAL|WARNING)\] (.*?): (.*)$", done.stdout, re.MULTILINE)
    assert "[OK]" in done.stdout, done.stderr
    unexplained = [
        f"{name}: {said}"
        for _, name, said in found
        if not any(re.search(what, said) and re.match(whose, name) for what, whose in EXCEPTIONS[chart])
    ]
    assert not unexplained


def test_no_exception_is_left_over(tmp_path):
    for chart, exceptions in EXCEPTIONS.items():
        said = ""
        for which, values in CASES.values():
            if which == chart:
                path = tmp_path / "objects.yaml"
                path.write_text(yaml.safe_dump_all(render(values, chart)), encoding="utf-8")
                command = [BINARY, "score", "--output-format=ci", path]
                said += subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for what, _ in exceptions:
            assert re.search(what, said), f"{chart.name}: {what} is no longer reported"
