"""Renders report.html: one static page, pictures and styles inside, no scripts."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.report._chart import chart, number
from shared.report.sections import Histogram, Picture, Pictures, Table, Text
from shared.scrub import scrub

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from shared.report.model import Report

__all__ = ["render"]

_MAGIC: Final = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_PERCENT: Final = re.compile(r"-?[\d.,]+ ?%")
# Counts that are red when they are not zero.
_BAD: Final = frozenset({"failed", "errors", "rejected", "broken_parts"})
# Pictures so many times as wide as high are strips.
_STRIP: Final = 2.5
_KILO: Final = 1000
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_BOUNDS: Final = {
    "network": "The network set the pace",
    "cpu": "The processors set the pace",
    "queue": "Workers waited for items",
}


def render(report: Report) -> str:
    """Return the page of a report.

    Args:
        report: with its sections, which are shown in their order.
    """
    return _template().render(
        report=report,
        groups=[(kind, list(members)) for kind, members in groupby(report.sections, _kind)],
        bound_words=_BOUNDS,
        most_rejects=max(report.rejects.values(), default=0),
        total_seconds=max([*report.durations.values(), 0.0]),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("shared.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        breakable=_breakable,
        cell=_cell,
        chart=chart,
        data_uri=_data_uri,
        duration=_duration,
        is_wide=_is_wide,
        label=_label,
        number=number,
        numeric_columns=_numeric_columns,
        paragraphs=lambda text: [part.strip() for part in text.split("\n\n") if part.strip()],
        parameter=_parameter,
        rate=_rate,
        scrub=scrub,
        tiles=_tiles,
    )
    environment.globals["css"] = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2")


def _kind(section: object) -> str:
    return next(kind.__name__ for kind in (Table, Histogram, Pictures, Text) if isinstance(section, kind))


def _data_uri(picture: Picture) -> str:
    kind = next((name for magic, name in _MAGIC if picture.png.startswith(magic)), "png")
    return f"data:image/{kind};base64,{base64.b64encode(picture.png).decode()}"


def _is_wide(section: Pictures) -> bool:
    """Whether the pictures are strips, which need more width; a PNG's size stands in its first 24 bytes."""
    sizes = [struct.unpack(">II", picture.png[16:24]) for picture in section.items if picture.png[:4] == b"\x89PNG"]
    return any(width > _STRIP * height for width, height in sizes)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    if _is_number(value):
        return number(value)
    return scrub(str(value))


@dataclass(frozen=True, slots=True)
class _Tile:
    name: str
    value: str
    tone: str = ""


def _tiles(report: Report) -> list[tuple[str, list[_Tile]]]:
    """Return the figures at the top, in groups: ``extract: failed`` stands under ``extract``; bytes come last."""
    groups: dict[str, list[_Tile]] = {}
    for key, value in report.counts.items():
        title, _, name = key.rpartition(": ")
        tone = "none" if not value else "bad" if name in _BAD else ""
        groups.setdefault(title, []).append(_Tile(_label(name), number(value), tone))
    sizes = [_Tile(_label(name), _size(value)) for name, value in report.bytes.items()]
    if sizes:
        # With one group, bytes follow its counts; with several, they belong to none of them.
        groups.setdefault("bytes" if len(groups) > 1 else next(iter(groups), ""), []).extend(sizes)
    return list(groups.items())


def _breakable(name: str) -> Markup:
    """Let a column's name break after each underscore: ``is_video_mostly_dark`` is wider than its values."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


def _numeric_columns(table: Table) -> set[int]:
    """Return the columns that hold numbers (or ``12.5 %``) and nothing else but empty cells: they are set right."""
    found: set[int] = set()
    for index in range(len(table.columns)):
        values = [row[index] for row in table.rows if row[index] is not None]
        if values and all(_is_number(value) or _PERCENT.fullmatch(str(value)) for value in values):
            found.add(index)
    return found


def _label(name: str) -> str:
    """Return words for a key: ``video_s_per_s`` -> ``video s/s``, ``mb_per_s`` -> ``MB/s``."""
    words = name.replace("_per_", "/").replace("_", " ").removesuffix(" share")
    return re.sub(r"\b[kmgt]b\b", lambda unit: unit[0].upper(), words)


def _rate(value: float, name: str) -> str:
    """Return a rate; a share (``workers_busy_share``) as percent."""
    return f"{100 * value:.0f} %" if name.endswith("_share") and math.isfinite(value) else number(value)


def _size(count: float) -> str:
    power = 0
    while count >= _KILO and power < len(_UNITS) - 1:
        count /= _KILO
        power += 1
    return f"{number(float(f'{count:.3g}'))} {_UNITS[power]}"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{number(float(f'{seconds:.3g}'))} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"


def _parameter(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    return scrub(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
