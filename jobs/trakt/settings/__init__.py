"""Settings of the trakt commands: flags, variables and docs are derived from these fields."""

from __future__ import annotations

from jobs.trakt.settings.api import ApiSettings
from jobs.trakt.settings.bronze import BronzeSettings, EraseSettings, TraktVacuumSettings
from jobs.trakt.settings.ingest import BackfillSettings, IngestSettings
from jobs.trakt.settings.model import ModelSettings, PinnedModelSettings
from jobs.trakt.settings.publish import PublishSettings
from jobs.trakt.settings.replayer import ReplayerSettings
from jobs.trakt.settings.run import RunSettings, VerifySettings
from jobs.trakt.settings.schema import SchemaSettings
from jobs.trakt.settings.slo import SloSettings
from jobs.trakt.settings.tmdb import TmdbSettings

__all__ = [
    "ApiSettings",
    "BackfillSettings",
    "BronzeSettings",
    "EraseSettings",
    "IngestSettings",
    "ModelSettings",
    "PinnedModelSettings",
    "PublishSettings",
    "ReplayerSettings",
    "RunSettings",
    "SchemaSettings",
    "SloSettings",
    "TmdbSettings",
    "TraktVacuumSettings",
    "VerifySettings",
]
