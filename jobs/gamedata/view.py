"""The manifest on a terminal: sessions, their flags, where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.gamedata.quality_report import SESSIONS

if TYPE_CHECKING:
    from rich.console import Console

    from shared.report import Report

__all__ = ["show"]

_ROWS: Final = 40
_HEADINGS: Final = {
    "s3_key": "session",
    "duration_s": "seconds",
    "video_menu_percent": "menu",
    "dark_frame_share": "dark",
    "error_code": "error",
}
_SHORT: Final = {
    "is_video_mostly_dark": "dark",
    "is_dpi_scale_issue": "bars",
    "is_video_mostly_menu": "menu",
    "is_session_empty": "empty",
    "has_unusable_timestamps": "timestamps",
}


def show(report: Report, console: Console) -> None:
    """Print one line a session: length, menu and dark share, the flags that it has, its error.

    Args:
        report: of the manifest step, with its sections.
        console: where it goes.
    """
    from rich.table import Table
    from rich.text import Text

    found = next((section for section in report.sections if getattr(section, "title", "") == SESSIONS), None)
    if found is None:
        return
    columns, rows = list(found.columns), list(found.rows)  # type: ignore[union-attr]
    measured = [name for name in _HEADINGS if name in columns and name != "error_code"]
    flags = [name for name in columns if name not in _HEADINGS]
    table = Table(box=None, pad_edge=False)
    for name in measured:
        table.add_column(_HEADINGS[name], justify="left" if name == "s3_key" else "right", overflow="fold")
    table.add_column("flags", overflow="fold")
    for row in rows[:_ROWS]:
        values: dict[str, Any] = dict(zip(columns, row, strict=True))
        raised = [_SHORT.get(name, name) for name in flags if values[name]]
        shown = Text(", ".join(raised), style="yellow")
        if values.get("error_code"):
            shown = Text(", ".join([*raised, values["error_code"]]), style="red")
        table.add_row(*(_text(name, values[name]) for name in measured), shown)
    console.print(table)
    # `run` puts the stage's name before what its stages count.
    counts = {name.removeprefix("manifest: "): count for name, count in report.counts.items()}
    left = counts.get("sessions", len(rows)) - min(len(rows), _ROWS)
    if left > 0:
        console.print(f"… and {left:,} more in {report.outputs.get('manifest', 'the manifest')}")
    said = ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("sessions", "flagged", "errors"))
    console.print(f"{said} -> {report.outputs.get('manifest', '')}", soft_wrap=True, highlight=False)


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "s3_key":
        return "".join(letter if letter.isprintable() else "?" for letter in str(value)).replace("[", r"\[")
    return f"{value:.1f}" if name == "duration_s" else f"{value:.0%}"
