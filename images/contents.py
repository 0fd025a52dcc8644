"""The contents of an environment, with licences: distributions, what they vendor, and libraries bundled in wheels."""

from __future__ import annotations

import csv
import re
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import Distribution, PathDistribution, distributions
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE.parent / "requirements"
# Locks by image; the base image comes under its own licences.
# The image `jobs` has two environments, which may contain the same package in two versions.
LOCKS = {"jobs": ("jobs", "dbt"), "ray-cpu": ("ray", "torch"), "ray-gpu": ("ray", "torch", "cuda")}
LAPTOP = ("gamedata", "viewership", "trakt", "dbt", "manifest", "torch", "cuda")
BASE = "LicenseRef-base-image"
# The images that contain the files of requirements/web.lock.
WITH_SCRIPTS = ("jobs",)

_INTRODUCTION = """\
# Licences

<!-- Written by `make docs` from images/licences.toml; do not edit. -->

telecine itself is under the [Apache License 2.0](../LICENSE). Its images and environments contain software under
other licences, all listed here. If you distribute an image, you distribute these too.

## What to know before you distribute an image

- **GPL.** The wheel `av` contains FFmpeg linked with x264 and x265, which are under GPL-2.0-or-later. FFmpeg's
  own `avcodec_license()` says LGPL 3, because the build does not set `--enable-gpl`. Other parts are under
  Apache-2.0 and LGPL-3.0, which version 3 of the GPL permits and version 2 does not. Treat the libraries of this
  wheel as one work under GPL-3.0-or-later: offer their source code. Only `telecine-ray` contains them.
- **LGPL.** `psycopg` is LGPL-3.0-only and is used unmodified through its Python interface.
- **MPL.** `certifi` and `pathspec` are MPL-2.0 and are used unmodified.
- **A choice.** `text-unidecode`, in dbt's environment, may be used under the Artistic License or the GPL. We choose
  the Artistic License.
- **Proprietary.** The CPU build of torch contains Intel's oneMKL, and the GPU image NVIDIA's libraries. Their
  terms permit redistribution under conditions.
- **The base image** (`BASE`) comes with Debian packages under their own licences, in
  `/usr/share/doc/*/copyright`; `make sbom` lists them. The label says `LicenseRef-base-image`.

### Without GPL parts

PyAV can be built from source against an FFmpeg without x264 and x265 (`pip install --no-binary av av`, with
FFmpeg's development files installed). Extraction only decodes, so it loses nothing. `telecine gamedata sample`
and the tests encode with both, and fail with such a build. We do not build or test it.

## Labels of the images

`org.opencontainers.image.licenses` of each image is the conjunction of everything it contains:

"""
_CRATES = """\
Wheels with Rust code (polars, pydantic-core, cryptography and others) list their crates in their own SBOMs, which
`make sbom` includes. `ray` and `setuptools` vendor other distributions, which the next table contains.
"""

_EXTENSION = re.compile(r"\.(?:cpython-3\d+[a-z0-9_-]*|abi3)\.so$")
_METADATA = re.compile(r"/[^/]+\.dist-info/METADATA$")


@dataclass(frozen=True)
class Bundled:
    """A library inside a wheel; without a name, the wheel's own binaries."""

    wheel: str
    files: tuple[str, ...]
    name: str = ""
    version: str = ""
    licence: str = ""


def normal(name: str) -> str:
    """Return a distribution's name in the form of the lock files."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licences() -> tuple[dict[str, str], list[Bundled]]:
    """Read licences.toml."""
    table = tomllib.loads((HERE / "licences.toml").read_text(encoding="utf-8"))
    return table["distributions"], [Bundled(**{**row, "files": tuple(row["files"])}) for row in table["bundled"]]


def scripts() -> dict[str, str]:
    """Return the licences of the scripts that browsers load, by npm package."""
    found: dict[str, str] = tomllib.loads((HERE / "licences.toml").read_text(encoding="utf-8"))["scripts"]
    return found


def packages() -> dict[str, str]:
    """Return name and version of every npm package in requirements/web.lock."""
    table = tomllib.loads((REQUIREMENTS / "web.lock").read_text(encoding="utf-8"))
    return {entry["name"]: entry["version"] for entry in table["package"]}


def pins(*locks: str) -> dict[str, str]:
    """Return name and version of every requirement in lock files."""
    text = "\n".join((REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8") for lock in locks)
    return {normal(found[1]): found[2] for found in re.finditer(r"(?m)^([A-Za-z0-9_.-]+)==(\S+)", text)}


def installed(site_packages: Path) -> dict[str, Distribution]:
    """Return the distributions of a site-packages folder; nothing in it is executed."""
    return {normal(found.name): found for found in distributions(path=[str(site_packages)])}


def binaries(distribution: Distribution) -> list[str]:
    """List a distribution's ELF files that are not Python extension modules, and its JARs."""
    root = str(distribution.locate_file(""))
    return sorted(
        name
        for name in _files(distribution)
        if name.endswith(".jar") or (not _EXTENSION.search(name) and _is_elf(f"{root}/{name}"))
    )


def vendored(distribution: Distribution) -> list[Distribution]:
    """List the distributions that a wheel contains besides its own."""
    return [
        PathDistribution(Path(str(distribution.locate_file(name))).parent)
        for name in _files(distribution)
        if _METADATA.search(name)
    ]


def _files(distribution: Distribution) -> list[str]:
    """List the files of a wheel; ``Distribution.files`` takes ten times as long for the 40,000 of torch and others."""
    return [row[0] for row in csv.reader((distribution.read_text("RECORD") or "").splitlines()) if row]


def owner(file: str, wheel: str, table: list[Bundled]) -> Bundled | None:
    """Return the first row of the table that covers a file."""
    rows = (row for row in table if row.wheel == wheel)
    return next((row for row in rows if any(fnmatch(file, pattern) for pattern in row.files)), None)


def expression(image: str) -> str:
    """Return the SPDX expression of an image: every licence of its contents once, and that of its base."""
    table, bundled = licences()
    names = pins(*LOCKS[image]).keys()
    vendors = {name for wheel, group in VENDORED.items() if wheel in names for name in group}
    found = {"Apache-2.0", BASE}
    for licence in [
        *(table[name] for name in names | vendors),
        *(row.licence for row in bundled if row.wheel in names),
        *(scripts().values() if image in WITH_SCRIPTS else ()),
    ]:
        found.update(f"({part})" if " OR " in part else part for part in licence.split(" AND ") if part)
    return " AND ".join(sorted(found, key=lambda part: part.strip("(").lower()))


# By wheel; the test compares it with the installed ones.
VENDORED = {
    "ray": {
        "aiohappyeyeballs", "aiohttp", "aiosignal", "attrs", "colorama", "frozenlist", "idna", "multidict", "propcache",
        "psutil", "typing-extensions", "yarl",
    },
    "setuptools": {
        "autocommand", "backports-tarfile", "importlib-metadata", "jaraco-context", "jaraco-functools", "jaraco-text",
        "more-itertools", "packaging", "platformdirs", "tomli", "wheel", "zipp",
    },
}  # fmt: skip


def page() -> str:
    """Return docs/licences.md."""
    table, bundled = licences()
    lines = _INTRODUCTION.splitlines()
    lines += [f"- `telecine-{image}`: `{expression(image)}`" for image in LOCKS]
    lines += [
        "",
        "## Libraries bundled in wheels",
        "",
        "| wheel | library | version | licence |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {row.wheel} | {row.name} | {row.version} | {row.licence} |" for row in bundled if row.name]
    lines += ["", "## Scripts that browsers load", "", "| npm package | licence |", "| --- | --- |"]
    lines += [f"| {name} | {licence} |" for name, licence in sorted(scripts().items())]
    lines += [
        "", *_CRATES.splitlines(),
        "", "## Distributions", "", "| distribution | licence |", "| --- | --- |",
    ]  # fmt: skip
    lines += [f"| {name} | {licence} |" for name, licence in sorted(table.items())]
    return "\n".join(lines) + "\n"


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of 40,000 files takes a second
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False
