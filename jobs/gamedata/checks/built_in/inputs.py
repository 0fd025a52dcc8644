"""The check ``input_device_class``: devices used in at least 15 % of the seconds in which any was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from jobs.gamedata.checks.built_in.evidence import inputs_invalid
from jobs.gamedata.checks.registry import statistics_check

if TYPE_CHECKING:
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["input_device_class"]

# Minimum share of the active time for a device to count as used. A mouse nudged next to a gamepad, or a gamepad tried
# once, stays below it. Events would be misleading: a mouse reports movement up to 1,000 times per second, while a slow
# player presses two keys.
MIN_DEVICE_TIME: Final = 0.15
# The same for parts written before active time was recorded, which have only event counts.
MIN_DEVICE_EVENTS: Final = 0.05


@statistics_check(
    "input_device_class",
    str,
    vectorised=True,
    reads=(
        *("input_keyboard", "input_mouse", "input_gamepad", "input_events", "input_invalid"),
        *("input_desk_s", "input_gamepad_s"),
    ),
)
def input_device_class(table: pl.DataFrame, settings: ManifestSettings) -> pl.Series:  # noqa: ARG001
    """Return ``keyboard_mouse``, ``gamepad``, ``mixed``, or ``none`` (no device events); NULL if unknown.

    It is unknown without inputs.csv, or if more than a third of its rows cannot be read. Without any device event, a
    single unreadable row makes it unknown, because that row may be one.
    """
    desk_events, pad_events = pl.col("input_keyboard") + pl.col("input_mouse"), pl.col("input_gamepad")
    timed = pl.col("input_desk_s").is_not_null() & pl.col("input_gamepad_s").is_not_null()
    desk = pl.when(timed).then(pl.col("input_desk_s")).otherwise(desk_events)
    pad = pl.when(timed).then(pl.col("input_gamepad_s")).otherwise(pad_events)
    minimum = (desk + pad) * pl.when(timed).then(MIN_DEVICE_TIME).otherwise(MIN_DEVICE_EVENTS)
    return table.select(
        pl.when(pl.col("input_events").is_null() | inputs_invalid())
        .then(None)
        .when((desk_events + pad_events == 0) & (pl.col("input_invalid").fill_null(0) > 0))
        .then(None)
        .when(desk_events + pad_events == 0)
        .then(pl.lit("none"))
        .when(pad < minimum)
        .then(pl.lit("keyboard_mouse"))
        .when(desk < minimum)
        .then(pl.lit("gamepad"))
        .otherwise(pl.lit("mixed"))
        .alias("input_device_class")
    ).to_series()
