"""Another clock for this process: what the product reads of the time of day, shifted; dates may stand still as well.

Monotonic clocks are unaffected: they cannot be set.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Clock"]

_ROOMS = ("jobs.", "shared.")
_true = time.time


class Clock:
    """The time of day as this process sees it.

    Attributes:
        shift: seconds that it is ahead; negative when it was set back. May change at any time.
        at: the moment at which ``datetime.now`` stands still; None lets it run.
    """

    def __init__(self, shift: float = 0.0, at: str | None = None) -> None:
        self.shift = shift
        self.at = None if at is None else dt.datetime.fromisoformat(at).timestamp()

    def time(self) -> float:
        """As ``time.time``."""
        return _true() + self.shift

    def install(self) -> None:
        """Let the product's modules that are loaded, and ``time.time``, use it."""
        outer = self

        class Shifted(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
                return dt.datetime.fromtimestamp(outer.time() if outer.at is None else outer.at, tz)

        time.time = self.time
        for module in _loaded():
            if vars(module).get("datetime") is dt.datetime:
                module.datetime = Shifted  # type: ignore[attr-defined]


def _loaded() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(_ROOMS)]
