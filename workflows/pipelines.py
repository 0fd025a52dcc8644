"""The pipelines, in the order of ``media``.

To add one, add a module that exports ``PIPELINE`` and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workflows import gamedata, screenalytics, trakt, viewership

if TYPE_CHECKING:
    from workflows._lib.pipeline import Pipeline

__all__ = ["PIPELINES"]

PIPELINES: Final[tuple[Pipeline, ...]] = (
    gamedata.PIPELINE,
    screenalytics.PIPELINE,
    viewership.PIPELINE,
    trakt.PIPELINE,
)
