"""`.env.example` names every variable of every settings model, each with its line of help."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import jobs
import shared
from shared.settings import Settings
from shared.settings.base import metadata

ROOT = Path(__file__).parents[2]
LINES = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()


def models() -> list[type[Settings]]:
    for package in (jobs, shared):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            # Settings live in modules with these names, which import no heavy library.
            if re.search(r"settings|commands|sweep$", module.name):
                import_module(module.name)
    found: list[type[Settings]] = [Settings]
    for model in found:
        found += [each for each in model.__subclasses__() if each not in found]
    return [model for model in found if model.__module__.startswith(("jobs.", "shared."))]


MODELS = models()


def test_the_models_are_found():
    source = [
        name
        for folder in ("jobs", "shared")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"^class (\w*Settings)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert sorted({model.__name__ for model in MODELS if model.__name__.endswith("Settings")}) == sorted(set(source))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_every_variable_of_a_model_is_in_the_example(model):
    named = {line[1:].partition("=")[0] for line in LINES if re.match(r"#[A-Z]", line)}
    for name, field in model.model_fields.items():
        known = metadata(field)
        if not known.hidden and not known.argument:
            own, *aliases = model.variables(name)
            assert own in named, "run `make docs` and commit what it writes"
            assert all(any(alias in line for line in LINES) for alias in aliases)


def test_every_variable_that_code_reads_directly_is_in_the_example():
    named = {line[1:].partition("=")[0] for line in LINES if line.startswith("#TELECINE_")}
    for folder in ("jobs", "shared", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"\"(TELECINE_[A-Z0-9_]*[A-Z0-9])\"", path.read_text(encoding="utf-8")):
                # Those of dbt's process are set by the runner alone.
                assert name in named or name.startswith("TELECINE_DBT_"), path


def test_every_variable_has_its_line_of_help_and_is_named_once():
    variables = [index for index, line in enumerate(LINES) if line.startswith("#TELECINE_")]
    assert all(LINES[index - 1].startswith("# ") for index in variables)
    names = [LINES[index].partition("=")[0] for index in variables]
    assert len(names) == len(set(names))


def test_a_shell_reads_every_line_once_it_is_uncommented(tmp_path):
    path = tmp_path / "env"
    path.write_text("\n".join(line[1:] if re.match(r"#[A-Z]", line) else line for line in LINES))
    done = subprocess.run(
        ["/bin/sh", "-euc", f'set -a; . "{path}"; printf %s "$TELECINE_RAY_GPU_TOLERATIONS"'],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('[{"key": "nvidia.com/gpu"')
