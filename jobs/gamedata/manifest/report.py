"""The manifest's report: counts, flags, histograms, and pictures of flagged sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.manifest.contact_sheets import contact_sheets
from jobs.gamedata.manifest.table import count_flags, flag_columns, flag_name, flagged, rejects_of
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from jobs.gamedata.manifest.table import Manifest
    from jobs.gamedata.settings import ManifestSettings
    from shared.failure import Failure
    from shared.report import Histogram, Report, Table
    from shared.storage import ObjectStore

__all__ = ["SESSIONS", "report_of"]

# Title of the table that the terminal view looks up.
SESSIONS: Final = "Sessions"
# Counts shown as tiles; flags have their own table.
_TILES: Final = ("sessions", "judged", "flagged", "errors")
_RARE_TILES: Final = ("deleted", "unrecorded", "broken_parts")
_HEADINGS: Final = {
    "s3_key": "session",
    "duration_s": "seconds",
    "menu_share": "menu",
    "dark_frame_share": "dark",
}
# Minimum seconds for the report to name a bottleneck; imports take most of a shorter time.
_BOUND_MIN_S: Final = 10.0
# Maximum rows of the table on the report's page; the manifest has all of them.
_ROWS: Final = 200
_BINS: Final = 20
# Longer messages of sessions are cut; the manifest has them whole.
_ERROR_CHARS: Final = 160


def report_of(
    manifest: Manifest, store: ObjectStore, settings: ManifestSettings, failures: Sequence[Failure]
) -> Report:
    """Return the report of a manifest; the step fills in ``outputs``, ``status`` and times."""
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
            **manifest.workers,
            **flags,
        },
        bytes={"read": calls["bytes_read"]},
        rejects=rejects,
        rates={"items_per_s": table.num_rows / seconds if seconds else 0.0, "store_p95_s": calls["p95_s"]},
        durations=dict(manifest.durations),
        failures=list(failures),
    )
    report.bound, report.bound_reason = _bound(manifest.durations)
    flagged_count = len(flagged(table))
    report.headline = (
        f"{flagged_count:,} of {table.num_rows:,} {'session' if table.num_rows == 1 else 'sessions'} flagged"
    )
    if len(sessions.errors):
        report.headline += f", {len(sessions.errors):,} without data"
    report.tiles = (*_TILES, *(name for name in _RARE_TILES if report.counts[name]))
    report.sections = [
        *contact_sheets(manifest, store),
        *_histograms(table, settings),
        _sessions_table(table),
        _flags_table(table, flags),
    ]
    return report


def _bound(durations: dict[str, float]) -> tuple[Any, str]:
    reading = durations.get("read", 0.0)
    total = sum(durations.values())
    if total < _BOUND_MIN_S:
        return None, ""
    name = "network" if reading > total / 2 else "cpu"
    return name, f"reading parts and .pt files took {reading:.2f} of {total:.2f} s, checks took the rest"


def _flags_table(table: pa.Table, flags: dict[str, int]) -> Table:
    from shared.report import Table

    rows = []
    for name, count in flags.items():
        with_value = table.num_rows - table[name].null_count
        rows.append(
            [
                f"{flag_name(name)} ({name})" if flag_name(name) != name else name,
                count,
                f"{count / with_value:.1%}" if with_value else None,
                table[name].null_count,
            ]
        )
    return Table("Flags", ["flag", "sessions", "share", "unknown"], rows, "Shares of sessions with a known flag.")


def _histograms(table: pa.Table, settings: ManifestSettings) -> list[Histogram]:
    from shared.report import Histogram

    histograms = []
    for column, title, marker in (
        ("menu_share", "Menu share", settings.menu_threshold),
        ("dark_frame_share", "Darkness", settings.dark_share),
    ):
        if column in table.schema.names:
            values = table[column].drop_null().to_numpy()
            counts, edges = np.histogram(values, bins=_BINS, range=(0, 1))
            unknown = table[column].null_count
            note = f"{unknown:,} of {table.num_rows:,} sessions have no value and are not drawn." if unknown else ""
            histograms.append(Histogram(title, "share of the time", edges.tolist(), counts.tolist(), marker, note))
    return histograms


def _sessions_table(table: pa.Table) -> Table:
    from shared.report import Table

    flags = flag_columns(table)
    names = [name for name in _HEADINGS if name in table.schema.names]
    # Flagged sessions and errors first; the manifest itself is ordered by key.
    errors = [row for row, code in enumerate(table["error_code"].to_pylist()) if code is not None]
    order = list(dict.fromkeys([*flagged(table), *errors, *range(table.num_rows)]))[:_ROWS]
    rows = []
    for row in table.select([*names, *flags, "error_code", "error"]).take(order).to_pylist():
        raised = tuple(flag_name(name) for name in flags if row[name])
        is_judged = any(row[name] is not None for name in flags)
        error = f"{row['error_code']}: {cut(row['error'] or '', _ERROR_CHARS)}" if row["error_code"] else None
        rows.append([*(_shown(name, row[name]) for name in names), raised if is_judged else None, error])
    note = "Flagged sessions come first, then those with an error. menu and dark are shares of the time."
    columns = [*(_HEADINGS[name] for name in names), "flags", "error"]
    return Table(SESSIONS, columns, rows, note, total=table.num_rows, where="the manifest")


def _shown(name: str, value: Any) -> Any:
    if value is None or name == "s3_key":
        return value
    return round(value, 1) if name == "duration_s" else f"{value:.0%}"
