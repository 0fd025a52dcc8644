"""Python, telecine itself, and the packages of its extras."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

from shared.extras import EXTRAS
from shared.finding import Line
from shared.logs import in_pod

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["look"]

_AREA: Final = "python"
_PYTHON: Final = (3, 11)
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)[^;=]*(?:==([^;\s]+))?[^;]*;\s*extra\s*==\s*[\"'](\w+)[\"']")


def look() -> Iterator[Line]:
    """Look at this Python and what is installed in it."""
    found = platform.python_version()
    if sys.version_info[:2] == _PYTHON:
        yield Line(_AREA, "python", "ok", found)
    else:
        wanted = ".".join(map(str, _PYTHON))
        yield Line(_AREA, "python", "fail", f"{found}; telecine is tested with {wanted}", f"Use Python {wanted}.")
    try:
        version = metadata.version("telecine")
    except metadata.PackageNotFoundError:
        yield Line(_AREA, "telecine", "warn", "runs from a folder, not installed", "pip install -e . for its extras")
        return
    revision = os.environ.get("TELECINE_REVISION")
    yield Line(_AREA, "telecine", "ok", f"{version}, revision {revision}" if revision else version)
    wanted_by: dict[str, list[tuple[str, str | None]]] = {extra: [] for extra in EXTRAS}
    for text in metadata.requires("telecine") or ():
        match = _REQUIREMENT.match(text)
        if match and match[3] in wanted_by and match[1] != "telecine":
            wanted_by[match[3]].append((match[1], match[2]))
    for extra, packages in wanted_by.items():
        if packages:
            yield _extra(extra, packages)


def _extra(extra: str, packages: list[tuple[str, str | None]]) -> Line:
    there: list[str] = []
    missing: list[str] = []
    other: list[str] = []
    for name, pinned in packages:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        there.append(f"{name} {version}")
        # A build for one kind of GPU carries a suffix: 2.13.0+cpu.
        if pinned and version.partition("+")[0] != pinned:
            other.append(f"{name} is {version} and must be {pinned}")
    name = f"extra {extra}"
    install = f"pip install 'telecine[{extra}]'"
    if other:
        return Line(_AREA, name, "fail", "; ".join(other), install)
    if not missing:
        return Line(_AREA, name, "ok", ", ".join(there))
    said = f"without {', '.join(missing)}"
    if in_pod():
        return Line(_AREA, name, "ok", f"{said}: this image is for steps that do not need it")
    return Line(_AREA, name, "warn", f"{said}: its steps cannot run here", install)
