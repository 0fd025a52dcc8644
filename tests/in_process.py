"""The `telecine` command in this process, for tests in which the process is not the point: 0.1 s instead of 1 s.

    from tests.in_process import InProcess

    done = InProcess(folder, {"TELECINE_DATABASE_URL": database.url})("screenalytics", "verify")

The environment and the working directory are those that :class:`tests.cli.Cli` gives to a process.
"""

from __future__ import annotations

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING
from unittest import mock

from jobs.cli import run
from tests.cli import LIMIT_S, Cli, Done

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InProcess"]


class InProcess(Cli):
    """Runs commands in one folder, without a process of their own."""

    def __call__(self, *argv: str, env: Mapping[str, str] | None = None, limit_s: float = LIMIT_S) -> Done:
        """Run a command to its end."""
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            mock.patch.dict(os.environ, {**self.env, **(env or {})}, clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            code = run(argv)
        return Done(code, out.getvalue(), err.getvalue())
