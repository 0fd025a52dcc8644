"""Each locked requirement file has everything that its extras need: it is installed with --no-deps."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from images.contents import pins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements" / "lock.sh").read_text(encoding="utf-8")
FILES = dict(re.findall(r'"(\w+):([\w,]+)"', LOCK))
# torch and pip are pinned elsewhere, by requirements/lock.sh.
ELSEWHERE = {"torch", "pip", "telecine"}


def closure(requirements: Iterable[str], extras: Iterable[str] = ("",)) -> Iterator[tuple[str, Requirement]]:
    """Return all distributions that requirements need on this machine, by the metadata of what is installed."""
    waiting = [(Requirement(text), tuple(extras)) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted, named = waiting.pop()
        if wanted.marker is not None and not any(wanted.marker.evaluate({"extra": extra}) for extra in named):
            continue
        name = canonicalize_name(wanted.name)
        if name in ELSEWHERE or (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        yield name, wanted
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue  # its own pin is missing, or the environment is not the locked one
        waiting += [(Requirement(text), ("", *wanted.extras)) for text in needed]


def of_extras(names: Iterable[str]) -> list[str]:
    """Return the requirements of the project with these extras; an extra may name others."""
    found = list(PROJECT["dependencies"])
    waiting = list(names)
    while waiting:
        for text in PROJECT["optional-dependencies"][waiting.pop()]:
            if canonicalize_name(Requirement(text).name) == "telecine":
                waiting += Requirement(text).extras
            else:
                found.append(text)
    return found


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_lock_has_everything_that_its_extras_need(file: str):
    locked = {canonicalize_name(name): version for name, version in pins(file).items()}
    needed = dict(closure(of_extras(FILES[file].split(","))))
    assert {"sqlalchemy", "pydantic"} <= needed.keys()
    assert sorted(needed.keys() - locked.keys()) == []
    assert [str(each) for name, each in needed.items() if not each.specifier.contains(locked[name])] == []


def test_what_a_requirement_needs_in_turn_is_found():
    assert "mako" in dict(closure(["alembic"]))
    assert {"trakt", "jobs"} <= FILES.keys()
