"""Read selected frames of a ``.pt`` file by byte ranges, without torch and without reading the whole file.

The file is an uncompressed ZIP archive: ``data.pkl`` comes first, then the frames as one member, then small members,
and last the central directory. Two concurrent range requests locate the frames; each frame is then one range.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from jobs.gamedata.errors import item_error
from jobs.gamedata.pt.file import FORMAT_VERSION
from jobs.gamedata.pt.kind import PICKLE_MAX, is_plain, pickle_kind
from jobs.gamedata.ranges.object_file import ObjectFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["StoredFrames"]

# data.pkl takes 6 kB plus the session's metadata; the central directory and the times take 4 kB with three strides.
_ENDS: Final = 32 << 10
# Bytes of frames per round of concurrent requests: 12 frames of 640x360 take 8 MB, one of 8192x4320 106 MB.
_ROUND_BYTES: Final = 32 << 20
_FRAME_MAX: Final = 128 << 20
_SAMPLES_MAX: Final = 100_000
# A local file header of a ZIP archive (APPNOTE.TXT 4.3.7): 26 bytes, then the lengths of its name and extra field.
_LOCAL_HEADER: Final = struct.Struct("<26xHH")
# The opcodes that torch writes for dictionaries of tensors, text and numbers. No other is executed: BUILD, for example,
# would set attributes of our own classes.
_OPCODES: Final = frozenset(
    {
        *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE"),
        *("TUPLE1", "TUPLE2", "TUPLE3", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "GLOBAL", "REDUCE"),
        "BINPERSID",
    }
)
_TYPES: Final[dict[Any, np.dtype[Any]]] = {
    ("torch", "ByteStorage"): np.dtype(np.uint8),
    ("torch", "DoubleStorage"): np.dtype(np.float64),
    ("torch", "LongStorage"): np.dtype(np.int64),
}


class _Storage(NamedTuple):
    """A member of the archive and the type of its elements; None for types that are not read here."""

    name: str
    dtype: np.dtype[Any] | None


class _Tensor(NamedTuple):
    """The arguments of ``torch._utils._rebuild_tensor_v2``; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    requires_grad: bool
    hooks: Any


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        return (module, name)

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, name, *_ = pid
        return _Storage(str(name), _TYPES.get(kind))


class StoredFrames:
    """The frames of a ``.pt`` file in a store.

    Args:
        store: the store that contains the file.
        info: the file as listed; any other content is an error.

    Attributes:
        is_packets: the file stores packets, so that its frames can only be decoded from the whole file.
        times_s: times of the distinct frames in seconds, ascending, shape (D,); empty if the file stores packets.

        height: height of a frame in pixels; 0 without frames, or if the file stores packets.
        width: width of a frame in pixels.

    Raises:
        ItemError: ``pt_legacy`` or ``pt_invalid``, as :func:`jobs.gamedata.pt.file.loads`; the checksum, which covers
            all frames, is not verified.
        ObjectMissing: the file was deleted.
        ObjectChanged: the file was replaced.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo) -> None:
        self._store = store
        self._info = info
        self._file = ObjectFile(store, info)
        end = min(_ENDS, info.size)
        self._file.fetch([(0, end), (info.size - end, end)])
        self.is_packets = False
        self.height = self.width = 0
        self._places: dict[float, int] = {}
        try:
            self._parse()
        except (zipfile.BadZipFile, pickle.UnpicklingError, struct.error) as error:
            raise self._invalid(error) from error
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, EOFError, OverflowError) as error:
            raise self._invalid(error) from error
        except (NotImplementedError, RuntimeError) as error:  # a compressed or encrypted member
            raise self._invalid(error) from error
        self.times_s: npt.NDArray[np.float64] = np.array(sorted(self._places), np.float64)

    def read(self, times_s: Sequence[float]) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the frames at these times: RGB, shape (3, H, W).

        Args:
            times_s: values of :attr:`times_s`.

        Raises:
            ItemError: ``pt_invalid``: no frame has this time.
        """
        height, width = self.height, self.width
        size = 3 * height * width
        if missing := [time for time in times_s if time not in self._places]:
            raise self._invalid(f"it has no frame at {missing[0]} s")
        at_once = max(1, _ROUND_BYTES // max(1, size))
        for start in range(0, len(times_s), at_once):
            ranges = [(self._places[time], size) for time in times_s[start : start + at_once]]
            for body in self._store.read_ranges(self._info.key, ranges, etag=self._info.etag):
                if len(body) != size:
                    raise self._invalid("a frame extends past its end")
                yield np.frombuffer(body, np.uint8).reshape(3, height, width)

    def _invalid(self, problem: object) -> Exception:
        said = f"{type(problem).__name__}: {problem}" if isinstance(problem, Exception) else problem
        return item_error("pt_invalid", f"{self._store.uri}/{self._info.key} cannot be read ({said})")

    def _parse(self) -> None:
        if self._file.read(1) == b"\x80":
            raise item_error("pt_legacy", f"{self._info.key} is a pickle of the original pipeline")
        with zipfile.ZipFile(self._file) as archive:
            if not is_plain(archive.infolist(), self._info.size):
                raise ValueError("it has compressed or overlapping members")
            (member,) = [each for each in archive.infolist() if each.filename.endswith("/data.pkl")]
            if member.file_size > PICKLE_MAX:
                raise ValueError(f"{member.filename} has {member.file_size} bytes")
            document = _unpickle(archive.read(member))
            if document["format_version"] != FORMAT_VERSION:
                raise ValueError(f"it has format version {document['format_version']}")
            self.is_packets = document["packets"] is not None
            if not self.is_packets:
                self._locate(archive, member.filename.removesuffix("data.pkl"), document)

    def _locate(self, archive: zipfile.ZipFile, folder: str, document: dict[str, Any]) -> None:
        """Find the offset of the frame at each time."""
        shapes = set()
        for key, frames in document["sampled_frames"].items():
            times = _vector(archive, folder, document["sampled_times_s"][key], np.float64)
            rows = _vector(archive, folder, document["sampled_index"][key], np.int64)
            count, channels, height, width = frames.shape
            if not count:
                continue
            size = 3 * height * width
            if channels != 3 or min(height, width) < 1 or size > _FRAME_MAX:  # noqa: PLR2004
                raise ValueError(f"frames cannot have the shape {frames.shape}")
            if frames.storage.dtype != np.uint8 or frames.strides[1:] != (height * width, width, 1):
                raise ValueError("frames are not consecutive bytes")
            shapes.add((height, width))
            member = archive.getinfo(f"{folder}data/{frames.storage.name}")
            begin = self._begin(member)
            for time, row in zip(times.tolist(), rows.tolist(), strict=True):
                place = frames.offset + row * frames.strides[0]
                if not (0 <= row < count and 0 <= place <= member.file_size - size and np.isfinite(time)):
                    raise ValueError("a sample has a frame that does not exist")
                self._places.setdefault(time, begin + place)
        if len(shapes) > 1:
            raise ValueError("frames have several sizes")
        self.height, self.width = next(iter(shapes), (0, 0))

    def _begin(self, member: zipfile.ZipInfo) -> int:
        self._file.seek(member.header_offset)
        name, extra = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        return member.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


def _unpickle(pickled: bytes) -> dict[str, Any]:
    if pickle_kind(pickled) != "telecine":
        raise ValueError("its pickle was not written by telecine")
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name not in _OPCODES:
            raise ValueError(f"its pickle has the opcode {opcode.name}")
        # The memo is an array as long as its greatest index, which may be 2**32 in a pickle of ten bytes.
        if opcode.name == "LONG_BINPUT" and int(argument or 0) > len(pickled):
            raise ValueError("its pickle has a memo longer than itself")
    document = _Unpickler(io.BytesIO(pickled)).load()
    if not isinstance(document, dict):
        raise TypeError("its pickle is not a dictionary")
    return document


def _vector(archive: zipfile.ZipFile, folder: str, tensor: _Tensor, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Read a tensor of one dimension."""
    (count,) = tensor.shape
    if not count:
        return np.zeros(0, dtype)
    member = archive.getinfo(f"{folder}data/{tensor.storage.name}")
    if tensor.storage.dtype != dtype or member.file_size > 8 * _SAMPLES_MAX:
        raise ValueError("a list of samples has another type, or is too long")
    values = np.frombuffer(archive.read(member), dtype)
    if tensor.strides != (1,) or not 0 <= tensor.offset <= len(values) - count:
        raise ValueError("a list of samples extends past its end")
    return values[tensor.offset : tensor.offset + count]
