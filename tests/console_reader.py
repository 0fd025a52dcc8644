"""Read received files without a process: one takes 0.8 s of processor time, and a reading needs two.

    monkeypatch.setattr(reading, "run", run)

The processes themselves are those of :mod:`tests.integration.test_console_intake` and of its kills.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jobs.console.intake import child
from jobs.viewership.commands import STEPS
from shared.errors import TelecineError
from shared.settings.command import parse
from shared.step.contract import Tool
from shared.step.guard import exit_code_of
from shared.text import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["run"]


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def run(
    arguments: Sequence[str], folder: Path, limits: child.Limits | None = None, *, waits: bool = True
) -> child.Outcome:
    """Run a command as :func:`jobs.console.intake.child.run` does, from its flags to its document or problem.

    Args:
        arguments: of the command.
        folder: its working directory, which this process does not enter.
        limits: which nothing reaches here.
        waits: True if it waits while two others run.
    """
    tool = next(each for each in STEPS if isinstance(each, Tool) and each.name == " ".join(arguments[1:3]))
    flags = [str(folder / "file") if each == "./file" else each for each in arguments[3:]]
    try:
        with child._TOGETHER if waits else nullcontext():
            settings = parse(_load(tool.settings), tool.program, tool.help, flags)
            return child.Outcome(json.loads(_load(tool.call)(settings)), None)
    except TelecineError as error:
        line = as_json({"level": "ERROR", "code": error.code, "message": error.message, "data": error.data})
        return child.Outcome(None, child._problem(exit_code_of(error), line, limits or child.Limits()))
