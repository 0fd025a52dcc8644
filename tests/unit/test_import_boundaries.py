"""Which room may import which (DESIGN §2). Imports are read from the source, also those inside functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for room in ("jobs", "shared", "workflows") for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> set[str]:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_rooms_are_entered_one_way(path):
    if room(path) == "shared":
        assert not {"jobs", "workflows", "hera", "tests"} & roots(path)
    if room(path) == "jobs":
        assert not {"workflows", "hera", "tests"} & roots(path)
    if room(path) == "workflows":
        assert not {"torch", "ray", "tests"} & roots(path)


@pytest.mark.parametrize("path", [path for path in FILES if room(path) == "jobs"], ids=named)
def test_one_pipeline_never_imports_another(path):
    parts = path.relative_to(ROOT).parts
    if len(parts) < 3:
        return
    others = {name.split(".")[1] for name in imports(path) if name.startswith("jobs.")} - {parts[1], "cli"}
    assert not others


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_rayjob_knows_kubernetes(path):
    if not named(path).startswith("shared/rayjob"):
        assert "kubernetes" not in roots(path)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_only_storage_knows_boto3_and_only_database_and_ledger_know_sql(path):
    name = named(path)
    if not name.startswith("shared/storage/"):
        assert not {"boto3", "botocore"} & roots(path)
    if not name.startswith(("shared/database/", "shared/ledger/")):
        assert not {"sqlalchemy", "psycopg", "alembic"} & roots(path)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_module_of_a_pipeline_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_private_module_of_a_shared_room_stays_in_its_room(path):
    own = named(path).rpartition("/")[0].replace("/", ".")
    for name in imports(path):
        package, _, last = name.rpartition(".")
        private = (
            name.startswith("shared.") and last.startswith("_") and (ROOT / (name.replace(".", "/") + ".py")).exists()
        )
        allowed = own == package or own.startswith(f"{package}.") or name in {"shared.settings._base", "shared._guard"}
        assert not private or allowed, name
