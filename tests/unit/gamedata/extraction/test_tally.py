from __future__ import annotations

import pytest

from jobs.gamedata.extraction.batches import BatchResult, Item, ItemResult
from jobs.gamedata.extraction.tally import ExtractTally
from jobs.gamedata.extraction.worklist import Worklist


def batch(number, worker, count, group=None, device="cpu"):
    items = tuple(
        ItemResult(Item(f"{number}-{each}.tar", 1, "e"), None, None, False, 1.0, 0.0, 1, 1) for each in range(count)
    )
    return BatchResult(number, "part", items, worker, 1.0, (), device, group)


def report_of(*batches):
    tally = ExtractTally(Worklist(), workers=2)
    for each in batches:
        tally.add(each)
    return tally.report(max_failed=None)


def test_a_cluster_is_counted_by_group_device_and_pod():
    report = report_of(
        batch(0, "pod-a:1", 3, "cpu"),
        batch(1, "pod-a:2", 2, "cpu"),
        batch(2, "pod-g:1", 4, "gpu", "cuda"),
        batch(3, "pod-h:1", 1, "gpu", "cpu"),
    )
    found = {name: report.counts[name] for name in report.counts if name.startswith(("group", "device", "pods"))}
    assert found == {"group_cpu": 5, "group_gpu": 5, "device_cpu": 6, "device_cuda": 4, "pods": 3}
    assert not set(found) & set(report.tiles)
    (pods,) = [section for section in report.sections if section.title == "Pods"]
    assert pods.rows == [["pod-a", "cpu", "cpu", 5], ["pod-g", "gpu", "cuda", 4], ["pod-h", "gpu", "cpu", 1]]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_one_machine_has_neither_groups_nor_pods(device):
    report = report_of(batch(0, "host:1", 3, None, device))
    assert not [name for name in report.counts if name.startswith(("group", "device", "pods"))]
    assert "Pods" not in [section.title for section in report.sections]


def test_failed_tars_are_no_bars_and_are_counted_below():
    failed = ItemResult(Item("bad.tar", 1, "e"), "tar_empty", "nothing", False, 0.001, 0.0, 1, 0)
    one = batch(0, "host:1", 3)
    report = report_of(one, BatchResult(1, "part", (failed, failed), "host:1", 0.002, (), "cpu", None))
    histogram = next(section for section in report.sections if section.title == "Seconds per TAR")
    assert (sum(histogram.counts), histogram.counts[-1]) == (3, 3)
    assert histogram.note == "Only TARs that were extracted; 2 failed."
    nothing = report_of(BatchResult(0, "part", (failed,), "host:1", 0.001, (), "cpu", None))
    assert "Seconds per TAR" not in [section.title for section in nothing.sections]


def test_the_time_of_the_workers_adds_up_to_all_of_it():
    tally = ExtractTally(Worklist(), workers=2)
    tally.durations["extract"] = 10.0
    items = (ItemResult(Item("a.tar", 1, "e"), None, None, False, 8.0, 3.0, 1, 1),)
    tally.add(BatchResult(0, "part", items, "host:1", 8.0, (), "cpu", None))
    chart = next(each for each in tally.report(max_failed=None).sections if each.title == "Worker time")
    assert chart.bars == [("2 workers", [5.0, 3.0, 12.0])]
