"""The policies of values-prod, applied to the connections that the runs have made.

The node's CNI plugin enforces no policies, so all connections were made; the evaluator tells which ones would not be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.node import wait_for
from tests.e2e.site import values as values_of_trakt
from tests.network.installation import rendered_policies
from tests.network.policies import blocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Closing, Opening, Sinks
    from tests.e2e.installation import Installation
    from tests.e2e.node import Node
    from tests.e2e.traffic import Traffic
    from tests.network.policies import Connection, Endpoint

# Where tests/cluster installs KubeRay.
OPERATOR = "default"


def has(key: str, value: str) -> Callable[[Endpoint], bool]:
    """Return a function that recognises a pod of telecine by a label."""
    return lambda end: end.namespace == "telecine" and (end.labels or {}).get(key) == value


LAUNCHER = has("telecine/step", "extract")
PLAN = has("telecine/step", "plan")
HOOK = has("telecine/step", "close")
# Ray's dashboard asks for the cloud's metadata, even if usage statistics are off (ray/_common/usage/usage_lib.py).
METADATA = "169.254.169.254"
HEAD = has("ray.io/node-type", "head")
WORKER = has("ray.io/node-type", "worker")


@pytest.fixture(scope="module")
def seen(traffic: Traffic, installation: Installation, opening: Opening, closing: Closing) -> list[Connection]:
    """Return the connections of pods of telecine, once a run has succeeded and one has failed."""
    opening.main.ended()
    closing.bad.ended()
    assert traffic.alive()
    wait_for(traffic.settled, 30, "all connections are named")
    return [
        each
        for each in list(traffic.connections.values())
        if installation.namespace in (each.source.namespace, each.destination.namespace)
        # The tests themselves ask Ray's head without a token.
        and each.source.ip != installation.node.host_ip
    ]


def test_the_connections_of_a_run_were_seen(seen: list[Connection], node: Node, sinks: Sinks) -> None:
    """Otherwise the next test would pass for want of connections."""

    def was(source: Callable[[Endpoint], bool], destination: Callable[[Endpoint], bool], *ports: int) -> bool:
        return any(source(each.source) and destination(each.destination) and each.port in ports for each in seen)

    def node_itself(end: Endpoint) -> bool:
        return end.ip == node.ip

    def operator(end: Endpoint) -> bool:
        return end.namespace == OPERATOR and "kuberay-operator" in end.name

    expected = {
        "launcher reads the log": (LAUNCHER, HEAD, 8265),
        "operator submits the job": (operator, HEAD, 8265),
        "driver writes to the database": (HEAD, node_itself, 5432),
        "worker reads the store": (WORKER, node_itself, 9000),
        "worker joins its head": (WORKER, HEAD, 6379),
        "step tells the API server": (PLAN, node_itself, 6443),
        # Either: a connection that the server closes first leaves the pod's table at once, and may be missed.
        "hook notifies": (HOOK, lambda end: end.ip == node.host_ip, sinks.hook.server_port, sinks.post.port),
    }
    assert [name for name, flow in expected.items() if not was(*flow)] == []


def test_no_connection_would_be_blocked(seen: list[Connection], node: Node, sinks: Sinks) -> None:
    policies = rendered_policies(
        node_ip=node.ip,
        host_ip=node.host_ip,
        operator=OPERATOR,
        notify={"webhookUrl": sinks.hook.url, "smtp": {"host": node.host_ip, "port": sinks.post.port}},
        trakt=values_of_trakt(node)["trakt"],
    )
    asked = [each for each in seen if HEAD(each.source) and each.destination.ip == METADATA]
    reasons = {reason for each in seen if each not in asked for reason in blocked(policies, each)}
    assert sorted(reasons) == []
    assert all(blocked(policies, each) for each in asked), "a pod could read the node's cloud credentials"
