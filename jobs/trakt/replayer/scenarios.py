"""Scenarios: the habits of a world, and which faults come when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.trakt.model import SCENARIOS
from jobs.trakt.replayer.clock import DAY, MINUTE, SECOND
from jobs.trakt.replayer.faults import COUNTS
from jobs.trakt.replayer.habits import Habits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.trakt.replayer.habits import EventKind

__all__ = ["KINDS", "Scenario", "scenario"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: a world, and what is done to its answers.

    Attributes:
        habits: of its world.
        faults: names of faults, which come in turn.
        share: percentage of requests that get a fault.
        account: status of a refusal that every request gets; 0: none.
        ban_every: requests after which the edge bans the client; 0: never.
        down_for: milliseconds after the start in which every request gets a fault.
        drifts: whether comments break the contract.
        poisoned: whether one comment makes its pages fail.
    """

    habits: Habits
    faults: tuple[str, ...] = ()
    share: int = 0
    account: int = 0
    ban_every: int = 0
    down_for: int = 0
    drifts: bool = False
    poisoned: bool = False


# All of Trakt gains some 370 comments a day: one each 233 s. With the other kinds of events, one each 40 s.
_CALM: Final[Mapping[EventKind, int]] = {
    "insert": 3,
    "reply": 2,
    "like": 6,
    "unlike": 1,
    "vote": 5,
    "rate": 1,
    "edit": 1,
    "delete": 1,
}
_SLOW: Final = 40 * SECOND
_LIVELY: Final = 3 * SECOND


def _living(gap: int = _SLOW, /, **changes: object) -> Habits:
    return Habits(event_gap=gap, **{"events": _CALM, **changes})  # type: ignore[arg-type]


_KNOWN: Final[Mapping[str, Scenario]] = {
    "calm": Scenario(_living()),
    "storm": Scenario(
        _living(_LIVELY),
        faults=(
            *("429-seconds", "503", "429-date", "500", "429-nonsense", "502", "429-absent", "504", "drop"),
            *("520", "521", "522"),
        ),
        share=15,
    ),
    "html": Scenario(_living(), faults=("200-html", "404-html", "429-edge-bare", "502", "404-edge"), share=12),
    "cuts": Scenario(_living(), faults=("cut", "empty-body", "cut-without-length", "drop", "hang"), share=12),
    "drift": Scenario(_living(), drifts=True),
    "lies": Scenario(_living(), faults=tuple(COUNTS), share=40),
    "moves": Scenario(
        _living(_LIVELY, events={**_CALM, "move": 8, "slug": 1, "merge": 1, "unlike": 6}),
    ),
    "deletes": Scenario(
        _living(2 * SECOND, events={**_CALM, "delete": 10, "restore": 4, "insert": 6}, away={5: 2 * DAY, 7: None}),
    ),
    "poisoned": Scenario(_living(), poisoned=True),
    "dead-key": Scenario(_living(), account=403),
    "unauthorized": Scenario(_living(), account=401),
    "over-limit": Scenario(_living(), account=420),
    "locked": Scenario(_living(), account=423),
    "vip-only": Scenario(_living(), account=426),
    "edge": Scenario(_living(), ban_every=40),
    "down": Scenario(_living(), faults=("503", "504", "521", "522"), down_for=60 * MINUTE),
    "big": Scenario(Habits(comments=1_000_000, titles=300, span=4_000 * DAY)),
}

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: each.faults for name, each in _KNOWN.items()},
    **{name: (str(each.account),) for name, each in _KNOWN.items() if each.account},
    "drift": ("drift", "bare"),
    "poisoned": ("poisoned",),
    "edge": ("429-edge", "403-edge"),
}
"""Scenario -> the faults that its journal can name."""


def scenario(name: str) -> Scenario:
    """Return a scenario by its name.

    Raises:
        KeyError: there is no such scenario.
    """
    return _KNOWN[name]


assert list(_KNOWN) == list(SCENARIOS)
