from __future__ import annotations

import io
import struct
import tarfile
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.gamedata.members.tar import VIDEO_SUFFIXES, Member, pick_members, read_members
from jobs.gamedata.ranges.source import BytesSource
from shared.errors import ItemError
from tests.tars import tar_bytes

FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def header(
    name: bytes = b"recording.mp4", *, size: int | bytes = 0, kind: bytes = b"0", magic: bytes = b"ustar\x0000"
) -> bytes:
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[100:124] = b"0000644\0" + b"0000000\0" * 2
    block[124:136] = field
    block[136:148] = b"00000000000\0"
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:265] = magic
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def extended(*records: bytes, kind: bytes = b"x") -> bytes:
    body = b"".join(records)
    return header(b"PaxHeaders/x", size=len(body), kind=kind) + body + bytes(-len(body) % 512)


END = bytes(1024)


def code(data: bytes) -> str:
    with pytest.raises(ItemError) as caught:
        read_members(BytesSource(data))
    return caught.value.code


@given(
    files=st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120).filter(
            lambda name: name not in (".", "..")
        ),
        st.binary(max_size=1500),
        min_size=1,
        max_size=5,
    ),
    tar_format=FORMATS,
)
@settings(max_examples=100)
def test_members_match_tarfile(files: dict[str, bytes], tar_format: int) -> None:
    buffer = io.BytesIO()
    try:
        with tarfile.open(fileobj=buffer, mode="w", format=tar_format, encoding="utf-8") as archive:
            for name, body in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
    except ValueError:  # USTAR has no room for the name
        return
    data = buffer.getvalue()
    found = read_members(BytesSource(data))
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as archive:
        expected = [(member.name, member.offset_data, member.size) for member in archive if member.isfile()]
    assert [(member.name, member.offset, member.size) for member in found] == expected
    assert [data[member.offset :][: member.size] for member in found] == list(files.values())


VALID = tar_bytes(b"v" * 700, inputs=b"i" * 40, extra={"n" * 150: b"long"})


@given(
    changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, len(VALID)),
)
@settings(max_examples=300)
def test_a_damaged_tar_is_a_typed_error_or_members_within_the_object(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    try:
        members = read_members(BytesSource(bytes(data[:cut])))
    except ItemError as error:
        assert error.code.startswith("tar_")  # noqa: PT017  either outcome is valid
    else:
        assert all(512 <= member.offset <= member.offset + member.size <= cut for member in members)


@given(data=st.binary(max_size=3000))
def test_noise_is_a_typed_error(data: bytes) -> None:
    assert code(data) in {"tar_empty", "tar_invalid"}


@given(field=st.binary(min_size=12, max_size=12), kind=st.sampled_from(b"\x0001234567xgLKSXVDMN"))
def test_any_size_field_is_read_in_bounded_time(field: bytes, kind: int) -> None:
    began = time.process_time()
    try:
        members = read_members(BytesSource(header(size=field, kind=bytes([kind])) + bytes(4096)))
    except ItemError:
        pass
    else:
        assert all(member.offset + member.size <= 4608 for member in members)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "tar_empty", id="no bytes"),
        pytest.param(bytes(10240), "tar_empty", id="no members"),
        pytest.param(header(b"folder/", kind=b"5") + END, "tar_empty", id="only a folder"),
        pytest.param(b"\x1f\x8b" + bytes(2000), "tar_invalid", id="gzip"),
        pytest.param(b"x" * 100, "tar_invalid", id="less than a header"),
        pytest.param(header(size=5) + b"12345" + bytes(507) + b"j" * 512, "tar_invalid", id="junk after a member"),
        pytest.param(header(size=600) + b"x" * 599, "tar_truncated", id="cut in a member"),
        pytest.param(header(size=5) + bytes(512) + header()[:300], "tar_truncated", id="cut in a header"),
        pytest.param(header(kind=b"L", size=600) + b"x" * 100, "tar_truncated", id="cut in a long name"),
        pytest.param(extended(record("path", "a.mp4")), "tar_truncated", id="cut after an extended header"),
        pytest.param(header(size=b"\xff" * 10 + b"\xfe\x00") + END, "tar_unsafe", id="size -512"),
        pytest.param(header(size=b"\x80" + b"\x00" * 3 + b"\xff" * 8) + END, "tar_truncated", id="size 2^64"),
        pytest.param(header(size=b"12z45678901\0") + END, "tar_invalid", id="size is not a number"),
        pytest.param(header(kind=b"S", size=2048) + bytes(4096), "tar_unsafe", id="GNU sparse"),
        pytest.param(
            extended(record("GNU.sparse.realsize", "3221225472")) + header() + END, "tar_unsafe", id="PAX sparse"
        ),
        pytest.param(extended(record("size", "9" * 19)) + header() + END, "tar_truncated", id="PAX size too large"),
        pytest.param(extended(record("size", "-1")) + header() + END, "tar_unsafe", id="PAX size negative"),
        pytest.param(extended(record("size", "9" * 5000)) + header() + END, "tar_unsafe", id="PAX size of 5000 digits"),
        pytest.param(extended(record("surprise", "1")) + header() + END, "tar_unsafe", id="unknown PAX keyword"),
        pytest.param(extended(record("path", "x"), kind=b"g") + header() + END, "tar_unsafe", id="global path"),
        pytest.param(header(kind=b"x", size=1 << 30) + bytes(4096), "tar_unsafe", id="extended header of 1 GiB"),
        pytest.param(extended(b"99 path=x\n") + header() + END, "tar_invalid", id="PAX length too large"),
        pytest.param(extended(b"3 path=x\n") + header() + END, "tar_invalid", id="PAX length too small"),
        pytest.param(extended(record("mtime", "1")) * 9 + header() + END, "tar_unsafe", id="chain of extensions"),
        pytest.param(header(b"x") * 10_001 + END, "tar_unsafe", id="too many members"),
    ],
)
def test_hostile_and_broken_tars(data: bytes, expected: str) -> None:
    assert code(data) == expected


def test_gzip_is_named() -> None:
    with pytest.raises(ItemError, match="gzip data"):
        read_members(BytesSource(b"\x1f\x8b" + bytes(2000)))


def test_vendor_keywords_global_comments_and_base_256_are_accepted() -> None:
    size = b"\x80" + bytes(7) + struct.pack(">I", 5)
    data = (
        extended(record("comment", "by git"), kind=b"g")
        + extended(record("LIBARCHIVE.creationtime", "1"), record("path", "ü/clip.mp4"), record("mtime", "1.5"))
        + header(b"short", size=size)
        + b"12345"
    )
    assert read_members(BytesSource(data)) == [Member("ü/clip.mp4", len(data) - 5, 5)]


def test_links_devices_and_folders_are_skipped() -> None:
    data = b"".join(header(b"x%c" % kind, kind=bytes([kind])) for kind in b"123456") + header(b"a", kind=b"\0") + END
    assert [member.name for member in read_members(BytesSource(data))] == ["a"]


def test_times_of_the_gnu_format_are_not_read_as_a_prefix() -> None:
    block = bytearray(header(b"a.mp4", magic=b"ustar  \0"))
    block[345:357] = b"15063352344\0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert read_members(BytesSource(bytes(block) + END))[0].name == "a.mp4"


class Counted(BytesSource):
    reads = 0
    fetched = 0

    def read_many(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        self.reads += 1
        bodies = super().read_many(ranges)
        self.fetched += sum(map(len, bodies))
        return bodies


def test_only_headers_are_read() -> None:
    source = Counted(tar_bytes(bytes(5_000_000)))
    assert len(read_members(source)) == 3
    assert source.reads <= 3
    assert source.fetched <= 3 * 65536


def members(*names: str) -> list[Member]:
    return [Member(name, 512 * number, 1) for number, name in enumerate(names, 1)]


def test_a_session_is_picked_by_name() -> None:
    picked = pick_members(
        members("./s/2025-09-17 14-59-42.MP4", "s/inputs.csv", "s/metadata.json", "s/._metadata.json", "readme.txt")
    )
    assert picked.video_id == "2025-09-17 14-59-42"
    assert picked.metadata.name == "s/metadata.json"
    assert picked.inputs is not None
    assert pick_members(members("a.mkv", "metadata.json", "__MACOSX/a.mkv")).inputs is None


def test_old_sessions_are_picked_by_the_stem() -> None:
    picked = pick_members(members("000000.mp4", "000000.json", "000000.csv"))
    assert (picked.metadata.name, picked.inputs and picked.inputs.name) == ("000000.json", "000000.csv")


@pytest.mark.parametrize(
    "name",
    [
        "PaxHeaders.1234/v.mp4", "./PaxHeaders.1234/v.mp4", "s/PaxHeaders.99/v.mp4", "PaxHeaders.0/v.mp4",
        "PaxHeader/v.mp4", "paxheaders/v.mp4", "GNUSparseFile.1234/v.mp4", "s/GNUSparseFile.0/v.mp4",
        "GlobalHead.1234.1/v.mp4", "._v.mp4", "s/._v.mp4", ".v.mp4", "__MACOSX/v.mp4", "__MACOSX/s/._v.mp4",
        "s/__MACOSX/v.mp4", "@eaDir/v.mp4/SYNOVIDEO.mp4", ".Trashes/501/v.mp4", ".thumbnails/v.mp4",
        ".git/x/v.mp4", "s\\__MACOSX\\v.mp4", ".DS_Store", "Thumbs.db", "desktop.ini", "v.mp4.part", "v.mp4.sha256",
        "v.wav", "v.ogg", "cover.png", "v.gif", "v.srt",
    ],
)  # fmt: skip
def test_tool_leftovers_are_not_a_second_video(name: str) -> None:
    for names in ((name, "s/v.mp4", "s/metadata.json"), ("s/v.mp4", "s/metadata.json", name)):
        assert pick_members(members(*names)).video.name == "s/v.mp4"


@pytest.mark.parametrize(
    "name",
    [
        "PaxHeaders.mp4",
        "PaxHeadersOfMine/v.mp4",
        "PaxHeaders.x/v.mp4",
        "GNUSparseFiles/v.mp4",
        ".hidden/v.mp4",
        "../v.mp4",
    ],
)
def test_names_that_only_look_like_leftovers_are_videos(name: str) -> None:
    assert pick_members(members(name, "metadata.json")).video.name == name


def test_tool_leftovers_are_not_a_second_metadata_file() -> None:
    picked = pick_members(
        members(".meta/metadata.json", "PaxHeaders.7/metadata.json", "s/metadata.json", "s/v.mp4", "@eaDir/inputs.csv")
    )
    assert (picked.metadata.name, picked.inputs) == ("s/metadata.json", None)
    assert pick_members(members("v.mp4", ".meta/metadata.json")).metadata.name == ".meta/metadata.json"


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_videos_are_recognised_by_their_suffix(suffix: str) -> None:
    assert pick_members(members(f"a{suffix.upper()}", "metadata.json")).video_id == "a"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("metadata.json",), "video_missing"),
        (("PaxHeaders.1/a.mp4", "__MACOSX/a.mp4", "metadata.json"), "video_missing"),
        (("a.mp4", "b.m2ts", "metadata.json"), "video_multiple"),
        ((".x/a.mp4", ".y/b.mp4", "metadata.json"), "video_multiple"),
        (("a.mp4", "b.webm", "metadata.json"), "video_multiple"),
        (("a.mp4", "a.mp4", "metadata.json"), "member_duplicate"),
        (("a.mp4", "other.json"), "metadata_missing"),
        (("a.mp4", "metadata.json", "x/metadata.json"), "member_duplicate"),
        (("a.mp4", "metadata.json", "inputs.csv", "inputs.csv"), "member_duplicate"),
    ],
)
def test_incomplete_and_ambiguous_sessions_are_rejected(names: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ItemError) as caught:
        pick_members(members(*names))
    assert caught.value.code == expected


def test_a_long_name_is_shown_whole_or_not_at_all() -> None:
    # It may be a secret, of which the worker finds no half.
    long = "".join(map(str, range(100)))
    for names in ((f"{long}.txt",), (f"{long}.mp4", "b.mp4", "metadata.json")):
        with pytest.raises(ItemError) as caught:
            pick_members(members(*names))
        assert "(194 characters)" in str(caught.value)
        assert long[:20] not in str(caught.value)
    for data in (extended(record(long, "x")), extended(record("size", long + "x"))):
        with pytest.raises(ItemError) as caught:
            read_members(BytesSource(data + header() + END))
        assert long[:20] not in str(caught.value)
        assert "characters)" in str(caught.value) or "bytes)" in str(caught.value)
