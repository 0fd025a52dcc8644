"""Rows of ``gold.gamedata_frames``: the measured values of each session's frames, hashed before they are converted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.checks.built_in.menu import LIT_LUMA, STATIC_SHARE
from jobs.gamedata.gold.results import FRAME_VALUES
from jobs.gamedata.gold.sessions import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy.typing as npt
    import pyarrow as pa

    from jobs.gamedata.gold.results import Results

__all__ = ["COLUMNS", "TABLE", "FrameRows"]

TABLE: Final = "gold.gamedata_frames"
_ARRAYS: Final = ("time_s", "stride_s", *FRAME_VALUES, "is_corrupt", "is_menu")
COLUMNS: Final = ("s3_key", "frames", *_ARRAYS)
_BOOLEANS: Final = ("f", "t", "NULL")


class FrameRows:
    """The rows of S sessions.

    Values are compared by their bytes. Converting 200,000 sessions to JSON, as other rows are hashed, would take half a
    minute per publish, although few have changed.

    Args:
        results: the results of the sessions.
    """

    def __init__(self, results: Results) -> None:
        table = results.table
        self._keys: list[str] = [clean(key) for key in table["s3_key"].to_pylist()]
        starts, time_s = _lists(table["frame_time_s"])
        self._starts = starts
        # Older parts have no stride per frame, so the positions of a session's strides may differ.
        self._stride_starts, strides = _lists(table["frame_stride_s"])
        values = {name: _lists(table[f"frame_{name}"])[1] for name in FRAME_VALUES}
        corrupt = _lists(table["frame_corrupt"])[1] != 0
        is_menu = (np.nan_to_num(values["static_share"]) >= STATIC_SHARE) & (values["luma_mean"] >= LIT_LUMA)
        self._values: dict[str, npt.NDArray[Any]] = {
            "time_s": time_s,
            "stride_s": strides,
            **values,
            "is_corrupt": corrupt.astype(np.uint8),
            # Unknown for a damaged frame.
            "is_menu": np.where(corrupt, 2, is_menu).astype(np.uint8),
        }
        self._has_menu = np.array([method == "static" for method in results.menu_method.to_pylist()], np.bool_)

    def hashes(self) -> Iterator[tuple[str, str]]:
        """Yield key and content hash of each session."""
        for row, key in enumerate(self._keys):
            digest = hashlib.sha256()
            for name in _ARRAYS:
                part = self._part(name, row)
                digest.update(b"-" if part is None else part.tobytes())
            yield key, digest.hexdigest()

    def rows(self, keys: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of these sessions; arrays are PostgreSQL literals, ``{1.5,NULL}``.

        Literals take 0.1 ms per session, psycopg's lists 0.5 ms.
        """
        for row, key in enumerate(self._keys):
            if key in keys:
                count = int(self._starts[row + 1] - self._starts[row])
                yield {"s3_key": key, "frames": count, **{name: self._literal(name, row) for name in _ARRAYS}}

    def _part(self, name: str, row: int) -> npt.NDArray[Any] | None:
        if name == "is_menu" and not self._has_menu[row]:
            return None
        starts = self._stride_starts if name == "stride_s" else self._starts
        begin, end = int(starts[row]), int(starts[row + 1])
        if name == "stride_s" and end - begin != self._starts[row + 1] - self._starts[row]:
            return None
        return self._values[name][begin:end]

    def _literal(self, name: str, row: int) -> str | None:
        part = self._part(name, row)
        if part is None:
            return None
        values = part.tolist()
        if part.dtype == np.float32:
            text = ",".join(["%.9g"] * len(values)) % tuple(values)  # 9 digits restore every float32
        elif part.dtype == np.float64:
            text = ",".join(map(repr, values))
        else:
            text = ",".join(map(_BOOLEANS.__getitem__, values))
        return f"{{{text.replace('nan', 'NULL')}}}"


def _lists(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return the start of each row's list, shape (S + 1,), and the values of all lists; NaN if not finite."""
    array = column.combine_chunks()
    lengths = np.array(array.value_lengths().fill_null(0))
    values = array.flatten().to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f" and not np.isfinite(values).all():  # else no copy: 100,000 sessions take 130 MB
        values = np.where(np.isfinite(values), values, values.dtype.type(np.nan))
    elif values.dtype.kind == "O":  # booleans with NULL: only in a malicious part
        values = np.array([value is not False for value in values], np.bool_)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]), values
