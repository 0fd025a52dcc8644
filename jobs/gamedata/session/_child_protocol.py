"""The documents between a worker and its decoder process, and sessions as JSON values and raw buffers.

.. code-block:: text

    worker    {"kind": "extract", "size", "spec", "max_pixels", "measure"}    {"kind": "data"} + one buffer per range
              {"kind": "decode", "packets", "height", "width", "rotation"} + arrays    {"kind": "picture"} + the file
    child     {"kind": "ready", "sandbox"}    {"kind": "read", "ranges": [[offset, length], …]}
              {"kind": "done", "value"; "luma" of a session} + arrays    {"kind": "error", "code", "message", "data"}
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.model import (
    FrameStatistics,
    FrameStore,
    InputStatistics,
    PacketRuns,
    SampleTimes,
    Session,
    StreamParameters,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pack", "unpack"]

_CLASSES: Final[dict[str, type]] = {
    cls.__name__: cls
    for cls in (FrameStatistics, FrameStore, InputStatistics, PacketRuns, SampleTimes, Session, StreamParameters)
}
_DTYPES: Final = frozenset({"uint8", "int64", "float32", "float64", "bool"})


def pack(value: Any, buffers: list[Any]) -> Any:
    """Convert a session (or any class of the model) to JSON values; arrays and bytes are appended to ``buffers``."""
    if is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        return {"class": name, "of": {item.name: pack(getattr(value, item.name), buffers) for item in fields(value)}}
    if isinstance(value, np.ndarray):
        buffers.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        return {"array": len(buffers) - 1, "dtype": value.dtype.name, "shape": list(value.shape)}
    if isinstance(value, bytes):
        buffers.append(value)
        return {"bytes": len(buffers) - 1}
    if isinstance(value, dict):
        return {"pairs": [[pack(key, buffers), pack(item, buffers)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"items": [pack(item, buffers) for item in value], "tuple": isinstance(value, tuple)}
    return value


def unpack(value: Any, buffers: Sequence[bytearray]) -> Any:
    """Return the value that :func:`pack` converted.

    Raises:
        ValueError, KeyError, IndexError, TypeError: the document was not made by :func:`pack`.
    """
    if not isinstance(value, dict):
        return value
    if "class" in value:
        cls = _CLASSES[value["class"]]
        return cls(**{name: unpack(item, buffers) for name, item in value["of"].items()})
    if "array" in value:
        if value["dtype"] not in _DTYPES:
            raise ValueError(f"the array type {value['dtype']!r} is not allowed")
        return np.frombuffer(buffers[value["array"]], np.dtype(value["dtype"])).reshape(value["shape"])
    if "bytes" in value:
        return bytes(buffers[value["bytes"]])
    if "pairs" in value:
        return {unpack(key, buffers): unpack(item, buffers) for key, item in value["pairs"]}
    items = [unpack(item, buffers) for item in value["items"]]
    return tuple(items) if value["tuple"] else items
