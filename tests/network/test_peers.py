"""Peers of pods, from the kernel's tables and the objects of a cluster."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.network import sockets
from tests.network.peers import Directory
from tests.network.sockets import parse, peers, pod_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# A pod at 10.244.0.7 listens on 8265; the operator is connected to it, and the pod to a database; one has just closed.
TCP = HEAD + (
    "   0: 00000000:2049 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1\n"
    "   1: 0700F40A:2049 0900F40A:B1C2 01 00000000:00000000 00:00000000 00000000  1000        0 2\n"
    "   2: 0700F40A:C350 0100580A:1538 01 00000000:00000000 00:00000000 00000000  1000        0 3\n"
    "   3: 0700F40A:C351 0100580A:2328 06 00000000:00000000 00:00000000 00000000     0        0 0\n"
    "   4: 0100007F:C352 0100007F:2049 01 00000000:00000000 00:00000000 00000000  1000        0 4\n"
)
TCP6 = HEAD + (
    "   0: 0000000000000000FFFF00000700F40A:C353 0000000000000000FFFF00000100600A:01BB 01 0:0 00:0 0 1000 0 5\n"
    "   1: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 6\n"
)


def test_addresses_of_both_versions():
    assert parse(TCP)[2] == ("10.244.0.7", 50000, "10.88.0.1", 5432, "01")
    assert parse(TCP6)[0] == ("10.244.0.7", 50003, "10.96.0.1", 443, "01")
    assert parse(TCP6)[1][:2] == ("::", 8080)


def test_peers_with_their_directions():
    assert peers(parse(TCP) + parse(TCP6)) == {
        ("in", "10.244.0.9", 8265),
        ("out", "10.88.0.1", 5432),
        ("out", "10.88.0.1", 9000),
        ("out", "10.96.0.1", 443),
    }


def test_this_machines_table_is_read():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as one:
        table = parse(Path("/proc/self/net/tcp").read_text(encoding="ascii"))
        assert ("127.0.0.1", one.getsockname()[1], "127.0.0.1", server.getsockname()[1], "01") in table
        assert ("127.0.0.1", server.getsockname()[1], "0.0.0.0", 0, "0A") in table


def test_the_pod_of_a_process():
    uid = "0f5b1a2c-1111-2222-3333-444455556666"
    assert pod_of(f"4:memory:/telecine/kubepods/burstable/pod{uid}/0a1b\n") == uid
    assert pod_of(f"0::/kubepods.slice/kubepods-pod{uid.replace('-', '_')}.slice/cri-0a.scope\n") == uid
    assert pod_of("0::/user.slice\n") is None


def test_the_script_runs_on_its_own(tmp_path):
    """On the node it has neither this project nor its packages."""
    command = [sys.executable, "-I", "-S", str(Path(sockets.__file__))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b""), "it ends with its input"
    for line in out.splitlines():
        assert json.loads(line).keys() == {"uid", "direction", "peer", "port"}


def pod(name, ip, phase="Running", created="2026-01-01T00:00:00Z", **more):
    metadata = {"name": name, "namespace": "telecine", "uid": f"uid-{name}", "labels": {"app": name}}
    spec = {"containers": [{"ports": [{"name": "dashboard", "containerPort": 8265}]}], **more}
    return {
        "metadata": {**metadata, "creationTimestamp": created},
        "spec": spec,
        "status": {"phase": phase, "podIP": ip},
    }


def test_ends_are_pods_services_or_addresses():
    directory = Directory(nodes={"10.244.0.1"})
    directory.add_pods([pod("head", "10.244.0.7"), pod("host", "10.88.0.1", hostNetwork=True)])
    directory.add_services(
        [
            {"metadata": {"namespace": "default", "name": "kubernetes"},
             "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}},
            {"metadata": {"namespace": "telecine", "name": "headless"},
             "spec": {"clusterIP": "None", "ports": [{"port": 8265}]}},
        ],
        [{"metadata": {"namespace": "default", "name": "kubernetes"},
          "subsets": [{"addresses": [{"ip": "10.88.0.1"}], "ports": [{"name": "https", "port": 6443}]}]}],
    )  # fmt: skip
    (api,) = directory.connections("uid-head", "out", "10.96.0.1", 443)
    assert (api.source.labels, api.destination.ip, api.port) == ({"app": "head"}, "10.88.0.1", 6443)
    assert api.destination.labels is None, "a pod on the host's network is a node"
    (probe,) = directory.connections("uid-head", "in", "10.244.0.1", 8265)
    assert probe.source.node
    assert probe.destination.ports == {"dashboard": 8265}
    assert directory.connections("uid-unknown", "out", "10.96.0.1", 443) == []
    assert directory.knows("uid-head", "10.96.0.1")
    assert not directory.knows("uid-head", "10.244.0.99")
    assert not directory.knows("uid-unknown", "10.244.0.7")


def test_an_address_belongs_to_the_pod_that_has_it_now():
    directory = Directory()
    directory.add_pods([pod("new", "10.244.0.7", created="2026-01-01T00:00:05Z"), pod("old", "10.244.0.7", "Failed")])
    (found,) = directory.connections("uid-new", "out", "10.244.0.7", 1)
    assert found.destination.labels == {"app": "new"}
    directory.add_pods([])
    assert directory.connections("uid-old", "out", "10.244.0.7", 1), "a deleted pod stays known"
