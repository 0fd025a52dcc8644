"""TARs of game-session videos -> ``.pt`` files with sampled frames and statistics -> a quality manifest.

``load`` reads one ``.pt`` file as a typed :class:`~jobs.gamedata.model.ExtractedData`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.gamedata.pt.file import load

__all__ = ["load"]


def __getattr__(name: str) -> object:
    # `load` needs torch (a second to import); `telecine --help` must not pay for it.
    if name == "load":
        from jobs.gamedata.pt.file import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
