"""The TCP peers of every pod of a node, read from /proc until standard input ends: ``python sockets.py``.

Only the standard library: the script runs inside the node, with any Python. A closed connection stays in its pod's
table for a minute (TIME_WAIT) on the side that closed it, so a look every few hundred milliseconds finds all but those
of pods that end within that time.
"""

from __future__ import annotations

import functools
import json
import re
import select
import sys
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

__all__ = ["Listeners", "Table", "addresses", "listeners", "parse", "peers", "pod_of"]

_EVERY_S = 0.3
_LISTEN = "0A"
_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")

# First port that Linux gives to clients (net.ipv4.ip_local_port_range).
_EPHEMERAL = 32768

# Local address and port, remote address and port, state.
Table = list[tuple[str, int, str, int, str]]
# Address -> ports.
Listeners = dict[str, set[int]]


def parse(text: str) -> Table:
    """Return the sockets in the text of ``/proc/PID/net/tcp`` or ``tcp6``."""
    found = []
    for line in text.splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        found.append((*_address(local), *_address(remote), state))
    return found


# Most sockets are there at many looks, and most of a look's time went into their addresses.
@functools.lru_cache(maxsize=10_000)
def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    # Words of 32 bits in the machine's byte order, which is little endian on all of ours.
    words = [int(host[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(host), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return str(IPv4Address(packed)), int(port, 16)
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address), int(port, 16)


def peers(table: Table, known: Listeners | None = None) -> set[tuple[str, str, int]]:
    """Return the peers of one network namespace: ``("out", address, port)``, or ``("in", address, own port)``.

    A connection to a port that the pod listens on came from the peer; any other was opened by the pod. A connection
    outlives its listener by a minute, so what was heard before counts too. If nobody was ever heard on either port, the
    lower one is the server's; of two ephemeral ports, the connection is left out.

    Args:
        table: the sockets.
        known: address -> ports on which something listened so far.
    """
    known = known or {}
    listening = listeners(table)
    found = set()
    for local, port, peer, peer_port, state in table:
        if state == _LISTEN or peer.startswith("127.") or peer == "::1":
            continue
        if port in listening or port in known.get(local, ()):
            found.add(("in", peer, port))
        elif peer not in known or peer_port in known[peer] or peer_port < min(port, _EPHEMERAL):
            found.add(("out", peer, peer_port))
        elif port < _EPHEMERAL:
            found.add(("in", peer, port))
    return found


def listeners(table: Table) -> set[int]:
    """Return the ports on which something listens."""
    return {port for _, port, _, _, state in table if state == _LISTEN}


def addresses(table: Table) -> set[str]:
    """Return the network namespace's own addresses, as far as they have connections."""
    return {local for local, _, peer, _, state in table if state != _LISTEN and not peer.startswith("127.")}


def pod_of(cgroup: str) -> str | None:
    """Return the uid of the pod that a process belongs to, from the text of ``/proc/PID/cgroup``."""
    match = _POD.search(cgroup)
    return match[1].replace("_", "-") if match else None


def _look(known: Listeners) -> dict[str, set[tuple[str, str, int]]]:
    """Return the peers of all pods that have a network of their own, by uid; add what listens to ``known``."""
    # This script runs in the node's network, which pods on the host's network share.
    host = Path("/proc/self/ns/net").readlink()
    tables = {"": _read(Path("/proc/self"))}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        # A process may end at any time.
        with suppress(OSError):
            uid = pod_of((process / "cgroup").read_text())
            if uid is None or uid in tables or (process / "ns" / "net").readlink() == host:
                continue
            tables[uid] = _read(process)
    for table in tables.values():
        for address in addresses(table):
            known.setdefault(address, set()).update(listeners(table))
    return {uid: peers(table, known) for uid, table in tables.items() if uid}


def _read(process: Path) -> Table:
    return [each for name in ("tcp", "tcp6") for each in parse((process / "net" / name).read_text())]


def _main() -> None:
    told = set()
    known: Listeners = {}
    ended = False
    while not ended:
        for uid, found in _look(known).items():
            for direction, peer, port in sorted(found):
                if (uid, direction, peer, port) not in told:
                    told.add((uid, direction, peer, port))
                    line = {"uid": uid, "direction": direction, "peer": peer, "port": port}
                    sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        ended = bool(select.select([sys.stdin], [], [], _EVERY_S)[0])


if __name__ == "__main__":
    _main()
