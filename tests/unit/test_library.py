"""The package ``telecine``: the names under which other programs use this one."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest

import jobs.gamedata
import jobs.gamedata.checks
import telecine
import telecine.checks
from tests.rooms import ROOT


def test_the_names_are_those_of_gamedata():
    assert {name: getattr(telecine, name) for name in telecine.__all__} == {
        "ExtractedData": jobs.gamedata.ExtractedData,
        "load": jobs.gamedata.load,
    }
    for name in telecine.checks.__all__:
        assert getattr(telecine.checks, name) is getattr(jobs.gamedata.checks, name)
    with pytest.raises(AttributeError, match="has no attribute 'dump'"):
        telecine.dump  # noqa: B018 - the access is the test


def test_a_file_of_checks_does_not_import_torch():
    code = "import sys, telecine.checks; print(sorted({'torch', 'av', 'ray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_wheel_and_both_images_have_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert any(fnmatch("telecine", each) for each in project["tool"]["setuptools"]["packages"]["find"]["include"])
    for image in ("jobs", "ray"):
        dockerfile = (ROOT / "images" / image / "Dockerfile").read_text(encoding="utf-8")
        assert "COPY telecine /src/telecine\n" in dockerfile
