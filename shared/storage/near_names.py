"""Explain why a path that a user typed is not a file: it is a folder, or its name is misspelled."""

from __future__ import annotations

import difflib
import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.settings.next_command import quoted
from shared.storage.uris import holds_secrets, leads_to_secrets
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["misnamed"]

# Entries of a folder that are looked at, and subfolders that are named.
_MOST: Final = 10_000
_NAMED: Final = 5


def misnamed(
    place: str, *, expected: str, suffixes: Collection[str] = (), command: str = "", several: bool = False
) -> str | None:
    """Return why a path is not a file, what is expected, and the next command; None if it can be a file.

    Args:
        place: the path as typed.
        expected: the files that the command reads.
        suffixes: suffixes of such files, in lower case.
        command: the command, without the file.
        several: whether the command takes several files.
    """
    path = Path(place)
    try:
        is_folder, exists = path.is_dir(), os.path.lexists(path)
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return None
    shown = one_line(place)
    hidden = _is_hidden(path if is_folder else path.parent)
    if is_folder:
        if hidden:
            return f"'{shown}' is a folder; expected {expected}"
        return f"'{shown}' is a folder; expected {expected}{_inside(place, path, suffixes, command, several=several)}"
    if exists:
        return None
    return f"'{shown}' does not exist; expected {expected}{'' if hidden else _near(place, path)}"


def _is_hidden(folder: Path) -> bool:
    """Return whether names in a folder must not be shown."""
    return leads_to_secrets(str(folder)) or holds_secrets(os.path.realpath(folder))


def _inside(place: str, path: Path, suffixes: Collection[str], command: str, *, several: bool) -> str:
    """Return the command for the files of a folder, or name its subfolders if it has no files."""
    entries = _entries(path)
    files = sorted(each.name for each in entries if each.suffix.lower() in suffixes and not each.is_dir())
    root = f"{place.rstrip('/')}/" if not place.startswith("-") else f"./{place.rstrip('/')}/"
    if files and command:
        patterns = sorted({Path(name).suffix for name in files})
        words = [f"{quoted(root)}*{suffix}" for suffix in patterns] if several else [quoted(root + files[0])]
        return f"; run `{command} {' '.join(words)}`"
    if files:
        return f", such as '{one_line(root + files[0])}'"
    folders = sorted(one_line(each.name) for each in entries if each.is_dir())
    if not folders:
        return "; it has none"
    more = f" and {len(folders) - _NAMED} more" if len(folders) > _NAMED else ""
    run = f"run `{command} {quoted(root)}FOLDER/{'*' if several else 'FILE'}`" if command else "name one"
    return f"; it has none itself; {run} with one of these folders: {', '.join(folders[:_NAMED])}{more}"


def _near(place: str, path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder '{one_line(path.parent)}' does not exist either"
    # Compare without suffixes, which most names share and which are often the mistake.
    stems = {each.stem.casefold(): each.name for each in sorted(_entries(path.parent), reverse=True)}
    close = difflib.get_close_matches(path.stem.casefold(), stems, n=1)
    typed = place.rstrip("/")
    return f"; did you mean '{one_line(typed[: len(typed) - len(path.name)] + stems[close[0]])}'?" if close else ""


def _entries(folder: Path) -> list[Path]:
    """Return the visible entries of a folder; none if it cannot be listed."""
    try:
        return [each for each in islice(folder.iterdir(), _MOST) if not each.name.startswith((".", "~$"))]
    except OSError:
        return []
