"""The kinds of the sample set: what each shows, and what the manifest must say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from jobs.gamedata.sample._draw import flat
from jobs.gamedata.sample._encode import Clip
from jobs.gamedata.sample._games import Map, Platforms, Race
from jobs.gamedata.sample._menus import Menu
from jobs.gamedata.sample.scenes import Barred, Cuts, Lit

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from jobs.gamedata.sample.scenes import Scene

__all__ = ["KINDS", "Kind", "Stage", "Truth"]

Devices = Literal["keyboard_mouse", "gamepad", "mixed", "none"]


@dataclass(frozen=True, slots=True)
class Truth:
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
class Stage:
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
class Kind:
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
        spoil: what is done to the parts of the finished TAR.
    """

    about: str
    scene: Callable[[Stage], Scene]
    truth: Truth = Truth()
    key: str | None = None
    clip: Clip = Clip()  # noqa: RUF009  frozen
    length: float = 1.0
    variable: bool = False
    integer: bool = False
    video: str = "recording.mp4"
    spoil: Literal["video_bytes", "video_cut", "tar_cut", "no_metadata", "two_videos"] | None = None


def _map(stage: Stage) -> Scene:
    return Map(stage.random, stage.size)


def _platforms(stage: Stage) -> Scene:
    return Platforms(stage.random, stage.size)


def _race(stage: Stage) -> Scene:
    return Race(stage.random, stage.size)


def _bright(stage: Stage) -> Scene:
    return Map(stage.random, stage.size, snow=True)


def _dark(stage: Stage) -> Scene:
    return Lit(Map(stage.random, stage.size), 7)


def _black(stage: Stage) -> Scene:
    picture = flat(stage.size)
    return lambda _time_s: picture


def _cave(stage: Stage) -> Scene:
    game = Platforms(stage.random, stage.size)
    return Cuts([(0, game), (stage.seconds * 0.3, Lit(game, 6)), (stage.seconds * 0.6, game)])


def _late_hook(stage: Stage) -> Scene:
    # Two samples of the 3 s stride are black, as in sessions whose game starts slowly.
    return Cuts([(0, _black(stage)), (min(8.0, stage.seconds / 2), Map(stage.random, stage.size))])


def _letterbox(stage: Stage) -> Scene:
    inner = (stage.size[0], stage.size[1] * 3 // 4 & ~1)
    return Barred(Race(stage.random, inner), stage.size, inner)


def _pillarbox(stage: Stage) -> Scene:
    inner = (stage.size[1] * 4 // 3 & ~3, stage.size[1])
    return Barred(Platforms(stage.random, inner), stage.size, inner)


def _menu(stage: Stage) -> Scene:
    main, settings = (Menu(stage.random, stage.size, kind) for kind in ("main", "settings"))
    return Cuts([(0, main), (stage.seconds * 0.425, settings), (stage.seconds * 0.775, main)])


def _menu_40(stage: Stage) -> Scene:
    # The cuts of a 60 s clip lie half-way between the times of the 3 s stride.
    game = Map(stage.random, stage.size)
    main, settings = (Menu(stage.random, stage.size, kind) for kind in ("main", "settings"))
    cuts = ((0, game), (0.175, main), (0.375, game), (0.475, settings), (0.675, game))
    return Cuts([(stage.seconds * share, scene) for share, scene in cuts])


def _menu_in_game(stage: Stage) -> Scene:
    game = Platforms(stage.random, stage.size)
    parts: list[tuple[float, Scene]] = [(0, game)]
    for begin, end, kind in ((0.125, 0.375, "inventory"), (0.475, 0.625, "pause"), (0.675, 1.0, "inventory")):
        behind = game(stage.seconds * begin)
        parts += [(stage.seconds * begin, Menu(stage.random, stage.size, kind, behind)), (stage.seconds * end, game)]
    return Cuts(parts[:-1])


_SMALL: Final = Clip(size=(426, 240), fps=10)
_MIDDLE: Final = Clip(size=(480, 270), fps=10)

KINDS: Final[dict[str, Kind]] = {
    "gameplay-60fps": Kind(
        "a top-down game as the recorder writes it: 60 fps, GOP 250", _map, clip=Clip(fps=60, gop=250)
    ),
    "gameplay": Kind("a side-scroller", _platforms),
    "bright": Kind("snow", _bright, clip=_MIDDLE),
    "dark": Kind("night: everything is there, hardly to be seen", _dark, Truth(mostly_dark=True), clip=_SMALL),
    "cave": Kind("dark for less than a third of the time", _cave, clip=_MIDDLE),
    "black": Kind("nothing was recorded but black", _black, Truth(mostly_dark=True, empty=True), clip=_SMALL),
    "late-hook": Kind("black until the recorder finds the game after 8 s", _late_hook, clip=_SMALL),
    "letterbox": Kind("black bars above and below", _letterbox, Truth(dpi_scale_issue=True), clip=Clip(fps=10)),
    "pillarbox": Kind("black bars left and right", _pillarbox, Truth(dpi_scale_issue=True)),
    "menu": Kind("main menu and settings all the time", _menu, Truth(menu_share=1.0, mostly_menu=True)),
    # Always 60 s: a menu is told from a still by the sampled frames beside it, and in shorter clips, where each menu
    # holds one or two of them, the share would say more about the sampling than about the menu.
    "menu-40": Kind("menus for 40 % of the time", _menu_40, Truth(menu_share=0.4), length=60),
    "menu-in-game": Kind(
        "pause menu and inventory over the game",
        _menu_in_game,
        Truth(menu_share=0.725, mostly_menu=True),
        length=60,
    ),
    "gamepad": Kind("a race, driven with a gamepad", _race, Truth(device="gamepad"), clip=_MIDDLE),
    "vfr": Kind("frames at uneven times, up to 1.5 s apart", _map, variable=True, clip=_SMALL),
    "portrait": Kind(
        "higher than wide", _map, key="mobile/portrait.tar", clip=Clip(size=(270, 480), fps=10), length=0.5
    ),
    "rotated": Kind(
        "stored on its side, turned by the player",
        _platforms,
        key="mobile/rotated.tar",
        clip=Clip(size=(270, 480), fps=10, rotation=270),
        length=0.5,
    ),
    "no-audio": Kind("without sound", _race, clip=Clip(size=(426, 240), fps=10, audio=False), length=0.5),
    "matroska": Kind(
        "an MKV, which FFmpeg must read",
        _platforms,
        clip=Clip(size=(426, 240), fps=10, container="matroska"),
        length=0.5,
        video="2025-09-17 14-59-42.mkv",
    ),
    "no-inputs": Kind(
        "without inputs.csv", _map, Truth(device=None, unusable_timestamps=None), clip=_SMALL, length=0.5
    ),
    "old-inputs": Kind(
        "whole-second timestamps, as before 2025-08-28",
        _platforms,
        Truth(unusable_timestamps=True),
        clip=_SMALL,
        length=0.5,
        integer=True,
    ),
    "idle": Kind("nobody touched a key", _map, Truth(device="none", empty=True), clip=_SMALL, length=0.5),
    "short": Kind(
        "shorter than the shortest stride",
        _map,
        Truth(mostly_dark=None, dpi_scale_issue=None, menu_share=None, mostly_menu=None, empty=True),
        clip=_SMALL,
        length=2,
    ),
    "corrupt": Kind(
        "noise where the pictures should be", _map, Truth("decode_failed"), clip=_SMALL, length=5, spoil="video_bytes"
    ),
    "cut-off": Kind(
        "the recorder died: no index", _map, Truth("moov_missing"), clip=_SMALL, length=5, spoil="video_cut"
    ),
    "truncated": Kind("the upload broke off", _map, Truth("tar_truncated"), clip=_SMALL, length=5, spoil="tar_cut"),
    "no-metadata": Kind(
        "without metadata.json", _map, Truth("metadata_missing"), clip=_SMALL, length=2, spoil="no_metadata"
    ),
    "two-videos": Kind(
        "two recordings in one TAR", _map, Truth("video_multiple"), clip=_SMALL, length=2, spoil="two_videos"
    ),
}
