"""Quality checks: decorated functions that each fill one or more typed columns of the manifest.

To add a check, put a file in ``built_in`` or pass one with ``--checks`` (docs/checks.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.gamedata.checks.registry import Check, Registry, frames_check, statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.checks.session import SessionStatistics

__all__ = ["Check", "Registry", "SessionStatistics", "frames_check", "statistics_check"]


def __getattr__(name: str) -> object:
    # SessionStatistics imports numpy, which a command that only lists its flags does not need.
    if name == "SessionStatistics":
        from jobs.gamedata.checks.session import SessionStatistics

        return SessionStatistics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
