"""Small valid files to start fuzzing from: an hour of random bytes does not find a valid TAR checksum."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from tests.tars import METADATA, inputs_csv, tar_bytes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_seeds"]


def _tar(_: Path) -> dict[str, bytes]:
    formats = {"ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}
    seeds = {}
    for name, tar_format in formats.items():
        seeds[name] = tar_bytes(b"v", metadata=b"{}", inputs=b"", tar_format=tar_format)[:5120]
        if name != "ustar":
            seeds[f"{name}-long"] = tar_bytes(
                b"v", metadata=b"{}", inputs=None, video_name="f/" * 60 + "ä.mp4", tar_format=tar_format
            )[:7168]
    return seeds


def _mp4(folder: Path) -> dict[str, bytes]:
    from tests.media import numbered_clip

    kinds = {
        "plain": {},
        "bframes": {"b_frames": 2, "faststart": True},
        "audio": {"audio": True, "rotation": 90},
        "hevc": {"codec": "libx265"},
        "fragments": {"fragmented": True},
    }
    seeds = {}
    for name, settings in kinds.items():
        path = folder.parent / f"{name}.mp4"
        numbered_clip(path, **{"seconds": 2, "fps": 5, "gop": 5, "size": (64, 48), **settings})
        seeds[name] = path.read_bytes()
        path.unlink()
    return seeds


def _metadata(_: Path) -> dict[str, bytes]:
    return {
        "usual": METADATA,
        "bom": b"\xef\xbb\xbf{}",
        "deep": b"[" * 40,
        "odd": b'{"a": NaN, "b": 1e999, "c": "\\ud800", "c": 12345678901234567890}',
    }


def _inputs(_: Path) -> dict[str, bytes]:
    return {
        "usual": inputs_csv(3),
        "quoted": b'timestamp,event_type,event_args\r\n"1.5","KEYBOARD","[1, ""a""]"\r\nnan,X,[]\n1,,[]\n',
        "integer": b"\xef\xbb\xbftimestamp,event_type,event_args\n1,START,[]\n0,END,[]\n",
    }


def _pt(_: Path) -> dict[str, bytes]:
    import io
    import zipfile

    from jobs.gamedata.model import SamplingSpec
    from jobs.gamedata.pt import file as pt
    from tests.fakes.sessions import make_session

    seeds = {}
    for frames in ("rgb", "packets"):
        spec = SamplingSpec(strides=((1.0, 2),), frames=frames)
        session = make_session(duration_s=3, spec=spec, size=(4, 4))
        body = bytes(pt.dump(session, s3_key="a.tar", source_etag="e", spec=spec, extracted_at="2026-01-01"))
        seeds[frames] = b"f" + body
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            (name,) = [each for each in archive.namelist() if each.endswith("/data.pkl")]
            seeds[f"{frames}-pickle"] = b"p" + archive.read(name)
    return seeds


_SEEDS = {"tar": _tar, "mp4": _mp4, "metadata": _metadata, "inputs": _inputs, "pt": _pt}


def write_seeds(target: str, folder: Path) -> None:
    """Write a target's seeds to a folder."""
    for name, body in _SEEDS[target](folder).items():
        (folder / f"seed-{name}").write_bytes(body)
