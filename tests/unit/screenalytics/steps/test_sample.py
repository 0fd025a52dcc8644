from __future__ import annotations

import json

import pytest

from jobs.screenalytics.errors import CODES
from jobs.screenalytics.keys import run_of
from jobs.screenalytics.sample.kinds import GOOD, SAMPLE_KINDS
from jobs.screenalytics.settings import SampleSettings
from jobs.screenalytics.steps.sample import make, run
from shared.errors import UsageError
from shared.samples import record_key
from shared.storage import open_store
from tests.fakes.ledger import MemoryStageRun


def _settings(folder, **changes):
    return SampleSettings(output=str(folder), **changes)


def _etags(folder):
    return {info.key: info.etag for info in open_store(str(folder)).list()}


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "screenalytics"
    stage = MemoryStageRun()
    return folder, run(_settings(folder), stage), stage


def test_the_set_is_written_with_its_truth(whole_set):
    folder, report, stage = whole_set
    record = json.loads((folder / record_key("derived")).read_bytes())["runs"]
    count = 6 + len(SAMPLE_KINDS) - 1
    assert len(record) == report.counts["runs"] == stage.progress.done == stage.progress.total == count
    manifests = {run_of(key, "derived") for key in _etags(folder)} - {None}
    assert manifests == set(record)
    assert {entry["kind"] for entry in record.values()} == set(SAMPLE_KINDS)
    assert record["rounding"]["onscreen_ms"]["p_0001"] == 2010
    assert record["missing-artifact"]["code_in_grace"] == "ARTIFACT_NOT_YET"
    assert len(report.sections[0].rows) == count


def test_codes_are_those_of_the_pipeline():
    codes = {code for kind in SAMPLE_KINDS.values() for code in (kind.code, kind.young)} - {None}
    assert codes <= set(CODES)
    assert all(CODES[kind.young] == "not_ready" for kind in SAMPLE_KINDS.values() if kind.young)


def test_a_second_run_touches_nothing(whole_set):
    folder, first, _ = whole_set
    before = _etags(folder)
    metrics = open_store(str(folder)).metrics
    calls = metrics.snapshot()["calls"]
    report = run(_settings(folder), MemoryStageRun())
    assert report.counts["written"] == 0
    assert report.counts["unchanged"] == first.counts["written"]
    assert _etags(folder) == before
    assert metrics.snapshot()["calls"] - calls == 3, "the record, and two listings: one of them this test's own"


def test_bytes_follow_from_the_seed():
    one = {sample.run_id: sample.objects for sample in make(SampleSettings())}
    same = {sample.run_id: sample.objects for sample in make(SampleSettings())}
    other = {sample.run_id: sample.objects for sample in make(SampleSettings(seed=2))}
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[run_id] != other[run_id] for run_id in one if run_id not in ("running", "failed", "blocked"))


def test_an_object_that_was_lost_or_changed_is_put_again(tmp_path):
    settings = _settings(tmp_path, include=("good",), runs=2)
    run(settings, MemoryStageRun())
    manifest, artifact = sorted(path for path in tmp_path.rglob("*.json") if path.name != "sample.json")[:2]
    manifest.unlink()
    artifact.write_bytes(b"{}")
    report = run(settings, MemoryStageRun())
    assert (report.counts["written"], report.counts["unchanged"]) == (2, 2)
    (tmp_path / record_key("derived")).write_bytes(b"[1]")
    assert run(settings, MemoryStageRun()).counts["written"] == 4


def test_good_runs_have_ids_of_their_own_and_two_attempts_an_episode():
    samples = list(make(SampleSettings(include=(GOOD,), runs=500, persons=1)))
    assert len({sample.run_id for sample in samples}) == 500
    assert len({sample.ep_id for sample in samples}) == 250
    assert all(list(sample.objects)[-1] == sample.manifest_key for sample in samples)


def test_an_empty_prefix_and_a_wrong_kind():
    (sample,) = make(SampleSettings(prefix="", include=("two-casts",)))
    assert sample.manifest_key == "runs/two-casts/manifest.json"
    with pytest.raises(UsageError, match="'nonsense' is not a kind of sample; expected one of good, two-casts"):
        make(SampleSettings(include=("nonsense",)))
