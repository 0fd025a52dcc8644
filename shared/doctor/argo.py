"""Check that Argo is 4.0.5 or newer, as told by the executor that Argo mounts into each pod of a Workflow."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

from shared.finding import Finding
from shared.text import cut

__all__ = ["examine", "judge"]

# The command of every Workflow container is this binary. Its version is the controller's unless they differ on purpose.
EXECUTOR: Final = Path("/var/run/argo/argoexec")
_AREA: Final = "cluster"
_NAME: Final = "Argo version"
_TIMEOUT_S: Final = 20
# Before 4.0.5, a Workflow could change the spec of the template that it references (CVE-2026-42296).
_LEAST: Final = (4, 0, 5)
_VERSION: Final = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?")
_FIX: Final = "Upgrade Argo Workflows to 4.0.5 or newer (docs/helm.md)."


def examine(executor: Path = EXECUTOR) -> Finding:
    """Ask Argo's executor for its version and judge it."""
    if not executor.exists():
        return _unknown("not in the pod of a Workflow")
    try:
        done = subprocess.run(  # noqa: S603 - the binary that started this container
            [executor, "version", "--short"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return _unknown(f"{executor} does not run: {error}")
    return judge(done.stdout.strip())


def judge(text: str) -> Finding:
    """Return a failed finding for a version below 4.0.5, and a warning for one that cannot be told."""
    match = _VERSION.search(text)
    # Builds without a version call themselves v0.0.0.
    if match is None or match[0].startswith(("v0.0.0", "0.0.0")):
        return _unknown(f"the executor reports '{cut(text, 80)}'")
    numbers = (int(match[1]), int(match[2]), int(match[3]))
    if numbers < _LEAST or (numbers == _LEAST and match[4]):
        found = f"{match[0]} has CVE-2026-42296 or is not supported; expected 4.0.5 or newer"
        return Finding(_AREA, _NAME, "fail", found, _FIX)
    return Finding(_AREA, _NAME, "ok", match[0])


def _unknown(reason: str) -> Finding:
    fix = "Check that the workflow-controller is 4.0.5 or newer: older ones have CVE-2026-42296."
    return Finding(_AREA, _NAME, "warn", f"unknown: {reason}", fix)
