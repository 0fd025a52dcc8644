"""The estimate of CPU time, and the choice of `--compute auto` that depends on it."""

from __future__ import annotations

import pytest

from jobs.gamedata.extraction.batches import Item
from jobs.gamedata.extraction.estimate import choose, cluster_of, cpu_seconds
from jobs.gamedata.settings import ExtractSettings

MB = 1_000_000


def settings(**more):
    return ExtractSettings(
        **{"source_bucket": "s3://tars", "manifest_bucket": "s3://extracted", "compute": "auto", **more}
    )


def tars(count, size):
    return [Item(f"{number}.tar", size, "e") for number in range(count)]


@pytest.mark.parametrize(
    ("size", "measured"),
    [(204 * MB, 0.337), (374 * MB, 0.666), (921 * MB, 1.699)],
    ids=["360p", "720p", "1080p"],
)
def test_a_tar_of_ten_minutes_costs_about_what_was_measured(size, measured):
    """The figures are those of docs/performance.md, one session with the default sampling."""
    assert cpu_seconds(settings(), tars(1, size)) == pytest.approx(measured, rel=0.15)
    assert cpu_seconds(settings(sampling="exact"), tars(1, size)) == pytest.approx(5 * measured, rel=0.15)


def test_small_tars_count_by_their_number_and_large_ones_by_their_bytes():
    assert cpu_seconds(settings(), tars(100, 1)) == pytest.approx(35)
    assert cpu_seconds(settings(), tars(100, 1000 * MB)) == pytest.approx(185)
    assert cpu_seconds(settings(), []) == 0


@pytest.mark.parametrize(
    ("more", "cpu_s", "compute"),
    [
        ({}, 0, "local"),
        ({}, 28, "local"),
        ({}, 28.1, "cpu"),
        ({"one_pod_s": 100}, 99, "local"),
        ({"one_pod_s": 0}, 0.35, "cpu"),
        # The pod that extracts alone has no GPU.
        ({"device": "cuda"}, 1, "gpu"),
        ({"device": "cuda"}, 1000, "gpu"),
        ({"device": "cpu"}, 1, "local"),
    ],
)
def test_auto_takes_one_pod_for_little_work(more, cpu_s, compute):
    choice = choose(settings(**more), cpu_s)
    assert choice.compute == compute
    assert choice.reason.startswith(f"{compute}: about ")
    assert ("--one-pod-s" in choice.reason) is ("device" not in more or more["device"] == "cpu")


@pytest.mark.parametrize("compute", ["local", "cpu", "gpu", "mixed"])
@pytest.mark.parametrize("cpu_s", [0, 1e6])
def test_every_other_value_is_taken_as_it_is(compute, cpu_s):
    asked = settings(compute=compute)
    assert choose(asked, cpu_s).compute == cluster_of(asked) == compute


def test_a_cluster_has_gpus_if_cuda_is_asked_for():
    assert [cluster_of(settings(device=device)) for device in ("auto", "cpu", "cuda")] == ["cpu", "cpu", "gpu"]
