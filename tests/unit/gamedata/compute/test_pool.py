"""Pools of Ray actors: the error if Ray does not start, and the cleanup."""

from __future__ import annotations

import pytest

from jobs.gamedata.compute.pool import BasePool, start_ray
from shared.errors import EXIT_TRANSIENT, TransientError

TIMED_OUT = (
    "The current node timed out during startup. This could happen because some of the raylet failed to startup or the"
    " GCS has become overloaded."
)


class FakeRay:
    """A ``ray`` whose ``init`` may fail."""

    def __init__(self, error=None):
        self.error = error
        self.options = None

    def init(self, **options):
        self.options = options
        if self.error is not None:
            raise self.error


class Pool(BasePool):
    """A pool that starts the fake and counts its stops."""

    def __init__(self, ray):
        self.ray = ray
        self.stopped = 0

    def _start(self):
        start_ray(self.ray.init, address="local")

    def _stop(self):
        self.stopped += 1


@pytest.mark.parametrize(
    "error",
    [
        # As in ray/_private/node.py of 2.60, which raises a bare Exception.
        Exception(TIMED_OUT),
        RuntimeError("Failed to start GCS."),
        TimeoutError("Timed out while waiting for node to startup."),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_busy_machine_is_a_transient_error(error):
    pool = Pool(FakeRay(error))
    with pytest.raises(TransientError) as caught, pool:
        pytest.fail("it did not start")
    assert (caught.value.exit_code, caught.value.retryable) == (EXIT_TRANSIENT, True)
    assert str(error) in caught.value.message
    assert "try again" in caught.value.message
    assert "--workers" in caught.value.message
    assert caught.value.__cause__ is error
    assert pool.stopped == 1


@pytest.mark.parametrize("error", [ValueError("no such option"), TypeError("unexpected keyword"), KeyboardInterrupt()])
def test_a_bug_or_a_signal_is_raised_unchanged(error):
    pool = Pool(FakeRay(error))
    with pytest.raises(type(error)) as caught, pool:
        pytest.fail("it did not start")
    assert caught.value is error
    assert pool.stopped == 1


def test_a_pool_that_starts_is_stopped_once():
    pool = Pool(FakeRay())
    with pool as entered:
        assert entered is pool
        assert pool.stopped == 0
    assert pool.stopped == 1
    assert pool.ray.options == {"address": "local"}
