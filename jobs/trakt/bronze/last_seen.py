"""The last stored observation of every comment, in sorted arrays: 32 bytes per comment instead of 300 in a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["COLUMNS", "LastSeen", "sha_number", "title_number"]

COLUMNS: Final = (
    *("comment_id", "payload_sha256", "observed_at"),
    *("title_kind", "title_id_trakt", "season", "episode"),
)
"""Columns of stored comments from which the index is built."""

# New comments are merged into the arrays once there are this many: 1 million take ten merges of 20 ms each.
_FRESH: Final = 100_000
_MASK: Final = 2**64 - 1
# Odd numbers, so that multiplication loses nothing (Knuth, TAOCP 3, 6.4; the fraction of the golden ratio, and others).
_MIX: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
_STATE: Final = np.dtype([("observed", "<i8"), ("sha", "<u8"), ("title", "<u8")])


def sha_number(sha256: str) -> int:
    """Return the first 16 hex digits of a hash as a number.

    >>> sha_number("00000000000000ff" + "0" * 48)
    255
    """
    return int(sha256[:16], 16)


def title_number(kind: str | None, trakt_id: int | None, season: int | None, episode: int | None) -> int:
    """Return a number for a title or a part of it; 0 if the title is unknown.

    >>> title_number(None, None, None, None)
    0
    >>> title_number("movie", 1, None, None) == title_number("show", 1, None, None)
    False
    """
    if kind is None or trakt_id is None:
        return 0
    mixed = (2 * trakt_id + (kind == "show")) * _MIX[0]
    mixed ^= ((-1 if season is None else season) + 2) * _MIX[1]
    mixed ^= ((-1 if episode is None else episode) + 2) * _MIX[2]
    return (mixed & _MASK) | 1


class LastSeen:
    """Comment id -> observation time, payload and title of its last stored observation.

    The last observation is the one with the newest ``observed_at``, and among equal times the one with the largest
    hash. So the order in which files are read does not matter.
    """

    def __init__(self) -> None:
        self._ids: NDArray[np.int64] = np.empty(0, "<i8")
        self._states: NDArray[Any] = np.empty(0, _STATE)
        self._fresh: dict[int, tuple[int, int, int]] = {}

    def __len__(self) -> int:
        """Return the number of comments."""
        self._merge()
        return len(self._ids)

    def add_stored(self, batch: pa.RecordBatch) -> None:
        """Add stored comments.

        Args:
            batch: with the columns :data:`COLUMNS`.
        """
        ids = batch.column("comment_id").to_numpy(zero_copy_only=False).astype("<i8")
        states = np.empty(len(ids), _STATE)
        states["observed"] = batch.column("observed_at").cast(pa.int64()).to_numpy(zero_copy_only=False)
        states["sha"] = _sha_numbers(batch.column("payload_sha256"))
        states["title"] = _title_numbers(batch)
        self._merge()
        self._put(ids, states)

    def keep(self, ids: Sequence[int], shas: Sequence[int], titles: Sequence[int], observed: int) -> list[bool]:
        """Return for each item whether to store it, and record those items as stored.

        Args:
            ids: comment ids of the items of a page.
            shas: from :func:`sha_number`.
            titles: from :func:`title_number`; an unknown title does not count as a change.
            observed: ``observed_at`` of the page in microseconds since 1970.
        """
        known = self._known(ids)
        kept = []
        for number, sha, title, stored in zip(ids, shas, titles, known, strict=True):
            last = self._fresh.get(number, stored)
            is_new = last is None or last[1] != sha or title not in (0, last[2])
            kept.append(is_new)
            if is_new:
                state = (observed, sha, title)
                self._fresh[number] = state if last is None else max(last, state)
        if len(self._fresh) >= _FRESH:
            self._merge()
        return kept

    def unseen(self, ids: Sequence[int]) -> list[bool]:
        """Return for each comment whether no observation of it is recorded."""
        return [
            stored is None and number not in self._fresh for number, stored in zip(ids, self._known(ids), strict=True)
        ]

    def _known(self, ids: Sequence[int]) -> list[Any]:
        """Return the merged state of each id, or None."""
        if not len(self._ids):
            return [None] * len(ids)
        wanted = np.asarray(ids, "<i8")
        places = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        found = self._ids[places] == wanted
        states = self._states[places].tolist()
        return [state if is_known else None for state, is_known in zip(states, found.tolist(), strict=True)]

    def _merge(self) -> None:
        if self._fresh:
            ids = np.fromiter(self._fresh, "<i8", len(self._fresh))
            states = np.array(list(self._fresh.values()), _STATE)
            self._fresh = {}
            self._put(ids, states)

    def _put(self, ids: NDArray[np.int64], states: NDArray[Any]) -> None:
        """Merge observations and keep the greatest of each id."""
        ids = np.concatenate((self._ids, ids))
        states = np.concatenate((self._states, states))
        order = np.lexsort((states["title"], states["sha"], states["observed"], ids))
        ids = ids[order]
        is_last = np.append(ids[1:] != ids[:-1], True) if len(ids) else np.empty(0, bool)
        self._ids = ids[is_last]
        self._states = states[order[is_last]]


def _sha_numbers(column: pa.Array) -> NDArray[np.uint64]:
    """Return the first 16 hex digits of each hash as a number."""
    text = pc.utf8_slice_codeunits(column.cast(pa.string()), 0, 16)
    digits = np.frombuffer(text.buffers()[2] or b"", np.uint8)[: 16 * len(column)].reshape(-1, 16)
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    return np.ascontiguousarray(nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).view(">u8").reshape(-1).astype("<u8")


def _title_numbers(batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """Return :func:`title_number` of each row."""

    def numbers(name: str, missing: int) -> NDArray[np.uint64]:
        column = batch.column(name).cast(pa.int64()).fill_null(missing)
        return column.to_numpy(zero_copy_only=False).astype("<i8").view("<u8")  # type: ignore[no-any-return]

    kind = batch.column("title_kind").cast(pa.string())
    is_show = pc.equal(kind, "show").fill_null(False).to_numpy(zero_copy_only=False).astype("<u8")
    two = np.uint64(2)
    mixed = (two * numbers("title_id_trakt", 0) + is_show) * np.uint64(_MIX[0])
    mixed ^= (numbers("season", -1) + two) * np.uint64(_MIX[1])
    mixed ^= (numbers("episode", -1) + two) * np.uint64(_MIX[2])
    unknown = pc.or_(kind.is_null(), batch.column("title_id_trakt").is_null()).to_numpy(zero_copy_only=False)
    return np.where(unknown, np.uint64(0), mixed | np.uint64(1))
