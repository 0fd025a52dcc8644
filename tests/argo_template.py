"""Argo's own template code, and the kubelet's: `tests/cluster/build.sh template` builds it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Argo", "argo"]

_CLUSTER = Path(__file__).parent / "cluster"
_BUILD_S = 900


class Argo:
    """Runs the program, once per question."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    def ask(self, templates: list[dict[str, Any]], **request: Any) -> dict[str, Any]:
        """Return the response to a request; tests/cluster/go/template/main.go lists the fields of both."""
        done = subprocess.run(
            [self._binary],
            input=json.dumps({"templates": templates, **request}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        response: dict[str, Any] = json.loads(done.stdout)
        return response


@cache
def argo() -> Argo:
    """Build the program, if it is not up to date; skips the test where Go or a module is missing."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: Argo's own code comes from Go modules")
    home = Path(os.environ.get("CLUSTER_HOME", "/var/cache/telecine/cluster"))
    bin_ = Path(os.environ.get("KBIN", home / "bin"))
    built = subprocess.run(
        [_CLUSTER / "build.sh", "template"], capture_output=True, text=True, check=False, timeout=_BUILD_S
    )
    if built.returncode:
        reason = (built.stderr.strip().splitlines() or ["no reason"])[-1]
        pytest.skip(f"Argo's own code comes from Go modules, and does not build here: {reason[:200]}")
    return Argo(bin_ / "argo-template")
