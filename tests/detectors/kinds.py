"""The kinds of sessions, each with what is true of it: what the checks must say of pictures.

``None`` is a question that the kind leaves open: it is not scored there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.detectors.paint import Picture
    from tests.detectors.worlds import Scene

__all__ = ["CHECKS", "HELD_OUT", "TUNING", "Draft", "Kind", "Truth", "Variant", "all_kinds", "kind", "variant"]

# First seeds: thresholds were chosen on the first range, and what is reported is of the second.
TUNING: Final = 0
HELD_OUT: Final = 1_000_000

CHECKS: Final = ("is_video_mostly_dark", "is_dpi_scale_issue", "is_video_mostly_menu", "is_session_empty")
SIZES: Final = ((180, 320), (180, 320), (240, 426), (240, 320), (160, 400), (270, 480))


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of a session.

    Attributes:
        dark: most of the time the game (not its HUD) has a mean luma below 15.
        bars: two facing sides are black bars most of the time, and nothing of the game is shown there.
        menu: a menu or a loading screen is shown most of the time.
        empty: there is nothing to learn from.
    """

    dark: bool | None = False
    bars: bool | None = False
    menu: bool | None = False
    empty: bool | None = False

    def of(self, check: str) -> bool | None:
        """The truth that belongs to a check of :data:`CHECKS`."""
        return (self.dark, self.bars, self.menu, self.empty)[CHECKS.index(check)]


@dataclass(slots=True)
class Draft:
    """Inputs that a kind draws from, and its output.

    Attributes:
        random: of this kind and seed.
        size: height, width, both even.
        seconds: length.
        references: pictures of this game's menus, as a user saves them: (H, W, 3) each.
        devices: of inputs.csv; empty without a device event.
    """

    random: np.random.Generator
    size: tuple[int, int]
    seconds: float
    references: list[Picture] = field(default_factory=list)
    devices: tuple[str, ...] = ("keyboard", "mouse")

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        name: of it.
        group: the class it belongs to: dark, bars, menu, game, start, empty.
        truth: of every variant.
        paint: makes the scene.
        untold: checks whose cue cannot tell it, which docs/checks.md says: scored apart.
        brief: shorter than the first sample: only a real video can be.
    """

    name: str
    group: str
    truth: Truth
    paint: Callable[[Draft], Scene]
    untold: tuple[str, ...] = ()
    brief: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One session: a scene and how long it lasts."""

    kind: Kind
    seed: int
    scene: Scene
    size: tuple[int, int]
    seconds: float
    references: tuple[Picture, ...]
    devices: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.kind.name}-{self.seed}"


KINDS: dict[str, Kind] = {}


def kind(
    name: str, group: str, *, untold: tuple[str, ...] = (), brief: bool = False, **truth: bool | None
) -> Callable[[Callable[[Draft], Scene]], Callable[[Draft], Scene]]:
    """Register the function that paints a kind."""

    def register(paint: Callable[[Draft], Scene]) -> Callable[[Draft], Scene]:
        assert name not in KINDS
        KINDS[name] = Kind(name, group, Truth(**truth), paint, untold, brief)
        return paint

    return register


def all_kinds() -> dict[str, Kind]:
    """Every kind by name."""
    import tests.detectors.kinds_bars
    import tests.detectors.kinds_dark
    import tests.detectors.kinds_menus  # noqa: F401  they register

    return KINDS


def variant(name: str, seed: int) -> Variant:
    """Draw a variant of a kind."""
    found = all_kinds()[name]
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    seconds = random.uniform(20, 60) if random.random() < 0.15 else random.uniform(90, 660)
    if found.brief:
        seconds = random.uniform(1.2, 2.8)
    draft = Draft(random, SIZES[int(random.integers(len(SIZES)))], float(seconds))
    scene = found.paint(draft)
    return Variant(found, seed, scene, draft.size, draft.seconds, tuple(draft.references), draft.devices)
