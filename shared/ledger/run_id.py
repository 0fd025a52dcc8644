"""The id of a run, which becomes part of paths, keys and labels: its valid form."""

from __future__ import annotations

import re
from typing import Final

from shared.errors import UsageError
from shared.text import cut

__all__ = ["check_run_id"]

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_run_id(run_id: str) -> None:
    """Raise UsageError unless a run id is valid; it may come from a flag, a variable or a Workflow."""
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"run id '{cut(run_id, 140)}' is not valid; expected 1 to 128 letters, digits, '.', '_' and '-', starting"
            " with a letter or a digit"
        )
