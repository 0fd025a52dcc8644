"""Limit this process, then become a ``telecine`` command that reads an uploaded file.

``python -m jobs.console.intake.child_main PARENT_PID MEMORY_MB CPU_S ARGUMENT…``. The limits outlive the change of
program.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from shared.sandbox import end_with_parent

__all__: list[str] = []

_PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h
_OUTPUT_BYTES: Final = 16 * 1024 * 1024
_START: Final = "from jobs.cli import main; main()"


def _main(parent: int, memory_mb: int, cpu_s: int, arguments: list[str]) -> None:
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Only the soft limit: the reader of workbooks writes its table to a file, under a limit of its own.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_OUTPUT_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # If a pod runs out of memory, this process goes, and not the console.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    end_with_parent(parent)
    os.execv(sys.executable, [sys.executable, "-P", "-c", _START, *arguments])  # noqa: S606 - this interpreter


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:4]), sys.argv[4:])  # type: ignore[call-arg, arg-type]
