"""Record the TCP connections of all pods while the tests run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiException, CoreV1Api
from urllib3.exceptions import HTTPError

from tests.e2e.node import KIT
from tests.network import sockets
from tests.network.peers import Directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.node import Node
    from tests.network.policies import Connection

__all__ = ["Traffic"]

_REFRESH_S = 1.0
# An end that is not in the API yet is waited for; an address outside the cluster never is.
_WAIT_S = 5.0


class Traffic:
    """Connections of pods, collected in the background.

    Attributes:
        connections: what was seen, once per source, destination and port.
    """

    def __init__(self, node: Node, file: Path) -> None:
        self.connections: dict[str, Connection] = {}
        self._core = CoreV1Api(node.fresh_api())
        # Pods are on the node's bridge, whose address has the kubelet's probes.
        bridge = str(next(ip_network(node.settings["POD_CIDR"]).hosts()))
        self._directory = Directory(nodes={node.ip, node.settings["NODE_VETH_IP"], bridge})
        self._unnamed: list[tuple[float, dict[str, Any]]] = []
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._errors = file.open("wb")
        self._process = subprocess.Popen(
            [str(KIT / "node-exec.sh"), sys.executable, "-I", "-S", sockets.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._read, self._refresh)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; what was seen remains."""
        self._ends.set()
        # The script ends with its input; a signal would reach nsenter only.
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        for thread in self._threads:
            thread.join(timeout=30)
        assert self._process.stdout is not None
        # Otherwise pytest turns the collector's ResourceWarning into an error after the last test.
        self._process.stdout.close()
        self._errors.close()

    def alive(self) -> bool:
        """Return whether connections are being recorded."""
        return self._process.poll() is None and all(thread.is_alive() for thread in self._threads)

    def settled(self) -> bool:
        """Return whether every connection read so far has been named."""
        with self._lock:
            return not self._unnamed

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._lock:
                self._unnamed.append((time.monotonic(), json.loads(line)))

    def _refresh(self) -> None:
        while not self._ends.wait(_REFRESH_S):
            # A pod that is not named yet may have the address of one that is gone, so names come from a new list.
            if self.settled():
                continue
            # An upgrade test restarts the API server.
            with suppress(ApiException, HTTPError, OSError):
                self._list()
                self._name()

    def _list(self) -> None:
        core = self._core
        self._directory.add_pods(_items(core.list_pod_for_all_namespaces))
        self._directory.add_services(
            _items(core.list_service_for_all_namespaces), _items(core.list_endpoints_for_all_namespaces)
        )

    def _name(self) -> None:
        with self._lock:
            waiting = []
            for seen_at, line in self._unnamed:
                known = self._directory.knows(line["uid"], line["peer"])
                if not known and time.monotonic() - seen_at < _WAIT_S:
                    waiting.append((seen_at, line))
                    continue
                for connection in self._directory.connections(**line):
                    self.connections[str(connection)] = connection
            self._unnamed = waiting


def _items(list_all: Callable[..., Any]) -> Any:
    """Return what the API server has in memory, as JSON.

    The client's objects of 43 pods take 0.36 s of a core, and this 0.015 s.
    """
    answer = list_all(resource_version="0", _preload_content=False, _request_timeout=10)
    return json.loads(answer.data)["items"]
