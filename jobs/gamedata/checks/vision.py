"""Is the picture dark, or does the game fill only a part of it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from jobs.gamedata.checks.ragged import Frames, nullable
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["is_dpi_scale_issue", "is_video_mostly_dark"]

# Thinner bars are encoder padding or rounding (1366 x 768 in 16:9). Common real ones are 5 % (16:10 in 16:9) to 12.8 %
# (2.39:1 in 16:9) a side; on the statistics grid of 90 x 160 this is 2 rows or 4 columns.
MIN_BAR: Final = 0.02
# The 99th percentile of luma: a frame with no more than one lighter cell in a hundred is black as a whole and shows no
# bars. It is the level below which the statistics call a cell black.
BLACK_P99: Final = 10.0
# The mean luma between the bars from which on a frame is lit: the darkness threshold that the original used.
LIT_LUMA: Final = 15.0
# One lit frame may be a splash screen with a logo in the middle.
MIN_LIT_FRAMES: Final = 3
# Bars stand still: in half of the lit frames at least they end where the thinnest does, give or take a cell of the
# grid. The black surroundings of something lit in the dark wander by several cells.
STEADY: Final = {"top": 1.1 / 90, "bottom": 1.1 / 90, "left": 1.1 / 160, "right": 1.1 / 160}
STEADY_SHARE: Final = 0.5


@statistics_check(
    "is_video_mostly_dark",
    bool,
    also={"dark_frame_share": float, "dark_luma_threshold": float, "dark_share_threshold": float},
    vectorised=True,
    reads=("frame_time_s", "frame_luma_mean"),
)
def is_video_mostly_dark(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:
    """Say whether more than half of the distinct sampled frames have a mean luma below 15 of 255; no frames: NULL."""
    frames = Frames.of(table)
    known = frames.count > 0
    share = frames.total(frames.values("frame_luma_mean") < settings.dark_luma) / np.maximum(frames.count, 1)
    return {
        "is_video_mostly_dark": nullable(share > settings.dark_share, known),
        "dark_frame_share": nullable(share, known),
        "dark_luma_threshold": pl.repeat(settings.dark_luma, len(table), dtype=pl.Float64, eager=True),
        "dark_share_threshold": pl.repeat(settings.dark_share, len(table), dtype=pl.Float64, eager=True),
    }


@statistics_check(
    "is_dpi_scale_issue",
    bool,
    also={"black_bar_share": float},
    vectorised=True,
    reads=(
        *("frame_time_s", "frame_luma_mean", "frame_luma_p99"),
        *("frame_border_top", "frame_border_bottom", "frame_border_left", "frame_border_right"),
    ),
)
def is_dpi_scale_issue(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Say whether two facing sides are black in all frames while the middle is not; no frames: NULL.

    A frame that is black as a whole (a loading screen, the moment before the game is hooked) neither vetoes nor proves:
    it is left out. Any other frame with light where the bar would be vetoes. Proof are three lit frames (all, where
    there are fewer), more of them than of dim ones, and bars that end where they ended before: night scenes with black
    edges are none.
    """
    frames = Frames.of(table)
    known = frames.count > 0
    bars = {side: frames.values(f"frame_border_{side}") for side in ("top", "bottom", "left", "right")}
    shown = frames.values("frame_luma_p99") >= BLACK_P99
    middle = np.maximum(1 - bars["top"] - bars["bottom"], 0.0) * np.maximum(1 - bars["left"] - bars["right"], 0.0)
    # Bars are black, so that all light comes from the middle.
    lit = shown & (frames.values("frame_luma_mean") >= LIT_LUMA * middle) & (middle > 0)
    count_lit, count_shown = frames.total(lit), frames.total(shown)
    width, barred = {}, {}
    for side, band in bars.items():
        width[side] = frames.lowest(np.where(shown, np.nan_to_num(band), np.inf))
        steady = frames.total(lit & (band <= width[side][frames.row] + STEADY[side]))
        barred[side] = (width[side] >= MIN_BAR) & (steady >= count_lit * STEADY_SHARE)
    vertical, horizontal = barred["top"] & barred["bottom"], barred["left"] & barred["right"]
    proven = (count_lit >= np.minimum(MIN_LIT_FRAMES, frames.count)) & (count_lit * 2 > count_shown)
    issue = proven & (vertical | horizontal)
    height = np.where(issue & vertical, width["top"] + width["bottom"], 0.0)
    breadth = np.where(issue & horizontal, width["left"] + width["right"], 0.0)
    covered = 1 - (1 - height) * (1 - breadth)
    return {"is_dpi_scale_issue": nullable(issue, known), "black_bar_share": nullable(covered, known)}
