"""Members of a TAR by byte range, without extracting anything and without Python's ``tarfile``.

``tarfile`` unpacks what looks like gzip, believes sparse sizes, reads an extended header of any length into memory and
silently ends at a broken header (specs/extraction.md §6). Here 512-byte headers are read one after the other, each
number is checked before it is used, and what no honest writer makes is the item error ``tar_unsafe``.

Formats: POSIX.1-2017 ``pax`` "ustar Interchange Format" and "pax Header Block", and GNU tar's ``tar.h`` (types L, K, S;
base-256 numbers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.source import Buffered

if TYPE_CHECKING:
    from jobs.gamedata.source import RangeSource

__all__ = ["VIDEO_SUFFIXES", "Member", "Picked", "pick", "read_members"]

VIDEO_SUFFIXES: Final = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".flv")

_BLOCK: Final = 512
# One read holds all headers of a session but those behind the video.
_READ_AHEAD: Final = 64 * 1024
# Extended headers hold names and times; a file path has 4 KiB at most.
_MAX_EXTENSION: Final = 64 * 1024
_MAX_EXTENSIONS_PER_MEMBER: Final = 8
# A session has three members, an old one some dozens.
_MAX_MEMBERS: Final = 10_000

_SIGN: Final = 127
_EXTENSION_TYPES: Final = (b"x", b"X", b"g", b"L", b"K")
_FILE_TYPES: Final = b"\x000" + b"7"
# Links, devices, directories, FIFOs: no data follows, whatever their size field says.
_EMPTY_TYPES: Final = b"123456"
# Keywords of POSIX; vendors' own are upper case with a dot, such as SCHILY.xattr.user.x or LIBARCHIVE.creationtime.
_KEYWORDS: Final = frozenset(
    {"atime", "charset", "comment", "ctime", "gid", "gname", "hdrcharset", "linkpath", "mtime", "path", "size"}
    | {"uid", "uname"}
)
_VENDOR: Final = re.compile(r"[A-Z][A-Z0-9_]*\..+", re.DOTALL)
_SPARSE: Final = ("GNU.sparse.", "SCHILY.realsize", "SUN.holesdata")
_DIGITS: Final = re.compile(rb"[0-9]{1,19}")

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
        name: its path as stored, as text (broken UTF-8 replaced).
        offset: where its bytes begin in the TAR.
        size: its bytes.
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
        """The name without folders and suffix."""
        return self.base.rpartition(".")[0] or self.base


@dataclass(frozen=True, slots=True)
class Picked:
    """The members of one session.

    Attributes:
        video: the video.
        metadata: metadata.json.
        inputs: inputs.csv, None where there is none.
    """

    video: Member
    metadata: Member
    inputs: Member | None

    @property
    def video_id(self) -> str:
        """The video's stem."""
        return self.video.stem


def read_members(source: RangeSource) -> list[Member]:
    """List the regular files of a TAR in their order; only headers are read.

    Raises:
        ItemError: ``tar_empty``, ``tar_truncated``, ``tar_invalid`` or ``tar_unsafe``.
    """
    if source.size == 0:
        raise item_error("tar_empty", "the object has 0 bytes; a TAR has at least 1024")
    headers = Buffered(source, block=_READ_AHEAD, max_blocks=4)
    members: list[Member] = []
    extensions = _Extensions()
    offset = 0
    for _ in range(_MAX_MEMBERS):
        block = headers.read(offset, _BLOCK)
        if not any(block):
            break
        kind, size = _check(block, offset)
        begin = offset + _BLOCK
        if kind in _EXTENSION_TYPES:
            extensions.add(kind, _extension(headers, begin, size), offset)
        else:
            member, extensions = extensions.member(block, begin, size), _Extensions()
            size = 0 if kind in _EMPTY_TYPES else member.size
            if begin + size > source.size:
                raise item_error(
                    "tar_truncated",
                    f"'{member.name[:200]}' takes bytes {begin} to {begin + size}, and the object has {source.size}",
                )
            if kind in _FILE_TYPES and not member.name.endswith("/"):
                members.append(member)
        offset = min(begin + -(-size // _BLOCK) * _BLOCK, source.size)
    else:
        raise item_error("tar_unsafe", f"more than {_MAX_MEMBERS} headers; a session has some six")
    if extensions.count:
        raise item_error("tar_truncated", f"the TAR ends after an extended header, at byte {offset}")
    if not members:
        raise item_error("tar_empty", "the TAR has no regular file; a session has a video and a metadata.json")
    return members


class _Extensions:
    """What extended headers say about the entry that follows them."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.size: int | None = None
        self.count = 0

    def member(self, block: bytes, begin: int, size: int) -> Member:
        """The entry of a header and of what stands before it."""
        name = _name(block) if self.name is None else self.name
        return Member(name, begin, size if self.size is None else self.size)

    def add(self, kind: bytes, body: bytes, offset: int) -> None:
        """Take in one extended header."""
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
            raise item_error("tar_unsafe", f"a sparse member at byte {offset} ({key}); sessions are stored whole")
        if key not in _KEYWORDS and not _VENDOR.fullmatch(key):
            raise item_error("tar_unsafe", f"an extended header at byte {offset} has the unknown keyword {key[:80]!r}")
        if everywhere and key in ("path", "size"):
            raise item_error("tar_unsafe", f"a global header at byte {offset} gives all members one {key}")
        if key == "path":
            self.name = _text(value)
        elif key == "size":
            if not _DIGITS.fullmatch(value):
                raise item_error("tar_unsafe", f"an extended header at byte {offset} has the size {value[:40]!r}")
            self.size = int(value)


def _check(block: bytes, offset: int) -> tuple[bytes, int]:
    """Type and size of a header whose checksum is right.

    The checksum is the sum of all bytes with its own field as spaces; old writers summed signed bytes.
    """
    if len(block) < _BLOCK and offset:
        raise item_error("tar_truncated", f"the TAR ends within the header at byte {offset}")
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    signed = unsigned - 256 * sum(byte > _SIGN for byte in rest)
    if len(block) < _BLOCK or _octal(block[148:156]) not in (unsigned, signed):
        kind = next((name for magic, name in _MAGIC.items() if block.startswith(magic)), None)
        found = f"{kind} data" if kind and offset == 0 else "a wrong checksum"
        raise item_error("tar_invalid", f"no TAR header at byte {offset}: {found}; valid is an uncompressed TAR")
    kind = block[156:157]
    if kind == b"S":
        raise item_error("tar_unsafe", f"a sparse member at byte {offset}; sessions are stored whole")
    return kind, _number(block[124:136], "size", offset)


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None


def _number(field: bytes, what: str, offset: int) -> int:
    if field[0] & 0x80:  # base-256, big-endian, two's complement below the marker bit
        if field[0] & 0x40:
            raise item_error("tar_unsafe", f"the header at byte {offset} has a negative {what}")
        return int.from_bytes(bytes([field[0] & 0x3F]) + field[1:], "big")
    value = _octal(field)
    if value is None:
        raise item_error("tar_invalid", f"the header at byte {offset} has the {what} {field!r}, which is no number")
    return value


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _name(block: bytes) -> str:
    name = _text(block[:100])
    # Only POSIX's magic has a prefix; GNU's keeps times in its place.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _extension(headers: Buffered, begin: int, size: int) -> bytes:
    if size > _MAX_EXTENSION:
        raise item_error(
            "tar_unsafe", f"an extended header of {size} bytes before byte {begin}; at most {_MAX_EXTENSION} are read"
        )
    body = headers.read(begin, size)
    if len(body) < size:
        raise item_error("tar_truncated", f"the TAR ends within an extended header at byte {begin}")
    return body


_RECORD: Final = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n\0]+)=")


def _records(body: bytes, offset: int) -> list[tuple[str, bytes]]:
    """Parse ``length keyword=value`` lines; the length counts the whole line."""
    records = []
    place = 0
    while place < len(body) and body[place]:
        match = _RECORD.match(body, place)
        end = place + int(match[1]) if match else 0
        if match is None or end > len(body) or end <= match.end() or body[end - 1 : end] != b"\n":
            raise item_error("tar_invalid", f"the extended header at byte {offset} has a broken record")
        records.append((match[2].decode("utf-8", "replace"), body[match.end() : end - 1]))
        place = end
    return records


def pick(members: list[Member]) -> Picked:
    """Find the session's members by their names without folders; files of file managers are passed over.

    ``metadata.json`` and ``inputs.csv`` may also be named after the video, as old recordings are (``000000.mp4``,
    ``000000.json``, ``000000.csv``).

    Raises:
        ItemError: ``video_missing``, ``video_multiple``, ``metadata_missing`` or ``member_duplicate``.
    """
    real = [member for member in members if not _ignored(member.name)]
    videos = [member for member in real if member.base.lower().endswith(VIDEO_SUFFIXES)]
    _one_of_a_name(videos)
    if not videos:
        names = ", ".join(repr(member.name[:80]) for member in real[:10]) or "nothing"
        raise item_error("video_missing", f"no video among {names}; valid suffixes are {' '.join(VIDEO_SUFFIXES)}")
    if len(videos) > 1:
        names = ", ".join(repr(member.name[:80]) for member in videos[:10])
        raise item_error("video_multiple", f"{len(videos)} videos ({names}); a session has one")
    stem = videos[0].stem.lower()
    metadata = _named(real, ("metadata.json", f"{stem}.json"))
    if metadata is None:
        raise item_error("metadata_missing", "the TAR has no metadata.json")
    return Picked(videos[0], metadata, _named(real, ("inputs.csv", f"{stem}.csv")))


def _ignored(name: str) -> bool:
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    folders = {"__MACOSX", "@eaDir", "PaxHeader", "PaxHeaders", "PaxHeaders.0"}
    return not parts or parts[-1].startswith(".") or any(part in folders for part in parts[:-1])


def _named(members: list[Member], names: tuple[str, ...]) -> Member | None:
    for name in names:
        found = [member for member in members if member.base.lower() == name]
        if len(found) > 1:
            raise item_error("member_duplicate", f"{len(found)} members are a {name!r}; a session has one", member=name)
        if found:
            return found[0]
    return None


def _one_of_a_name(members: list[Member]) -> None:
    names = [member.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise item_error("member_duplicate", f"{names.count(name)} members are named '{name[:200]}'", member=name)
