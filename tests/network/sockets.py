"""The TCP peers of every pod of a node, read from /proc until standard input ends: ``python sockets.py``.

Only the standard library: the script runs inside the node, with any Python. A closed connection stays in its pod's
table for a minute (TIME_WAIT) on the side that closed it, so a look every few hundred milliseconds finds all but those
of pods that end within that time.
"""

from __future__ import annotations

import json
import re
import select
import sys
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

__all__ = ["Table", "parse", "peers", "pod_of"]

_EVERY_S = 0.3
_LISTEN = "0A"
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")

# Local address and port, remote address and port, state.
Table = list[tuple[str, int, str, int, str]]


def parse(text: str) -> Table:
    """Return the sockets in the text of ``/proc/PID/net/tcp`` or ``tcp6``."""
    found = []
    for line in text.splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        found.append((*_address(local), *_address(remote), state))
    return found


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    # Words of 32 bits in the machine's byte order, which is little endian on all of ours.
    words = [int(host[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(host), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return str(IPv4Address(packed)), int(port, 16)
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address), int(port, 16)


def peers(table: Table) -> set[tuple[str, str, int]]:
    """Return the peers of one network namespace: ``("out", address, port)``, or ``("in", address, own port)``.

    A connection to a port that the pod listens on came from the peer; any other was opened by the pod.
    """
    listening = {port for _, port, _, _, state in table if state == _LISTEN}
    found = set()
    for _, port, peer, peer_port, state in table:
        if state == _LISTEN or peer.startswith("127.") or peer == "::1":
            continue
        found.add(("in", peer, port) if port in listening else ("out", peer, peer_port))
    return found


def pod_of(cgroup: str) -> str | None:
    """Return the uid of the pod that a process belongs to, from the text of ``/proc/PID/cgroup``."""
    match = _POD.search(cgroup)
    return match[1].replace("_", "-") if match else None


def _look() -> dict[str, set[tuple[str, str, int]]]:
    """Return the peers of all pods that have a network of their own, by uid."""
    # This script runs in the node's network, which pods on the host's network share.
    host = Path("/proc/self/ns/net").readlink()
    found: dict[str, set[tuple[str, str, int]]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        # A process may end at any time.
        with suppress(OSError):
            uid = pod_of((process / "cgroup").read_text())
            if uid is None or uid in found or (process / "ns" / "net").readlink() == host:
                continue
            tables = [parse((process / "net" / name).read_text()) for name in ("tcp", "tcp6")]
            found[uid] = peers([each for table in tables for each in table])
    return found


def _main() -> None:
    told = set()
    ended = False
    while not ended:
        for uid, found in _look().items():
            for direction, peer, port in sorted(found):
                if (uid, direction, peer, port) not in told:
                    told.add((uid, direction, peer, port))
                    line = {"uid": uid, "direction": direction, "peer": peer, "port": port}
                    sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        ended = bool(select.select([sys.stdin], [], [], _EVERY_S)[0])


if __name__ == "__main__":
    _main()
