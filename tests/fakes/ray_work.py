"""Work for a cluster pool that leaves files behind, so that a test can follow its progress."""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

from shared.errors import ConfigurationError
from tests.fakes.sessions import extract_fake

__all__ = ["drive", "reader", "refuse"]


class _Runner:
    def __init__(self, folder):
        self._folder = Path(folder)

    def run(self, work):
        """Return at once for ``12``; after the file ``go`` appears for ``12 wait``; exit the process for ``12 die``.

        For ``12 path``, return True if ``folder`` is on the import path.
        """
        name, _, what = work.partition(" ")
        node = os.environ["NODE"]
        (self._folder / f"begun-{name}-{node}").touch()
        if what == "die":
            os._exit(3)
        if what == "path":
            return str(self._folder) in sys.path
        while what == "wait" and not (self._folder / "go").exists():
            time.sleep(0.05)
        return node


def reader(_):
    """A ``make_extract`` for sessions without a video. Reading waits until both groups have started."""
    return _patient_reader


def _patient_reader(_device):
    return extract_fake(fail={b"bad": "video_missing"}, hook=_wait_for_both)


def _wait_for_both(_body):
    folder = Path(os.environ["FOLDER"])
    (folder / os.environ["TELECINE_GROUP"]).touch()
    while not ((folder / "cpu").exists() and (folder / "gpu").exists()):
        time.sleep(0.05)


def refuse():
    raise ConfigurationError("no such device", device="cuda")


def drive(address, folder, works, **limits):
    """Process work on a cluster and print ``outcome,work,result,died`` for each piece as it completes."""
    from jobs.gamedata.compute.cluster import ClusterLimits, ClusterRay

    make = refuse if folder == "refuse" else functools.partial(_Runner, folder)
    with ClusterRay(make, workers=4, address=address, limits=ClusterLimits(**{"death_grace_s": 6.0, **limits})) as pool:
        for work in works:
            pool.submit(work)
        for outcome in pool:
            sys.stdout.write(f"outcome,{outcome.work},{outcome.result},{outcome.died is not None}\n")
            sys.stdout.flush()
