"""`make sbom`: valid CycloneDX with what wheels bundle, what they vendor, crates and Debian packages."""

from __future__ import annotations

import json
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from images import contents, sbom

SITE = Path(sysconfig.get_path("purelib"))
# The packages of this environment: those of the ray image, except Ray's dashboard.
LAPTOP = {"laptop": ("gamedata", "torch")}
STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b8
Description: GNU Bourne Again SHell
 A shell.

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("root")
    for name, content in {
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/status.d/libc6": "Package: libc6\nArchitecture: amd64\nVersion: 2.36-9\n",
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sbom, "LOCKS", LAPTOP)
        return sbom.write("laptop", SITE, root=root)


@pytest.fixture(scope="module")
def components(text: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for component in json.loads(text)["components"]:
        found.setdefault(component["name"], []).append(component)
    return found


def test_it_is_valid(text: str):
    assert json.loads(text)["bomFormat"] == "CycloneDX"
    assert sbom.violation(text) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": "one"},
        {"unknown": True},
        {"serialNumber": "1"},
        # Formats, and schemas that the first one refers to.
        {"metadata": {"timestamp": "yesterday"}},
        {"components": [{"type": "library", "name": "a", "licenses": [{"license": {"id": "NO-SUCH-LICENCE"}}]}]},
        {"components": [{"type": "library", "name": "a", "externalReferences": [{"type": "vcs", "url": "a b"}]}]},
        {"components": [{"type": "library", "name": "a", "authors": [{"email": "nobody"}]}]},
        {"signature": {"algorithm": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_violation_of_the_schema_is_found(change: dict[str, Any]):
    empty = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}
    assert sbom.violation(json.dumps(empty)) is None
    assert sbom.violation(json.dumps(empty | change))


def test_it_lists_every_locked_distribution(components: dict[str, list[dict[str, Any]]]):
    versions = {name: {entry.get("version", "").split("+")[0] for entry in found} for name, found in components.items()}
    pins = contents.pins(*LAPTOP["laptop"])
    assert {name: pin for name, pin in pins.items() if pin not in versions.get(name, ())} == {}


@pytest.mark.parametrize(
    ("name", "wheel", "licence"),
    [
        ("x264", "av", "GPL-2.0-or-later"),
        ("x265", "av", "GPL-2.0-or-later"),
        ("FFmpeg", "av", "LGPL-3.0-or-later"),
        ("libpq", "psycopg-binary", "PostgreSQL"),
    ],
)
def test_it_lists_libraries_bundled_in_wheels(
    components: dict[str, list[dict[str, Any]]], name: str, wheel: str, licence: str
):
    (entry,) = components[name]
    assert entry["group"] == f"bundled in {wheel}"
    assert licence in json.dumps(entry["licenses"])


def test_it_lists_crates_vendored_distributions_and_debian_packages(components: dict[str, list[dict[str, Any]]]):
    assert any(entry.get("purl", "").startswith("pkg:cargo/") for found in components.values() for entry in found)
    assert any(entry.get("group") == "bundled in ray" for entry in components["aiohttp"])
    assert components["bash"][0]["purl"] == "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=debian-12"
    assert "libc6" in components
    assert "gone" not in components


def test_a_binary_without_a_licence_ends_it(monkeypatch: pytest.MonkeyPatch):
    table, bundled = contents.licences()
    monkeypatch.setattr(sbom, "LOCKS", LAPTOP)
    monkeypatch.setattr(sbom, "licences", lambda: (table, [row for row in bundled if row.name != "x264"]))
    with pytest.raises(SystemExit, match="libx264"):
        sbom.write("laptop", SITE)


def test_an_image_with_two_environments_lists_both_versions_of_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sites = []
    for version in ("3.11", "3.20"):
        site = tmp_path / version
        (site / f"idna-{version}.dist-info").mkdir(parents=True)
        (site / f"idna-{version}.dist-info" / "METADATA").write_text(f"Name: idna\nVersion: {version}\n")
        sites.append(site)
    monkeypatch.setattr(sbom, "LOCKS", {"both": ("one",)})
    monkeypatch.setattr(sbom, "pins", lambda *_: {"idna": "3.20"})
    components = json.loads(sbom.write("both", *sites))["components"]
    assert {component["version"] for component in components} == {"3.11", "3.20"}


def test_the_image_with_scripts_for_browsers_lists_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sbom, "LOCKS", {"jobs": ("one",), "ray-cpu": ("one",)})
    monkeypatch.setattr(sbom, "pins", lambda *_: {})
    (component,) = json.loads(sbom.write("jobs"))["components"]
    (version,) = contents.packages().values()
    assert component["purl"] == f"pkg:npm/htmx.org@{version}"
    assert component["licenses"] == [{"license": {"id": "0BSD"}}]
    assert "components" not in json.loads(sbom.write("ray-cpu"))


def test_an_environment_that_lacks_a_locked_package_ends_it(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"lacks agate, alembic"):
        sbom.write("jobs", tmp_path)
