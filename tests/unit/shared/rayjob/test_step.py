"""From the step's flags to the driver's report, without a cluster."""

from __future__ import annotations

import functools
import json
import shlex
from dataclasses import replace

import pytest

from jobs.gamedata.commands import STEPS
from jobs.gamedata.settings import ExtractSettings
from jobs.gamedata.steps import extract
from jobs.gamedata.steps._launch import launch_with
from shared.errors import ConfigurationError, DataError, TelecineError, TransientError, UsageError
from shared.rayjob.launcher import Launcher
from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from shared.rayjob.step import RayStep
from shared.report import Report
from shared.report.write import write
from shared.settings.command import parse
from shared.settings.flags import arguments
from shared.step import execute as steps
from shared.step.contract import UnrecordedRun
from shared.storage import open_store
from tests.fakes.kubernetes import Clock, FakeCluster, status
from tests.fakes.ledger import MemoryStageRun

START, RUN, DONE = status("Initializing"), status("Running", "RUNNING"), status("Complete", "SUCCEEDED")
(EXTRACT,) = [each for each in STEPS if each.name == "extract"]


def failed(code):
    return status(
        "Failed", "FAILED", reason="AppFailed", message=f"Job entrypoint command failed with exit code {code}. No"
    )


class Site:
    """A cluster whose driver leaves a report when its RayJob is made."""

    def __init__(self, folder, script, report=None):
        self.folder = folder
        self.cluster = FakeCluster(script)
        self.report = report
        self.entrypoints = []
        made = self.cluster.create_rayjob

        def create(manifest):
            self.entrypoints.append(manifest["spec"]["entrypoint"])
            (head,) = manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
            self.variables = {each["name"]: each["value"] for each in head["env"]}
            if self.report is not None:
                write(self.report, self.variables["TELECINE_REPORT_DIR"])
            return made(manifest)

        self.cluster.create_rayjob = create

    def step(self, settings, **more):
        clock = Clock()
        make = functools.partial(Launcher, sleep=clock.sleep, clock=clock, log=_Silent())
        given = {"pipeline": "gamedata", "step": "extract", "compute": "cpu", **more}
        return RayStep(settings, **given, cluster=self.cluster, make_launcher=make)

    def run(self, settings):
        return self.step(settings).run(settings, UnrecordedRun("run-1", "gamedata", "extract", None))


def name_of_the_rayjob():
    job = Job("gamedata", "extract", "", "cpu", "run-1", {})
    return job.name(RaySettings())


class _Silent:
    def poll(self, *_, **__):
        return False


@pytest.fixture(autouse=True)
def variables(monkeypatch, tmp_path):
    monkeypatch.setenv("TELECINE_RAY_IMAGE", "telecine-ray:0")
    monkeypatch.setenv("TELECINE_RAY_REPORT_ROOT", f"file://{tmp_path}/artifacts")
    monkeypatch.setenv("TELECINE_WORKFLOW", "w")
    monkeypatch.setenv("TELECINE_NODE", "extract")


def settings_of(**more):
    return ExtractSettings(
        source_bucket="s3://tars", manifest_bucket="s3://extracted", run_id="run-1", compute="cpu", **more
    )


def test_the_driver_gets_each_setting_that_is_not_its_default():
    given = settings_of(
        prefix="-a b'c",
        strides="3:15,0.5:2",
        skip_existing=False,
        max_failed=0,
        task_list="s3://tars/list.txt",
        workers=3,
    )
    words = arguments(given)
    again = parse(ExtractSettings, "telecine", "", words)
    names = [name for name, pipeline in ExtractSettings.pipelines.items() if pipeline]
    assert {name: getattr(again, name) for name in names} == {name: getattr(given, name) for name in names}
    assert not [
        word for word in words if word.startswith(("--frames", "--only-failed", "--no-only-failed", "--batch-mb"))
    ]


def test_a_setting_from_a_variable_is_given_too(monkeypatch):
    monkeypatch.setenv("TELECINE_GAMEDATA_BATCH_MB", "12800")
    assert "--batch-mb=12800" in arguments(settings_of())


def test_the_drivers_report_and_exit_code_become_the_steps(tmp_path):
    report = Report(pipeline="gamedata", step="extract", run_id="run-1", status="partial", counts={"extracted": 37})
    site = Site(tmp_path, [START, RUN, DONE], report)
    found = site.run(settings_of(prefix="a b"))
    assert (found.status, found.counts, found.exit_code) == ("partial", {"extracted": 37}, 0)
    assert "<html" in found.page
    (entrypoint,) = site.entrypoints
    assert shlex.split(entrypoint)[:3] == ["telecine", "gamedata", "extract"]
    assert "--prefix=a b" in shlex.split(entrypoint)
    assert site.variables["TELECINE_REPORT_DIR"] == f"file://{tmp_path}/artifacts/telecine/w/extract-driver"
    assert (site.variables["TELECINE_RUN_ID"], site.variables["TELECINE_WORKFLOW"]) == ("run-1", "w")


@pytest.mark.parametrize(("reported", "driver", "expected"), [(65, 65, 65), (0, 75, 75), (65, 78, 78)])
def test_the_more_severe_exit_code_counts(tmp_path, reported, driver, expected):
    report = Report(status="failed", exit_code=reported)
    assert Site(tmp_path, [RUN, failed(driver)], report).run(settings_of()).exit_code == expected


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2, UsageError),
        (65, DataError),
        (70, TelecineError),
        (75, TransientError),
        (78, ConfigurationError),
        (143, TransientError),
    ],
)
def test_a_driver_without_a_report_is_an_error_of_its_kind(tmp_path, code, error):
    site = Site(tmp_path, [RUN, failed(code)])
    with pytest.raises(error, match=f"exit code {code} but left no report") as caught:
        site.run(settings_of())
    assert type(caught.value) is error


def test_the_report_of_an_earlier_driver_is_not_taken_for_this_ones(tmp_path):
    folder = f"file://{tmp_path}/artifacts/telecine/w/extract-driver"
    write(Report(status="success", counts={"extracted": 99}), folder)
    with pytest.raises(TransientError, match="left no report"):
        Site(tmp_path, [RUN, failed(75)]).run(settings_of())


def test_the_clusters_fault_is_no_report(tmp_path):
    site = Site(tmp_path, [START, status("Failed", reason="PreRunningDeadlineExceeded")], Report())
    with pytest.raises(TransientError, match="not all running by the deadline"):
        site.run(settings_of())


@pytest.mark.parametrize(
    ("last", "there"),
    [(None, False), (RUN, True), (DONE, True), (failed(75), False)],
    ids=["none", "runs", "done", "failed"],
)
def test_whether_an_earlier_attempt_left_one(tmp_path, last, there):
    site = Site(tmp_path, [last or RUN], Report())
    if last is not None:
        site.cluster.put({"metadata": {"name": name_of_the_rayjob()}})
    assert site.step(settings_of()).is_there() is there


def test_bad_variables_are_named_as_they_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_RAY_HEAD_MEMORY", "3 GB")
    with pytest.raises(ConfigurationError, match=r"TELECINE_RAY_HEAD_MEMORY: '3 GB' is not a quantity"):
        Site(tmp_path, [RUN]).step(settings_of())


def test_a_workflow_without_its_uid_is_refused(tmp_path):
    settings = settings_of().model_copy(update={"run_id": None})
    with pytest.raises(ConfigurationError, match="TELECINE_RUN_ID"):
        Site(tmp_path, [RUN]).step(settings)


@pytest.mark.parametrize(
    ("more", "flag"),
    [
        ({"source_bucket": "./tars"}, "--source-bucket"),
        ({"manifest_bucket": "./out"}, "--manifest-bucket"),
        ({"task_list": "list.txt"}, "--task-list"),
    ],
)
def test_what_no_pod_can_reach_is_refused(tmp_path, more, flag):
    given = {"source_bucket": "s3://tars", "manifest_bucket": "s3://extracted", "compute": "cpu"} | more
    with pytest.raises(UsageError, match=rf"{flag} .*expected s3://"):
        launch_with(ExtractSettings(**given), Site(tmp_path, [RUN]).step)


@pytest.fixture
def three_tars(tmp_path, monkeypatch):
    """Let the launcher of extract find three TARs, in folders that stand for buckets."""
    monkeypatch.setattr(
        "jobs.gamedata.steps._launch.open_store", lambda uri, *_, **__: open_store(_folder(tmp_path, uri), create=True)
    )
    source = open_store(_folder(tmp_path, "s3://tars"), create=True)
    for number in range(3):
        source.put(f"{number}.tar", b"x")


def _folder(root, uri):
    return f"file://{root}/{uri.removeprefix('s3://')}"


def test_auto_launches_no_rayjob_for_little_work(tmp_path, three_tars):
    site = Site(tmp_path, [RUN, DONE], Report())
    given = {"source_bucket": "s3://tars", "manifest_bucket": "s3://extracted", "run_id": "run-1", "compute": "auto"}
    assert launch_with(ExtractSettings(**given), site.step) is None
    assert site.cluster.calls == []


def test_auto_launches_a_rayjob_for_much_work_and_tells_its_driver_so(tmp_path, three_tars):
    site = Site(tmp_path, [RUN, DONE], Report())
    given = {"source_bucket": "s3://tars", "manifest_bucket": "s3://extracted", "run_id": "run-1", "compute": "auto"}
    settings = ExtractSettings(**given, one_pod_s=1)
    run = launch_with(settings, site.step)
    assert run is not None
    run(settings, UnrecordedRun("run-1", "gamedata", "extract", None))
    (entrypoint,) = site.entrypoints
    assert "--compute=cpu" in shlex.split(entrypoint)


def test_auto_reads_a_folder_of_this_machine_here(tmp_path):
    site = Site(tmp_path, [])
    given = {"source_bucket": "./tars", "manifest_bucket": "s3://extracted", "compute": "auto", "one_pod_s": 0}
    assert launch_with(ExtractSettings(**given), site.step) is None


def test_rayjobs_of_ended_runs_are_deleted_before_one_is_created(tmp_path):
    site = Site(tmp_path, [RUN, DONE], Report())
    job = Job("gamedata", "extract", "telecine", "cpu", "uid-of-x", {})
    left = site.cluster.put(make_rayjob(RaySettings(image="x", workflow="ended", namespace="telecine"), job))
    site.run(settings_of())
    calls = [call for call, name in site.cluster.calls if call in ("create", "delete")]
    assert calls == ["delete", "create"]
    assert left["metadata"]["name"] not in site.cluster.rayjobs


def test_a_sweep_that_fails_does_not_stop_the_run(tmp_path, caplog):
    site = Site(tmp_path, [RUN, DONE], Report())
    # The first call asks for an earlier RayJob.
    site.cluster.faults = [None, ConfigurationError("may not list")]
    assert site.run(settings_of()).exit_code == 0
    assert "may not list" in caplog.text


def test_extract_in_the_launcher_does_not_start_workers_when_tars_came_meanwhile():
    with pytest.raises(TransientError, match="run the command again"):
        extract.cluster_ray(lambda: None, 2)


def ran(settings, stage_run):
    return Report(headline="in place", counts={"stage": isinstance(stage_run, MemoryStageRun)})


def launched(settings):
    return lambda settings, stage_run: Report(headline="on a cluster", exit_code=65, page="<html>the driver's</html>")


def nothing(settings):
    return None


@pytest.mark.parametrize(
    ("launch", "compute", "rayjob"),
    [("launched", "cpu", ""), ("launched", "local", ""), ("launched", "cpu", "telecine-1"), ("nothing", "cpu", "")],
    ids=["launcher", "local", "driver", "nothing to read"],
)
def test_a_step_is_launched_unless_it_is_local_or_the_driver_or_idle(launch, compute, rayjob, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_RAYJOB", rayjob)
    step = replace(EXTRACT, run=f"{__name__}:ran", launch=f"{__name__}:{launch}", stage=None)
    places = ["--source-bucket=s3://tars", "--manifest-bucket=s3://extracted", "--report-dir=out"]
    code = steps.execute(step, ["--compute", compute, *places])
    away = (launch, compute, rayjob) == ("launched", "cpu", "")
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (found["headline"], code) == (("on a cluster", 65) if away else ("in place", 0))
    assert ((tmp_path / "out" / "report.html").read_text() == "<html>the driver's</html>") is away


def test_extract_names_its_launcher():
    assert EXTRACT.launch == "jobs.gamedata.steps._launch:launch"


def test_the_launcher_refuses_more_workers_than_the_installation_allows(tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_RAY_CPU_WORKERS", "5")
    monkeypatch.setenv("TELECINE_RAY_CPU_MAX_WORKERS", "4")
    with pytest.raises(UsageError, match="cpu-workers 5 exceeds this installation's limit; expected at most 4"):
        Site(tmp_path, []).step(ExtractSettings(run_id="run-1"))
