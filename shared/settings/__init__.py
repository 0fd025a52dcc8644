"""Settings models, the single source of parameters.

Names are imported on first use, so that mixins can import ``base`` without a cycle.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.settings.base import Settings, setting
    from shared.settings.step import LogLevel, StepSettings

__all__ = ["LogLevel", "Settings", "StepSettings", "setting"]

_HOME = {
    "LogLevel": "shared.settings.step",
    "Settings": "shared.settings.base",
    "StepSettings": "shared.settings.step",
    "setting": "shared.settings.base",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
