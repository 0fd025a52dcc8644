"""telecine as a library: ``load`` reads a ``.pt`` file, and :mod:`telecine.checks` is for authors of checks.

    from telecine import load

These names are the public API of Python; docs/python.md and docs/checks.md describe it. Everything else may change
without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.gamedata import ExtractedData, load

__all__ = ["ExtractedData", "load"]


def __getattr__(name: str) -> object:
    # `load` imports torch, which a file of checks does not need.
    if name in __all__:
        from jobs import gamedata

        return getattr(gamedata, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
