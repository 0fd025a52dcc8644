"""The checks ``is_video_mostly_menu`` and ``video_menu_percent``: the share of time that shows menus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from jobs.gamedata.checks.ragged import Frames, nullable
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["READS", "STATIC_SHARE", "is_video_mostly_menu", "video_menu_percent"]

# Columns of parts that the share of menus depends on.
READS: Final = ("frame_time_s", "frame_corrupt", "frame_static_share", "frame_luma_mean", "duration_s")

# A frame counts as a menu if this share of its textured blocks is unchanged in another sampled frame. In a game the HUD
# is unchanged, and it can be half of the textured blocks if the rest is sky and road. In a menu only a highlighted row,
# a cursor or a page's contents changes. False positives and false negatives are fewest from 0.55 to 0.65;
# docs/checks.md has the sweep.
STATIC_SHARE: Final = 0.6
# Minimum mean luma of a menu frame: in darker scenes only the HUD is visible, and it is static.
LIT_LUMA: Final = 15.0


@statistics_check(
    "video_menu_percent",
    float,
    also={"menu_method": str},
    vectorised=True,
    reads=READS,
)
def video_menu_percent(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:  # noqa: ARG001
    """Estimate the share of the time that shows menus, 0 to 1; NULL with fewer than two undamaged frames.

    Frames are weighted by the time they represent. A dark frame, or one without texture (black, a blank loading
    screen), is not a menu unless it resembles a reference picture.

    The manifest adds ``frame_menu_like`` (a list of bool: resembles a reference picture) with ``--menu-references``,
    and ``model_menu_percent`` with ``--menu-model``. If the model has scored a session, only that score counts, unless
    all of its frames are damaged.
    """
    frames = Frames.sound(table)
    seconds = frames.seconds()
    is_menu = np.nan_to_num(frames.values("frame_static_share"), nan=0.0) >= STATIC_SHARE
    is_menu &= frames.values("frame_luma_mean") >= LIT_LUMA
    known = frames.count > 1  # a single frame has no other to compare with
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
        damaged = (frames.sampled > 0) & (frames.count == 0)
        scored = table["model_menu_percent"].set(pl.Series(damaged), None)
        percent = scored.zip_with(scored.is_not_null(), percent)
        names = names.set(scored.is_not_null(), "model")
    return {"video_menu_percent": percent, "menu_method": names}


@statistics_check(
    "is_video_mostly_menu",
    bool,
    also={"menu_flag_threshold": float},
    vectorised=True,
    reads=READS,
)
def is_video_mostly_menu(table: pl.DataFrame, settings: ManifestSettings) -> dict[str, pl.Series]:
    """Return whether the menu share exceeds ``--menu-threshold``."""
    percent = table["video_menu_percent"] if "video_menu_percent" in table.columns else None
    if percent is None:
        percent = video_menu_percent(table, settings)["video_menu_percent"]
    return {
        "is_video_mostly_menu": percent > settings.menu_threshold,
        "menu_flag_threshold": pl.repeat(settings.menu_threshold, len(table), dtype=pl.Float64, eager=True),
    }
