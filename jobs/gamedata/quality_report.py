"""The manifest's report: counts, flags, histograms, and pictures of the sessions that were flagged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata._pictures import png, shrink
from shared.errors import TelecineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from jobs.gamedata.manifest import Manifest
    from jobs.gamedata.settings import ManifestSettings
    from shared.failure import Failure
    from shared.report import Figure, Histogram, Report, Section, Table
    from shared.storage import ObjectStore

__all__ = ["SESSIONS", "contact_sheet", "flag_name", "flagged", "report_of"]

# The title that the console looks for.
SESSIONS: Final = "Sessions"
# Counts that the page shows; flags have a table of their own.
_TILES: Final = ("sessions", "judged", "flagged", "errors")
_RARE_TILES: Final = ("deleted", "unrecorded", "broken_parts")
# Flags by short names; one of a researcher's own check keeps its column's.
_FLAG_NAMES: Final = {
    "is_video_mostly_dark": "dark",
    "is_dpi_scale_issue": "bars",
    "is_video_mostly_menu": "menu",
    "is_session_empty": "empty",
    "has_unusable_timestamps": "timestamps",
}
_HEADINGS: Final = {
    "s3_key": "session",
    "duration_s": "seconds",
    "video_menu_percent": "menu",
    "dark_frame_share": "dark",
}
# What a manifest was bound by is not said where it took less than this, in seconds: imports are most of it.
_LITTLE_S: Final = 10.0
# Rows of the page's table; the manifest has them all.
_ROWS: Final = 200
# Sessions with pictures, and frames of each: 24 sheets of some 60 kB.
_PICTURED: Final = 24
_FRAMES: Final = 6
_ACROSS: Final = 3
_THUMBNAIL: Final = (90, 160)
_GAP: Final = 2
_BINS: Final = 20
# Without .pt files, pictures are thumbnails of 16 x 9; their column is 12 kB a session, so many are not read for them.
_MANY: Final = 5000
_NO_PICTURES: Final = frozenset({"is_session_empty"})
_log = logging.getLogger(__name__)


def report_of(
    manifest: Manifest, store: ObjectStore, settings: ManifestSettings, failures: Sequence[Failure]
) -> Report:
    """Describe a manifest; ``outputs``, ``status`` and times are the step's to fill."""
    from jobs.gamedata._assemble import count_flags, rejects_of
    from shared.report import Report

    table, sessions = manifest.table, manifest.sessions
    flags, rejects = count_flags(table), rejects_of(table)
    seconds = sum(manifest.durations.values())
    calls = store.metrics.snapshot()
    report = Report(
        pipeline="gamedata",
        step="manifest",
        items=table.num_rows,
        counts={
            "sessions": table.num_rows,
            "judged": len(sessions.rows),
            "errors": len(sessions.errors) + sum(1 for failure in failures if failure.code == "check_failed"),
            "flagged": len(flagged(table)),
            "deleted": sessions.deleted,
            "unrecorded": sessions.unrecorded,
            "broken_parts": len(sessions.broken),
            **flags,
        },
        bytes={"read": calls["bytes_read"]},
        rejects=rejects,
        rates={"items_per_s": table.num_rows / seconds if seconds else 0.0, "store_p95_s": calls["p95_s"]},
        durations=dict(manifest.durations),
        failures=list(failures),
    )
    report.bound, report.bound_reason = _bound(manifest.durations)
    found = len(flagged(table))
    report.headline = f"{found:,} of {table.num_rows:,} {'session' if table.num_rows == 1 else 'sessions'} flagged"
    if len(sessions.errors):
        report.headline += f", {len(sessions.errors):,} without data"
    report.tiles = (*_TILES, *(name for name in _RARE_TILES if report.counts[name]))
    report.sections = [
        *_pictures(manifest, store),
        *_histograms(table, settings),
        _sessions_table(table),
        _flags_table(table, flags),
    ]
    return report


def flag_name(column: str) -> str:
    """Return a flag's short name: ``is_video_mostly_dark`` -> ``dark``."""
    return _FLAG_NAMES.get(column, column)


def flagged(table: pa.Table) -> list[int]:
    """Return the rows for which a boolean column is true."""
    columns = [table[name].to_pylist() for name in _flags(table)]
    return [row for row, values in enumerate(zip(*columns, strict=True)) if any(values)]


def _flags(table: pa.Table) -> list[str]:
    import pyarrow as pa

    return [field.name for field in table.schema if pa.types.is_boolean(field.type)]


def _bound(durations: dict[str, float]) -> tuple[Any, str]:
    reading = durations.get("read", 0.0)
    total = sum(durations.values())
    if total < _LITTLE_S:
        return None, ""
    name = "network" if reading > total / 2 else "cpu"
    return name, f"{reading:.2f} of {total:.2f} s went into reading parts and .pt files, the rest into checks"


def _flags_table(table: pa.Table, flags: dict[str, int]) -> Table:
    from shared.report import Table

    rows = []
    for name, count in flags.items():
        known = table.num_rows - table[name].null_count
        rows.append(
            [
                f"{flag_name(name)} ({name})" if flag_name(name) != name else name,
                count,
                f"{count / known:.1%}" if known else None,
                table[name].null_count,
            ]
        )
    return Table("Flags", ["flag", "sessions", "share", "not known"], rows, "The share is of sessions with a value.")


def _histograms(table: pa.Table, settings: ManifestSettings) -> list[Histogram]:
    from shared.report import Histogram

    found = []
    for column, title, marker in (
        ("video_menu_percent", "Menu share", settings.menu_threshold),
        ("dark_frame_share", "Darkness", settings.dark_share),
    ):
        if column in table.schema.names:
            values = table[column].drop_null().to_numpy()
            counts, edges = np.histogram(values, bins=_BINS, range=(0, 1))
            found.append(Histogram(title, "share of the time", edges.tolist(), counts.tolist(), marker))
    return found


def _sessions_table(table: pa.Table) -> Table:
    from shared.report import Table

    flags = _flags(table)
    names = [name for name in _HEADINGS if name in table.schema.names]
    # Sessions with something to say first; the manifest itself is in the order of keys.
    errors = [row for row, code in enumerate(table["error_code"].to_pylist()) if code is not None]
    order = list(dict.fromkeys([*flagged(table), *errors, *range(table.num_rows)]))[:_ROWS]
    rows = []
    for row in table.select([*names, *flags, "error_code"]).take(order).to_pylist():
        raised = tuple(flag_name(name) for name in flags if row[name])
        known = any(row[name] is not None for name in flags)
        rows.append([*(_shown(name, row[name]) for name in names), raised if known else None, row["error_code"]])
    left = table.num_rows - len(rows)
    note = "Flagged sessions come first, then those with an error. menu and dark: shares of the time."
    if left > 0:
        note = f"{left:,} more are in the manifest. {note}"
    return Table(SESSIONS, [*(_HEADINGS[name] for name in names), "flags", "error"], rows, note)


def _shown(name: str, value: Any) -> Any:
    if value is None or name == "s3_key":
        return value
    return round(value, 1) if name == "duration_s" else f"{value:.0%}"


def _pictures(manifest: Manifest, store: ObjectStore) -> list[Section]:
    from shared.report import Figures

    table = manifest.table
    flags = [name for name in _flags(table) if name not in _NO_PICTURES]
    columns = {name: table[name].to_pylist() for name in flags}
    # In turns: a flag that half of the sessions have must not crowd out the others.
    queues = [[row for row, value in enumerate(values) if value] for values in columns.values()]
    chosen: dict[int, None] = {}
    while any(queues) and len(chosen) < _PICTURED:
        for queue in queues:
            if queue and len(chosen) < _PICTURED:
                chosen[queue.pop(0)] = None
    rows = sorted(chosen)
    keys = table["s3_key"].take(rows).to_pylist() if rows else []
    captions = [", ".join(flag_name(name) for name in flags if columns[name][row]) for row in rows]
    items = _sheets(manifest, store, keys, captions)
    if not items:
        return []
    note = f"Up to {_FRAMES} sampled frames of each, in order of time; at most {_PICTURED} sessions."
    return [Figures("Flagged sessions", items, note)]


def _sheets(manifest: Manifest, store: ObjectStore, keys: Sequence[str], captions: Sequence[str]) -> list[Figure]:
    from shared.report import Figure

    rows = manifest.sessions.rows
    places = dict(
        zip(
            rows["s3_key"].to_list(), zip(rows["pt_key"].to_list(), rows["pt_etag"].to_list(), strict=True), strict=True
        )
    )
    thumbnails = _thumbnails(store, [key for key in keys if places[key][1] is None], len(rows))
    found = []
    for key, caption in zip(keys, captions, strict=True):
        frames = _frames(store, places[key][0]) if places[key][1] is not None else thumbnails.get(key, [])
        if frames:
            found.append(Figure(contact_sheet(frames), f"{key}: {caption}"))
    return found


def _frames(store: ObjectStore, key: str) -> list[npt.NDArray[np.uint8]]:
    from jobs.gamedata._pt_frames import distinct_frames
    from jobs.gamedata.pt import loads

    try:
        return distinct_frames(loads(store.read(key), name=key))[1]
    except (TelecineError, ImportError) as error:
        _log.info("no picture of %s: %s", key, error)  # the report goes on without it
        return []


def _thumbnails(store: ObjectStore, keys: Sequence[str], total: int) -> dict[str, list[npt.NDArray[np.uint8]]]:
    """Read the 16 x 9 thumbnails of sessions without a ``.pt``."""
    from jobs.gamedata.model import SIGNATURE_SHAPE
    from jobs.gamedata.parts import read_parts

    if not keys or total > _MANY:
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
    """Lay up to six frames of a session out in rows of three: D arrays of uint8 (3, H, W) -> a PNG file."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int))
    rows, columns = _THUMBNAIL
    across = min(_ACROSS, len(chosen))
    down = -(-len(chosen) // _ACROSS)
    sheet = np.full((down * (rows + _GAP) - _GAP, across * (columns + _GAP) - _GAP, 3), 128, np.uint8)
    for place, index in enumerate(chosen.tolist()):
        small = _fit(frames[index], rows, columns)
        high, wide = small.shape[:2]
        top = place // _ACROSS * (rows + _GAP) + (rows - high) // 2
        left = place % _ACROSS * (columns + _GAP) + (columns - wide) // 2
        sheet[top : top + high, left : left + wide] = small
    return png(sheet)


def _fit(frame: npt.NDArray[np.uint8], rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Scale a frame into a box, in its own proportions: (3, H, W) -> (h, w, 3)."""
    _, height, width = frame.shape
    scale = min(rows / height, columns / width)
    small = shrink(frame, max(1, round(height * scale)), max(1, round(width * scale)))
    return np.rint(small).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
