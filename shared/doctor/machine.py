"""Check the platform (Linux), Python, telecine, the packages of its extras, and the kernel's sandboxing features."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Final

from shared.extras import EXTRAS
from shared.finding import Finding
from shared.logs import in_pod
from shared.sandbox import available

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["examine"]

_AREA: Final = "python"
_PYTHON: Final = (3, 11)
_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)[^;=]*(?:==([^;\s]+))?[^;]*;\s*extra\s*==\s*[\"'](\w+)[\"']")


def examine() -> Iterator[Finding]:
    """Yield findings about this Python, its installed packages, and what this kernel has to confine processes."""
    running = platform.python_version()
    if sys.version_info[:2] == _PYTHON:
        yield Finding(_AREA, "python", "ok", running)
    else:
        wanted = ".".join(map(str, _PYTHON))
        yield Finding(_AREA, "python", "fail", f"{running}; telecine is tested with {wanted}", f"Use Python {wanted}.")
    if sys.platform != "linux":
        yield Finding(_AREA, "platform", "fail", f"{sys.platform}; telecine runs on Linux only", "Use Linux, or WSL 2.")
    yield _sandbox()
    try:
        version = metadata.version("telecine")
    except metadata.PackageNotFoundError:
        yield Finding(_AREA, "telecine", "warn", "runs from a folder without being installed", "pip install -e .")
        return
    revision = os.environ.get("TELECINE_REVISION")
    yield Finding(_AREA, "telecine", "ok", f"{version}, revision {revision}" if revision else version)
    required: dict[str, list[tuple[str, str | None]]] = {extra: [] for extra in EXTRAS}
    for text in metadata.requires("telecine") or ():
        match = _REQUIREMENT.match(text)
        if match and match[3] in required and match[1] != "telecine":
            required[match[3]].append((match[1], match[2]))
    for extra, packages in required.items():
        if packages:
            yield _extra(extra, packages)


def _sandbox() -> Finding:
    kernel = available()
    if kernel.seccomp:
        return Finding(_AREA, "sandbox of decoders", "ok", str(kernel))
    message = f"{kernel}: a decoder process that a hostile video takes over can " + (
        "create sockets" if kernel.landlock else "read this user's files and use the network"
    )
    return Finding(
        _AREA, "sandbox of decoders", "warn", message, "Use a Linux kernel with seccomp, on x86_64 or aarch64."
    )


def _extra(extra: str, packages: list[tuple[str, str | None]]) -> Finding:
    installed: list[str] = []
    missing: list[str] = []
    mismatched: list[str] = []
    for name, pinned in packages:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        installed.append(f"{name} {version}")
        # Builds for one kind of device have a suffix, such as 2.13.0+cpu.
        if pinned and version.partition("+")[0] != pinned:
            mismatched.append(f"{name} is {version}; expected {pinned}")
    name = f"extra {extra}"
    install = f"pip install 'telecine[{extra}]'"
    if mismatched:
        return Finding(_AREA, name, "fail", "; ".join(mismatched), install)
    if not missing:
        return Finding(_AREA, name, "ok", ", ".join(installed))
    message = f"without {', '.join(missing)}"
    if in_pod():
        return Finding(_AREA, name, "ok", f"{message}: the steps in this image do not need it")
    return Finding(_AREA, name, "warn", f"{message}: steps that need it cannot run here", install)
