"""The CPU limit of a container bounds the number of workers."""

from __future__ import annotations

import os

import pytest

from jobs.gamedata.compute.cpus import usable_cpus

CPUS = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, CPUS),
        ({"cpu.max": "max 100000\n"}, CPUS),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, min(CPUS, 64)),
        ({"cpu.max": "nonsense\n"}, CPUS),
        ({"cpu.max": "100000 0\n"}, CPUS),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, CPUS),
    ],
    ids=["none", "no limit", "one", "half", "more", "nonsense", "no period", "version 1", "version 1, no limit"],
)
def test_a_limit_lowers_the_number(tmp_path, files, cpus):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cpus(tmp_path) == cpus


def test_a_part_of_a_cpu_counts_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    (tmp_path / "cpu.max").write_text("350000 100000\n")
    assert usable_cpus(tmp_path) == 4
