"""Settings of the slo step."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, PositiveInt

from shared.settings import StepSettings, setting
from shared.settings.base import LIMITS, Group

__all__ = ["SloSettings"]

_CHOSEN: Final = Group("What is measured", 20)
_ALERTS: Final = Group("Alerts", 30)


class SloSettings(StepSettings, pipeline="trakt"):
    """Settings of `slo`, which measures the service levels of a day and of the 28 days up to it."""

    # The service began in 2010; the window reaches back 28 days, which the first days of the calendar do not have.
    day: Annotated[date, Field(ge=date(2010, 1, 1))] | None = setting(
        None,
        default_text="today",
        description="Measure this day of America/Chicago, such as 2026-11-29.",
        detail="Also measures the day before it, and all days of the window that were never measured.",
        form="Day of America/Chicago, such as 2026-11-29; empty: today.",
        group=_CHOSEN,
    )
    storm: PositiveInt = setting(
        60,
        description="Alert if an hour has at least this many 429 answers.",
        detail="One a minute. Reservations keep to the quota of 500 requests in 300 s, so few 429s are expected.",
        group=_ALERTS,
    )
    shown: Annotated[int, Field(ge=0, le=1000)] = setting(
        50, description="List at most this many missing pages, and as many late titles.", group=LIMITS
    )
    now: AwareDatetime | None = setting(
        None, default_text="the clock", description="Measure as if it were this time.", hidden=True
    )
