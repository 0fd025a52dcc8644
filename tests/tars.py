"""TARs of a session as the recorder writes them: one video, inputs.csv, metadata.json."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["INPUTS", "METADATA", "START_S", "inputs_csv", "make_tar", "metadata_json", "tar_bytes"]

START_S = 1758121200  # 2025-09-17 15:00 UTC, as in the recordings of that month


def metadata_json(**changes: Any) -> bytes:
    """Return metadata.json as the recorder of September 2025 wrote it; ``changes`` override, None removes a key."""
    document: dict[str, Any] = {
        "game_exe": "game.exe",
        "session_id": "00000000-0000-4000-8000-000000000001",
        "hardware_id": "0123456789abcdef",
        "hardware_specs": {"cpu": "a processor", "gpu": "a card", "ram_gb": 16},
        "start_timestamp": START_S,
        "end_timestamp": START_S + 60,
        "duration": 60.0,
    }
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not None}, indent=2).encode()


def inputs_csv(
    seconds: float = 60,
    devices: Sequence[str] = ("keyboard", "mouse"),
    *,
    per_second: int = 10,
    integer: bool = False,
    start: float = START_S,
    seed: int = 0,
) -> bytes:
    """Return inputs.csv as the recorder writes it.

    Args:
        seconds: length.
        devices: any of ``keyboard``, ``mouse``, ``gamepad``, used in turn.
        per_second: events per second.
        integer: write whole-second timestamps, as before 2025-08-28.
        start: Unix time of the first event.
        seed: seed of the values.
    """
    random = np.random.default_rng(seed)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["timestamp", "event_type", "event_args"])
    stamp = int if integer else "{:.6f}".format
    writer.writerows([[stamp(start), "START", "[]"], [stamp(start), "VIDEO_START", "[]"]])
    for number in range(int(seconds * per_second) if devices else 0):
        code, x, y = int(random.choice([87, 65, 83, 68])), int(random.integers(-40, 40)), int(random.integers(-20, 20))
        event = {
            "keyboard": ("KEYBOARD", [code, bool(number % 2)]),
            "mouse": ("MOUSE_MOVE", [x, y]),
            "gamepad": ("GAMEPAD_AXIS", [number % 4, x / 40]),
        }[devices[number % len(devices)]]
        writer.writerow([stamp(start + number / per_second), event[0], json.dumps(event[1])])
    writer.writerows([[stamp(start + seconds), "VIDEO_END", "[]"], [stamp(start + seconds), "END", "[]"]])
    return text.getvalue().encode()


METADATA = metadata_json()
INPUTS = inputs_csv()


def tar_bytes(
    video: bytes | str | Path | None,
    *,
    metadata: bytes | None = METADATA,
    inputs: bytes | None = INPUTS,
    video_name: str = "recording.mp4",
    metadata_name: str = "metadata.json",
    inputs_name: str = "inputs.csv",
    extra: Mapping[str, bytes] | None = None,
    tar_format: int = tarfile.PAX_FORMAT,
) -> bytes:
    """Pack a session into a TAR; None omits a member, ``extra`` adds more."""
    content = video if isinstance(video, bytes) or video is None else Path(video).read_bytes()
    members = {video_name: content, inputs_name: inputs, metadata_name: metadata}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
        for name, body in [*members.items(), *(extra or {}).items()]:
            if body is not None:
                member = tarfile.TarInfo(name)
                member.size = len(body)
                member.mtime = START_S
                archive.addfile(member, io.BytesIO(body))
    return buffer.getvalue()


def make_tar(path: str | Path, video: bytes | str | Path | None, **settings: Any) -> Path:
    """Write :func:`tar_bytes` to a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes(video, **settings))
    return path
