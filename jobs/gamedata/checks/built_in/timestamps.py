"""The check ``has_unusable_timestamps``: inputs that cannot be aligned with the video, and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.built_in.evidence import inputs_invalid
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["has_unusable_timestamps"]

# Maximum share of rows that are at least 0.1 s older than an earlier row. Threads that write concurrently displace rows
# by milliseconds only, so normally there are none. If the clock is set back, all rows of the repeated period count: in
# a session of ten minutes, this limit corresponds to 3 s.
MAX_UNORDERED_SHARE: Final = 0.005
# Inputs that span more than twice the video's duration, and at least a minute more, belong to another video or to two
# videos. Inputs that span less than half of it, and at least a minute less, were cut off: recorders always write a
# final END row.
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
    """Decide if the timestamps of inputs.csv are unusable, and why; NULL without inputs.csv or without rows.

    ``invalid``: more than a third of the rows cannot be read; ``integer``: whole seconds only (recordings before
    2025-08-28); ``unordered``: the clock was set back, or rows are out of order; ``span``: the inputs span far more
    time than the video, or less than half of it.
    """
    events = pl.col("input_events")
    span = pl.col("input_last_s") - pl.col("input_first_s")
    video = pl.col("duration_s")
    longest = pl.max_horizontal(video * MAX_SPAN_FACTOR, video + MAX_SPAN_EXTRA_S)
    shortest = pl.min_horizontal(video / MAX_SPAN_FACTOR, video - MAX_SPAN_EXTRA_S)
    has_rows = (events + pl.col("input_invalid").fill_null(0) > 0).fill_null(value=False)
    reason = table.select(
        pl.when(inputs_invalid())
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
