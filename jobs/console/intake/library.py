"""Platforms and formats to choose from, kept for five minutes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from jobs.console.intake.child import Limits, run
from jobs.console.tables.viewership import files

if TYPE_CHECKING:
    from jobs.console.settings import ConsoleSettings
    from jobs.console.tables.database import Database

__all__ = ["CANONICAL", "Library", "forget", "library"]

CANONICAL: Final = "canonical"
"""Platform of the format that any report may have; its rows need a platform of their own."""

_KEPT_S: Final = 300.0
# The command failed: pages do not start it again at once.
_FAILED_S: Final = 10.0
_LIMITS: Final = Limits(cpu_s=20, wall_s=20.0)
_lock = threading.Lock()
_kept: dict[tuple[str | None, str], tuple[float, Library]] = {}


@dataclass(frozen=True, slots=True)
class Library:
    """Platforms, formats and fields to choose from.

    Attributes:
        platforms: names, in order.
        formats: full name to title, in order.
        fields: that a column may hold, in order.
    """

    platforms: tuple[str, ...]
    formats: dict[str, str]
    fields: tuple[str, ...]


def library(settings: ConsoleSettings, database: Database) -> Library:
    """Return the platforms and formats: of `formats list`, of deals and of stored uploads.

    One request at a time reads them; others get what was kept until then, so that they hold no thread meanwhile.

    Args:
        settings: the folder of further formats.
        database: the tables.

    Raises:
        DatabaseUnreachable: no connection.
    """
    name = (settings.formats_dir, str(database.settings.database_url))
    kept = _kept.get(name)
    if kept is not None and (kept[0] > time.monotonic() or _lock.locked()):
        return kept[1]
    with _lock:
        kept = _kept.get(name)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        with database.read() as session:
            named = files.platforms(session)
        found = _library(_formats(settings), named)
        if not found.formats and kept is not None:
            found = kept[1]
            _kept[name] = (time.monotonic() + _FAILED_S, found)
        else:
            _kept[name] = (time.monotonic() + (_KEPT_S if found.formats else _FAILED_S), found)
        return found


def forget() -> None:
    """Forget what is kept."""
    with _lock:
        _kept.clear()


def _formats(settings: ConsoleSettings) -> list[dict[str, Any]]:
    arguments = ["viewership", "formats", "list", "--json"]
    if settings.formats_dir is not None:
        arguments.append(f"--formats-dir={Path(settings.formats_dir).absolute()}")
    with TemporaryDirectory(prefix="telecine-intake-") as folder:
        outcome = run(arguments, Path(folder), _LIMITS, waits=False)
    return list(outcome.document["formats"]) if outcome.document is not None else []


def _library(formats: list[dict[str, Any]], named: list[str]) -> Library:
    titles, fields, platforms = {}, dict[str, None](), set(named)
    for one in formats:
        name = "-".join(filter(None, (one["platform"], one.get("variant"))))
        titles[f"{name}-{one['version']}"] = str(one["title"])
        if one["platform"] == CANONICAL:
            fields.update(dict.fromkeys(str(rule["field"]) for rule in one["columns"]))
        else:
            platforms.add(one["platform"])
    return Library(tuple(sorted(platforms)), dict(sorted(titles.items())), tuple(fields))
