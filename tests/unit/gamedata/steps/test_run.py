from __future__ import annotations

import pytest

from jobs.gamedata.commands import STEPS
from jobs.gamedata.settings import RunSettings
from jobs.gamedata.steps.run import merge, publish_settings, run, run_stages
from shared.errors import BucketMissing, ConfigurationError, DataError, Stopped, StoreUnavailable, UsageError
from shared.report import Failure, Report
from tests.fakes.ledger import MemoryProgress, MemoryRun, MemoryStageRun


class Ledger(MemoryRun):
    def stage(self, name, order, *, progress, **more):
        self.progress = progress
        return super().stage(name, order, **more)


class Stage:
    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def __call__(self, settings, stage_run):
        self.calls.append(stage_run)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def both(extract, manifest, stage="both", publish=None):
    ledger = Ledger()
    steps = Stage(extract), Stage(manifest), Stage(publish)
    settings = RunSettings(
        stage=stage, source_bucket="./in", manifest_bucket="./out", output_path="m.parquet", publish=publish is not None
    )
    named = dict(zip(("extract", "manifest", "publish"), steps, strict=True))
    try:
        return run_stages(settings, ledger, MemoryProgress(), **named), ledger, steps
    except BaseException as error:  # noqa: BLE001
        return error, ledger, steps


def good(**more):
    return Report(counts={"items": 3}, durations={"all": 1.0}, **more)


def test_both_stages_are_two_stages_of_one_run():
    report, ledger, _ = both(good(), good(outputs={"manifest": "m.parquet"}))
    assert [stage.stage for stage in ledger.stages] == ["extract", "manifest"]
    assert {stage.run_id for stage in ledger.stages} == {ledger.run_id}
    assert all(stage.report is not None for stage in ledger.stages)
    assert report.counts == {"extract.items": 3, "manifest.items": 3}
    assert (report.status, report.exit_code) == ("success", 0)


@pytest.mark.parametrize(("stage", "calls"), [("extraction", (1, 0)), ("manifest", (0, 1)), ("both", (1, 1))])
def test_stage_names_what_runs(stage, calls):
    _, _, steps = both(good(), good(), stage)
    assert tuple(len(step.calls) for step in steps) == (*calls, 0)


@pytest.mark.parametrize("error", [StoreUnavailable("503"), ConfigurationError("no"), ZeroDivisionError("bug")])
def test_the_manifest_is_built_after_a_failed_extraction(error):
    report, _, steps = both(error, good())
    assert len(steps[1].calls) == 1
    assert report.status == "failed"
    assert report.exit_code == getattr(error, "exit_code", 70)
    assert report.failures[0].item == "gamedata extract"


@pytest.mark.parametrize(
    ("first", "second", "code"), [(65, 0, 65), (0, 65, 65), (75, 65, 65), (78, 65, 78), (0, 0, 0), (65, 75, 65)]
)
def test_the_more_severe_exit_code_wins(first, second, code):
    report, _, _ = both(good(exit_code=first), good(exit_code=second))
    assert report.exit_code == code


def test_the_more_severe_of_two_errors_is_raised():
    error, _, _ = both(StoreUnavailable("503"), DataError("run extract first"))
    assert str(error) == "run extract first"
    error, _, _ = both(ConfigurationError("rights"), DataError("run extract first"))
    assert str(error) == "rights"


def messages(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


def test_an_error_that_ends_the_command_is_not_logged_by_its_stage_too(caplog):
    cause = BucketMissing("folder ./nope does not exist")
    error, _, _ = both(cause, DataError("run extract first", code="nothing_extracted"))
    assert error is cause
    assert messages(caplog) == []  # the command prints the raised error
    caplog.clear()
    error, _, _ = both(cause, StoreUnavailable("503"))
    assert error is cause
    assert messages(caplog) == ["manifest: 503"]
    caplog.clear()
    report, _, _ = both(cause, good())
    assert report.exit_code == 78
    assert messages(caplog) == ["extract: folder ./nope does not exist"]


def test_after_an_empty_extraction_the_advice_is_not_to_extract(caplog):
    report, _, _ = both(good(), DataError("run extract first: …", code="nothing_extracted", bucket="file:///out"))
    assert (report.exit_code, report.status) == (65, "failed")
    (failure,) = report.failures
    assert (failure.code, failure.data) == ("nothing_extracted", {"bucket": "file:///out"})
    assert "extraction found no TAR; expected TARs in the source" in failure.message
    assert messages(caplog) == [f"manifest: {failure.message}"]
    error, _, _ = both(good(), DataError("run extract first", code="nothing_extracted"), stage="manifest")
    assert str(error) == "run extract first"


def test_one_stage_alone_raises_its_own_error():
    error, _, _ = both(StoreUnavailable("503"), good(), stage="extraction")
    assert str(error) == "503"


@pytest.mark.parametrize(
    ("stage", "stages"), [("both", ["extract", "manifest", "publish"]), ("manifest", ["manifest", "publish"])]
)
def test_publication_is_a_stage_of_its_own_after_the_manifest(stage, stages):
    report, ledger, _ = both(good(), good(), stage, publish=good(outputs={"table": "gold"}))
    assert [each.stage for each in ledger.stages] == stages
    assert report.counts["publish.items"] == 3
    assert (list(report.stages), report.outputs["table"]) == (stages, "gold")


@pytest.mark.parametrize(
    ("extract", "manifest", "stage"),
    [
        (good(), good(exit_code=65), "both"),
        (good(exit_code=75), good(), "both"),
        (StoreUnavailable("503"), good(), "both"),
        (good(), DataError("no sessions"), "manifest"),
        (good(), good(), "extraction"),
    ],
)
def test_nothing_is_published_unless_every_stage_succeeded(extract, manifest, stage):
    _, ledger, steps = both(extract, manifest, stage, publish=good())
    assert not steps[2].calls
    assert "publish" not in [each.stage for each in ledger.stages]


@pytest.mark.parametrize(
    ("error", "code"), [(StoreUnavailable("503"), 75), (ConfigurationError("no"), 78), (KeyError("bug"), 70)]
)
def test_a_failed_publication_keeps_the_findings_of_the_manifest(error, code, caplog):
    report, _, _ = both(good(), good(outputs={"manifest": "m.parquet"}), "manifest", publish=error)
    assert (report.status, report.exit_code) == ("failed", code)
    assert report.outputs == {"manifest": "m.parquet"}
    assert report.failures[0].item == "gamedata publish"
    assert [each for each in caplog.messages if each.startswith("publish:")]


@pytest.mark.parametrize("stage", ["extract", "manifest", "publish"])
def test_a_full_disk_may_succeed_later_and_is_no_bug(stage):
    full = OSError(28, "No space left on device")
    answers = {"extract": good(), "manifest": good(), "publish": good()} | {stage: full}
    report, _, _ = both(**answers)
    assert (report.exit_code, report.failures[0].code, report.failures[0].retryable) == (75, "storage_full", True)


def test_a_missing_package_needs_an_operator():
    report, _, _ = both(good(), good(), publish=ModuleNotFoundError("No module named 'torch'", name="torch"))
    assert report.exit_code == 78


def test_a_manifest_that_is_not_published_is_said(caplog):
    both(good(), good(exit_code=65), publish=good())
    assert "the manifest is not published, because not every stage succeeded" in caplog.messages


def test_extraction_alone_has_nothing_to_publish():
    with pytest.raises(UsageError, match="--stage extraction: no manifest is built"):
        run(RunSettings(stage="extraction", publish=True), MemoryStageRun())


def test_what_is_published_is_the_manifest_of_the_run():
    given = {"prefix": "day/", "manifest_bucket": "s3://extracted", "sprites": 5}
    own = publish_settings(RunSettings(output_path="s3://extracted/m.parquet", **given))
    assert own.manifest == "s3://extracted/m.parquet"
    assert {name: getattr(own, name) for name in given} == given
    # A bucket that was not named may be missing: see jobs.gamedata.gold.pages.
    assert "manifest_bucket" not in publish_settings(RunSettings(output_path="m.parquet")).model_fields_set


def test_a_signal_ends_both():
    error, _, steps = both(Stopped(2), good())
    assert isinstance(error, Stopped)
    assert steps[1].calls == []


def test_reports_are_joined():
    failures = [Failure(f"{n}.tar", "video_missing", "none") for n in range(30)]
    report = merge(
        {
            "extract": Report(status="partial", failures=failures, rates={"items_per_s": 2.0}, bound="cpu", seconds=3),
            "manifest": Report(
                status="success", failures=failures, rejects={"video_missing": 30}, rates={"items_per_s": 9.0}
            ),
        }
    )
    assert (report.status, report.bound) == ("partial", "cpu")
    assert report.rates == {"extract.items_per_s": 2.0, "manifest.items_per_s": 9.0}
    assert (report.stages["extract"].bound, report.stages["extract"].seconds) == ("cpu", 3)
    assert report.stages["manifest"].bound is None
    assert len(report.failures) == 50
    assert report.failures_truncated == 10


def test_headlines_and_tiles_are_joined():
    report = merge(
        {
            "extract": Report(headline="3 TARs: 3 extracted", counts={"extracted": 3}),
            "manifest": Report(
                headline="1 of 3 sessions flagged", counts={"sessions": 3, "odd": 1}, tiles=("sessions",)
            ),
        }
    )
    assert report.headline == "3 TARs: 3 extracted; 1 of 3 sessions flagged"
    assert report.tiles == ("extract.extracted", "manifest.sessions")


def test_every_command_can_be_loaded():
    from importlib import import_module

    names = ["plan", "extract", "manifest", "publish", "run", "verify", "sample"]
    assert [step.name for step in STEPS] == names
    for step in STEPS:
        for place in filter(None, (step.settings, step.run, step.view, step.launch)):
            module, name = place.split(":")
            assert callable(getattr(import_module(module), name))
