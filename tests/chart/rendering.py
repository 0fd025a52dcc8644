"""Charts rendered with Helm's own code (helm-python-sdk), without a helm binary or a cluster."""

from __future__ import annotations

import atexit
import json
import pickle
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "telecine"
DEV = ROOT / "charts" / "telecine-dev"
SAMPLES = Path(__file__).parent / "samples"
# The minimum that renders; tests merge in what else they need.
LEAST = {"database": {"existingSecret": "db"}}
VALUES = ("values-kind", "values-node", "values-staging", "values-prod")

__all__ = [
    "CHART",
    "DEV",
    "LEAST",
    "ROOT",
    "SAMPLES",
    "VALUES",
    "find",
    "helm",
    "merged",
    "parsed",
    "render",
    "secrets",
    "small",
    "values_of",
    "with_files",
]


@cache
def helm() -> Any:
    """Return Helm's library; skip the test if its wheel does not load."""
    try:
        import helm_python.chart
        from helm_python import _native

        _native.helm_sdk_version()
    except (ImportError, OSError) as error:
        pytest.skip(f"the helm-python-sdk wheel does not load: {error}")
    return helm_python.chart


def values_of(name: str, chart: Path = CHART) -> dict[str, Any]:
    """Return the contents of a values file such as ``values-prod``."""
    (found,) = parsed((chart / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Merge values; later layers take precedence, as with several ``-f``."""
    made: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(made.get(key), dict)
            made[key] = merged(made[key], value) if both else value
    return made


def render(values: dict[str, Any], chart: Path = CHART) -> list[dict[str, Any]]:
    """Return every object that an install would create, including hooks."""
    return [each for text in _texts(json.dumps(values), chart) for each in pickle.loads(_objects(text))]


@cache
def small() -> Path:
    """Return the chart with the two samples in place of the 22 templates of workflows.

    These take nine tenths of the 0.3 s of a render, whatever the values are. For tests that look at other objects, or
    at the reason why values are refused.
    """
    folder = tempfile.mkdtemp(prefix="chart-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return with_files(Path(folder), SAMPLES)


def parsed(text: str) -> list[dict[str, Any]]:
    """Return the objects in a file, parsed by libyaml: the pure Python parser takes seconds."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


@cache
def _texts(values: str, chart: Path) -> list[str]:
    """Render once for the same values."""
    with helm().Chart.load(chart) as loaded:
        texts = loaded.render(json.loads(values), name="telecine", namespace="telecine")
    return [text for path, text in sorted(texts.items()) if path.endswith(".yaml")]


@cache
def _objects(text: str) -> bytes:
    """Parse once what is the same for most values; a copy by pickle takes a twentieth of the time."""
    return pickle.dumps(parsed(text))


def find(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return the only object of this kind and name."""
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def secrets(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the Secrets created from values, without Argo's token, which Kubernetes fills in."""
    return [each for each in objects if each["kind"] == "Secret" and each["type"] == "Opaque"]


def with_files(folder: Path, files: Path) -> Path:
    """Return a copy of the chart with these templates in ``files/``."""
    made = folder / "telecine"
    shutil.copytree(CHART, made, ignore=shutil.ignore_patterns("files"))
    shutil.copytree(files, made / "files")
    return made
