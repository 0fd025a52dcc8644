"""The formats that are shipped, and those of a folder of the user; neither can replace the other unnoticed."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobs.viewership.uploads.formats.document import FormatInvalid, parse_format
from jobs.viewership.uploads.formats.model import near_miss
from shared.errors import UsageError
from shared.storage import holds_secrets, open_regular
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.uploads.formats.model import Format

__all__ = ["CANONICAL", "find_format", "load_format_file", "load_formats", "shipped_formats"]

CANONICAL: Final = "canonical"
"""Name of the format whose columns are called like the fields."""

_MOST_BYTES: Final = 1 << 20


@cache
def shipped_formats() -> Mapping[str, Format]:
    """Return the shipped formats by full name."""
    folder = files(__package__)
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".yaml")}
    formats = (parse_format(texts[name], source=name) for name in sorted(texts))
    return {found.full_name: found for found in formats}


def load_formats(folder: str | None) -> dict[str, Format]:
    """Return the shipped formats and those of a folder, by full name.

    Args:
        folder: folder with a ``NAME-VERSION.yaml`` for each format of the user; None for none.

    Raises:
        FormatInvalid: a file is not a format, has another name than its format, or has the name of a shipped one.
        UsageError: the folder does not exist.
    """
    formats = dict(shipped_formats())
    if folder is None:
        return formats
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(
            f"--formats-dir: '{one_line(folder)}' is not a folder; expected one with files NAME-VERSION.yaml"
        )
    for file in sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml")):
        found = load_format_file(file)
        name = one_line(file)
        if file.stem != found.full_name:
            raise FormatInvalid(
                f"{name}: its format is {found.full_name}; expected the file name {found.full_name}.yaml"
            )
        if found.full_name in formats:
            raise FormatInvalid(
                f"{name}: the format {found.full_name} is shipped with telecine; expected another version or variant"
            )
        formats[found.full_name] = found
    return formats


def load_format_file(file: Path) -> Format:
    """Return the format of a YAML file.

    Raises:
        FormatInvalid: the file is not a format.
        UsageError: the file cannot be read.
    """
    name = one_line(file)
    # Messages quote what a file has instead of a format.
    secret = UsageError(f"{name} is in a folder of secrets or processes; expected a format's YAML file")
    if holds_secrets(os.path.realpath(file)):
        raise secret
    try:
        with open_regular(file) as stream:
            if holds_secrets(stream.fileno()):
                raise secret
            content = stream.read(_MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}; expected a format's YAML file") from None
    try:
        return parse_format(content.decode(), source=name)
    except UnicodeDecodeError:
        raise FormatInvalid(f"{name}: the file is not UTF-8; expected a format's YAML file") from None


def find_format(name: str, formats: Mapping[str, Format]) -> Format:
    """Return a format by its full name, or by its name without version: then the newest.

    Args:
        name: such as ``freevee-linear-1`` or ``freevee-linear``.
        formats: by full name.

    Raises:
        UsageError: there is no such format.
    """
    if name in formats:
        return formats[name]
    versions = [found for found in formats.values() if found.name == name]
    if versions:
        return max(versions, key=lambda found: found.version)
    variants = sorted({found.name for found in formats.values() if found.platform == name})
    guess = (
        f"; expected one of {', '.join(variants)}"
        if variants
        else near_miss(name, {*formats, *(found.name for found in formats.values())})
    )
    raise UsageError(f"'{one_line(name)}' is not a format{guess}; list them with telecine viewership formats list")
