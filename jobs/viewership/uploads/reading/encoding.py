"""Decide the encoding of a text file and convert it to UTF-8: BOM, NUL parity, strict UTF-8, else cp1252 with a note.

Nothing is guessed from letter frequencies: charset-normalizer says cp1250 for short cp1252 texts (ñ becomes ń), and
mac_latin2 for UTF-8 with one bad byte.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from jobs.viewership.errors import NeedsChoice, refuse
from jobs.viewership.model import Note
from jobs.viewership.uploads.reading.signature import binary
from shared.scrub import HIDDEN, scrub

__all__ = ["ENCODINGS", "Decoded", "decode", "line_of"]

ENCODINGS: Final = (
    *("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252", "iso8859-1", "iso8859-15", "mac-roman"),
    *("cp1250", "cp1251", "cp1253", "cp1254", "cp1256", "cp437", "cp850", "cp932", "gb18030", "big5", "euc-kr"),
)
"""Encodings that a format or a user may name."""

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE: Final = 1 << 16
# In UTF-16, each delimiter, digit and line end has a NUL on the same side: at least one unit in ten of any table, also
# of a Chinese one. U+3000 and its like have theirs on the other side.
_PARITY_SHARE: Final = 0.1
_PARITY_RATIO: Final = 5
_LEAST_NULS: Final = 3
_PIECE: Final = 1 << 24
_MULTIBYTE: Final = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Replaces ASCII by spaces.
_HIGH: Final = b" " * 128 + bytes(range(128, 256))
_MAX_LETTER: Final = 4
# Bytes without a character in cp1252.
_UNDEFINED: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_SHOWN: Final = 60
# Longer than a secret is.
_SEARCHED: Final = 16_384


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text file in UTF-8.

    Attributes:
        text: UTF-8 without a byte-order mark.
        encoding: encoding of the file, one of :data:`ENCODINGS`.
        notes: warnings.
    """

    text: bytes
    encoding: str
    notes: tuple[Note, ...] = ()


def decode(data: bytes, pinned: str | None = None) -> Decoded:
    """Decide the encoding and convert to UTF-8.

    Args:
        data: bytes of the file.
        pinned: an encoding that a format or a user names; a byte-order mark overrides it.

    Raises:
        NeedsChoice: the bytes are valid in no encoding, or in more than one.
        Refused: ``FORMAT`` for UTF-16 or UTF-32 that is not valid, and for binary data.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _whole(data[len(mark) :], encoding, "begins with its byte-order mark")
    if pinned is not None:
        return _pinned(data, pinned)
    if (unmarked := _utf16_without_mark(data)) is not None:
        return _whole(data, unmarked, "has its NUL bytes")
    try:
        _check_utf8(data)
    except UnicodeDecodeError as error:
        return _single_byte(data, error.start)
    return Decoded(data, "utf-8")


def line_of(data: bytes, position: int) -> int:
    """Return the line of a byte, from 1; CR LF, LF and CR each end a line."""
    lone = data.count(b"\r", 0, position) - data.count(b"\r\n", 0, position)
    return data.count(b"\n", 0, position) + lone + 1


def _check_utf8(data: bytes) -> None:
    """Raise UnicodeDecodeError, with the position in the whole file, if the bytes are not UTF-8."""
    if data.isascii():
        return
    # One string of the whole would take four times its size if it holds a single emoji.
    decoder, start = codecs.getincrementaldecoder("utf-8")("strict"), 0
    while start < len(data):
        held = len(decoder.getstate()[0])
        piece = data[start : start + _PIECE]
        try:
            decoder.decode(piece, final=start + len(piece) >= len(data))
        except UnicodeDecodeError as error:
            at = start - held + error.start
            raise UnicodeDecodeError("utf-8", data[at : at + 1], at, at + 1, error.reason) from None
        start += len(piece)


def _recode(data: bytes, encoding: str, errors: str = "strict") -> bytes:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    pieces = [
        decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data)).encode()
        for start in range(0, len(data), _PIECE)
    ]
    return b"".join(pieces)


def _whole(data: bytes, encoding: str, why: str) -> Decoded:
    """Decode a file that declares its encoding."""
    try:
        if encoding == "utf-8":
            _check_utf8(data)
            return Decoded(data, encoding)
        return Decoded(_recode(data, encoding).removeprefix(codecs.BOM_UTF8), encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            where = line_of(data, error.start)
            raise NeedsChoice(
                f"the file {why} and is not valid UTF-8: byte 0x{data[error.start]:02X} in line {where:,}; export it "
                "again, or remove the mark and pass --encoding",
                line=where,
                answers=[["--encoding", None]],
            ) from None
        raise refuse(
            "FORMAT",
            f"the file {why} as {encoding.upper()} and is not valid {encoding.upper()} ({error.reason}): it is "
            "damaged or cut off; export it again",
        ) from None


def _pinned(data: bytes, encoding: str) -> Decoded:
    if encoding not in ENCODINGS:
        raise NeedsChoice(
            f"{encoding!r} is not an encoding; expected one of {', '.join(ENCODINGS)}; pass --encoding",
            answers=[["--encoding", None]],
        )
    try:
        if encoding == "utf-8":
            _check_utf8(data)
            return Decoded(data, encoding)
        return Decoded(_recode(data, encoding), encoding)
    except UnicodeDecodeError:
        text = _recode(data, encoding, "replace")
    # The first replacement may be one that the file holds itself; the line is then that of the file's own.
    line = line_of(text, text.find("\ufffd".encode()))
    note = Note(
        "ENCODING",
        f"some bytes are not valid {encoding} and became U+FFFD, the first in line {line:,}; check the encoding",
        line,
    )
    return Decoded(text, encoding, (note,))


def _utf16_without_mark(data: bytes) -> str | None:
    sample = data[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    for own, other, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if own >= max(_LEAST_NULS, _PARITY_SHARE * (len(sample) // 2)) and own >= _PARITY_RATIO * other:
            return encoding
    return None


def _single_byte(data: bytes, bad: int) -> Decoded:
    """Decode text that is not UTF-8 as cp1252, unless it is damaged UTF-8 or another encoding.

    Args:
        data: bytes of the file.
        bad: position of the first byte that is not UTF-8.
    """
    if error := binary(data):
        raise error
    line = line_of(data, bad)
    runs = _runs(data)
    letters = stray = 0
    for run, count in runs.items():
        sequences = _MULTIBYTE.findall(run)
        letters += count * len(sequences)
        stray += count * (len(run) - sum(map(len, sequences)))
    if letters >= stray:
        # Chance makes such a sequence of cp1252 letters only now and then, such as É before a right quotation mark.
        raise NeedsChoice(
            f"the encoding is undecided: {letters:,} letters are valid UTF-8 and {stray:,} bytes are not, the "
            f"first in line {line:,} ({_shown(data, bad)}); pass --encoding utf-8 (such bytes become U+FFFD) "
            "or --encoding cp1252",
            line=line,
            answers=[["--encoding", "utf-8"], ["--encoding", "cp1252"]],
        )
    if any(_UNDEFINED.search(run) for run in runs) and (match := _UNDEFINED.search(data)):
        where = line_of(data, match.start())
        raise NeedsChoice(
            f"the file is neither UTF-8 nor cp1252: byte 0x{match.group()[0]:02X} in line {where:,} has no character "
            f"in cp1252; pass --encoding ({', '.join(ENCODINGS)})",
            line=where,
            answers=[["--encoding", None]],
        )
    note = Note(
        "ENCODING",
        f"the file is not UTF-8 and was read as cp1252; check line {line:,}: {_shown(data, bad)}; if letters are "
        "wrong, pass --encoding",
        line,
    )
    return Decoded(_recode(data, "cp1252"), "cp1252", (note,))


def _runs(data: bytes) -> Counter[bytes]:
    """Count the runs of bytes that are not ASCII; a regular expression over the whole takes five times as long."""
    runs: Counter[bytes] = Counter()
    start = 0
    while start < len(data):
        end = min(start + _PIECE, len(data))
        while end < len(data) and data[end] > 127 and end - start < _PIECE + _MAX_LETTER:  # noqa: PLR2004  ASCII
            end += 1
        runs.update(data[start:end].translate(_HIGH).split())
        start = end
    return runs


def _shown(data: bytes, position: int) -> str:
    """Return the text around a byte, within its line; nothing of a line that has a secret, as half of one may be."""
    line = _around(data, position, _SEARCHED)
    return HIDDEN if scrub(line) != line else repr(_around(data, position, _SHOWN // 2))


def _around(data: bytes, position: int, size: int) -> str:
    start = max(data.rfind(b"\n", 0, position), data.rfind(b"\r", 0, position), position - size) + 1
    return re.split(rb"[\r\n]", data[start : position + size], maxsplit=1)[0].decode("cp1252", "replace")
