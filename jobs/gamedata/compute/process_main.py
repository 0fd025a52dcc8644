"""Entry point of a worker process: create the runner, then process one piece of work after another.

Started by :class:`~jobs.gamedata.compute.processes.Processes` as
``python -m jobs.gamedata.compute.process_main FD POOL_PID``.
"""

from __future__ import annotations

import logging
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any

from jobs.gamedata.compute._messages import pack, read, unpack, write
from shared.errors import TelecineError
from shared.sandbox import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Answer messages until the pool closes; return the exit status 0.

    Args:
        arguments: file descriptor of the socket, PID of the pool's process.
    """
    end_with_parent(int(arguments[1]))
    end = socket.socket(fileno=int(arguments[0]))
    end.set_inheritable(False)
    # The pool reports failed items. Without a handler, their warnings would go to standard error, whose last line is
    # shown if this process dies.
    logging.getLogger().addHandler(logging.NullHandler())
    runner: Any = None

    def make(body: bytes) -> None:
        nonlocal runner
        runner = unpack(body)()

    try:
        write(end, _answer(make, read(end)))
        while True:
            write(end, _answer(lambda body: runner.run(unpack(body)), read(end)))
    except (EOFError, ConnectionError):
        return 0


def _answer(function: Callable[[bytes], Any], body: bytes) -> bytes:
    try:
        return pack(("done", function(body), ""))
    except Exception as error:  # noqa: BLE001 - the pool raises it
        return pack(("failed", _portable(error), traceback.format_exc()))


def _portable(error: Exception) -> Exception:
    """Return the exception, or a similar one if a pickle cannot restore it, such as one that holds an open file."""
    try:
        if type(unpack(pack(error))) is type(error):
            return error
    except Exception:  # noqa: BLE001, S110 - whatever pickling raises, a similar exception is returned
        pass
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, TelecineError):
        return RuntimeError(text)
    return type(error)(error.message, code=error.code, retryable=error.retryable)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
