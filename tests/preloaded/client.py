"""Run a command in a process forked from a preloaded one; see tests/preloaded/server.py. Standard library only."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def main(path: str, argv: list[str]) -> int:
    """Send the command line, the environment and the standard streams; return the exit code."""
    document = json.dumps({"argv": argv, "cwd": os.getcwd(), "env": dict(os.environ)}).encode()  # noqa: PTH109 - pathlib: 20 ms
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(path)
        # The descriptors come with the first byte.
        socket.send_fds(end, [document[:1]], [0, 1, 2])
        end.sendall(document[1:] + b"\n")
        answer = end.makefile("rb").readline()
    return int(answer) if answer else 128 + signal.SIGKILL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
