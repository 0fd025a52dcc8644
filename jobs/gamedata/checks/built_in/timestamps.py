"""Can the inputs be aligned with the video?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["has_unusable_timestamps"]

# Rows that are a tenth of a second older than one before them, or more: none where threads write side by side, which
# displaces rows by milliseconds. A clock that is set back leaves as many as fall into the time that it repeats: of ten
# minutes, this is 3 s.
MAX_UNORDERED_SHARE: Final = 0.005
# More unreadable rows than readable ones.
MAX_INVALID_SHARE: Final = 0.5
# Inputs that span more than twice the video, and a minute more than it, belong to another video or to two. Those that
# span less than half of it, and a minute less, were cut off: the recorder writes an END at the end, played or not.
MAX_SPAN_FACTOR: Final = 2.0
MAX_SPAN_EXTRA_S: Final = 60.0


@statistics_check(
    "has_unusable_timestamps",
    bool,
    also={"timestamps_reason": str},
    vectorised=True,
    reads=(
        *("input_events", "input_integer_timestamps", "input_unordered", "input_invalid"),
        *("input_first_s", "input_last_s", "duration_s"),
    ),
)
def has_unusable_timestamps(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Say whether the timestamps of inputs.csv are useless, and why; NULL without inputs.csv or without rows in it.

    ``integer``: whole seconds only (recordings before 2025-08-28); ``invalid``: most rows do not parse; ``unordered``:
    the clock was set back, or rows stand in another order; ``span``: they reach far beyond the video, or over less than
    half of it.
    """
    events = pl.col("input_events")
    span = pl.col("input_last_s") - pl.col("input_first_s")
    video = pl.col("duration_s")
    longest = pl.max_horizontal(video * MAX_SPAN_FACTOR, video + MAX_SPAN_EXTRA_S)
    shortest = pl.min_horizontal(video / MAX_SPAN_FACTOR, video - MAX_SPAN_EXTRA_S)
    has_rows = (events > 0).fill_null(value=False)
    reason = table.select(
        pl.when(pl.col("input_invalid") > events * MAX_INVALID_SHARE)
        .then(pl.lit("invalid"))
        .when(pl.col("input_integer_timestamps"))
        .then(pl.lit("integer"))
        .when(pl.col("input_unordered") > events * MAX_UNORDERED_SHARE)
        .then(pl.lit("unordered"))
        .when((span > longest) | (span < shortest))
        .then(pl.lit("span"))
        .otherwise(None)
        .alias("timestamps_reason")
    ).to_series()
    known = table.select(has_rows.alias("known")).to_series()
    missing = pl.repeat(None, len(table), dtype=pl.Boolean, eager=True)
    return {
        "has_unusable_timestamps": reason.is_not_null().zip_with(known, missing),
        "timestamps_reason": reason.zip_with(known, pl.repeat(None, len(table), dtype=pl.String, eager=True)),
    }
