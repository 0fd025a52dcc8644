"""The version and git commit of the running code."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

__all__ = ["revision", "version"]


@functools.cache
def version() -> str:
    """Return the installed version of telecine; ``unknown`` if it is not installed."""
    try:
        return installed("telecine")
    except PackageNotFoundError:
        return "unknown"


@functools.cache
def revision() -> str | None:
    """Return the commit from ``TELECINE_REVISION`` (set in images) or from git; None if neither is available.

    A modified checkout has ``+dirty`` appended.
    """
    if variable := os.environ.get("TELECINE_REVISION"):
        return variable
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None or not re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return None
    return f"{commit}+dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def _git(root: Path, *arguments: str) -> str | None:
    # --no-optional-locks: a query must not write to .git while the user works there.
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()
