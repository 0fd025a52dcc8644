"""usage: cluster_dns.py ADDRESS [PORT]: the cluster's DNS, standard library only, over UDP and TCP.

A records of <service>.<namespace>.svc.cluster.local (its ClusterIP, or its ready endpoints when headless) and of
<hostname>.<service>.<namespace>.svc.cluster.local (pods of a StatefulSet). Anything else is NXDOMAIN, so that a look-up
of an outside name fails at once.
"""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kube_api import KubeApi

DOMAIN = "svc.cluster.local"
TABLE_S = 1.0
A, ANY = 1, 255
NOERROR, NXDOMAIN = 0, 3
RESPONSE = 0x8580  # authoritative response, recursion desired and available
POINTER = b"\xc0\x0c"  # the question's name, at offset 12
TTL_S = 5


class Names:
    """A table of name -> addresses, reloaded after one second. While the apiserver is down, the last table is used."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._table: dict[str, list[str]] = {}

    def find(self, name: str) -> list[str] | None:
        with self._lock:
            if time.monotonic() - self._read_at > TABLE_S:
                try:
                    self._table = self._read()
                except Exception as error:  # noqa: BLE001  DNS must keep answering after any error
                    print("apiserver:", error, flush=True)
                self._read_at = time.monotonic()
            return self._table.get(name)

    def _read(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = {}
        headless: set[str] = set()
        for service in self._api.get("/api/v1/services")["items"]:
            name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.{DOMAIN}"
            address = service["spec"].get("clusterIP")
            table[name] = [address] if address and address != "None" else []
            if address == "None":
                headless.add(name)
        for piece in self._api.get("/apis/discovery.k8s.io/v1/endpointslices")["items"]:
            service_name = piece["metadata"]["labels"].get("kubernetes.io/service-name", "")
            name = f"{service_name}.{piece['metadata']['namespace']}.{DOMAIN}"
            for endpoint in piece.get("endpoints") or []:
                if not endpoint.get("conditions", {}).get("ready", True):
                    continue
                if endpoint.get("hostname"):
                    table.setdefault(f"{endpoint['hostname']}.{name}", []).extend(endpoint["addresses"])
                if name in headless:
                    table[name].extend(endpoint["addresses"])
        return table


def answer(names: Names, query: bytes) -> bytes:
    """A DNS message (RFC 1035 §4) for another's one question."""
    at, labels = 12, []
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode("latin1").lower())
        at += 1 + size
    kind = struct.unpack_from(">H", query, at + 1)[0]
    found = names.find(".".join(labels))
    addresses = list(dict.fromkeys(found or [])) if kind in (A, ANY) else []
    flags = RESPONSE | (NXDOMAIN if found is None else NOERROR)
    header = query[:2] + struct.pack(">HHHHH", flags, 1, len(addresses), 0, 0)
    records = (POINTER + struct.pack(">HHIH", A, 1, TTL_S, 4) + socket.inet_aton(address) for address in addresses)
    return header + query[12 : at + 5] + b"".join(records)


def serve(names: Names, address: tuple[str, int]) -> None:
    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, server = self.request
            try:
                server.sendto(answer(names, query), self.client_address)
            except (IndexError, struct.error) as error:
                print("bad query:", error, flush=True)

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query = self.request.recv(65535)
            if len(query) > 2:
                reply = answer(names, query[2:])
                self.request.sendall(struct.pack(">H", len(reply)) + reply)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    threading.Thread(target=socketserver.ThreadingTCPServer(address, Tcp).serve_forever, daemon=True).start()
    print("dns on", address, flush=True)
    socketserver.ThreadingUDPServer(address, Udp).serve_forever()


if __name__ == "__main__":
    serve(Names(KubeApi(os.environ["KUBECONFIG"])), (sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 53))
