"""Settings of the replayer."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from jobs.trakt.model import Scenario
from shared.settings import Settings, setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, RECORDS, WHERE
from shared.settings.step import LogLevel

__all__ = ["ReplayerSettings"]

# A whole day of virtual time takes 24 s of real time; any faster, and an idle minute would be months.
_FASTEST: Final = 3_600.0


class ReplayerSettings(Settings, pipeline="trakt"):
    """Settings of `replayer`, which serves a seeded site over HTTP."""

    scenario: Scenario = setting(
        "calm",
        description="Serve this scenario.",
        group=HOW_IT_RUNS,
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = setting(
        1, description="Seed the site: its titles, comments, events and faults.", group=HOW_IT_RUNS
    )
    host: str = setting(
        "127.0.0.1",
        description="Listen on this address.",
        detail="With the default, only this machine can connect; a pod listens on 0.0.0.0.",
        group=WHERE,
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = setting(
        8790, description="Listen on this port; 0 picks a free one.", group=WHERE
    )
    speed: Annotated[float, Field(ge=0, le=_FASTEST, allow_inf_nan=False)] = setting(
        1.0,
        description="Run the site's clock this many times as fast as real time.",
        detail="With 0, only requests and POST /_replayer/advance move the site's clock, so the same requests get the "
        "same answers, byte for byte.",
        group=HOW_IT_RUNS,
    )
    quota: Annotated[int, Field(ge=0, le=1_000_000)] = setting(
        500,
        description="Answer at most this many GETs per key in any 300 s; 0: no limit.",
        detail="Seconds are measured by the site's clock.",
        group=LIMITS,
    )
    log_level: LogLevel = setting(
        "INFO", description="Log messages of at least this level.", group=RECORDS, shared=True
    )
