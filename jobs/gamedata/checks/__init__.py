"""Quality checks: decorated functions, each of which fills a typed column of the manifest.

A file in ``built_in``, or one given with ``--checks``, is all that a further check needs (docs/checks.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.gamedata.checks.registry import Check, Registry, frames_check, statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.checks.session import SessionStatistics

__all__ = ["Check", "Registry", "SessionStatistics", "frames_check", "statistics_check"]


def __getattr__(name: str) -> object:
    # SessionStatistics brings numpy, which a command that only lists its flags does not need.
    if name == "SessionStatistics":
        from jobs.gamedata.checks.session import SessionStatistics

        return SessionStatistics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
