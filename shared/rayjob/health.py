"""Answer ``ray health-check`` without importing Ray, for the init container of KubeRay's worker pods.

KubeRay gives that container 0.2 CPU and runs ``ray health-check --address HOST:PORT`` in it, every 5 s until it
succeeds. Importing Ray takes 2.3 s of CPU time, so an attempt takes up to 11 s. The image puts a script ``ray`` first
in the ``PATH``: it runs this module for ``health-check``, and Ray's own command for everything else.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "serves"]

# KubeRay waits 5 s between attempts, so one attempt waits longer for the head than that.
_WAIT_S: Final = 30.0
_PAUSE_S: Final = 0.2
_TIMEOUT_S: Final = 2.0
# RFC 9113, 3.4 and 6.5: a client begins with this text and a SETTINGS frame, a server with a SETTINGS frame.
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HEADER: Final = 9
_TYPE: Final = 3
_SETTINGS: Final = 4


def serves(host: str, port: int) -> bool:
    """Return whether an HTTP/2 server, such as the gRPC server of Ray's GCS, answers at an address."""
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(_PREFACE)
            header = b""
            while len(header) < _HEADER:
                part = connection.recv(_HEADER - len(header))
                if not part:
                    return False
                header += part
    except OSError:
        return False
    return header[_TYPE] == _SETTINGS


def main(argv: Sequence[str], *, wait_s: float = _WAIT_S) -> int:
    """Wait until the GCS answers; with other arguments, or with TLS, run Ray's own command instead.

    Args:
        argv: arguments of ``ray``.
        wait_s: seconds after which the GCS counts as down.

    Returns:
        0 if it answers, otherwise 1.
    """
    place = _address(argv)
    if place is None:
        ray = str(Path(sys.executable).with_name("ray"))
        os.execv(ray, [ray, *argv])  # noqa: S606 - there is no shell, as intended
    deadline = time.monotonic() + wait_s
    while not serves(*place):
        if time.monotonic() >= deadline:
            return 1
        time.sleep(_PAUSE_S)
    return 0


def _address(argv: Sequence[str]) -> tuple[str, int] | None:
    match argv:
        case ["health-check", "--address", address] if not os.environ.get("RAY_USE_TLS", "0").strip("0"):
            host, _, port = address.rpartition(":")
            return (host.strip("[]"), int(port)) if host and port.isdecimal() else None
    return None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
