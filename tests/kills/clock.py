"""A shifted or frozen wall clock for the product's modules in this process.

Monotonic clocks are unaffected: nobody can set them.
"""

from __future__ import annotations

import datetime as dt
import functools
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Clock", "dated"]

_ROOMS = ("jobs.", "shared.")
_true = time.time


class Clock:
    """The wall clock of this process.

    Attributes:
        shift: seconds the clock is ahead; negative if it is behind. May change at any time.
        at: time at which ``datetime.now`` is frozen; None to let it run.
    """

    def __init__(self, shift: float = 0.0, at: str | None = None) -> None:
        self.shift = shift
        self.at = None if at is None else dt.datetime.fromisoformat(at).timestamp()

    def time(self) -> float:
        """Return the shifted ``time.time``."""
        return _true() + self.shift

    def install(self) -> None:
        """Replace ``time.time``, and ``datetime`` in all loaded modules of the product."""
        outer = self

        class Shifted(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
                return dt.datetime.fromtimestamp(outer.time() if outer.at is None else outer.at, tz)

        time.time = self.time
        for module in dated():
            module.datetime = Shifted  # type: ignore[attr-defined]


@functools.cache
def dated() -> list[ModuleType]:
    """Return the product's modules that were loaded at the first call and use ``datetime``."""
    found = [module for name, module in list(sys.modules.items()) if name.startswith(_ROOMS)]
    return [module for module in found if vars(module).get("datetime") is dt.datetime]
