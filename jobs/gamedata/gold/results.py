"""Extraction results for a manifest: the part rows that match its sessions' content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.gamedata.gold.sprite_sheet import TILES, choose
from jobs.gamedata.manifest.gather import read_consistently
from jobs.gamedata.parts.current import match_listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from shared.storage import ObjectInfo, ObjectStore

__all__ = ["FRAME_VALUES", "INPUTS", "Results", "read_results"]

# Columns of gold.gamedata_frames; in parts, their names start with frame_.
FRAME_VALUES: Final = (
    *("luma_mean", "luma_p01", "luma_p50", "luma_p99"),
    *("border_top", "border_bottom", "border_left", "border_right", "static_share"),
)
# Columns of gold.gamedata_sessions with the same name in parts.
INPUTS: Final = (
    *("input_events", "input_keyboard", "input_mouse", "input_gamepad", "input_first_s", "input_last_s"),
    *("input_unordered", "input_invalid", "input_desk_s", "input_gamepad_s"),
)
_MEASURED: Final = ("frame_time_s", "frame_corrupt", *(f"frame_{name}" for name in FRAME_VALUES))
_READ: Final = (
    *("s3_key", "outcome", "source_etag", "spec_digest", "stored", "pt_key", "pt_size", "pt_etag"),
    *INPUTS,
    *_MEASURED,
    "frame_stride_s",
)


@dataclass(slots=True)
class Results:
    """The results of S sessions.

    Attributes:
        table: their part rows; the lists of frames of a row have equal lengths.
        menu_method: ``menu_method`` of the manifest, shape (S,).
        listing: the ``.pt`` files by key.
        stale: sessions missing from the parts, or with other content or sampling than in the manifest.
        invalid: sessions whose part has no usable frames.
    """

    table: pa.Table
    menu_method: pa.ChunkedArray
    listing: Mapping[str, ObjectInfo]
    stale: int
    invalid: int

    def __len__(self) -> int:
        return len(self.table)

    def tiles(self) -> npt.NDArray[np.int64]:
        """Return the frames of each session's sprite: their positions, shape (S, 12); -1 after the last one."""
        times = self.table["frame_time_s"].combine_chunks()
        starts, values = times.offsets.to_numpy(), times.values.to_numpy()
        counts = np.diff(starts)
        tiles = np.full((len(times), TILES), -1, np.int64)
        for count in np.unique(counts[counts > 0]).tolist():
            rows = np.flatnonzero(counts == count)
            chosen = choose(values[starts[rows][:, None] + np.arange(count)])
            tiles[rows[:, None], np.arange(chosen.shape[1])] = chosen
        return tiles


def read_results(store: ObjectStore, manifest: pa.Table, *, prefix: str) -> Results:
    """Read the results of the sessions of a manifest.

    Args:
        store: the manifest bucket.
        manifest: ``s3_key``, ``source_etag``, ``spec_digest``, ``error_stage`` and ``menu_method`` of its sessions.
        prefix: only sessions whose key starts with this.

    Raises:
        BucketMissing: the bucket does not exist.
    """
    table, listing = read_consistently(store, _READ, prefix)
    is_current = (table["outcome"].to_numpy() == "ok") & (
        ~table["stored"].to_numpy().astype(np.bool_) | match_listing(table, listing.values())
    )
    table = table.select(list(_READ)).filter(pa.array(is_current))
    position = pc.index_in(table["s3_key"], value_set=manifest["s3_key"].combine_chunks())
    agrees = pc.and_kleene(
        *(pc.equal(pc.take(manifest[name], position), table[name]) for name in ("source_etag", "spec_digest"))
    )
    agrees = pc.fill_null(agrees, False)
    table = table.filter(agrees)
    described = pc.sum(pc.not_equal(pc.fill_null(manifest["error_stage"], ""), "extraction")).as_py() or 0
    stale = described - len(table)
    methods = pc.take(manifest["menu_method"], position.filter(agrees))
    valid = pa.array(_has_equal_lists(table))
    invalid = len(table) - pc.sum(valid, min_count=0).as_py()
    return Results(table.filter(valid), methods.filter(valid), listing, stale, invalid)


def _has_equal_lists(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which rows have one value per frame in each list and finite, ascending times; reject all others."""
    if not len(table):
        return np.zeros(0, np.bool_)
    times = table["frame_time_s"].combine_chunks()
    counts = pc.fill_null(pc.list_value_length(times), -1).to_numpy(zero_copy_only=False)
    valid: npt.NDArray[np.bool_] = counts >= 0
    for name in _MEASURED:
        lengths = pc.fill_null(pc.list_value_length(table[name]), -1).to_numpy()
        valid &= lengths == counts
    strides = pc.fill_null(pc.list_value_length(table["frame_stride_s"]), -1).to_numpy()
    valid &= (strides < 0) | (strides == counts)
    values = times.flatten().to_numpy(zero_copy_only=False)
    owner = pc.list_parent_indices(times).to_numpy()
    wrong = ~np.isfinite(values)
    wrong[1:] |= (values[1:] < values[:-1]) & (owner[1:] == owner[:-1])
    valid[owner[wrong]] = False
    return valid
