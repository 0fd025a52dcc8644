"""Scheduling on a simulated GPU; the code finds no CUDA and uses the CPU."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Closing
    from tests.e2e.installation import Installation


def test_mixed_works_on_both_groups_from_one_queue(installation: Installation, closing: Closing) -> None:
    closing.mixed.succeeded()
    code, document = closing.mixed.artifact(closing.mixed.nodes("extract-on-cluster")[-1], "report-json")
    assert code == 200
    report = json.loads(document)
    groups = {name: count for name, count in report["counts"].items() if name.startswith("group_")}
    assert groups.keys() == {"group_cpu", "group_gpu"}, report["counts"]
    assert min(groups.values()) > 0
    assert sum(groups.values()) == len(closing.mixed_keys)
    assert report["counts"]["device_cpu"] == len(closing.mixed_keys), "a simulated GPU has no CUDA"
