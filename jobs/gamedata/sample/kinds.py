"""The kinds of the sample set: what each shows, and what the manifest must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from jobs.gamedata.sample._draw import flat
from jobs.gamedata.sample._encode import Encoding
from jobs.gamedata.sample._games import Map, Platforms, Race
from jobs.gamedata.sample._menus import Menu
from jobs.gamedata.sample.scenes import Cuts, Dimmed, WithBlackBars

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from jobs.gamedata.sample.scenes import Scene

__all__ = ["KINDS", "GroundTruth", "SampleKind", "SceneContext"]

Devices = Literal["keyboard_mouse", "gamepad", "mixed", "none"]


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What a TAR of the sample set is, under the names of the manifest's columns where there is one.

    Attributes:
        error_code: extract's error; the rest is then without meaning.
        mostly_dark: ``is_video_mostly_dark``; None: no frame is sampled.
        dpi_scale_issue: ``is_dpi_scale_issue``.
        menu_share: true share of the time in menus; ``video_menu_percent`` is near it.
        mostly_menu: ``is_video_mostly_menu`` with the threshold's default.
        device: ``input_device_class``; None without inputs.csv.
        unusable_timestamps: ``has_unusable_timestamps``; None without inputs.csv.
        empty: ``is_session_empty``.
    """

    error_code: str | None = None
    mostly_dark: bool | None = False
    dpi_scale_issue: bool | None = False
    menu_share: float | None = 0.0
    mostly_menu: bool | None = False
    device: Devices | None = "keyboard_mouse"
    unusable_timestamps: bool | None = False
    empty: bool = False


@dataclass(frozen=True, slots=True)
class SceneContext:
    """What a scene is made from.

    Attributes:
        random: of this kind and seed.
        size: width, height of the picture as it is seen.
        seconds: length of the clip.
    """

    random: np.random.Generator
    size: tuple[int, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class SampleKind:
    """One TAR.

    Attributes:
        about: what it shows, for people.
        scene: makes its scene.
        truth: what the manifest must say.
        key: its key; None is ``{name}.tar``.
        clip: how it is encoded.
        length: share of the set's clip length; above 1 it is seconds.
        variable: frames come at uneven times.
        integer: whole-second timestamps in inputs.csv.
        video: the video's name in the TAR.
        damage: what is done to the parts of the finished TAR.
    """

    about: str
    scene: Callable[[SceneContext], Scene]
    truth: GroundTruth = GroundTruth()
    key: str | None = None
    encoding: Encoding = Encoding()  # noqa: RUF009  frozen
    length: float = 1.0
    variable: bool = False
    integer: bool = False
    video: str = "recording.mp4"
    damage: Literal["video_bytes", "video_cut", "tar_cut", "no_metadata", "two_videos"] | None = None


def _map(context: SceneContext) -> Scene:
    return Map(context.random, context.size)


def _platforms(context: SceneContext) -> Scene:
    return Platforms(context.random, context.size)


def _race(context: SceneContext) -> Scene:
    return Race(context.random, context.size)


def _bright(context: SceneContext) -> Scene:
    return Map(context.random, context.size, snow=True)


def _dark(context: SceneContext) -> Scene:
    return Dimmed(Map(context.random, context.size), 7)


def _black(context: SceneContext) -> Scene:
    picture = flat(context.size)
    return lambda _time_s: picture


def _cave(context: SceneContext) -> Scene:
    game = Platforms(context.random, context.size)
    return Cuts([(0, game), (context.seconds * 0.3, Dimmed(game, 6)), (context.seconds * 0.6, game)])


def _late_hook(context: SceneContext) -> Scene:
    # Two samples of the 3 s stride are black, as in sessions whose game starts slowly.
    return Cuts([(0, _black(context)), (min(8.0, context.seconds / 2), Map(context.random, context.size))])


def _letterbox(context: SceneContext) -> Scene:
    inner = (context.size[0], context.size[1] * 3 // 4 & ~1)
    return WithBlackBars(Race(context.random, inner), context.size, inner)


def _pillarbox(context: SceneContext) -> Scene:
    inner = (context.size[1] * 4 // 3 & ~3, context.size[1])
    return WithBlackBars(Platforms(context.random, inner), context.size, inner)


def _menu(context: SceneContext) -> Scene:
    main, settings = (Menu(context.random, context.size, kind) for kind in ("main", "settings"))
    return Cuts([(0, main), (context.seconds * 0.425, settings), (context.seconds * 0.775, main)])


def _menu_40(context: SceneContext) -> Scene:
    # The cuts of a 60 s clip lie half-way between the times of the 3 s stride.
    game = Map(context.random, context.size)
    main, settings = (Menu(context.random, context.size, kind) for kind in ("main", "settings"))
    cuts = ((0, game), (0.175, main), (0.375, game), (0.475, settings), (0.675, game))
    return Cuts([(context.seconds * share, scene) for share, scene in cuts])


def _menu_in_game(context: SceneContext) -> Scene:
    game = Platforms(context.random, context.size)
    parts: list[tuple[float, Scene]] = [(0, game)]
    for begin, end, kind in ((0.125, 0.375, "inventory"), (0.475, 0.625, "pause"), (0.675, 1.0, "inventory")):
        behind = game(context.seconds * begin)
        parts += [
            (context.seconds * begin, Menu(context.random, context.size, kind, behind)),
            (context.seconds * end, game),
        ]
    return Cuts(parts[:-1])


_SMALL: Final = Encoding(size=(426, 240), fps=10)
_MIDDLE: Final = Encoding(size=(480, 270), fps=10)

KINDS: Final[dict[str, SampleKind]] = {
    "gameplay-60fps": SampleKind(
        "a top-down game as the recorder writes it: 60 fps, GOP 250", _map, encoding=Encoding(fps=60, gop=250)
    ),
    "gameplay": SampleKind("a side-scroller", _platforms),
    "bright": SampleKind("snow", _bright, encoding=_MIDDLE),
    "dark": SampleKind(
        "night: everything is there, hardly to be seen", _dark, GroundTruth(mostly_dark=True), encoding=_SMALL
    ),
    "cave": SampleKind("dark for less than a third of the time", _cave, encoding=_MIDDLE),
    "black": SampleKind(
        "nothing was recorded but black", _black, GroundTruth(mostly_dark=True, empty=True), encoding=_SMALL
    ),
    "late-hook": SampleKind("black until the recorder finds the game after 8 s", _late_hook, encoding=_SMALL),
    "letterbox": SampleKind(
        "black bars above and below", _letterbox, GroundTruth(dpi_scale_issue=True), encoding=Encoding(fps=10)
    ),
    "pillarbox": SampleKind("black bars left and right", _pillarbox, GroundTruth(dpi_scale_issue=True)),
    "menu": SampleKind("main menu and settings all the time", _menu, GroundTruth(menu_share=1.0, mostly_menu=True)),
    # Always 60 s: a menu is told from a still by the sampled frames beside it, and in shorter clips, where each menu
    # holds one or two of them, the share would say more about the sampling than about the menu.
    "menu-40": SampleKind("menus for 40 % of the time", _menu_40, GroundTruth(menu_share=0.4), length=60),
    "menu-in-game": SampleKind(
        "pause menu and inventory over the game",
        _menu_in_game,
        GroundTruth(menu_share=0.725, mostly_menu=True),
        length=60,
    ),
    "gamepad": SampleKind("a race, driven with a gamepad", _race, GroundTruth(device="gamepad"), encoding=_MIDDLE),
    "vfr": SampleKind("frames at uneven times, up to 1.5 s apart", _map, variable=True, encoding=_SMALL),
    "portrait": SampleKind(
        "higher than wide", _map, key="mobile/portrait.tar", encoding=Encoding(size=(270, 480), fps=10), length=0.5
    ),
    "rotated": SampleKind(
        "stored on its side, turned by the player",
        _platforms,
        key="mobile/rotated.tar",
        encoding=Encoding(size=(270, 480), fps=10, rotation=270),
        length=0.5,
    ),
    "no-audio": SampleKind("without sound", _race, encoding=Encoding(size=(426, 240), fps=10, audio=False), length=0.5),
    "matroska": SampleKind(
        "an MKV, which FFmpeg must read",
        _platforms,
        encoding=Encoding(size=(426, 240), fps=10, container="matroska"),
        length=0.5,
        video="2025-09-17 14-59-42.mkv",
    ),
    "no-inputs": SampleKind(
        "without inputs.csv", _map, GroundTruth(device=None, unusable_timestamps=None), encoding=_SMALL, length=0.5
    ),
    "old-inputs": SampleKind(
        "whole-second timestamps, as before 2025-08-28",
        _platforms,
        GroundTruth(unusable_timestamps=True),
        encoding=_SMALL,
        length=0.5,
        integer=True,
    ),
    "idle": SampleKind(
        "nobody touched a key", _map, GroundTruth(device="none", empty=True), encoding=_SMALL, length=0.5
    ),
    "short": SampleKind(
        "shorter than the shortest stride",
        _map,
        GroundTruth(mostly_dark=None, dpi_scale_issue=None, menu_share=None, mostly_menu=None, empty=True),
        encoding=_SMALL,
        length=2,
    ),
    "corrupt": SampleKind(
        "noise where the pictures should be",
        _map,
        GroundTruth("decode_failed"),
        encoding=_SMALL,
        length=5,
        damage="video_bytes",
    ),
    "cut-off": SampleKind(
        "the recorder died: no index", _map, GroundTruth("moov_missing"), encoding=_SMALL, length=5, damage="video_cut"
    ),
    "truncated": SampleKind(
        "the upload broke off", _map, GroundTruth("tar_truncated"), encoding=_SMALL, length=5, damage="tar_cut"
    ),
    "no-metadata": SampleKind(
        "without metadata.json", _map, GroundTruth("metadata_missing"), encoding=_SMALL, length=2, damage="no_metadata"
    ),
    "two-videos": SampleKind(
        "two recordings in one TAR", _map, GroundTruth("video_multiple"), encoding=_SMALL, length=2, damage="two_videos"
    ),
}
