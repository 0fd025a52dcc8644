"""The checks ``is_video_mostly_dark`` and ``is_dpi_scale_issue``: dark sessions, and black bars on opposite sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from jobs.gamedata.checks.ragged import Frames, nullable
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    import numpy.typing as npt

    from jobs.gamedata.settings import ManifestSettings

__all__ = ["is_dpi_scale_issue", "is_video_mostly_dark"]

# Minimum share of the height or width per bar. Thinner bars come from encoder padding or rounding (1366 x 768 in 16:9);
# common real bars take 5 % (16:10 in 16:9) to 12.8 % (2.39:1 in 16:9) per side. On the statistics grid of 90 x 160 the
# limit is 2 rows or 4 columns.
MIN_BAR: Final = 0.02
# 99th percentile of luma below which a frame counts as entirely black, so that it has no bars: at most one cell in a
# hundred is lighter. The statistics use the same level for a black cell.
BLACK_P99: Final = 10.0
# Minimum mean luma between the bars for a frame to count as lit: the original pipeline's darkness threshold.
LIT_LUMA: Final = 15.0
# Minimum share of the picture between the bars; anything smaller is text or a logo.
MIN_MIDDLE: Final = 0.1
# A single lit frame may be a splash screen; with few lit frames among many dim ones, the bars may be the dark around a
# lamp.
MIN_LIT_FRAMES: Final = 3
MIN_LIT_SHARE: Final = 0.25
# Real bars end at the same grid cell on both sides in at least half of the lit frames (the others may be dim at the
# edge), or within one cell of it in 95 % (the edge lies between two cells, or shows ringing). They end closer to the
# border in at most a tenth. The black around a lit object in the dark moves by several cells.
STEADY_SHARE: Final = 0.5
CLOSE_SHARE: Final = 0.95
LOOSE_SHARE: Final = 0.1
# Tolerances for equal and for adjacent cells, as fractions of the height or width: less than one cell of 160, and just
# over one cell of 90 or 160.
EXACT: Final = 1e-3
NEAR: Final = {"top": 1.1 / 90, "bottom": 1.1 / 90, "left": 1.1 / 160, "right": 1.1 / 160}


@statistics_check(
    "is_video_mostly_dark",
    bool,
    also={"dark_frame_share": float, "dark_luma_threshold": float, "dark_share_threshold": float},
    vectorised=True,
    reads=(
        *("frame_time_s", "duration_s", "frame_corrupt"),
        *("frame_luma_mean", "frame_luma_p50", "frame_static_share"),
    ),
)
def is_video_mostly_dark(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:
    """Decide if the picture is dark more than half of the time; NULL without undamaged frames.

    A frame is dark if its mean luma is below 15 of 255. It is also dark if its median luma is below that and its middle
    has no texture to compare: a bright HUD around a game that cannot be seen. Frames are weighted by the time they
    represent, because 15 of the 29 are in the first 45 s, which may be a black intro.
    """
    frames = Frames.sound(table)
    known = frames.count > 0
    seconds = frames.seconds()
    dark = frames.values("frame_luma_mean") < settings.dark_luma
    hollow = np.isnan(frames.values("frame_static_share")) & (frames.sampled > 1)[frames.row]
    dark |= hollow & (frames.values("frame_luma_p50") < settings.dark_luma)
    total = frames.total(seconds)
    share = np.clip(frames.total(seconds * dark) / np.where(total > 0, total, 1.0), 0.0, 1.0)
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
        *("frame_time_s", "frame_corrupt", "frame_luma_mean", "frame_luma_p99"),
        *("frame_border_top", "frame_border_bottom", "frame_border_left", "frame_border_right"),
    ),
)
def is_dpi_scale_issue(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Decide if two opposite sides are black while the middle is not; NULL without undamaged frames.

    Entirely black frames (a loading screen, the moment before the game is captured) are ignored. Of the other frames,
    at least three (all, if there are fewer) and at least a quarter must be lit, and the bars of the lit frames must end
    at the same place, so that night scenes with black edges do not count. One frame with light in both bars rules bars
    out. Light in only the upper or the lower bar is a subtitle, and that frame is ignored.
    """
    frames = Frames.sound(table)
    known = frames.count > 0
    bands = {side: np.nan_to_num(frames.values(f"frame_border_{side}")) for side in NEAR}
    shown = frames.values("frame_luma_p99") >= BLACK_P99
    middle = np.maximum(1 - bands["top"] - bands["bottom"], 0.0) * np.maximum(1 - bands["left"] - bands["right"], 0.0)
    # Bars are black, so all light comes from the middle.
    lit = shown & (frames.values("frame_luma_mean") >= LIT_LUMA * middle) & (middle >= MIN_MIDDLE)
    vertical = _bars(frames, bands, shown, lit, sides=("top", "bottom"))
    horizontal = _bars(frames, bands, shown, lit, sides=("left", "right"))
    covered = 1 - (1 - vertical) * (1 - horizontal)
    return {"is_dpi_scale_issue": nullable(covered > 0, known), "black_bar_share": nullable(covered, known)}


def _bars(
    frames: Frames,
    bands: dict[str, npt.NDArray[np.float64]],
    shown: npt.NDArray[np.bool_],
    lit: npt.NDArray[np.bool_],
    *,
    sides: tuple[str, str],
) -> npt.NDArray[np.float64]:
    """Return the share of the height (width) covered by bars on two opposite sides, 0 without bars: shape (S,)."""
    near, far = sides
    count = frames.total(lit)
    minimum = np.maximum(np.minimum(MIN_LIT_FRAMES, frames.count), frames.total(shown) * MIN_LIT_SHARE)
    wide = lit & (bands[near] >= MIN_BAR) & (bands[far] >= MIN_BAR)
    # Few sessions have candidate bars. The steps below would take a second for all 200,000 sessions of a large
    # manifest.
    candidates = (count >= minimum) & (count > 0) & (frames.total(wide) >= count * STEADY_SHARE)
    of_candidates = candidates[frames.row]
    narrowed, shown, lit = frames.only(candidates), shown[of_candidates], lit[of_candidates]
    width = {side: narrowed.median(bands[side][of_candidates], lit) for side in sides}
    offset = {side: bands[side][of_candidates] - width[side][narrowed.row] for side in sides}
    thinner = {side: offset[side] < -NEAR[side] for side in sides}
    close = {side: abs(offset[side]) <= NEAR[side] for side in sides}
    both = thinner[near] & thinner[far]
    evidence = lit
    if near == "top":
        evidence = lit & ~(close[near] & thinner[far]) & ~(thinner[near] & close[far])
    exact = evidence & (abs(offset[near]) <= EXACT) & (abs(offset[far]) <= EXACT)
    count = narrowed.total(evidence)
    steady = narrowed.total(exact) >= count * STEADY_SHARE
    steady |= narrowed.total(evidence & close[near] & close[far]) >= count * CLOSE_SHARE
    barred = steady & (count > 0) & (width[near] >= MIN_BAR) & (width[far] >= MIN_BAR)
    barred &= narrowed.total(evidence & (thinner[near] | thinner[far])) <= count * LOOSE_SHARE
    barred &= narrowed.total(shown & both) == 0
    covered = np.zeros(len(frames.count))
    covered[candidates] = np.where(barred, width[near] + width[far], 0.0)
    return covered
