"""Allowed imports between packages. Imports are read from the source, including those inside functions."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for room in ("jobs", "shared", "workflows")
    for path in sorted((ROOT / room).rglob("*.py"))
}
# What others may take from a room although its name begins with an underscore: settings mixins cannot import the
# package that imports them, and the entry point shares the guard of the steps.
OPEN = {"shared.settings.base", "shared.step.guard"}


@cache
def imports(name: str) -> frozenset[str]:
    package = Path(name).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def users(*libraries: str, outside: tuple[str, ...] = (), within: str = "") -> list[str]:
    """Return the files that import one of the libraries, except in the packages that may."""
    return [
        name
        for name in FILES
        if name.startswith(within)
        and not name.startswith(outside or ("\0",))
        and {found.partition(".")[0] for found in imports(name)} & set(libraries)
    ]


def test_files_are_found():
    assert {"jobs/cli.py", "shared/errors.py"} <= set(FILES)


def test_rooms_are_entered_one_way():
    assert users("jobs", "workflows", "tests", within="shared/") == []
    assert users("workflows", "tests", within="jobs/") == []
    assert users("torch", "ray", "tests", within="workflows/") == []


def test_nothing_that_goes_into_an_image_imports_hera():
    assert users("hera", outside=("workflows/",)) == []


def test_workflows_know_of_jobs_only_settings_and_codes():
    wrong = {
        (name, module)
        for name in FILES
        if name.startswith("workflows/")
        for module in imports(name)
        if module.startswith("jobs.") and not {"settings", "errors"} & set(module.split("."))
    }
    assert wrong == set()


def test_only_rayjob_knows_kubernetes():
    assert users("kubernetes", outside=("shared/rayjob",)) == []


def test_only_storage_knows_boto3():
    assert users("boto3", "botocore", outside=("shared/storage/",)) == []


def test_only_database_and_ledger_know_sql():
    assert users("sqlalchemy", "psycopg", "alembic", outside=("shared/database/", "shared/ledger/")) == []


def test_shared_needs_no_extra():
    extras = ("av", "numpy", "polars", "pyarrow", "ray", "torch")
    assert users(*extras, within="shared/") == []


def test_one_pipeline_never_imports_another():
    wrong = {
        name: others
        for name in FILES
        if name.count("/") >= 2 and name.startswith("jobs/")
        if (others := {m.split(".")[1] for m in imports(name) if m.startswith("jobs.")} - {name.split("/")[1]})
    }
    assert wrong == {}


def test_what_begins_with_an_underscore_stays_in_its_room():
    def is_private(module: str) -> bool:
        room, _, last = module.rpartition(".")
        return last.startswith("_") and f"{module.replace('.', '/')}.py" in FILES and room != ""

    wrong = [
        (name, module)
        for name in FILES
        for module in imports(name)
        if is_private(module) and module not in OPEN
        if not name.startswith(module.rpartition(".")[0].replace(".", "/") + "/")
    ]
    assert wrong == []


def test_modules_are_short():
    assert [name for name, path in FILES.items() if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []
