"""The check ``is_session_empty``: no frames, only black and plain frames, or no inputs (``empty_reason``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.built_in.vision import BLACK_P99
from jobs.gamedata.checks.ragged import Frames
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
    reads=(
        *("frame_time_s", "frame_corrupt", "frame_luma_p01", "frame_luma_p99"),
        *("input_keyboard", "input_mouse", "input_gamepad", "input_events", "input_invalid"),
    ),
)
def is_session_empty(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Decide if the session contains nothing usable, and why; NULL if all frames are damaged.

    ``no_frames``: no frame could be sampled; ``black``: every undamaged frame is uniformly black; ``no_inputs``: every
    row of inputs.csv can be read, and none is a device event.
    """
    frames = Frames.sound(table)
    lightest, darkest = frames.values("frame_luma_p99"), frames.values("frame_luma_p01")
    shown = frames.total((lightest >= BLACK_P99) | (lightest - darkest >= PLAIN))
    events = pl.col("input_keyboard") + pl.col("input_mouse") + pl.col("input_gamepad")
    unplayed = pl.col("input_events").is_not_null() & (events == 0) & (pl.col("input_invalid").fill_null(0) == 0)
    reason = table.select(
        pl.when(pl.Series(frames.sampled == 0))
        .then(pl.lit("no_frames"))
        .when(pl.Series((frames.count > 0) & (shown == 0)))
        .then(pl.lit("black"))
        .when(unplayed)
        .then(pl.lit("no_inputs"))
        .otherwise(None)
        .alias("empty_reason")
    ).to_series()
    unknown = pl.Series((frames.sampled > 0) & (frames.count == 0)) & reason.is_null()
    return {"is_session_empty": reason.is_not_null().set(unknown, None), "empty_reason": reason}
