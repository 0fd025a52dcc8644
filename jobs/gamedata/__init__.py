"""Sample frames from game-session videos into ``.pt`` files, and write a quality manifest of the sessions.

The public API is ``load``, which reads one ``.pt`` file as an ``ExtractedData`` (docs/python.md), and
:mod:`jobs.gamedata.checks` for authors of checks. Everything else may change without notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.gamedata.model import ExtractedData
    from jobs.gamedata.session.load import load

__all__ = ["ExtractedData", "load"]


def __getattr__(name: str) -> object:
    # `load` imports torch, which takes a second; `telecine --help` must not pay for it.
    if name == "load":
        from jobs.gamedata.session.load import load

        return load
    if name == "ExtractedData":
        from jobs.gamedata.model import ExtractedData

        return ExtractedData
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
