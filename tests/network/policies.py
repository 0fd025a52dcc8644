"""Evaluate NetworkPolicies as https://kubernetes.io/docs/concepts/services-networking/network-policies describes.

A pod that no policy selects for a direction is open in that direction. One that is selected may do what any of its
policies allows, and nothing else. A connection needs the source's egress and the destination's ingress.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Connection", "Endpoint", "blocked", "matches"]

Policy = dict[str, Any]
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Endpoint:
    """One end of a connection.

    Attributes:
        ip: its address.
        labels: labels of the pod; None if it is not a pod, or one on the host's network, which policies treat as a
            node.
        namespace: namespace of the pod.
        namespace_labels: labels of the namespace; its name is one in every cluster.
        ports: names of the pod's container ports, for policies that name a port.
        node: True for an address of the pod's own node, such as that of the kubelet, whose probes are never blocked.
        name: for messages.
    """

    ip: str
    labels: Mapping[str, str] | None = None
    namespace: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    node: bool = False
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.ip

    def all_namespace_labels(self) -> dict[str, str]:
        """Return the namespace's labels, with the one that Kubernetes adds."""
        return {**self.namespace_labels, "kubernetes.io/metadata.name": self.namespace}


@dataclass(frozen=True)
class Connection:
    """A connection after the translation of a Service's address.

    Attributes:
        source: the end that opens it.
        destination: the end that listens.
        port: port of the destination.
        protocol: TCP, UDP or SCTP.
    """

    source: Endpoint
    destination: Endpoint
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination}:{self.port}/{self.protocol}"


def blocked(policies: Sequence[Policy], connection: Connection) -> list[str]:
    """Return the reasons why a connection is blocked; empty if it is allowed."""
    if connection.source.labels is not None and connection.source.ip == connection.destination.ip:
        # A pod can always reach itself.
        return []
    reasons = []
    sides: tuple[tuple[Direction, Endpoint, Endpoint], ...] = (
        ("Egress", connection.source, connection.destination),
        ("Ingress", connection.destination, connection.source),
    )
    for direction, pod, peer in sides:
        if pod.labels is None or (direction == "Ingress" and peer.node):
            continue
        selecting = [each for each in policies if _selects(each, pod, direction)]
        if selecting and not any(_allows(each, direction, peer, connection) for each in selecting):
            names = ", ".join(each["metadata"]["name"] for each in selecting)
            reasons.append(f"{connection}: no rule of {names} allows {direction.lower()}")
    return reasons


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches; an empty one matches everything."""
    unknown = selector.keys() - {"matchLabels", "matchExpressions"}
    assert not unknown, unknown
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(operator)


def _selects(policy: Policy, pod: Endpoint, direction: Direction) -> bool:
    spec = policy["spec"]
    # By default, a policy is for ingress, and for egress if it has such rules.
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return (
        direction in types
        and policy["metadata"].get("namespace", "default") == pod.namespace
        and matches(spec.get("podSelector") or {}, pod.labels or {})
    )


def _allows(policy: Policy, direction: Direction, peer: Endpoint, connection: Connection) -> bool:
    rules = policy["spec"].get(direction.lower()) or []
    key = {"Ingress": "from", "Egress": "to"}[direction]
    namespace = policy["metadata"].get("namespace", "default")
    for rule in rules:
        unknown = rule.keys() - {key, "ports"}
        assert not unknown, unknown
        # Without peers, or ports, a rule allows all of them.
        if rule.get(key) and not any(_is_peer(each, peer, namespace) for each in rule[key]):
            continue
        if rule.get("ports") and not any(_is_port(each, connection) for each in rule["ports"]):
            continue
        return True
    return False


def _is_peer(peer: Mapping[str, Any], endpoint: Endpoint, namespace: str) -> bool:
    unknown = peer.keys() - {"podSelector", "namespaceSelector", "ipBlock"}
    assert not unknown, unknown
    if block := peer.get("ipBlock"):
        assert len(peer) == 1, "ipBlock excludes selectors"
        address = ip_address(endpoint.ip)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(each) for each in block.get("except") or ()
        )
    if endpoint.labels is None:
        return False
    if (selector := peer.get("namespaceSelector")) is not None:
        if not matches(selector, endpoint.all_namespace_labels()):
            return False
    elif endpoint.namespace != namespace:
        return False
    return matches(peer.get("podSelector") or {}, endpoint.labels)


def _is_port(port: Mapping[str, Any], connection: Connection) -> bool:
    if port.get("protocol", "TCP") != connection.protocol:
        return False
    wanted = port.get("port")
    if wanted is None:
        return True
    if isinstance(wanted, str):
        return connection.destination.ports.get(wanted) == connection.port
    return bool(wanted <= connection.port <= port.get("endPort", wanted))
