"""The number of CPUs that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

__all__ = ["usable_cpus"]

_CGROUP: Final = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP) -> int:
    """Return the CPUs that this process may be scheduled on, or its container's CPU limit if that is lower.

    The affinity mask does not reflect a container's limit: with a limit of 4 CPUs on a node with 64, one worker per
    core would mean 64 workers of 0.5 GB each in a pod of 8 GiB.

    Args:
        cgroup: the mounted cgroup file system, version 1 or 2.
    """
    cpus = len(os.sched_getaffinity(0))
    limit = _limit(cgroup)
    return cpus if limit is None else max(1, min(cpus, math.ceil(limit)))


def _limit(cgroup: Path) -> float | None:
    # https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files: "max 100000" without a limit.
    # https://docs.kernel.org/scheduler/sched-bwc.html: -1 without a limit.
    try:
        if (version_2 := cgroup / "cpu.max").exists():
            quota, period = version_2.read_text(encoding="ascii").split()
        else:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((cgroup / "cpu" / name).read_text(encoding="ascii").strip() for name in names)
        limit = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return limit if limit > 0 else None
