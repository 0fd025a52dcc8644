"""The list of extras agrees with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from shared.extras import EXTRAS, extra_of

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Distributions whose module has another name.
_MODULES = {"pillow": "PIL", "pyyaml": "yaml"}


def modules_of(extra: str) -> set[str]:
    """Return the modules of an extra's packages, without those of other extras that it includes."""
    names = [re.match(r"[\w.-]+", text)[0] for text in PROJECT["optional-dependencies"][extra]]
    return {_MODULES.get(name, name.replace("-", "_")) for name in names if name != PROJECT["name"]}


def test_each_extra_lists_the_packages_that_pyproject_names():
    assert {extra: set(modules) for extra, modules in EXTRAS.items()} == {extra: modules_of(extra) for extra in EXTRAS}


def test_a_pipeline_is_told_of_its_own_extra():
    assert (extra_of("polars"), extra_of("polars", "viewership")) == ("manifest", "viewership")
    assert extra_of("polars", "screenalytics") == "manifest"
    assert extra_of("rapidfuzz") == "viewership"
    assert extra_of("json") is None


def test_an_extra_that_is_not_listed_is_not_needed_by_a_command():
    # Development tools, Hera (imported in workflows/ only), what Ray's own dashboard needs, and dbt's own environment.
    assert set(PROJECT["optional-dependencies"]) - set(EXTRAS) == {"dev", "workflows", "dashboard", "dbt"}
