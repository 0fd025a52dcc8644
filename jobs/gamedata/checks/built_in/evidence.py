"""The checks ``frames_state`` and ``inputs_state``: what the other checks could use, and why one of them is NULL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.ragged import Frames
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["frames_state", "inputs_invalid", "inputs_state"]

# Unreadable rows of inputs.csv as a share of readable ones. Above this, more than a third of all rows are unknown, and
# a device or a span of time may be missing. A killed recorder truncates one row.
MAX_INVALID_SHARE: Final = 0.5


def inputs_invalid() -> pl.Expr:
    """Return True if too few rows of inputs.csv can be read to judge the inputs, or none at all."""
    return pl.col("input_invalid").fill_null(0) > pl.col("input_events") * MAX_INVALID_SHARE


@statistics_check("frames_state", str, vectorised=True, reads=("frame_time_s", "frame_corrupt"))
def frames_state(table: pl.DataFrame, settings: ManifestSettings) -> pl.Series:  # noqa: ARG001
    """Classify the frames that the picture checks are based on.

    ``ok``; ``partly_damaged``: only the undamaged frames count; ``damaged``: all are damaged, so nothing is known;
    ``single``: one frame, so static areas are unknown; ``none``: no frame was sampled.
    """
    sound = Frames.sound(table)
    counts = pl.DataFrame({"sound": sound.count, "sampled": sound.sampled})
    return counts.select(
        pl.when(pl.col("sampled") == 0)
        .then(pl.lit("none"))
        .when(pl.col("sound") == 0)
        .then(pl.lit("damaged"))
        .when(pl.col("sound") < pl.col("sampled"))
        .then(pl.lit("partly_damaged"))
        .when(pl.col("sampled") == 1)
        .then(pl.lit("single"))
        .otherwise(pl.lit("ok"))
        .alias("frames_state")
    ).to_series()


@statistics_check("inputs_state", str, vectorised=True, reads=("input_events", "input_invalid", "reader"))
def inputs_state(table: pl.DataFrame, settings: ManifestSettings) -> pl.Series:  # noqa: ARG001
    """Classify the rows that the input checks are based on.

    ``ok``; ``partly_invalid``: some rows of inputs.csv cannot be read; ``invalid``: more than a third, or all, or
    the file has 0 bytes; ``no_rows``; ``missing``: no inputs.csv; ``not_recorded``: no part records the ``.pt`` file.
    """
    invalid = pl.col("input_invalid").fill_null(0)
    return table.select(
        pl.when(pl.col("input_events").is_null())
        # Only rows that were measured from a .pt file have no reader, and such a file has no inputs.
        .then(pl.when(pl.col("reader").is_null()).then(pl.lit("not_recorded")).otherwise(pl.lit("missing")))
        .when(inputs_invalid())
        .then(pl.lit("invalid"))
        .when(invalid > 0)
        .then(pl.lit("partly_invalid"))
        .when(pl.col("input_events") == 0)
        .then(pl.lit("no_rows"))
        .otherwise(pl.lit("ok"))
        .alias("inputs_state")
    ).to_series()
