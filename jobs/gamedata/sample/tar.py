"""Build the TAR of a sample kind like a recorder's: the video, inputs.csv and metadata.json."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tarfile
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.sample._encode import encode
from jobs.gamedata.sample.kinds import KINDS, SampleKind, SceneContext
from jobs.gamedata.sample.scenes import Rotated

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["build", "key_of"]

_START_S: Final = 1758121200  # 2025-09-17 15:00 UTC
_EVENTS_PER_S: Final = 20
_WASD: Final = (87, 65, 83, 68)


def key_of(name: str) -> str:
    """Return the key of a kind's TAR."""
    return KINDS[name].key or f"{name}.tar"


def build(name: str, *, seconds: float, seed: int) -> bytes:
    """Build the TAR of a kind; equal arguments produce equal bytes.

    Args:
        name: a key of :data:`~jobs.gamedata.sample.kinds.KINDS`.
        seconds: length of the set's regular clips.
        seed: seed of the pictures and inputs.
    """
    kind = KINDS[name]
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    length = kind.length * seconds if kind.length <= 1 else kind.length
    size = kind.encoding.size if kind.encoding.rotation % 180 == 0 else kind.encoding.size[::-1]
    scene = kind.scene(SceneContext(random, size, length))
    if kind.encoding.rotation:  # stored rotated the other way, so that it plays upright
        scene = Rotated(scene, -kind.encoding.rotation // 90)

    video = encode(scene, list(_times(kind, random, length)), kind.encoding)
    session = hashlib.sha256(f"{seed} {name}".encode()).hexdigest()
    members = {
        kind.video: _damaged(video, kind, random),
        "inputs.csv": _inputs(kind, random, length),
        "metadata.json": _metadata(session, length),
    }
    if kind.truth.device is None:
        del members["inputs.csv"]
    if kind.damage == "no_metadata":
        del members["metadata.json"]
    if kind.damage == "two_videos":
        members["recording_2.mp4"] = video
    packed = _packed(members)
    return packed[: len(packed) * 2 // 3] if kind.damage == "tar_cut" else packed


def _times(kind: SampleKind, random: np.random.Generator, length: float) -> Iterator[float]:
    """Yield the display times in seconds. Variable ones are multiples of 1/60 s, as in a game that drops frames."""
    if not kind.variable:
        yield from (number / kind.encoding.fps for number in range(round(length * kind.encoding.fps)))
        return
    ticks = 0
    while ticks < length * 60:
        yield ticks / 60
        pause = random.integers(40) == 0
        ticks += int(random.integers(30, 91)) if pause else int(random.integers(1, 9))


def _damaged(video: bytes, kind: SampleKind, random: np.random.Generator) -> bytes:
    index = video.rfind(b"moov") - 4
    if kind.damage == "video_bytes":  # overwrite the frames after ftyp, free and the mdat header; keep the index
        return video[:64] + random.bytes(index - 64) + video[index:]
    return video[: index // 2] if kind.damage == "video_cut" else video


def _metadata(session: str, length: float) -> bytes:
    document = {
        "game_exe": "game.exe",
        "session_id": f"{session[:8]}-{session[8:12]}-4{session[13:16]}-8{session[17:20]}-{session[20:32]}",
        "hardware_id": session[32:48],
        "hardware_specs": {
            "cpu": {"brand": "a processor of eight cores", "cores": 8},
            "gpus": [{"name": "a graphics card", "vram_gb": 8}],
            "system": {"os": "Windows 11", "ram_gb": 32},
        },
        "start_timestamp": _START_S,
        "end_timestamp": _START_S + round(length),
        "duration": round(length, 3),
    }
    return json.dumps(document, indent=2).encode()


def _inputs(kind: SampleKind, random: np.random.Generator, length: float) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")

    def write(moment: float, event: str, args: list[Any]) -> None:
        stamp = _START_S + moment
        writer.writerow([int(stamp) if kind.integer else f"{stamp:.6f}", event, json.dumps(args)])

    writer.writerow(["timestamp", "event_type", "event_args"])
    write(0.0, "START", [])
    write(0.125, "HOOK_START", [])
    write(0.25, "VIDEO_START", [])
    count = 0 if kind.truth.device == "none" else int(length * _EVENTS_PER_S)
    moments = 0.3 + np.sort(random.random(count)) * max(length - 0.5, 0)
    for number, moment in enumerate(moments.tolist()):
        value, down = int(random.integers(-40, 41)), bool(number // 4 % 2)
        if kind.truth.device == "gamepad":
            write(
                moment, *(("GAMEPAD_AXIS", [number % 4, value / 40]) if number % 3 else ("GAMEPAD_BUTTON", [1, down]))
            )
        elif number % 4 == 0:
            write(moment, "KEYBOARD", [_WASD[abs(value) % 4], down])
        elif number % 97 == 1:
            write(moment, "MOUSE_BUTTON", [1, down])
        else:
            write(moment, "MOUSE_MOVE", [value, -value // 2])
    write(length, "VIDEO_END", [])
    write(length, "END", [])
    return text.getvalue().encode()


def _packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, body in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(body), _START_S
            archive.addfile(member, io.BytesIO(body))
    return buffer.getvalue()
