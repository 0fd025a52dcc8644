"""The `telecine` command without its 0.4 to 3 s of imports: each command is forked from a preloaded process.

with preloaded_telecine() as telecine:
    subprocess.run([*telecine.split(), "runs", "list"], env=env)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["preloaded_telecine"]

ROOT = Path(__file__).parents[2]
_FOREIGN = ("TELECINE_", "AWS_", "ARGO_", "KUBERNETES_", "PG", "PYTHON", "COV_")


@contextmanager
def preloaded_telecine() -> Iterator[str]:
    """Start the preloaded process; yield the command line of its client, which takes the place of `telecine`.

    All commands that still run are killed on exit.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    env = {**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="telecine-loaded-") as folder:
        path, errors = Path(folder, "socket"), Path(folder, "errors")
        with errors.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.preloaded.server", str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                cwd=folder,
                env=env,
                start_new_session=True,
            )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", errors.read_text()
            client = Path(__file__).with_name("client.py")
            yield f"{sys.executable} -I -S {client} {path}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
