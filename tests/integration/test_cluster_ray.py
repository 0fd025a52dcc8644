"""The pool on a real Ray cluster on loopback: nodes that join late, nodes that die, processes that die."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
import urllib.error
import urllib.request

import pytest

from jobs.gamedata.parts.store import read_rows
from shared.rayjob.log import fetch_log
from shared.storage import open_store
from tests.ray_cluster import TOKEN, RayCluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

DEADLINE_S = 90
DRIVE = """
import sys
from shared.errors import TelecineError
from tests.fakes.ray_work import drive
try:
    drive(sys.argv[1], sys.argv[2], sys.argv[3].split(","), **eval(sys.argv[4] if sys.argv[4:] else "{}"))
except TelecineError as error:
    sys.stderr.write(f"{error.code}: {error.message}")
    sys.exit(error.exit_code)
"""


@pytest.fixture
def cluster():
    found = RayCluster()
    yield found
    found.close()


@pytest.fixture(scope="module")
def standing():
    """A cluster with one node, for tests that leave it as it was: starting one takes 4 s of processor time."""
    found = RayCluster()
    found.add_node(cpus=2, NODE="n")
    yield found
    found.close()


def wait_until(condition, process=None):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the condition never became true"
        signal.sigtimedwait([], 0.05)


def ended(cluster, process):
    try:
        out, err = process.communicate(timeout=DEADLINE_S)
    finally:
        if process.poll() is None:
            cluster.kill(process)
    # Ray prints lines of its own in between.
    outcomes = [tuple(line.split(",")[1:]) for line in out.splitlines() if line.startswith("outcome,")]
    return process.returncode, outcomes, err


def test_late_nodes_work_and_work_of_a_lost_node_is_repeated(cluster, tmp_path):
    first = cluster.add_node(cpus=1, NODE="first")
    driver = cluster.run(DRIVE, tmp_path, "0 wait,1,2,3")
    try:
        wait_until((tmp_path / "begun-0-first").exists, driver)
        cluster.add_node(cpus=1, NODE="late")
        wait_until((tmp_path / "begun-3-late").exists, driver)
        cluster.kill(first)
        wait_until((tmp_path / "begun-0-late").exists, driver)
        (tmp_path / "go").touch()
    finally:
        code, outcomes, err = ended(cluster, driver)
    assert code == 0, err
    assert sorted(outcomes) == [("0 wait", "late", "False"), *((str(n), "late", "False") for n in (1, 2, 3))]


def test_a_node_that_dies_before_ray_notices_is_not_a_failure_of_its_work(tmp_path):
    # Ray takes 12 s to notice a node that does not answer, far longer than the grace period.
    cluster = RayCluster(RAY_health_check_timeout_ms="2000")
    try:
        first = cluster.add_node(cpus=1, NODE="first")
        driver = cluster.run(DRIVE, tmp_path, "0 wait", "{'death_grace_s': 1.0}")
        wait_until((tmp_path / "begun-0-first").exists, driver)
        cluster.add_node(cpus=1, NODE="second")
        cluster.strand(first)
        wait_until((tmp_path / "begun-0-second").exists, driver)
        (tmp_path / "go").touch()
        code, outcomes, err = ended(cluster, driver)
    finally:
        cluster.close()
    assert code == 0, err
    assert outcomes == [("0 wait", "second", "False")]


def test_a_process_that_dies_on_a_live_node_is_a_failure_of_its_work(standing, tmp_path):
    code, outcomes, err = ended(standing, standing.run(DRIVE, tmp_path, "1 die,2,3"))
    assert code == 0, err
    assert sorted(outcomes) == [("1 die", "None", "True"), ("2", "n", "False"), ("3", "n", "False")]


def test_workers_import_nothing_from_the_drivers_folder(standing, tmp_path):
    code, outcomes, err = ended(standing, standing.run(DRIVE, tmp_path, "1 path", cwd=tmp_path))
    assert code == 0, err
    assert outcomes == [("1 path", "False", "False")]


def test_errors_keep_their_type_and_images_of_two_builds_are_refused(standing, tmp_path):
    refused = standing.run(DRIVE, "refuse", "1")
    mixed = standing.run(DRIVE, tmp_path, "1", TELECINE_REVISION="def")
    code, _, err = ended(standing, refused)
    assert code == 78
    assert "configuration: no such device" in err
    code, _, err = ended(standing, mixed)
    assert code == 78
    assert "the revision differs" in err
    assert "head has def, worker " in err
    assert not list(tmp_path.iterdir())


def test_a_cluster_without_workers_times_out(cluster, tmp_path):
    code, _, err = ended(cluster, cluster.run(DRIVE, tmp_path, "1", "{'no_workers_s': 1.0}"))
    assert code == 75
    assert "has had no worker" in err


@pytest.mark.parametrize(
    "environment", [{"RAY_AUTH_TOKEN": "another"}, {"RAY_AUTH_MODE": "disabled"}], ids=["wrong", "none"]
)
def test_a_driver_without_the_token_is_refused(standing, tmp_path, environment):
    code, outcomes, err = ended(standing, standing.run(DRIVE, tmp_path, "1", HOME=str(tmp_path), **environment))
    assert code != 0
    assert outcomes == []
    assert "authentication" in err.lower(), err
    assert not list(tmp_path.glob("begun-*"))


def test_the_job_api_accepts_only_requests_with_the_token():
    """It runs commands: with a closed one, only KubeRay and the launcher reach the driver and its log."""
    if importlib.util.find_spec("aiohttp_cors") is None:
        pytest.skip("ray[default] is not installed: its dashboard serves the job API")
    cluster = RayCluster(dashboard=True)
    try:
        jobs = f"http://{cluster.dashboard}/api/jobs/"
        wait_until(lambda: status_of(jobs) is not None)
        body = json.dumps({"entrypoint": "echo $((40 + 2))"}).encode()
        submission = urllib.request.Request(jobs, data=body, headers={"Content-Type": "application/json"})
        assert status_of(submission) == 401
        submission.add_header("Authorization", "Bearer another")
        assert status_of(submission) == 403
        # As KubeRay sends it.
        submission.remove_header("Authorization")
        submission.add_header("X-Ray-Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(submission, timeout=30) as answer:
            job_id = json.load(answer)["submission_id"]
        wait_until(lambda: "\n42\n" in f"\n{fetch_log(cluster.dashboard, job_id, token=TOKEN)}\n")
        for token, code in ((None, 401), ("another", 403)):
            with pytest.raises(OSError, match=f"HTTP Error {code}"):
                fetch_log(cluster.dashboard, job_id, token=token)
    finally:
        cluster.close()


def status_of(request):
    """Return the status of an answer; None if there is none."""
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


EXTRACT = """
import json, sys
from jobs.gamedata.steps import extract
from jobs.gamedata.settings import ExtractSettings
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.ray_work import reader

if __name__ == "__main__":
    settings = ExtractSettings(source_bucket=sys.argv[2] + "/in", manifest_bucket=sys.argv[2] + "/out", compute="mixed")
    report = extract.run_with(settings, MemoryStageRun(), make_extract=reader, make_pool=extract.cluster_ray)
    print("report", json.dumps([report.counts, report.exit_code]))
"""


def test_a_driver_counts_the_tars_of_each_group(cluster, tmp_path):
    source = open_store(f"file://{tmp_path}/in", create=True)
    for number in range(40):
        source.put(f"s/{number:02d}.tar", b"bad" if number == 3 else f"body {number}".encode())
    cluster.add_node(cpus=1, TELECINE_GROUP="cpu", FOLDER=str(tmp_path))
    rayjob = {"TELECINE_RAYJOB": "telecine-1", "TELECINE_SLOTS": "2", "RAY_ADDRESS": cluster.address}
    driver = cluster.run(EXTRACT, tmp_path, **rayjob)
    try:
        wait_until((tmp_path / "cpu").exists, driver)
        cluster.add_node(cpus=1, TELECINE_GROUP="gpu", FOLDER=str(tmp_path))
        out, err = driver.communicate(timeout=DEADLINE_S)
    finally:
        if driver.poll() is None:
            cluster.kill(driver)
    assert driver.returncode == 0, err
    (line,) = [line for line in out.splitlines() if line.startswith("report ")]
    counts, code = json.loads(line.removeprefix("report "))
    assert (counts["extracted"], counts["failed"], code) == (39, 1, 0)
    assert counts["group_cpu"] + counts["group_gpu"] == counts["device_cpu"] == 40
    assert min(counts["group_cpu"], counts["group_gpu"]) > 0
    rows = read_rows(open_store(f"file://{tmp_path}/out"), ["worker"]).to_pylist()
    assert len(rows) == 40
    assert len({row["worker"] for row in rows}) == 2
