"""The child's side: limit memory, time and written bytes, and end with the parent."""

from __future__ import annotations

import ctypes
import resource
import socket
from typing import TYPE_CHECKING, Final

from shared.child.channel import Channel
from shared.sandbox import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["enter"]

_PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h; without seccomp and Landlock, confine does not set it
_MAX_WRITTEN: Final = 16 * 1024 * 1024


def enter(
    arguments: Sequence[str], *, memory_mb: int, written_bytes: int = _MAX_WRITTEN, cpu_s: int | None = None
) -> Channel:
    """Limit this process, and return its channel to the parent.

    Memory, written files, core dumps and privileges are limited; the kernel kills this process with the parent.

    Args:
        arguments: the arguments of the module: file descriptor of the channel, PID of the parent, and others.
        memory_mb: limit of the address space.
        written_bytes: largest file that it may write, including standard error.
        cpu_s: limit of CPU time; None for no limit.
    """
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
    if cpu_s is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    end_with_parent(int(arguments[1]))
    return Channel(socket.socket(fileno=int(arguments[0])))
