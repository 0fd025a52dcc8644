"""Tells what a ``.pt`` file is without running a pickle: ours, the original pipeline's, or neither. Needs no torch."""

from __future__ import annotations

import io
import pickletools
import re
import struct
import warnings
import zipfile
from typing import Final, Literal

__all__ = ["FORMAT", "PtKind", "pt_kind"]

PtKind = Literal["telecine", "legacy", "invalid"]

# First string of the dictionary in our files; torch.save keeps a dictionary's order.
FORMAT: Final = "telecine.gamedata"
# Ours is some kB of names and shapes; the original's pickle holds the frames themselves.
_OUR_PICKLE_MAX: Final = 64 << 20
_ZIP_MAGIC: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 1  # APPNOTE.TXT 4.4.4, bit 0; torch writes no such file
# What a dictionary of tensors, strings and numbers needs (torch 2.13, protocol 2).
_TENSORS: Final = re.compile(r"torch\._utils _rebuild_tensor_v2|torch \w+Storage|collections OrderedDict")


def pt_kind(body: bytes | memoryview) -> PtKind:
    """Look at a ``.pt`` file's opcodes.

    ``legacy`` is any pickle that would call something besides torch's tensor constructor: the original stored numpy
    arrays, whose loading needs ``weights_only=False`` and so runs whatever the file says.

    Args:
        body: the whole file.
    """
    if body[:1] == b"\x80":
        return "legacy"
    if body[:4] != _ZIP_MAGIC:
        return "invalid"
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if not _is_plain(archive.infolist(), len(body)):
                return "invalid"
            (info,) = [each for each in archive.infolist() if each.filename.endswith("/data.pkl")]
            # The original's frames lie in the pickle: no need to read hundreds of MB to know it.
            with archive.open(info) as stream:
                pickled = stream.read(_OUR_PICKLE_MAX)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in a hostile pickle's strings
            return _pickle_kind(pickled)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, OverflowError, struct.error):
        # ValueError: no or several data.pkl, and every malformed opcode. OverflowError: offsets beyond 2**63.
        return "invalid"


def _is_plain(entries: list[zipfile.ZipInfo], size: int) -> bool:
    """Whether all is stored as it is, within the file: torch takes memory for what an entry says of its size."""
    stored = all(
        each.compress_type == zipfile.ZIP_STORED
        and each.file_size == each.compress_size
        and not each.flag_bits & _ENCRYPTED
        for each in entries
    )
    return stored and sum(each.file_size for each in entries) <= size


def _pickle_kind(pickled: bytes) -> PtKind:
    ours = False
    for opcode, argument, _ in pickletools.genops(pickled):
        calls = opcode.name == "GLOBAL" and not _TENSORS.fullmatch(str(argument))
        if calls or opcode.name in ("STACK_GLOBAL", "INST"):
            return "legacy"
        ours = ours or argument == FORMAT
    return "telecine" if ours else "invalid"
