"""Parameters of the trakt commands: flags, variables and docs are derived from these fields."""

from __future__ import annotations

from jobs.trakt.settings.bronze import BronzeSettings, EraseSettings, TraktVacuumSettings
from jobs.trakt.settings.model import ModelSettings
from jobs.trakt.settings.replayer import ReplayerSettings
from jobs.trakt.settings.schema import SchemaSettings

__all__ = [
    "BronzeSettings",
    "EraseSettings",
    "ModelSettings",
    "ReplayerSettings",
    "SchemaSettings",
    "TraktVacuumSettings",
]
