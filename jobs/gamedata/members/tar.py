"""Read only a TAR's headers; pick its video, metadata.json and inputs.csv; ignore hidden files and tool leftovers.

``tarfile`` unpacks data that looks like gzip, trusts sparse sizes, reads an extended header of any length into memory
and stops silently at a broken header. Here, the 512-byte headers are read one by one, each number is checked before it
is used, and headers that no legitimate writer produces raise the item error ``tar_unsafe``.

Formats: POSIX.1-2017 ``pax`` "ustar Interchange Format" and "pax Header Block", and GNU tar's ``tar.h`` (types L, K, S;
base-256 numbers).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.gamedata.errors import item_error
from jobs.gamedata.members._tar_headers import BLOCK, Extensions, Member, read_extension, read_header
from jobs.gamedata.ranges.source import BufferedSource
from shared.text import brief

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["CONTAINERS", "VIDEO_SUFFIXES", "Member", "SessionMembers", "pick_members", "read_members"]

# Supported containers and their video suffixes. Suffixes that usually mean sound or a picture (.ogg, .gif) are left
# out: next to a session's video, such a file would count as a second one. Raw streams of H.264, HEVC and
# AV1 are left out because they contain no times.
CONTAINERS: Final[Mapping[str, tuple[str, ...]]] = {
    "MP4, QuickTime, 3GPP": (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".ismv", ".mj2"),
    "Matroska, WebM": (".mkv", ".mk3d", ".webm"),
    "AVI": (".avi", ".divx"),
    "MPEG transport stream": (".ts", ".m2t", ".m2ts", ".mts"),
    "MPEG program stream": (".mpg", ".mpeg", ".vob"),
    "MPEG video": (".m1v", ".m2v", ".mpv"),
    "Flash video": (".flv",),
    "Windows Media": (".wmv", ".asf"),
    "Ogg": (".ogv", ".ogm"),
    "RealMedia": (".rm", ".rmvb"),
    "MXF": (".mxf",),
    "NUT": (".nut",),
    "Windows Recorded TV": (".wtv",),
    "IVF": (".ivf",),
}
VIDEO_SUFFIXES: Final = tuple(suffix for suffixes in CONTAINERS.values() for suffix in suffixes)

# One read covers all headers of a session except those after the video.
_READ_AHEAD: Final = 64 * 1024
# A session has three members, an old one a few dozen.
_MAX_MEMBERS: Final = 10_000

_EXTENSION_TYPES: Final = (b"x", b"X", b"g", b"L", b"K")
_FILE_TYPES: Final = b"\x000" + b"7"
# Folders whose files describe other members: extended headers and sparse members unpacked by a tar that does not
# support them (GNU tar appends its process id: PaxHeaders.1234), resource forks, NAS thumbnails.
_LEFTOVERS: Final = re.compile(r"(?:PaxHeaders?|GNUSparseFile|GlobalHead)(?:\.\d+)*|__MACOSX|@eaDir", re.IGNORECASE)
# Links, devices, directories and FIFOs: no data follows, whatever the size field contains.
_EMPTY_TYPES: Final = b"123456"


@dataclass(frozen=True, slots=True)
class SessionMembers:
    """The members of one session.

    Attributes:
        video: the video.
        metadata: metadata.json.
        inputs: inputs.csv, or None.
    """

    video: Member
    metadata: Member
    inputs: Member | None

    @property
    def video_id(self) -> str:
        """The video's stem."""
        return self.video.stem


def read_members(source: RangeSource) -> list[Member]:
    """Return the regular files of a TAR in order, reading only headers.

    Raises:
        ItemError: ``tar_empty``, ``tar_truncated``, ``tar_invalid`` or ``tar_unsafe``.
    """
    if source.size == 0:
        raise item_error("tar_empty", "the object has 0 bytes; expected a TAR of at least 1024")
    headers = BufferedSource(source, block=_READ_AHEAD, max_blocks=4)
    members: list[Member] = []
    extensions = Extensions()
    offset = 0
    for _ in range(_MAX_MEMBERS):
        block = headers.read(offset, BLOCK)
        if not any(block):
            break
        kind, size = read_header(block, offset)
        begin = offset + BLOCK
        if kind in _EXTENSION_TYPES:
            extensions.add(kind, read_extension(headers, begin, size), offset)
        else:
            member, extensions = extensions.member(block, begin, size), Extensions()
            size = 0 if kind in _EMPTY_TYPES else member.size
            if begin + size > source.size:
                raise item_error(
                    "tar_truncated",
                    f"{brief(member.name, 200)} spans bytes {begin}-{begin + size} but the object is only "
                    f"{source.size} bytes long",
                )
            if kind in _FILE_TYPES and not member.name.endswith("/"):
                members.append(member)
        offset = min(begin + -(-size // BLOCK) * BLOCK, source.size)
    else:
        raise item_error("tar_unsafe", f"the TAR has more than {_MAX_MEMBERS} headers; a session has about six")
    if extensions.count:
        raise item_error("tar_truncated", f"the TAR ends right after an extended header, at byte {offset}")
    if not members:
        raise item_error("tar_empty", "the TAR has no regular files; expected a video and metadata.json")
    return members


def pick_members(members: list[Member]) -> SessionMembers:
    """Return the session's members, selected by name.

    Hidden files and leftovers of tar and file managers are ignored. Files in hidden folders count only if nothing else
    matches. ``metadata.json`` and ``inputs.csv`` may also be named after the video, as in old recordings
    (``000000.mp4``, ``000000.json``, ``000000.csv``).

    Raises:
        ItemError: ``video_missing``, ``video_multiple``, ``metadata_missing`` or ``member_duplicate``.
    """
    real = [member for member in members if not _is_leftover(member.name)]
    videos = _visible([member for member in real if member.base.lower().endswith(VIDEO_SUFFIXES)])
    _reject_duplicate_names(videos)
    if not videos:
        names = ", ".join(brief(member.name, 80) for member in real[:10]) or "nothing"
        raise item_error("video_missing", f"no video among {names}; expected one of {' '.join(VIDEO_SUFFIXES)}")
    if len(videos) > 1:
        names = ", ".join(brief(member.name, 80) for member in videos[:10])
        raise item_error("video_multiple", f"the TAR has {len(videos)} videos ({names}); expected one")
    stem = videos[0].stem.lower()
    metadata = _named(real, ("metadata.json", f"{stem}.json"))
    if metadata is None:
        raise item_error("metadata_missing", "the TAR has no metadata.json")
    return SessionMembers(videos[0], metadata, _named(real, ("inputs.csv", f"{stem}.csv")))


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]


def _is_leftover(name: str) -> bool:
    *folders, base = _parts(name) or [""]
    return not base or base.startswith(".") or any(_LEFTOVERS.fullmatch(folder) for folder in folders)


def _visible(members: list[Member]) -> list[Member]:
    """Return the members outside hidden folders, or all if there are none."""
    visible = [member for member in members if not any(part.startswith(".") for part in _parts(member.name))]
    return visible or members


def _named(members: list[Member], names: tuple[str, ...]) -> Member | None:
    for name in names:
        matching = _visible([member for member in members if member.base.lower() == name])
        if len(matching) > 1:
            raise item_error(
                "member_duplicate", f"{len(matching)} members are named {name!r}; expected one", member=name
            )
        if matching:
            return matching[0]
    return None


def _reject_duplicate_names(members: list[Member]) -> None:
    for name, count in Counter(member.name for member in members).items():
        if count > 1:
            raise item_error(
                "member_duplicate", f"{count} members are named {brief(name, 200)}; expected one", member=name
            )
