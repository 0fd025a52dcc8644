"""Trakt's tables for BI, its service levels, and their alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import PIPELINE_RUN, Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TRAKT_GOLD"]

_TITLE: Final = {"title_kind": "`movie` or `show`", "title_id_trakt": "Trakt id of the title, unique within its kind"}
_AS_OF: Final = "the last day that the row covers (UTC)"
_PERIOD: Final = "days up to `as_of`: `7d`, `28d`, `90d` or `all`"
_N_MIN: Final = "the least `n` for which figures are computed"
_DAY: Final = "day in America/Chicago"
_DEADLINE: Final = "09:00 of that day in America/Chicago"

_COUNTED: Final = {
    "reviews": "comments marked as reviews",
    "spoilers": "comments marked as spoilers",
    "likes": "likes of the comments, as last observed",
}


def _figure(name: str, meaning: str) -> dict[str, str]:
    return {
        f"{name}_n": f"observations behind `{name}`",
        name: meaning,
        f"{name}_low": f"lower end of the 95 % interval of `{name}`",
        f"{name}_high": f"upper end of the 95 % interval of `{name}`; NULL next to a value: there is no upper end",
        f"{name}_reason": f"why `{name}` is NULL; NULL if it is not",
    }


_TABLES: Final[Mapping[str, Relation]] = {
    "gold.trakt_titles": Relation(
        "a title, as last observed",
        {
            **_TITLE,
            "slug": "slug, which may change",
            "title": "name",
            "year": "year",
            "imdb_id": "id at IMDb",
            "tmdb_id": "id at TMDb",
            "status": "status, such as `released` or `ended`",
            "released": "release date; of a show, of its first episode",
            "runtime_min": "runtime in minutes",
            "genres": "genres",
            "certification": "certification, such as `PG-13`",
            "language": "two-letter language code",
            "country": "two-letter country code",
            "comment_count": "number of comments, as the site states it",
            "votes": "number of ratings",
            "rating": "mean rating, 1 to 10, as the site states it",
            "rating_observed_at": "when the ratings were observed",
            "first_comment_at": "when the oldest comment was written",
            "comments_without_day": "comments whose time is out of range; they count on no day",
            "deleted_comments": "comments that were deleted",
            "is_gone": "the title itself answered 404 on 3 days",
            "gone_on": "the third of those days; NULL if it is not gone",
            "tmdb_popularity": "popularity at TMDb; NULL without TMDb metadata",
            "tmdb_vote_average": "mean vote at TMDb",
            "tmdb_vote_count": "number of votes at TMDb",
            "is_synthetic": "the title comes from the replayer",
            "observed_at": "when the site was last observed in this state",
        },
    ),
    "gold.trakt_comments_daily": Relation(
        "the comments of a title that were written on one day and still exist, and likes that changed on it",
        {
            **_TITLE,
            "day": "day on which they were written (UTC)",
            "comments": "top-level comments",
            "replies": "replies, as far as they were read",
            "commenters": "distinct users; they do not add up over days",
            **_COUNTED,
            "reply_count": "replies to the comments, as the site states them",
            "rated": "comments whose user has rated the title",
            "rating_sum": "sum of those ratings",
            "edited": "comments that were edited later",
            "late_arrivals": "comments first seen more than 7 days after they were written",
            "likes_added": "likes that known comments were seen to gain on this day",
            "likes_net_change": "likes gained minus likes lost, as seen on this day",
        },
    ),
    "gold.trakt_engagement_daily": Relation(
        "the comments of a title over a period up to one day",
        {
            **_TITLE,
            "as_of": _AS_OF,
            "period": _PERIOD,
            "comments": "top-level comments",
            "replies": "replies, as far as they were read",
            "commenters": "distinct users",
            **_COUNTED,
            "further_comments": "comments beyond the first of each user",
            "rated": "comments whose user has rated the title",
            "rating_mean": "mean of those ratings",
        },
    ),
    "gold.trakt_metrics_daily": Relation(
        "the metrics of a title as of one day",
        {
            **_TITLE,
            "as_of": _AS_OF,
            "age_days": "days since the anchor",
            "age_band": "band of ages; peers are titles of the same kind and band",
            "anchor": "`release` or `first_comment`: the start of the title's life",
            "comments": "comments up to that day",
            "replies_counted": "replies count as comments",
            "n_min": _N_MIN,
            **_figure("breadth", "distinct commenters"),
            **_figure("intensity", "comments beyond the first, per commenter, shrunk to the title's peers"),
            **_figure("half_life_days", "days in which the rate of comments halves"),
            **_figure("t50_days", "days until half of the comments of the first 90 days were written"),
            **_figure("t80_days", "days until 80 % of the comments of the first 90 days were written"),
            **_figure("t50_year_days", "days until half of the comments of the first 365 days were written"),
            **_figure("t80_year_days", "days until 80 % of the comments of the first 365 days were written"),
            **_figure("hold_up", "mean rating of later comments minus that of the first, as first seen"),
            **_figure("retention", "comments of days 91 to 180 over those of days 1 to 180"),
            "half_life_aic_gain": "AIC of a power law minus that of the exponential: above 0, the exponential fits",
            "hold_up_n_before": "ratings of the first part",
            "hold_up_n_after": "ratings of the later part",
            "hold_up_first_seen_by_backfill": "a rating was first seen by a backfill, and may have changed before that",
        },
    ),
    "gold.trakt_quadrants_daily": Relation(
        "the quadrant of a title among its peers, over a period up to one day",
        {
            **_TITLE,
            "as_of": _AS_OF,
            "period": _PERIOD,
            "age_band": "band of ages; peers are titles of the same kind and band",
            "quadrant": "`phenomenon`, `broad_hit`, `cult`, `quiet`, `borderline` or `insufficient`",
            "reason": "why it is `borderline` or `insufficient`",
            "n": "comments of the period",
            "n_min": _N_MIN,
            "peers": "titles with at least `n_min` comments in the band",
            "breadth": "distinct commenters",
            "breadth_median": "median of the peers",
            "p_breadth_high": "probability that the breadth is above the median",
            "intensity": "comments beyond the first, per commenter, shrunk to the peers",
            "intensity_low": "lower end of the 95 % interval of `intensity`",
            "intensity_high": "upper end of the 95 % interval of `intensity`",
            "intensity_median": "median of the peers",
            "p_intensity_high": "probability that the intensity is above the median",
        },
    ),
    "gold.trakt_versions": Relation(
        "a published version of the five tables above; the last one is current",
        {
            "version_id": "number of the version",
            "bronze_version": "version of the Delta table from which it was built",
            "project_hash": "SHA-256 of the models that built it",
            "as_of": "the day for which it was built",
            "build_id": "name of its folder under `gold/` in the bucket",
            "source_system": "`trakt` or `replay`",
            "files": "SHA-256 and rows of each file, by table",
            "run_id": PIPELINE_RUN,
            "published_at": "when it was published",
        },
    ),
}

_LEVELS: Final[Mapping[str, Relation]] = {
    "gold.trakt_slo_days": Relation(
        "a day of service levels; see [SLO](trakt-slo.md)",
        {
            "day": _DAY,
            "deadline": _DEADLINE,
            "is_final": "the deadline has passed; otherwise the row shows the state when it was computed",
            "titles": "tracked titles",
            "fresh_titles": "titles that were fresh by the deadline",
            "is_good": "at least 99 % of the titles were fresh; NULL without titles",
            "feed_at": "end of the first read of the feed without a gap; NULL without one",
            "late_titles": "titles that became fresh after the deadline, on the same day",
            "minutes_late": "the most minutes late among these titles; NULL without any",
            "pages_planned": "distinct pages that were planned",
            "pages_landed": "those that were read",
            "titles_planned": "titles with a planned page",
            "titles_complete": "titles with at least 99 % of their pages",
            "requests": "requests to the API, retries included",
            "throttled": "429 answers",
            "throttled_hour": "429 answers in the worst hour",
            "retried": "pages that needed more than one request",
            "retried_landed": "retried pages that were read in the end",
            "items": "items of the loads that were committed on the day; NULL if no load counted them",
            "duplicates": "items equal to the last stored observation; NULL likewise",
            "late_arrivals": "comments first stored more than 7 days after they were written, without the first read of"
            " a title; NULL likewise",
            "reasons": "titles that were not fresh, by reason",
            "missing": "pages that are missing, by reason",
            "content_hash": "hash of the values above; a row whose hash is unchanged is not rewritten",
            "run_id": "the run that last changed the row",
            "computed_at": "when the row last changed",
        },
    ),
    "gold.trakt_slo_titles": Relation(
        "a title-day: whether a title was fresh on a day",
        {
            "row_id": "number of the row",
            "day": _DAY,
            "deadline": _DEADLINE,
            **_TITLE,
            "is_fresh": "it was fresh by the deadline",
            "reason": "`FEED_MISSING`, `FEED_GAP`, `FEED_LATE`, `NOT_READ`, `RATING_MISSING`, `READ_LATE`,"
            " `NEVER_SWEPT`, `SWEEP_OLD` or `SWEEP_LATE`; NULL if it was fresh",
            "fresh_at": "when it became fresh; NULL if it did not on that day",
            "minutes_late": "minutes from the deadline to `fresh_at`; NULL if it was fresh in time, or not at all",
            "feed_at": "end of the read of the feed that counts; NULL without one",
            "read_at": "when its comments and ratings were read after the feed had named it; NULL if it was not named",
            "sweep_at": "end of the complete sweep that counts; NULL without one",
            "was_named": "the feed had named it",
            "pages_planned": "distinct pages of the title that were planned on the day",
            "pages_landed": "those that were read",
        },
    ),
    "gold.trakt_slo_pages": Relation(
        "the pages of a title-day with planned pages",
        {
            "day": _DAY,
            **_TITLE,
            "pages_planned": "distinct pages that were planned",
            "pages_landed": "those that were read",
            "share": "landed pages divided by planned pages, 0 to 1",
            "is_complete": "at least 99 % of the planned pages were read",
        },
    ),
    "gold.trakt_slo_burn": Relation(
        "freshness and error budget over the 28 days up to a day whose deadline has passed",
        {
            "day": _DAY,
            "titles": "tracked titles of the day",
            "fresh_titles": "fresh titles of the day",
            "window_days": "days of the 28 that had titles",
            "good_days": "days of the window on which at least 99 % of the titles were fresh",
            "title_days": "title-days of the 28 days",
            "fresh_title_days": "fresh title-days; the objective is 99 %",
            "fresh_share": "fresh title-days divided by all title-days, 0 to 1",
            "good_day_share": "good days divided by all days with titles, 0 to 1; not the objective",
            "budget": "title-days that may be missed: 1 %",
            "spent_share": "missed title-days divided by the budget; above 1, the objective is missed",
            "page_share": "pages landed divided by pages planned on the day, 0 to 1",
        },
    ),
    "trakt.slo_alerts": Relation(
        "an alert about the service levels, from its first day to its end",
        {
            "alert": "`breach`, `burn` or `missed`",
            "opened_on": f"{_DAY} on which its condition first held",
            "ended_on": "first day on which it no longer held; NULL while it is open",
            "message": "text of the notification",
            "sent": "channels that have sent the notification",
            "run_id": PIPELINE_RUN,
        },
    ),
}

TRAKT_GOLD: Final[Mapping[str, Relation]] = {**_TABLES, **_LEVELS}
