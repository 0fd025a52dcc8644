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


EXTRACT = """
import json, sys
from jobs.gamedata.steps import extract
from jobs.gamedata.settings import ExtractSettings
from tests.fakes.ledger import MemoryStageRun
from tests.fakes.ray_work import reader

if __name__ == "__main__":
    settings = ExtractSettings(source_bucket=sys.argv[2] + "/in", manifest_bucket=sys.argv[2] + "/out", compute="mixed")
    report = extract.run_with(settings, MemoryStageRun(), make_extract=reader, make_pool=extract.cluster_ray)
    print("outcome|" + json.dumps([report.counts, report.exit_code]))
"""


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
    lines = [line for line in out.splitlines() if line.startswith(("outcome,", "outcome|"))]
    outcomes = [tuple(line.split("|", 1)[1:] if "|" in line else line.split(",")[1:]) for line in lines]
    return process.returncode, outcomes, err


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


def test_a_driver_without_the_token_is_refused(standing, tmp_path):
    # At the same time: each asks for 20 s.
    drivers = {}
    for name, environment in (("wrong", {"RAY_AUTH_TOKEN": "another"}), ("none", {"RAY_AUTH_MODE": "disabled"})):
        (tmp_path / name).mkdir()
        drivers[name] = standing.run(DRIVE, tmp_path, "1", HOME=str(tmp_path / name), **environment)
    for name, (code, outcomes, err) in {name: ended(standing, each) for name, each in drivers.items()}.items():
        assert code != 0, name
        assert outcomes == [], name
        assert "authentication" in err.lower(), (name, err)
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


@pytest.fixture(scope="module")
def changing(tmp_path_factory):
    """Results of drivers on one cluster whose nodes come and go; a head and its nodes take 20 s to start on busy cores.

    Returns:
        ``empty``: without a node. ``groups``: a node joins when another already works, and the TARs of both count.
        ``lost``: the node that works is killed. ``stranded``: the node that works is left without an answer, which Ray
        takes far longer to notice than the grace period. Each is what `ended` returns; the last two with the node
        that had begun and the one that took over.
    """
    folders = {name: tmp_path_factory.mktemp(name) for name in ("groups", "lost", "stranded")}
    source = open_store(f"file://{folders['groups']}/in", create=True)
    for number in range(40):
        source.put(f"s/{number:02d}.tar", b"bad" if number == 3 else f"body {number}".encode())
    found = {"folder": folders["groups"]}
    # A node that does not answer is noticed after 20 s.
    cluster = RayCluster(RAY_health_check_timeout_ms="4000")
    nodes = {}

    def add(name, **environment):
        nodes[name] = cluster.add_node(cpus=1, NODE=name, FOLDER=str(folders["groups"]), **environment)

    def interrupt(scene, end, *works, **limits):
        folder = folders[scene]
        driver = cluster.run(DRIVE, folder, ",".join(works), repr(limits))
        try:
            wait_until(lambda: any(folder.glob("begun-0-*")), driver)
            (begun,) = (path.name.rpartition("-")[2] for path in folder.glob("begun-0-*"))
            end(nodes.pop(begun))
            wait_until(lambda: any((folder / f"begun-0-{name}").exists() for name in nodes), driver)
            (folder / "go").touch()
        finally:
            found[scene] = *ended(cluster, driver), begun, *nodes

    try:
        found["empty"] = ended(cluster, cluster.run(DRIVE, folders["lost"], "1", "{'no_workers_s': 1.0}"))
        add("first", TELECINE_GROUP="cpu")
        rayjob = {"TELECINE_RAYJOB": "telecine-1", "TELECINE_SLOTS": "2", "RAY_ADDRESS": cluster.address}
        driver = cluster.run(EXTRACT, folders["groups"], **rayjob)
        try:
            wait_until((folders["groups"] / "cpu").exists, driver)
            add("second", TELECINE_GROUP="gpu")
        finally:
            found["groups"] = ended(cluster, driver)
        interrupt("lost", cluster.kill, "0 wait", "1", "2", "3")
        add("third")
        interrupt("stranded", cluster.strand, "0 wait", death_grace_s=1.0)
        yield found
    finally:
        cluster.close()


def test_a_cluster_without_workers_times_out(changing):
    code, _, err = changing["empty"]
    assert code == 75
    assert "has had no worker" in err


def test_late_nodes_work_and_a_driver_counts_the_tars_of_each_group(changing):
    code, reports, err = changing["groups"]
    assert code == 0, err
    ((line,),) = reports
    counts, code = json.loads(line)
    assert (counts["extracted"], counts["failed"], code) == (39, 1, 0)
    assert counts["group_cpu"] + counts["group_gpu"] == counts["device_cpu"] == 40
    assert min(counts["group_cpu"], counts["group_gpu"]) > 0
    rows = read_rows(open_store(f"file://{changing['folder']}/out"), ["worker"]).to_pylist()
    assert len(rows) == 40
    assert len({row["worker"] for row in rows}) == 2


def test_work_of_a_lost_node_is_repeated(changing):
    code, outcomes, err, _, other = changing["lost"]
    assert code == 0, err
    assert sorted(outcomes) == [("0 wait", other, "False"), *((str(number), other, "False") for number in (1, 2, 3))]


def test_a_node_that_dies_before_ray_notices_is_not_a_failure_of_its_work(changing):
    code, outcomes, err, begun, other = changing["stranded"]
    assert code == 0, err
    assert begun != other
    assert outcomes == [("0 wait", other, "False")]
