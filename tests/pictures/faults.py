"""Damage to videos: corrupt packets, filler-only samples, cut files and joined files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tests.pictures.encodes import FPS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["at", "concatenated", "cut_end", "cut_start", "filler", "flipped", "garbage", "scrambled", "shortened"]


def at(*seconds: float, replace: Callable[[bytes], bytes | None]) -> Callable[[float, bytes], bytes | None]:
    """Return a change of :func:`~tests.pictures.encodes.copy_packets` for the packets shown at these times."""

    def change(time: float, body: bytes) -> bytes | None:
        return replace(body) if any(abs(time - second) < 0.5 / FPS for second in seconds) else body

    return change


def scrambled(body: bytes) -> bytes:
    """Invert the second half of a packet, so that its headers stay valid."""
    half = max(len(body) // 2, min(len(body), 24))
    return body[:half] + bytes(byte ^ 0xFF for byte in body[half:])


def flipped(body: bytes) -> bytes:
    """Flip a bit in the middle of a packet."""
    place = len(body) // 2
    return body[:place] + bytes([body[place] ^ 4]) + body[place + 1 :]


def shortened(body: bytes) -> bytes:
    """Drop the second half of a packet."""
    return body[: len(body) // 2]


def garbage(body: bytes) -> bytes:
    """Replace a packet with as many bytes that no decoder accepts; keep a start code, which muxers require."""
    start = body[:4] if body.startswith(b"\0\0\0\1") else b""
    return start + b"\xff" * (len(body) - len(start))


def filler(codec: str) -> Callable[[bytes], bytes]:
    """Return a change of a packet to a NAL unit of filler data, with its length before it."""
    header = {"h264": b"\x0c", "hevc": b"\x4c\x01"}[codec]

    def replace(body: bytes) -> bytes:
        unit = header + b"\xff" * 32 + b"\x80"
        return struct.pack(">I", len(unit)) + unit

    return replace


def cut_start(path: Path, out: Path, size: int) -> Path:
    """Drop the first bytes of a file."""
    out.write_bytes(path.read_bytes()[size:])
    return out


def cut_end(path: Path, out: Path, share: float) -> Path:
    """Keep the first part of a file."""
    body = path.read_bytes()
    out.write_bytes(body[: int(len(body) * share)])
    return out


def concatenated(out: Path, *paths: Path) -> Path:
    """Join files byte by byte, as recorders of transport streams do."""
    out.write_bytes(b"".join(path.read_bytes() for path in paths))
    return out
