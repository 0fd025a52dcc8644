"""Build TAR headers and MP4 boxes byte by byte, for files that no library writes."""

from __future__ import annotations

import struct

__all__ = ["END", "box", "entry", "extended", "header", "moov_of", "record"]

END = bytes(1024)


def header(name: bytes = b"recording.mp4", *, size: int | bytes = 0, kind: bytes = b"0", link: bytes = b"") -> bytes:
    """Build a 512-byte TAR header with a valid checksum."""
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[156:157] = kind
    block[157:257] = link.ljust(100, b"\0")
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def entry(name: bytes, body: bytes, **settings: bytes) -> bytes:
    """Build a header followed by its padded body."""
    return header(name, size=len(body), **settings) + body + bytes(-len(body) % 512)


def record(key: str, value: str) -> bytes:
    """Build one record of a PAX header."""
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def extended(*records: bytes, kind: bytes = b"x") -> bytes:
    """Build a PAX header."""
    return entry(b"PaxHeaders/x", b"".join(records), kind=kind)


def box(kind: bytes, *parts: bytes) -> bytes:
    """Build an MP4 box."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def moov_of(*, samples: int, same: int, offset: int, extradata: bytes, size: tuple[int, int] = (160, 90)) -> bytes:
    """Build a movie box of about 600 bytes whose tables claim ``samples`` frames of ``same`` bytes each."""
    scale, duration = 60, samples & 0xFFFFFFFF
    full = bytes(4)
    matrix = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    mvhd = box(b"mvhd", full, struct.pack(">4I", 0, 0, scale, duration), bytes(16), matrix, bytes(28))
    tkhd = box(
        b"tkhd", b"\0\0\0\3", struct.pack(">5I", 0, 0, 1, 0, duration), bytes(16), matrix,
        struct.pack(">2I", size[0] << 16, size[1] << 16),
    )  # fmt: skip
    avc1 = box(
        b"avc1", bytes(6), b"\0\1", bytes(16), struct.pack(">HH", *size), struct.pack(">II", 72 << 16, 72 << 16),
        bytes(4), b"\0\1", bytes(32), b"\0\x18\xff\xff", box(b"avcC", extradata),
    )  # fmt: skip
    stbl = box(
        b"stbl",
        box(b"stsd", full, struct.pack(">I", 1), avc1),
        box(b"stts", full, struct.pack(">3I", 1, samples, 1)),
        box(b"stss", full, struct.pack(">2I", 1, 1)),
        box(b"stsc", full, struct.pack(">4I", 1, 1, samples, 1)),
        box(b"stsz", full, struct.pack(">2I", same, samples)),
        box(b"stco", full, struct.pack(">2I", 1, offset)),
    )
    dinf = box(b"dinf", box(b"dref", full, struct.pack(">I", 1), box(b"url ", b"\0\0\0\1")))
    minf = box(b"minf", box(b"vmhd", b"\0\0\0\1", bytes(8)), dinf, stbl)
    mdhd = box(b"mdhd", full, struct.pack(">4I", 0, 0, scale, duration), b"\x55\xc4\0\0")
    hdlr = box(b"hdlr", full, bytes(4), b"vide", bytes(12), b"v\0")
    return box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)))
