"""Contact sheets for the manifest's report: one picture with sampled frames per flagged session, up to 24."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import numpy as np

from jobs.gamedata.frames.pictures import png, shrink
from jobs.gamedata.manifest.table import flag_columns, flag_name, flagged
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jobs.gamedata.manifest.table import Manifest
    from jobs.gamedata.session.child import DecodeChild
    from shared.report import Figure, Section
    from shared.storage import ObjectStore

__all__ = ["contact_sheet", "contact_sheets"]

# Maximum number of sheets, about 60 kB each, and of frames per sheet.
_MAX_SHEETS: Final = 24
_FRAMES: Final = 6
_PER_ROW: Final = 3
_THUMBNAIL: Final = (90, 160)
_GAP: Final = 2
# Without .pt files, sheets are made from the 16 x 9 thumbnails in the parts. That column takes 12 kB per session, so it
# is not read for more sessions than this.
_MAX_SESSIONS: Final = 5000
_NO_PICTURES: Final = frozenset({"is_session_empty"})
_log = logging.getLogger(__name__)


def contact_sheets(manifest: Manifest, store: ObjectStore) -> list[Section]:
    """Return the section with a contact sheet for each of up to 24 flagged sessions; empty without pictures."""
    from shared.report import Figures

    table = manifest.table
    flags = [name for name in flag_columns(table) if name not in _NO_PICTURES]
    columns = {name: table[name].to_pylist() for name in flags}
    # Take one session per flag in turn, so that a flag that half of the sessions have does not crowd out the others.
    queues = [[row for row, value in enumerate(values) if value] for values in columns.values()]
    chosen: dict[int, None] = {}
    while any(queues) and len(chosen) < _MAX_SHEETS:
        for queue in queues:
            if queue and len(chosen) < _MAX_SHEETS:
                chosen[queue.pop(0)] = None
    rows = sorted(chosen)
    keys = table["s3_key"].take(rows).to_pylist() if rows else []
    every = {name: table[name].to_pylist() for name in flag_columns(table)}
    captions = [", ".join(flag_name(name) for name in every if every[name][row]) for row in rows]
    items = _sheets(manifest, store, keys, captions)
    if not items:
        return []
    pictured = set().union(*([row for row, value in enumerate(values) if value] for values in columns.values()))
    note = _note(len(items), chosen=len(rows), pictured=len(pictured), raised=len(flagged(table)))
    return [Figures("Flagged sessions", items, note)]


def _note(shown: int, *, chosen: int, pictured: int, raised: int) -> str:
    """Return the sentences below the pictures: how many flagged sessions have no picture, and why.

    Args:
        shown: number of pictures.
        chosen: number of sessions that were selected for a picture.
        pictured: number of sessions with a flag that a picture can show.
        raised: number of flagged sessions.
    """
    text = f"Up to {_FRAMES} sampled frames per session, in chronological order."
    without = {
        "with only the flag 'empty', which a picture cannot show": raised - pictured,
        f"beyond the {_MAX_SHEETS} that fit here": pictured - chosen,
        "whose frames cannot be read": chosen - shown,
    }
    reasons = [f"{count:,} {reason}" for reason, count in without.items() if count]
    if not reasons:
        return text
    return (
        f"{text} {shown:,} of {raised:,} flagged sessions are shown. Not shown: {'; '.join(reasons)}. "
        "The table of sessions and the manifest list all of them."
    )


def _sheets(manifest: Manifest, store: ObjectStore, keys: Sequence[str], captions: Sequence[str]) -> list[Figure]:
    from jobs.gamedata.session.child import DecodeChild
    from shared.report import Figure

    rows = manifest.sessions.rows
    pt_files = dict(
        zip(
            rows["s3_key"].to_list(), zip(rows["pt_key"].to_list(), rows["pt_etag"].to_list(), strict=True), strict=True
        )
    )
    thumbnails = _thumbnails(store, [key for key in keys if pt_files[key][1] is None], len(rows))
    sheets = []
    with DecodeChild() as child:
        for key, caption in zip(keys, captions, strict=True):
            pt_key, etag = pt_files[key]
            frames = _frames(store, pt_key, child) if etag is not None else thumbnails.get(key, [])
            if frames:
                sheets.append(Figure(contact_sheet(frames), f"{key}: {caption}"))
    return sheets


def _frames(store: ObjectStore, key: str, child: DecodeChild) -> list[npt.NDArray[np.uint8]]:
    from jobs.gamedata.pt.file import loads
    from jobs.gamedata.pt.measure import distinct_frames

    try:
        return distinct_frames(loads(store.read(key), name=key, decode=child.decode))[1]
    except (TelecineError, ImportError, MemoryError) as error:
        _log.info("no contact sheet for %s: %s", key, error)  # the report is written without it
        return []


def _thumbnails(store: ObjectStore, keys: Sequence[str], total: int) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """Return the 16 x 9 thumbnails by key for sessions without a ``.pt`` file; empty for a large manifest."""
    from jobs.gamedata.model import SIGNATURE_SHAPE
    from jobs.gamedata.parts.store import read_parts

    if not keys or total > _MAX_SESSIONS:
        return {}
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = read_parts(store, ["s3_key", "frame_signature"])
    rows = rows.filter(pc.is_in(rows["s3_key"], pa.array(list(keys))))
    return {
        row["s3_key"]: list(
            np.frombuffer(row["frame_signature"] or b"", np.uint8).reshape(-1, *SIGNATURE_SHAPE).transpose(0, 3, 1, 2)
        )
        for row in rows.to_pylist()
    }


def contact_sheet(frames: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    """Arrange up to six frames of a session in rows of three: D arrays of uint8 (3, H, W) -> a PNG file."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int))
    rows, columns = _THUMBNAIL
    across = min(_PER_ROW, len(chosen))
    down = -(-len(chosen) // _PER_ROW)
    sheet = np.full((down * (rows + _GAP) - _GAP, across * (columns + _GAP) - _GAP, 3), 128, np.uint8)
    for number, index in enumerate(chosen.tolist()):
        small = _fit(frames[index], rows, columns)
        high, wide = small.shape[:2]
        top = number // _PER_ROW * (rows + _GAP) + (rows - high) // 2
        left = number % _PER_ROW * (columns + _GAP) + (columns - wide) // 2
        sheet[top : top + high, left : left + wide] = small
    return png(sheet)


def _fit(frame: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Scale a frame to fit a box, keeping its aspect ratio: (3, H, W) -> (h, w, 3)."""
    _, height, width = frame.shape
    scale = min(rows / height, columns / width)
    small = shrink(frame, max(1, round(height * scale)), max(1, round(width * scale)))
    return np.rint(small).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
