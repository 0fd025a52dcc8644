"""The check ``menu_share``: ``video_menu_percent`` under a name that says what it is, at the end of the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.gamedata.checks.built_in.menu import READS, video_menu_percent
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    import polars as pl

    from jobs.gamedata.settings import ManifestSettings

__all__ = ["menu_share"]


@statistics_check("menu_share", float, vectorised=True, reads=READS)
def menu_share(table: pl.DataFrame, settings: ManifestSettings) -> pl.Series:
    """Return the share of the time that shows menus, 0 to 1; NULL if ``video_menu_percent`` is."""
    if "video_menu_percent" in table.columns:
        return table["video_menu_percent"]
    return video_menu_percent(table, settings)["video_menu_percent"]
