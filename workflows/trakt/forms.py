"""Parameters of the two forms, and the settings of each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.trakt.settings import BackfillSettings, IngestSettings, ModelSettings, PublishSettings, SloSettings
from workflows._lib.parameters import fields
from workflows._lib.switch import enabled

if TYPE_CHECKING:
    from workflows._lib.parameters import Field

__all__ = ["BACKFILL", "BACKFILL_FORM", "BRANCH", "FORM", "INGEST", "MODEL", "MODEL_AS_OF", "PUBLISH", "SLO"]

# Where and how often the key is sent is up to the installation: a form must not be able to send it elsewhere.
_OF_THE_API: Final = (
    *("source-system", "base-url", "user-agent", "max-retries", "backoff-seconds", "connections"),
    *("connect-timeout-s", "read-timeout-s", "total-timeout-s"),
    *("request-quota", "request-window-s", "request-lease-s", "advance-replayer", "tmdb-base-url"),
)
# `titles` can name movies too; `movie-ids` is a variable of another program, for use on laptops.
_EXCLUDED: Final = (*_OF_THE_API, "movie-ids")
# Parameters whose defaults are in the chart's values, because a cron passes no parameters.
_BUCKET: Final = {"bucket": "trakt-bucket"}
_CONFIG: Final = {**_BUCKET, "watch-list": "trakt-watch-list", "replies": "trakt-replies"}

INGEST: Final = fields(IngestSettings, without=_EXCLUDED, from_config=_CONFIG | {"sweep-days": "trakt-sweep-days"})
"""Settings of ``ingest``."""
BACKFILL: Final = fields(BackfillSettings, without=_EXCLUDED, from_config=_CONFIG)
"""Settings of ``backfill``."""
MODEL: Final = fields(ModelSettings, only=("bucket",), from_config=_BUCKET)
"""Settings of ``model``: it computes metrics for the day of the newest observation."""
MODEL_AS_OF: Final = fields(ModelSettings, only=("bucket", "as-of"), from_config=_BUCKET)
"""Settings of ``model`` after a backfill: it computes metrics for the form's day."""
PUBLISH: Final = fields(PublishSettings, only=("bucket",), from_config=_BUCKET)
"""Settings of ``publish``; an operator publishes an older build from the command line."""
SLO: Final = fields(SloSettings, only=("day",))
"""Settings of ``slo``: the day, which the form calls ``as-of``."""

FORM: Final[tuple[Field, ...]] = (*INGEST, enabled())
"""The form of ``trakt``."""
BRANCH: Final[tuple[Field, ...]] = (*INGEST, enabled("trakt-enabled"))
"""The part of the form of ``media``: the chart's values decide whether trakt runs, because it needs a key."""
BACKFILL_FORM: Final = BACKFILL
"""The form of ``trakt-backfill``."""
