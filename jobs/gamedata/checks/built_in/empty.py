"""The check ``is_session_empty``: no frames, only black and plain frames, or no inputs (``empty_reason``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.built_in.vision import BLACK_P99
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["is_session_empty"]

# Maximum spread of luma (99th minus 1st percentile) in a uniformly black frame: grain and coding cause up to 3. A game
# in complete darkness has an equally low mean but a wider spread.
PLAIN: Final = 4.0


@statistics_check(
    "is_session_empty",
    bool,
    also={"empty_reason": str},
    vectorised=True,
    reads=("frame_luma_p01", "frame_luma_p99", "input_keyboard", "input_mouse", "input_gamepad", "input_events"),
)
def is_session_empty(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Return whether the session contains nothing usable, and why.

    ``no_frames``: no frame could be sampled; ``black``: every frame is uniformly black; ``no_inputs``: inputs.csv
    exists but has no device events.
    """
    lightest = pl.col("frame_luma_p99").list.max()
    spread = (pl.col("frame_luma_p99") - pl.col("frame_luma_p01")).list.max()
    events = pl.col("input_keyboard") + pl.col("input_mouse") + pl.col("input_gamepad")
    reason = table.select(
        pl.when(lightest.is_null())
        .then(pl.lit("no_frames"))
        .when((lightest < BLACK_P99) & (spread < PLAIN))
        .then(pl.lit("black"))
        .when(pl.col("input_events").is_not_null() & (events == 0))
        .then(pl.lit("no_inputs"))
        .otherwise(None)
        .alias("empty_reason")
    ).to_series()
    return {"is_session_empty": reason.is_not_null(), "empty_reason": reason}
