"""The layout of frames in a ``.pt`` file, and its checksum."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.model import stride_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from jobs.gamedata.model import FrameStore

__all__ = ["checksum", "lay_out", "take", "tensor"]

# Excluded from the checksum, so that it is the same for two extractions of one TAR.
_UNCHECKED: Final = frozenset({"checksum", "extracted_at", "spec", "versions"})


def lay_out(store: FrameStore) -> tuple[dict[str, Any], dict[str, npt.NDArray[np.int64]]]:
    """Return a session's frames, arranged so that the strides are views of one buffer.

    Strides are placed in descending order of their number of distinct frames, so that the frames of a short stride
    can be found in those of a longer one.

    Returns:
        Two dictionaries by stride key. The first has the distinct frames as a tensor (M, 3, H, W); it is empty if the
        session stores packets. The second has each sample's row in that tensor (with packets: its run), shape (N,).
    """
    if store.images is None:
        return {}, {stride_key(stride): samples.index for stride, samples in store.strides.items()}

    buffer: list[int] = []
    slices: dict[str, slice] = {}
    index: dict[str, npt.NDArray[np.int64]] = {}
    for stride, samples in sorted(store.strides.items(), key=lambda item: (-len(np.unique(item[1].index)), item[0])):
        distinct, index[stride_key(stride)] = np.unique(samples.index, return_inverse=True)
        part = _find_slice(buffer, distinct.tolist())
        if part is None:
            part = slice(len(buffer), len(buffer) + len(distinct), 1)
            buffer.extend(distinct.tolist())
        slices[stride_key(stride)] = part
    # One copy, and only if the layout differs from the store's.
    images = store.images if buffer == list(range(len(store.images))) else store.images[buffer]
    pixels = tensor(images)
    ordered = [stride_key(stride) for stride in store.strides]
    return {key: pixels[slices[key]] for key in ordered}, {key: index[key].astype(np.int64) for key in ordered}


def _find_slice(buffer: Sequence[int], wanted: Sequence[int]) -> slice | None:
    if not wanted:
        return slice(0, 0, 1)
    positions = {frame: position for position, frame in reversed(list(enumerate(buffer)))}
    rows = [positions.get(frame, -1) for frame in wanted]
    if -1 in rows:
        return None
    step = rows[1] - rows[0] if len(rows) > 1 else 1
    if step < 1 or any(b - a != step for a, b in itertools.pairwise(rows)):
        return None
    return slice(rows[0], rows[-1] + 1, step)


def take(distinct: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the frame of each sample; without a copy if no frame is repeated."""
    if len(rows) == len(distinct) and np.array_equal(rows, np.arange(len(rows))):
        return distinct
    return distinct[rows]


def tensor(array: npt.NDArray[Any]) -> Any:
    """Convert an array to a tensor, without a copy if possible."""
    import torch

    if not array.size:
        # Empty arrays may share an address, and torch.save would take them for one storage of several types.
        return torch.empty(array.shape, dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype)
    # Arrays from the decoder process may be read-only buffers, for which torch issues a warning.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def checksum(document: Mapping[str, Any]) -> str:
    """Return the sha256 (hex) of names, values and tensors, in the order of names; a shared storage is hashed once."""
    import torch

    digest = hashlib.sha256()
    hashed: set[int] = set()

    def described(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            if isinstance(value, dict):
                return {str(key): described(value[key]) for key in sorted(value, key=str)}
            return [described(each) for each in value] if isinstance(value, list | tuple) else value
        storage = value.untyped_storage()
        if storage.data_ptr() not in hashed and storage.nbytes():
            hashed.add(storage.data_ptr())
            digest.update(torch.empty(0, dtype=torch.uint8).set_(storage).numpy())
        return [str(value.dtype), list(value.shape), list(value.stride()), value.storage_offset()]

    names = {key: described(value) for key, value in sorted(document.items()) if key not in _UNCHECKED}
    digest.update(json.dumps(names, sort_keys=True).encode())
    return digest.hexdigest()
