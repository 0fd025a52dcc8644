"""The rules of the original pipeline's first version."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.detectors.paint import Picture
    from tests.detectors.session import Drawn

__all__ = ["original"]

_DARK = 15.0
_BLACK = 10.0


def original(drawn: Drawn) -> dict[str, bool]:
    """Apply the original's rules to a session; a rule that raises counts as false.

    * ``is_video_mostly_dark``: the mean of all RGB bytes of the 30 s stride is below 15; NaN is not.
    * ``is_dpi_scale_issue``: in the first frame of the 3 s stride the means of the top and of the bottom tenth of the
      rows are below 10; without a frame an IndexError.
    * ``is_video_mostly_menu``: 0.1 > 0.1.

    It had no check for empty sessions, devices or clocks.
    """
    return {
        "is_video_mostly_dark": drawn.mean_rgb < _DARK,
        "is_dpi_scale_issue": drawn.first is not None and _barred(drawn.first),
        "is_video_mostly_menu": False,
        "is_session_empty": False,
    }


def _barred(picture: Picture) -> bool:
    tenth = max(1, len(picture) // 10)
    return bool(picture[:tenth].mean() < _BLACK and picture[-tenth:].mean() < _BLACK)
