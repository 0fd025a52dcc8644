"""The ledger: runs, their stages and failed items."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.ledger.history import failed_items
    from shared.ledger.run import Run, open_run, open_stage
    from shared.ledger.stage import StageRun

__all__ = ["Run", "StageRun", "failed_items", "open_run", "open_stage"]

_HOME = {"Run": "run", "StageRun": "stage", "failed_items": "history", "open_run": "run", "open_stage": "run"}


def __getattr__(name: str) -> Any:
    """Import the parts that need a database on first use (PEP 562)."""
    if name in _HOME:
        return getattr(import_module(f"shared.ledger.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
