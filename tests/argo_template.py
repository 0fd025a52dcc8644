"""Argo's own template code, and the kubelet's: `tests/cluster/build.sh template` builds it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Argo", "argo"]

_CLUSTER = Path(__file__).parent / "cluster"
_BUILD_S = 900


class Argo:
    """The program, started once: most of a request's time went into its start and into reading the templates again."""

    def __init__(self, binary: Path) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # close() does
        # A third of its time goes into collecting garbage otherwise; it takes 0.2 GB.
        env = {**os.environ, "GOGC": "800"}
        self._process = subprocess.Popen(
            [binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=env
        )
        self._known = ""

    def ask(self, templates: list[dict[str, Any]], **request: Any) -> dict[str, Any]:
        """Return the response to a request; tests/cluster/go/template/main.go lists the fields of both."""
        assert self._process.stdin
        assert self._process.stdout
        text = json.dumps(templates)
        if text != self._known:
            request["templates"] = templates
            self._known = text
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self._log()
        response: dict[str, Any] = json.loads(answer)
        return response

    def close(self) -> None:
        """End the program."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self._log()
        self._errors.close()

    def _log(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]


def argo() -> Argo:
    """Build the program, if it is not up to date, and start it; skips the test where Go or a module is missing."""
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
