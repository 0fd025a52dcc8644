"""Parse one 512-byte TAR header and the extended headers before it; refuse malformed ones (``tar_unsafe``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from shared.text import brief

if TYPE_CHECKING:
    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["BLOCK", "Extensions", "Member", "read_extension", "read_header"]

BLOCK: Final = 512

# Extended headers contain names and times; a file path has at most 4 KiB.
_MAX_EXTENSION: Final = 64 * 1024
_MAX_EXTENSIONS_PER_MEMBER: Final = 8
_SIGN: Final = 127
# The POSIX keywords; vendor keywords are upper case with a dot, such as SCHILY.xattr.user.x or LIBARCHIVE.creationtime.
_KEYWORDS: Final = frozenset(
    {"atime", "charset", "comment", "ctime", "gid", "gname", "hdrcharset", "linkpath", "mtime", "path", "size"}
    | {"uid", "uname"}
)
_VENDOR: Final = re.compile(r"[A-Z][A-Z0-9_]*\..+", re.DOTALL)
_SPARSE: Final = ("GNU.sparse.", "SCHILY.realsize", "SUN.holesdata")
_DIGITS: Final = re.compile(rb"[0-9]{1,19}")
_RECORD: Final = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n\0]+)=")
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "ZIP",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in a TAR.

    Attributes:
        name: stored path as text, with invalid UTF-8 replaced.
        offset: position of the first byte in the TAR.
        size: length in bytes.
    """

    name: str
    offset: int
    size: int

    @property
    def base(self) -> str:
        """The name without folders."""
        return re.split(r"[/\\]", self.name)[-1]

    @property
    def stem(self) -> str:
        """The name without folders or suffix."""
        return self.base.rpartition(".")[0] or self.base


class Extensions:
    """The values that extended headers set for the next entry."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.size: int | None = None
        self.count = 0

    def member(self, block: bytes, begin: int, size: int) -> Member:
        """Return the entry of a header, with the values of the extended headers before it."""
        name = _name(block) if self.name is None else self.name
        return Member(name, begin, size if self.size is None else self.size)

    def add(self, kind: bytes, body: bytes, offset: int) -> None:
        """Apply one extended header."""
        self.count += 1
        if self.count > _MAX_EXTENSIONS_PER_MEMBER:
            raise item_error("tar_unsafe", f"more than {_MAX_EXTENSIONS_PER_MEMBER} extended headers in a row")
        if kind == b"L":
            self.name = _text(body)
        elif kind != b"K":
            for key, value in _records(body, offset):
                self._set(key, value, offset, everywhere=kind == b"g")

    def _set(self, key: str, value: bytes, offset: int, *, everywhere: bool) -> None:
        if key.startswith(_SPARSE):
            raise item_error("tar_unsafe", f"the member at byte {offset} is sparse ({key}); expected a regular file")
        if key not in _KEYWORDS and not _VENDOR.fullmatch(key):
            raise item_error(
                "tar_unsafe", f"the extended header at byte {offset} has the unknown keyword {brief(key, 80)}"
            )
        if everywhere and key in ("path", "size"):
            raise item_error("tar_unsafe", f"the global header at byte {offset} sets the same {key} for all members")
        if key == "path":
            self.name = _text(value)
        elif key == "size":
            if not _DIGITS.fullmatch(value):
                raise item_error(
                    "tar_unsafe",
                    f"the extended header at byte {offset} has the size {brief(value)}; expected a decimal number",
                )
            self.size = int(value)


def read_header(block: bytes, offset: int) -> tuple[bytes, int]:
    """Return the type and size of a header after verifying its checksum.

    The checksum is the sum of all bytes, with the checksum field counted as spaces. Old writers summed signed bytes.
    """
    if len(block) < BLOCK and offset:
        raise item_error("tar_truncated", f"the TAR ends within the header at byte {offset}")
    summed = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(summed)
    signed = unsigned - 256 * sum(byte > _SIGN for byte in summed)
    if len(block) < BLOCK or _octal(block[148:156]) not in (unsigned, signed):
        packed = next((name for magic, name in _MAGIC.items() if block.startswith(magic)), None)
        reason = f"found {packed} data" if packed and offset == 0 else "the checksum is wrong"
        raise item_error("tar_invalid", f"no TAR header at byte {offset}: {reason}; expected an uncompressed TAR")
    kind = block[156:157]
    if kind == b"S":
        raise item_error("tar_unsafe", f"the member at byte {offset} is sparse; expected a regular file")
    return kind, _number(block[124:136], "size", offset)


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def _number(field: bytes, label: str, offset: int) -> int:
    if field[0] & 0x80:  # base-256, big-endian, two's complement below the marker bit
        if field[0] & 0x40:
            raise item_error("tar_unsafe", f"the header at byte {offset} has a negative {label}")
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    value = _octal(field)
    if value is None:
        raise item_error("tar_invalid", f"the header at byte {offset} has the {label} {field!r}, which is not a number")
    return value


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _name(block: bytes) -> str:
    name = _text(block[:100])
    # Only the POSIX format has a prefix; the GNU format stores times there.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def read_extension(headers: RangeSource, begin: int, size: int) -> bytes:
    """Return the body of an extended header."""
    if size > _MAX_EXTENSION:
        raise item_error(
            "tar_unsafe",
            f"the extended header at byte {begin} has {size} bytes, more than the limit of {_MAX_EXTENSION}",
        )
    body = headers.read(begin, size)
    if len(body) < size:
        raise item_error("tar_truncated", f"the TAR ends within an extended header at byte {begin}")
    return body


def _records(body: bytes, offset: int) -> list[tuple[str, bytes]]:
    """Return the ``(keyword, value)`` pairs of ``length keyword=value`` lines; the length is that of the whole line."""
    records = []
    position = 0
    while position < len(body) and body[position]:
        match = _RECORD.match(body, position)
        end = position + int(match[1]) if match else 0
        if match is None or end > len(body) or end <= match.end() or body[end - 1 : end] != b"\n":
            raise item_error("tar_invalid", f"the extended header at byte {offset} has a malformed record")
        records.append((match[2].decode("utf-8", "replace"), body[match.end() : end - 1]))
        position = end
    return records
