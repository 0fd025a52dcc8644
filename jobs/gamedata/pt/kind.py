"""Tell whether a ``.pt`` file is telecine's or the original pipeline's, without unpickling it and without torch."""

from __future__ import annotations

import io
import pickletools
import re
import struct
import warnings
import zipfile
from typing import Final, Literal

__all__ = ["FORMAT", "PICKLE_MAX", "PtKind", "is_plain", "pickle_kind", "pt_kind"]

PtKind = Literal["telecine", "legacy", "invalid"]

# The first string of the dictionary in our files; torch.save preserves the order.
FORMAT: Final = "telecine.gamedata"
# Our pickle is a few kB of names and shapes; the original's contains the frames themselves.
PICKLE_MAX: Final = 64 << 20
_ZIP_MAGIC: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 1  # APPNOTE.TXT 4.4.4, bit 0; torch never sets it
# Globals in the pickle of a dictionary of tensors, strings and numbers (torch 2.13, protocol 2).
_TENSORS: Final = re.compile(r"torch\._utils _rebuild_tensor_v2|torch \w+Storage|collections OrderedDict")


def pt_kind(body: bytes | memoryview) -> PtKind:
    """Return the kind of a ``.pt`` file, determined from the opcodes of its pickle.

    ``legacy`` is any pickle that calls something other than torch's tensor constructor. The original pipeline stored
    numpy arrays; loading them needs ``weights_only=False``, which runs arbitrary code from the file.

    Args:
        body: content of the file.
    """
    if body[:1] == b"\x80":
        return "legacy"
    if body[:4] != _ZIP_MAGIC:
        return "invalid"
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if not is_plain(archive.infolist(), len(body)):
                return "invalid"
            (info,) = [each for each in archive.infolist() if each.filename.endswith("/data.pkl")]
            # The original's pickle contains hundreds of MB of frames; its beginning is enough to recognize it.
            with archive.open(info) as stream:
                pickled = stream.read(PICKLE_MAX)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid escapes in strings of a hostile pickle
            return pickle_kind(pickled)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, OverflowError, struct.error):
        # ValueError: not exactly one data.pkl, or a malformed opcode. OverflowError: offsets beyond 2**63.
        return "invalid"


def is_plain(entries: list[zipfile.ZipInfo], size: int) -> bool:
    """Return True if all entries are uncompressed and fit in the file, because torch allocates the declared size."""
    stored = all(
        each.compress_type == zipfile.ZIP_STORED
        and each.file_size == each.compress_size
        and not each.flag_bits & _ENCRYPTED
        for each in entries
    )
    return stored and sum(each.file_size for each in entries) <= size


def pickle_kind(pickled: bytes) -> PtKind:
    """Return the kind of a file by its pickle; see :func:`pt_kind`.

    Raises:
        ValueError: an opcode is malformed.
    """
    is_telecine = False
    for opcode, argument, _ in pickletools.genops(pickled):
        calls = opcode.name == "GLOBAL" and not _TENSORS.fullmatch(str(argument))
        if calls or opcode.name in ("STACK_GLOBAL", "INST"):
            return "legacy"
        is_telecine = is_telecine or argument == FORMAT
    return "telecine" if is_telecine else "invalid"
