"""Tables of the matrix: one row per kind, and the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks._table import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.pictures.matrix import Report, Row

__all__ = ["print_report"]

_COLUMNS = (
    *("kind", "videos", "combinations", "frames", "right", "marked", "marked, but right", "wrong, not marked"),
    *("times without a frame", "errors", "readable files lost"),
)


def print_report(title: str, report: Report) -> None:
    """Print a table by kind, the skips, and the shares."""
    kinds = dict.fromkeys(row.video.kind for row in report.rows)
    lines = [_line(kind, [row for row in report.rows if row.video.kind == kind]) for kind in kinds]
    print_table(title, _COLUMNS, [*lines, _line("all", report.rows)])
    for reason, count in sorted(report.skips.items()):
        print(f"skipped: {count} combinations, {reason}")
    readable = [row for row in report.rows if row.readable]
    lost = sum(row.result.lost for row in readable)
    marked = sum(row.result.marked for row in report.rows)
    right = sum(row.result.marked_right for row in report.rows)
    print(f"{len(report.rows)} combinations, {sum(report.skips.values())} skipped")
    print(f"{sum(row.result.frames for row in report.rows)} frames compared")
    print(f"{sum(row.result.floats for row in report.rows)} of them also with the float conversion")
    print(f"{len(report.wrong)} wrong and not marked")
    print(f"{lost} of {len(readable)} readable combinations lost ({_share(lost, len(readable))})")
    print(f"{right} of {marked} frames marked as damaged were right ({_share(right, marked)})", flush=True)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _line(kind: str, rows: Sequence[Row]) -> list[object]:
    results = [row.result for row in rows]
    return [
        kind,
        len({row.video.name for row in rows}),
        len(rows),
        sum(result.frames for result in results),
        sum(result.right for result in results),
        sum(result.marked for result in results),
        sum(result.marked_right for result in results),
        sum(len(result.wrong) for result in results),
        sum(result.missing for result in results),
        sum(bool(result.error) for result in results),
        sum(result.lost for result in results),
    ]
