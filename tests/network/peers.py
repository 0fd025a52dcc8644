"""Name the ends of the connections of pods: pods, services, or addresses outside the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.network.policies import Connection, Endpoint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Directory"]


@dataclass
class Directory:
    """Pods and services seen so far. Objects stay known after they are deleted; a newer pod takes over its address.

    Attributes:
        nodes: addresses of the node.
    """

    nodes: Collection[str] = ()
    _by_uid: dict[str, Endpoint] = field(default_factory=dict)
    _by_ip: dict[str, Endpoint] = field(default_factory=dict)
    _services: dict[tuple[str, int], list[tuple[str, int]]] = field(default_factory=dict)

    def add_pods(self, pods: Iterable[dict[str, Any]]) -> None:
        """Add pods as the API returns them."""
        by_age = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
        # A pod that has ended keeps its address in its status while another one may already have it.
        for pod in sorted(by_age, key=lambda pod: pod["status"].get("phase") not in ("Succeeded", "Failed")):
            metadata, ip = pod["metadata"], pod["status"].get("podIP")
            if not ip or pod["spec"].get("hostNetwork"):
                continue
            containers = pod["spec"].get("containers") or []
            ports = [port for container in containers for port in container.get("ports") or []]
            endpoint = Endpoint(
                ip,
                metadata.get("labels") or {},
                metadata["namespace"],
                ports={port["name"]: port["containerPort"] for port in ports if port.get("name")},
                name=f"{metadata['namespace']}/{metadata['name']}",
            )
            self._by_uid[metadata["uid"]] = self._by_ip[ip] = endpoint

    def add_services(self, services: Iterable[dict[str, Any]], endpoints: Iterable[dict[str, Any]]) -> None:
        """Add services, and the endpoints behind them."""
        behind: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
        for each in endpoints:
            for subset in each.get("subsets") or []:
                for port in subset.get("ports") or []:
                    found = [(address["ip"], port["port"]) for address in subset.get("addresses") or []]
                    key = (each["metadata"]["namespace"], each["metadata"]["name"], port.get("name") or "")
                    behind.setdefault(key, []).extend(found)
        for service in services:
            metadata, spec = service["metadata"], service["spec"]
            for port in spec.get("ports") or []:
                found = behind.get((metadata["namespace"], metadata["name"], port.get("name") or ""))
                # The address of a service whose pods are gone still leads to where it led.
                if spec.get("clusterIP") not in (None, "None") and found:
                    self._services[spec["clusterIP"], port["port"]] = found

    def knows(self, uid: str, peer: str) -> bool:
        """Return whether a pod and its peer can be named; an address outside the cluster is never known."""
        return uid in self._by_uid and (peer in self._by_ip or any(peer == ip for ip, _ in self._services))

    def connections(self, uid: str, direction: str, peer: str, port: int) -> list[Connection]:
        """Return the connections that a line of :mod:`tests.network.sockets` stands for.

        The address of a service stands for one connection to each pod behind it. A pod that was never listed has none.
        """
        pod = self._by_uid.get(uid)
        if pod is None:
            return []
        if direction == "in":
            return [Connection(self._endpoint(peer), pod, port)]
        behind = self._services.get((peer, port), [(peer, port)])
        return [Connection(pod, self._endpoint(ip), to) for ip, to in behind]

    def _endpoint(self, ip: str) -> Endpoint:
        return self._by_ip.get(ip) or Endpoint(ip, node=ip in self.nodes)
