"""The kinds of TARs in the sample set: their contents, and their ground truth for the manifest."""

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
    """The expected manifest values for a TAR of the sample set.

    Attributes:
        error_code: the error code of ``extract``, in which case the other values do not apply; None on success.
        mostly_dark: ``is_video_mostly_dark``; None if no frame is sampled.
        dpi_scale_issue: ``is_dpi_scale_issue``.
        menu_share: true share of the time in menus; ``menu_share`` of the manifest approximates it.
        mostly_menu: ``is_video_mostly_menu`` with the default threshold.
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
    """The arguments of a scene factory.

    Attributes:
        random: random generator for this kind and seed.
        size: displayed (width, height) of the picture.
        seconds: length of the clip.
    """

    random: np.random.Generator
    size: tuple[int, int]
    seconds: float


@dataclass(frozen=True, slots=True)
class SampleKind:
    """One kind of TAR in the sample set.

    Attributes:
        about: a short description of the content.
        scene: factory of the scene.
        truth: the expected manifest values.
        key: key of the TAR; None means ``{name}.tar``.
        encoding: the encoding settings of the video.
        length: up to 1, a multiple of the set's clip length; above 1, a length in seconds.
        variable: use a variable frame rate.
        integer: write whole-second timestamps to inputs.csv.
        video: the video's name in the TAR.
        damage: how to damage the finished TAR or its members; None for an intact TAR.
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
    # The first two samples of the 3 s stride are black, as in sessions with a game that starts slowly.
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
    # In a 60 s clip, each cut is half-way between two times of the 3 s stride.
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
        "a top-down game, encoded like the recorder: 60 fps, GOP 250", _map, encoding=Encoding(fps=60, gop=250)
    ),
    "gameplay": SampleKind("a side-scroller", _platforms),
    "bright": SampleKind("snow", _bright, encoding=_MIDDLE),
    "dark": SampleKind("a game at night, barely visible", _dark, GroundTruth(mostly_dark=True), encoding=_SMALL),
    "cave": SampleKind("dark for less than a third of the time", _cave, encoding=_MIDDLE),
    "black": SampleKind("a black recording", _black, GroundTruth(mostly_dark=True, empty=True), encoding=_SMALL),
    "late-hook": SampleKind("black until the recorder finds the game after 8 s", _late_hook, encoding=_SMALL),
    "letterbox": SampleKind(
        "black bars above and below", _letterbox, GroundTruth(dpi_scale_issue=True), encoding=Encoding(fps=10)
    ),
    "pillarbox": SampleKind("black bars left and right", _pillarbox, GroundTruth(dpi_scale_issue=True)),
    "menu": SampleKind("main menu and settings only", _menu, GroundTruth(menu_share=1.0, mostly_menu=True)),
    # Always 60 s: a menu is recognized by comparing neighbouring samples. In a shorter clip, each menu would have only
    # one or two samples, and the share would depend more on the sampling than on the menus.
    "menu-40": SampleKind("menus for 40 % of the time", _menu_40, GroundTruth(menu_share=0.4), length=60),
    "menu-in-game": SampleKind(
        "pause menu and inventory over the game",
        _menu_in_game,
        GroundTruth(menu_share=0.725, mostly_menu=True),
        length=60,
    ),
    "gamepad": SampleKind("a race, driven with a gamepad", _race, GroundTruth(device="gamepad"), encoding=_MIDDLE),
    "vfr": SampleKind("variable frame rate, frames up to 1.5 s apart", _map, variable=True, encoding=_SMALL),
    "portrait": SampleKind(
        "portrait format", _map, key="mobile/portrait.tar", encoding=Encoding(size=(270, 480), fps=10), length=0.5
    ),
    "rotated": SampleKind(
        "stored on its side, rotated by the player",
        _platforms,
        key="mobile/rotated.tar",
        encoding=Encoding(size=(270, 480), fps=10, rotation=270),
        length=0.5,
    ),
    "no-audio": SampleKind("without sound", _race, encoding=Encoding(size=(426, 240), fps=10, audio=False), length=0.5),
    "matroska": SampleKind(
        "an MKV, read with FFmpeg",
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
    "idle": SampleKind("no input events", _map, GroundTruth(device="none", empty=True), encoding=_SMALL, length=0.5),
    "short": SampleKind(
        "shorter than the shortest stride",
        _map,
        GroundTruth(mostly_dark=None, dpi_scale_issue=None, menu_share=None, mostly_menu=None, empty=True),
        encoding=_SMALL,
        length=2,
    ),
    "corrupt": SampleKind(
        "frames overwritten with noise",
        _map,
        GroundTruth("decode_failed"),
        encoding=_SMALL,
        length=5,
        damage="video_bytes",
    ),
    "cut-off": SampleKind(
        "the recorder died, so the index is missing",
        _map,
        GroundTruth("moov_missing"),
        encoding=_SMALL,
        length=5,
        damage="video_cut",
    ),
    "truncated": SampleKind(
        "the upload was interrupted", _map, GroundTruth("tar_truncated"), encoding=_SMALL, length=5, damage="tar_cut"
    ),
    "no-metadata": SampleKind(
        "without metadata.json", _map, GroundTruth("metadata_missing"), encoding=_SMALL, length=2, damage="no_metadata"
    ),
    "two-videos": SampleKind(
        "two recordings in one TAR", _map, GroundTruth("video_multiple"), encoding=_SMALL, length=2, damage="two_videos"
    ),
}
