"""A Ray cluster on loopback: a head without CPUs and nodes that come and go, each a process group of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]

__all__ = ["TOKEN", "RayCluster"]

TOKEN = "token-of-the-test"

_PATH = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
_ENVIRONMENT = {
    # As in a RayJob. The token of this machine's user, if there is one, is not used.
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": TOKEN,
    # One build on all nodes, and one that a test can differ from.
    "TELECINE_REVISION": "abc",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # A node that is killed refuses connections: noticed within seconds and not within a minute, and a slow one is not.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "10000",
    "RAY_health_check_failure_threshold": "4",
}


class RayCluster:
    """Starts with its head alone.

    Attributes:
        address: of the head.
        dashboard: its host and port; None without one.
        nodes: processes of the worker nodes.

    Args:
        dashboard: start Ray's dashboard, which serves the job API.
        environment: variables of every node.
    """

    def __init__(self, *, dashboard=False, **environment):
        self._environment = environment
        # Unix sockets allow paths of 107 bytes.
        self._folder = tempfile.mkdtemp(prefix="telecine-cluster-", dir="/tmp")
        port = _free_port()
        self.address = f"127.0.0.1:{port}"
        self.dashboard = f"127.0.0.1:{_free_port()}" if dashboard else None
        self.nodes = []
        # Nothing here scales, and no driver prints its workers' logs: each of the two processes takes 0.45 s of
        # processor time.
        self._lean = [] if dashboard else ["--include-log-monitor=false"]
        served = ["--include-dashboard=false", "--no-monitor"]
        if self.dashboard:
            served = ["--include-dashboard=true", f"--dashboard-port={self.dashboard.partition(':')[2]}"]
            served += ["--dashboard-host=127.0.0.1", f"--dashboard-agent-listen-port={_free_port()}"]
        self._head = self._start("--head", f"--port={port}", "--num-cpus=0", f"--temp-dir={self._folder}", *served)
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            assert self._head.poll() is None, "the head of the Ray cluster does not start"
            assert time.monotonic() < deadline, "the head of the Ray cluster does not answer"
            signal.sigtimedwait([], 0.05)

    def add_node(self, cpus=1, **environment):
        process = self._start(f"--address={self.address}", f"--num-cpus={cpus}", **environment)
        self.nodes.append(process)
        return process

    def run(self, script, *arguments, cwd=ROOT, **environment):
        """Start a driver in a folder: a Python script that gets the cluster's address and the arguments."""
        return subprocess.Popen(
            [sys.executable, "-c", script, self.address, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": _PATH, **environment},
            start_new_session=True,
        )

    @staticmethod
    def kill(process):
        """End a node as a lost machine does: without a word."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @staticmethod
    def strand(process):
        """Kill a node's workers and stop the rest: for Ray it is there still, as a pod is whose address nobody has."""
        for each in psutil.Process(process.pid).children(recursive=True):
            if each.name().startswith("ray::"):
                each.kill()
            else:
                each.suspend()

    def close(self):
        for process in [*self.nodes, self._head]:
            if process.poll() is None:
                self.kill(process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, *flags, **environment):
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-gpus=0", *self._lean]
        command += ["--node-ip-address=127.0.0.1", f"--object-store-memory={80 << 20}"]
        with Path(self._folder, f"node-{len(self.nodes)}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *flags],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **_ENVIRONMENT, **self._environment, "PYTHONPATH": _PATH, **environment},
                start_new_session=True,
            )


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
