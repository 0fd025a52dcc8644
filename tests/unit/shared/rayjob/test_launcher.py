from __future__ import annotations

import logging
import signal
from itertools import pairwise

import pytest

from shared.errors import ConfigurationError, DatabaseUnreachable, Stopped, TransientError
from shared.rayjob.launcher import Launcher
from shared.rayjob.log import DriverLog
from shared.rayjob.manifest import Job, make_rayjob
from shared.rayjob.settings import RaySettings
from tests.fakes.kubernetes import Clock, FakeCluster, status

SETTINGS = RaySettings(image="telecine-ray:0", workflow="w", namespace="telecine", node="extract")
JOB = Job("gamedata", "extract", "telecine gamedata extract", "cpu", "run-1", {})
NAME = JOB.name(SETTINGS)
START, RUN, DONE = status("Initializing"), status("Running", "RUNNING"), status("Complete", "SUCCEEDED")
BAD = status("Failed", "FAILED", reason="AppFailed", message="Job entrypoint command failed with exit code 65. No logs")


@pytest.fixture
def clock():
    return Clock()


def silent(**more):
    return DriverLog(show=lambda _: None, fetch=lambda *_: "line\n", **more)


def launcher(cluster, clock, *, log=None, settings=SETTINGS, **more):
    return Launcher(cluster, settings, JOB, sleep=clock.sleep, clock=clock, log=log or silent(), **more)


def test_it_makes_a_rayjob_and_waits_for_its_success(clock):
    cluster = FakeCluster([status(), START, RUN, RUN, DONE])
    prepared = []
    end = launcher(cluster, clock, prepare=lambda: prepared.append(1)).run()
    assert (end.exit_code, end.own) == (0, True)
    assert cluster.names_of("create") == [NAME]
    assert cluster.names_of("delete") == []
    assert prepared == [1]


def test_it_looks_each_second_at_first_and_then_every_three(clock):
    seen = []
    cluster = FakeCluster([RUN] * 120 + [DONE])
    get = cluster.get_rayjob
    cluster.get_rayjob = lambda name: (seen.append(clock()), get(name))[1]
    launcher(cluster, clock).run()
    pauses = [after - before for before, after in pairwise(seen[1:])]
    assert pauses[:80] == [1.0] * 80
    assert set(pauses[-20:]) == {3.0}


def test_it_ends_with_the_drivers_exit_code(clock):
    assert launcher(FakeCluster([START, RUN, BAD]), clock).run().exit_code == 65


@pytest.mark.parametrize("first", [status(), START, RUN, status("Waiting"), status("Suspended")])
def test_one_that_is_there_is_followed_and_not_made_again(clock, first):
    cluster = FakeCluster()
    cluster.put(make_rayjob(SETTINGS, JOB), first, RUN, DONE)
    recorded = []
    end = launcher(cluster, clock, record=lambda uid: recorded.append(uid) or True).run()
    assert end.exit_code == 0
    assert cluster.names_of("create") == []
    assert recorded == ["uid-1"]


def test_a_success_is_taken_as_done(clock):
    cluster = FakeCluster()
    cluster.put(make_rayjob(SETTINGS, JOB), DONE)
    prepared = []
    assert launcher(cluster, clock, prepare=lambda: prepared.append(1)).run().exit_code == 0
    assert (cluster.names_of("create"), cluster.names_of("delete"), prepared) == ([], [], [])


@pytest.mark.parametrize(
    "last",
    [BAD, status("Complete", "STOPPED"), status("ValidationFailed"), status("Failed", reason="DeadlineExceeded")],
    ids=["failed", "stopped", "refused", "late"],
)
def test_another_end_is_deleted_waited_for_and_made_anew(clock, last):
    cluster = FakeCluster([START, RUN, DONE], deletions_take=3)
    cluster.put(make_rayjob(SETTINGS, JOB), last)
    prepared = []
    end = launcher(cluster, clock, prepare=lambda: prepared.append(cluster.rayjobs.get(NAME))).run()
    assert end.exit_code == 0
    assert cluster.names_of("delete") == [NAME]
    assert prepared == [None]
    assert cluster.rayjobs[NAME]["metadata"]["uid"] == "uid-2"


def test_one_that_is_being_deleted_is_waited_for(clock):
    cluster = FakeCluster([DONE])
    cluster.put(make_rayjob(SETTINGS, JOB), RUN)
    cluster.deletions_take = 2
    cluster.delete_rayjob(NAME, "uid-1")
    assert launcher(cluster, clock).run().exit_code == 0
    assert cluster.rayjobs[NAME]["metadata"]["uid"] == "uid-2"


def test_a_deletion_that_hangs_is_tried_again_later(clock):
    cluster = FakeCluster(deletions_take=10_000)
    cluster.put(make_rayjob(SETTINGS, JOB), BAD)
    with pytest.raises(TransientError, match="still being deleted"):
        launcher(cluster, clock).run()


def test_an_answer_that_was_lost_makes_no_second_rayjob(clock):
    cluster = FakeCluster([RUN, DONE])
    made = cluster.create_rayjob

    def lost(manifest):
        made(manifest)
        cluster.create_rayjob = made
        raise TransientError("cut")

    cluster.create_rayjob = lost
    assert launcher(cluster, clock).run().exit_code == 0
    assert cluster.made == 1


def test_an_api_that_is_away_is_waited_for_and_not_for_ever(clock):
    cluster = FakeCluster([START, RUN, DONE])
    cluster.faults = [None, None, *[TransientError("503")] * 20]
    assert launcher(cluster, clock).run().exit_code == 0
    cluster = FakeCluster([START, RUN])
    cluster.faults = [None, None, *[TransientError("503")] * 1000]
    began = clock.now
    with pytest.raises(TransientError, match="503"):
        launcher(cluster, clock).run()
    assert 300 <= clock.now - began < 330


def test_missing_rights_end_it_at_once(clock):
    cluster = FakeCluster()
    cluster.faults = [ConfigurationError("403")]
    with pytest.raises(ConfigurationError):
        launcher(cluster, clock).run()
    assert clock.now == 0


@pytest.mark.parametrize("other", [False, True], ids=["gone", "replaced"])
def test_one_that_somebody_deletes_is_tried_again(clock, other):
    cluster = FakeCluster([RUN])

    def somebody():
        cluster.delete_rayjob(NAME, "uid-1")
        if other:
            cluster.put(make_rayjob(SETTINGS, JOB))

    clock.at(20, somebody)
    with pytest.raises(TransientError, match="deleted by something else"):
        launcher(cluster, clock).run()


def stop(_=None):
    raise Stopped(signal.SIGTERM)


@pytest.mark.parametrize(
    ("workflow", "stays"),
    [
        ({"spec": {}}, True),
        ({"spec": {"shutdown": "Stop"}}, False),
        ({"spec": {"shutdown": "Terminate"}}, False),
        (None, False),
    ],
    ids=["pod lost", "stop", "terminate", "workflow gone"],
)
def test_a_signal_deletes_it_only_if_the_workflow_is_being_stopped(clock, workflow, stays):
    cluster = FakeCluster([START, RUN], workflows={"w": workflow})
    clock.at(20, stop)
    with pytest.raises(Stopped):
        launcher(cluster, clock).run()
    assert (NAME in cluster.rayjobs) is stays


def test_without_a_workflow_a_signal_deletes_it(clock):
    cluster = FakeCluster([RUN])
    settings = RaySettings(image="x")
    clock.at(5, stop)
    with pytest.raises(Stopped):
        launcher(cluster, clock, settings=settings).run()
    assert cluster.rayjobs == {}
    assert cluster.names_of("workflow") == []


def test_a_signal_while_it_is_being_made_leaves_no_orphan(clock):
    cluster = FakeCluster([RUN], workflows={"w": {"spec": {"shutdown": "Stop"}}})
    made = cluster.create_rayjob
    cluster.create_rayjob = lambda manifest: stop(made(manifest))
    with pytest.raises(Stopped):
        launcher(cluster, clock).run()
    assert cluster.rayjobs == {}


def test_a_signal_with_the_api_away_leaves_it_to_the_sweep(clock, caplog):
    cluster = FakeCluster([RUN])
    clock.at(5, lambda: cluster.faults.append(TransientError("away")) or stop())
    with pytest.raises(Stopped), caplog.at_level(logging.WARNING):
        launcher(cluster, clock).run()
    assert "to the sweep" in caplog.text
    assert NAME in cluster.rayjobs


def test_a_gpu_that_is_not_there_is_named_within_a_minute_and_once(clock, caplog):
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    pending = {
        "metadata": {"name": "w", "labels": {"ray.io/group": "gpu"}},
        "status": {"phase": "Pending", "conditions": [condition]},
    }
    cluster = FakeCluster([START] * 60 + [status("Failed", reason="PreRunningDeadlineExceeded")], pods=[pending])
    told = []
    clock.at(59, lambda: told.append(caplog.text))
    with caplog.at_level(logging.WARNING):
        end = launcher(cluster, clock).run()
    assert f"pod w (group gpu) is Pending: {message}" in told[0]
    assert caplog.text.count(message) == 1
    assert end.exit_code == 75
    assert set(cluster.names_of("pods")) == {"ray.io/cluster=ray-1"}


def away(*_):
    raise OSError("connection refused")


HEAD = {"metadata": {"labels": {"ray.io/node-type": "head"}}, "status": {"phase": "Running"}}


def test_a_head_that_is_gone_for_long_is_given_up(clock):
    cluster = FakeCluster([START, RUN])
    with pytest.raises(TransientError, match=r"head of RayJob .* has been gone"):
        launcher(cluster, clock, log=DriverLog(fetch=away)).run()
    assert cluster.rayjobs == {}
    assert clock.now >= 300


def test_a_head_that_cannot_be_reached_from_here_is_not_gone(clock):
    cluster = FakeCluster([START, *[RUN] * 400, DONE], pods=[HEAD])
    assert launcher(cluster, clock, log=DriverLog(fetch=away)).run().exit_code == 0


def test_the_uid_is_recorded_as_soon_as_the_driver_has_opened_its_stage(clock):
    cluster = FakeCluster([START, *[RUN] * 10, DONE])
    answers = [DatabaseUnreachable("away"), False, True]
    asked = []

    def record(uid):
        asked.append(uid)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert launcher(cluster, clock, record=record).run().exit_code == 0
    assert asked == ["uid-1"] * 3


def test_a_ledger_that_refuses_the_uid_ends_nothing(clock, caplog):
    asked = []

    def record(uid):
        asked.append(uid)
        raise ConfigurationError("no database")

    with caplog.at_level(logging.WARNING):
        assert launcher(FakeCluster([RUN, RUN, RUN, DONE]), clock, record=record).run().exit_code == 0
    assert len(asked) == 1
    assert "cannot write the RayJob's uid to the ledger:" in caplog.text
