"""How much of a session is menu?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from jobs.gamedata.checks.ragged import Frames, nullable
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["STATIC_SHARE", "is_video_mostly_menu", "video_menu_percent"]

# A frame is a menu when so much of its textured picture stands as it does in another sampled frame. Games keep their
# HUD, which may be half of the blocks with texture where the rest is sky and road; a menu loses a highlighted row, a
# cursor, a page's contents. Between 0.55 and 0.65 lies what loses least of both: docs/checks.md has the sweep.
STATIC_SHARE: Final = 0.6
# In the dark nothing is left of a game but its HUD, which stands still.
LIT_LUMA: Final = 15.0


@statistics_check(
    "video_menu_percent",
    float,
    also={"menu_method": str},
    vectorised=True,
    reads=("frame_time_s", "frame_static_share", "frame_luma_mean", "duration_s"),
)
def video_menu_percent(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Estimate the share of the time that shows menus, 0 to 1; NULL without frames, or with a lone one.

    Frames count by the time that they stand for. A frame without texture (black, a blank loading screen) is no menu,
    nor is a dark one, unless it is like a reference.

    The manifest adds ``frame_menu_like`` (a list of bool: like a reference picture) with ``--menu-references``, and
    ``model_menu_percent`` with ``--menu-model``; a session that the model has scored takes its word alone.
    """
    frames = Frames.of(table)
    seconds = frames.seconds()
    is_menu = np.nan_to_num(frames.values("frame_static_share"), nan=0.0) >= STATIC_SHARE
    is_menu &= frames.values("frame_luma_mean") >= LIT_LUMA
    known = frames.count > 1  # a lone frame stands beside none
    method = "static"
    if "frame_menu_like" in table.columns:
        is_menu |= frames.values("frame_menu_like") > 0
        known = frames.count > 0
        method = "references"
    total = frames.total(seconds)
    share = np.clip(frames.total(seconds * is_menu) / np.where(total > 0, total, 1.0), 0.0, 1.0)
    percent, names = (
        nullable(share, known),
        pl.repeat(method, len(table), dtype=pl.String, eager=True).set(pl.Series(~known), None),
    )
    if "model_menu_percent" in table.columns:
        scored = table["model_menu_percent"]
        percent = scored.zip_with(scored.is_not_null(), percent)
        names = names.set(scored.is_not_null(), "model")
    return {"video_menu_percent": percent, "menu_method": names}


@statistics_check(
    "is_video_mostly_menu",
    bool,
    also={"menu_flag_threshold": float},
    vectorised=True,
    reads=("frame_time_s", "frame_static_share", "frame_luma_mean", "duration_s"),
)
def is_video_mostly_menu(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:
    """Say whether the menu share is above ``--menu-threshold``."""
    percent = table["video_menu_percent"] if "video_menu_percent" in table.columns else None
    if percent is None:
        percent = video_menu_percent(table, settings)["video_menu_percent"]
    return {
        "is_video_mostly_menu": percent > settings.menu_threshold,
        "menu_flag_threshold": pl.repeat(settings.menu_threshold, len(table), dtype=pl.Float64, eager=True),
    }
