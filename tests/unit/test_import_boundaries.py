"""Imports follow the table in tests/rooms.py. They are read from the source, also inside functions."""

from __future__ import annotations

import ast
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from tests.rooms import ROOMS, ROOT, about

PACKAGES = ("jobs", "shared", "workflows")
FILES = {
    path.relative_to(ROOT).as_posix(): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
}
MODULES = {name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in FILES}


@cache
def imports(name: str) -> frozenset[str]:
    """Return all that a file imports, also inside functions and for type checkers: modules, and names of modules."""
    return imported(FILES[name].read_text(encoding="utf-8"), name)


def imported(source: str, name: str) -> frozenset[str]:
    package = Path(name).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
            found.update(origin for alias in node.names if (origin := handed_on(module, name).get(alias.name)))
    return frozenset(found)


def handed_on(module: str, importer: str) -> dict[str, str]:
    """Return the names that a package's ``__init__`` hands on, with their modules: importing one imports its module."""
    name = MODULES.get(module, "")
    return _handed_on(name) if name.endswith("/__init__.py") and name != importer else {}


@cache
def _handed_on(name: str) -> dict[str, str]:
    nodes = ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8")))
    return {
        alias.asname or alias.name: node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
        for alias in node.names
    }


def our(names: frozenset[str]) -> frozenset[str]:
    """Return the modules of ours among what a file imports; a package only if nothing below it is named."""
    modules = {name for name in names if name in MODULES}
    return frozenset(
        module for module in modules if not any(other.startswith(f"{module}.") for other in names if other in MODULES)
    )


def users(*libraries: str, outside: tuple[str, ...] = (), within: str = "") -> list[str]:
    """Return the files that import one of the libraries, except those of the rooms that may."""
    return [
        name
        for name in FILES
        if name.startswith(within)
        and not name.startswith(outside or ("\0",))
        and {found.partition(".")[0] for found in imports(name)} & set(libraries)
    ]


def room_of(module: str, package: str) -> str | None:
    """Return the room of a package that a module is in; "" for the package itself, None outside it."""
    dotted = package.replace("/", ".")
    if module == dotted:
        return ""
    return module.removeprefix(f"{dotted}.").partition(".")[0] if module.startswith(f"{dotted}.") else None


def upward(package: str, name: str, names: frozenset[str]) -> list[str]:
    """Return the imports of a file that lead to a room above its own."""
    order = {room: place for place, room in enumerate(ROOMS[package])}
    own = room_of(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."), package)
    if not own:  # the package's own __init__ hands names on, lazily
        return []
    wrong = []
    for module in sorted(our(names)):
        room = room_of(module, package)
        if room and room != own and order[room] < order[own]:
            wrong.append(f"{name} ({own}) imports {module}: {room} is above {own}")
    return wrong


def circles(edges: dict[str, frozenset[str]]) -> list[list[str]]:
    """Return the circles of a graph: its strongly connected components of more than one node (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def trespasses(name: str, names: frozenset[str]) -> list[str]:
    """Return the private modules of other rooms that a file imports."""
    return [
        f"{name} imports {module}"
        for module in sorted(names)
        if module in MODULES and any(part.startswith("_") for part in module.split(".")[1:])
        if not name.startswith(_home(module))
    ]


def _home(module: str) -> str:
    """Return the folder whose files may import a private module: the one that holds its first private part."""
    parts = module.split(".")
    first = next(place for place, part in enumerate(parts) if part.startswith("_") and place)
    return "/".join(parts[:first]) + "/"


def test_files_are_found():
    assert {"jobs/cli.py", "shared/errors.py", "workflows/render.py"} <= set(FILES)


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_is_in_the_table_and_says_what_it_holds(package):
    there = {name.removeprefix(f"{package}/").partition("/")[0] for name in FILES if name.startswith(f"{package}/")}
    assert {name.removesuffix(".py") for name in there} - {"__init__"} == set(ROOMS[package])
    assert len(set(ROOMS[package])) == len(ROOMS[package])
    assert all(about(package, room) for room in ROOMS[package])


@pytest.mark.parametrize("package", ROOMS)
def test_a_room_imports_only_rooms_below_it(package):
    assert [
        line for name in FILES if name.startswith(f"{package}/") for line in upward(package, name, imports(name))
    ] == []


def test_no_files_import_each_other_in_a_circle():
    edges = {module: our(imports(name)) - {module} for module, name in MODULES.items()}
    assert circles(edges) == []


def test_private_modules_stay_in_their_room():
    assert [line for name in FILES for line in trespasses(name, imports(name))] == []


UP = [
    "from jobs.gamedata.steps.extract import run",
    "from jobs.gamedata.steps import extract",
    "import jobs.gamedata.steps.extract",
    "def late():\n    from jobs.gamedata.steps.extract import run",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jobs.gamedata.steps.extract import run",
    "from ..steps import extract",
]
THROUGH_A_PACKAGE = [
    (
        "jobs/gamedata",
        "jobs/gamedata/ranges/coalesce.py",
        "from jobs.gamedata import load",
        "jobs.gamedata.session.load",
    ),
    ("shared", "shared/text.py", "from shared.storage import open_store", "shared.storage.access"),
]


@pytest.mark.parametrize("source", UP)
def test_an_import_that_goes_up_is_found(source):
    name = "jobs/gamedata/frames/plan.py"
    assert upward("jobs/gamedata", name, imported(source, name)) == [
        "jobs/gamedata/frames/plan.py (frames) imports jobs.gamedata.steps.extract: steps is above frames"
    ]
    assert (
        upward("jobs/gamedata", "jobs/gamedata/steps/run.py", imported(source.replace("..", "jobs.gamedata."), name))
        == []
    )


@pytest.mark.parametrize(("package", "name", "source", "module"), THROUGH_A_PACKAGE)
def test_an_import_through_a_package_counts_as_one_of_the_module_behind_it(package, name, source, module):
    names = imported(source, name)
    assert module in our(names)
    assert len(upward(package, name, names)) == 1


def test_a_circle_is_found():
    edges = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("ad"), "d": frozenset("e"), "e": frozenset()}
    assert circles(edges) == [["a", "b", "c"]]
    assert circles({first: frozenset(second) for first, second in pairwise("abcde")}) == []


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("jobs/gamedata/steps/run.py", "from jobs.gamedata.compute._signals import deferred_signals", True),
        ("jobs/gamedata/steps/run.py", "from jobs.gamedata.compute import _signals", True),
        ("jobs/gamedata/compute/pool.py", "from jobs.gamedata.compute._signals import deferred_signals", False),
        ("workflows/gamedata.py", "from workflows._lib.names import IMAGES", False),
        ("jobs/cli.py", "from workflows._lib.names import IMAGES", True),
    ],
)
def test_a_private_module_of_another_room_is_found(name, source, found):
    assert bool(trespasses(name, imported(source, name))) == found


def test_jobs_import_shared_and_never_the_other_way():
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


def test_only_the_cluster_room_knows_kubernetes():
    assert users("kubernetes", outside=("shared/cluster/",)) == []


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
