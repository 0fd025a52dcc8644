"""Settings of the commands that read the API: the watch list, what to read, and how often."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic resolves the annotation
from typing import Annotated, Final, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from jobs.trakt.settings.bronze import BronzeSettings
from jobs.trakt.settings.tmdb import TmdbSettings
from shared.lineage.settings import LineageSettings
from shared.settings import setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, Group

__all__ = ["BackfillSettings", "IngestSettings", "ReadSettings"]

_TITLES: Final = Group("Titles", 5)
_ASKED: Final = Group("What is asked for", 20)

Names = Annotated[tuple[str, ...], Field()]


class ReadSettings(LineageSettings, TmdbSettings, BronzeSettings, pipeline="trakt"):
    """Settings of all commands that read titles."""

    watch_list: str | None = setting(
        None,
        default_text="none",
        description="Read the titles listed in this file, one per line: movie:SLUG or show:SLUG.",
        detail="A path or s3://bucket/key. Empty lines and text after # are ignored. `show:id:24` names a title by its "
        "Trakt id, `show:slug:24` by a slug that is a number.",
        form="File of titles: s3://bucket/key, one per line, such as movie:dune-2021.",
        group=_TITLES,
    )
    titles: Names = setting(
        (),
        default_text="those of the watch list",
        description="Read these titles, such as movie:dune-2021, comma-separated.",
        group=_TITLES,
    )
    movie_ids: Names = setting(
        (),
        default_text="none",
        description="Also read these movies, by slug or IMDb id, comma-separated.",
        group=_TITLES,
        aliases=("TRAKT_MOVIE_IDS",),
    )
    replies: bool = setting(
        False,
        description="Also read replies to comments, with their users.",
        detail="Each full sweep of a title then sends at least one request per comment that has replies.",
        group=_ASKED,
    )
    ratings: Literal["named", "all"] = setting(
        "named",
        description="Read ratings of titles that the feed names or a sweep reads, or of all.",
        group=_ASKED,
    )
    as_of: date | None = setting(
        None,
        default_text="today in America/Chicago",
        description="Count pages towards the service level of this day.",
        form="Count pages towards the service level of this day; a backfill also computes metrics for it.",
        group=_ASKED,
    )
    commit_pages: PositiveInt = setting(
        1_000,
        unit="pages",
        description="Commit to the bronze table after this many pages, and at the end.",
        detail="1,000 pages hold up to 250,000 comments.",
        group=LIMITS,
    )
    max_failed: NonNegativeInt | None = setting(
        None,
        default_text="only if all fail",
        description="Fail (exit 65) if more titles than this fail.",
        form="Fail if more titles than this fail.",
        group=LIMITS,
    )
    dry_run: bool = setting(
        False,
        description="Print how many requests are needed and when they would end; send none.",
        form="Only log how many requests are needed and when they would end; send none.",
        group=HOW_IT_RUNS,
    )


class IngestSettings(ReadSettings, pipeline="trakt"):
    """Settings of `ingest`, which reads what has changed, and each title in full every few days."""

    sweep_days: Annotated[int, Field(ge=1, le=90)] = setting(
        7,
        unit="days",
        description="Read all comments of each title again after this many days.",
        detail="Likes, replies and deletions are seen only by a full sweep.",
        group=_ASKED,
    )


class BackfillSettings(ReadSettings, pipeline="trakt"):
    """Settings of `backfill`, which reads titles in full and resumes where it was interrupted."""

    since: date | None = setting(
        None,
        default_text="all comments",
        description="Only read comments written since this day (UTC).",
        detail="Such a sweep is never complete: it cannot detect deletions.",
        group=_ASKED,
    )
    skip_hours: Annotated[float, Field(ge=0, le=8_760, allow_inf_nan=False)] = setting(
        24.0,
        unit="hours",
        description="Skip titles whose last complete read is less than this many hours old.",
        detail="An interrupted backfill therefore continues with the titles that it has not read yet.",
        group=_ASKED,
    )
