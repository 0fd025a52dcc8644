"""The rooms of each package, from top to bottom: a room imports only rooms below it.

``tests/unit/test_import_boundaries.py`` enforces this table, and docs/architecture.md is generated from it. A room is a
folder or a module of its package; the first sentence of its docstring describes its contents.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

__all__ = ["ROOMS", "ROOT", "about", "files"]

ROOT = Path(__file__).parents[1]

ROOMS: dict[str, tuple[str, ...]] = {
    "jobs": ("cli", "media", "gamedata", "screenalytics"),
    "jobs/gamedata": (
        *("steps", "sample", "manifest", "checks", "extraction", "session", "pt", "parts", "frames", "members"),
        *("ranges", "compute", "revision", "commands", "settings", "errors", "model"),
    ),
    "jobs/screenalytics": (
        *("steps", "sample", "verification", "intake", "reading", "arrival", "tables", "contract"),
        *("commands", "settings", "keys", "errors", "model"),
    ),
    "jobs/media": ("steps", "commands", "settings"),
    "shared": (
        *("step", "notify", "doctor", "retention", "rayjob", "ledger", "report", "database", "samples", "storage"),
        *("settings", "finding", "failure", "verdict", "strict_json", "progress", "logs", "text", "scrub"),
        *("extras", "sandbox", "errors"),
    ),
    "workflows": ("render", "crons", "media", "pipelines", "gamedata", "screenalytics", "maintenance", "_lib"),
}


def about(package: str, room: str) -> str:
    """Return the first sentence of a room's docstring."""
    path = ROOT / package / room
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[.)])\s+(?=[A-Z])", " ".join(text.partition("\n\n")[0].split()))[0]


def files(package: str, room: str) -> list[str]:
    """Return the modules of a room, without their suffix; empty for a room that is a module."""
    folder = ROOT / package / room
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob("*.py")))
    return [name for name in names if not name.endswith("__init__")]
