"""Run all console, python and sql blocks of the pages, except those marked with a reason; see tests/docs/blocks.py."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import doctest
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from jobs.gamedata import ExtractedData, load
from jobs.gamedata.sample import kinds
from jobs.gamedata.steps.sample import make
from shared.database import _binaries
from tests.cli import ROOT, Cli
from tests.docs.blocks import find_blocks
from tests.docs.run import Page, script
from tests.docs.summary import PROPERTY
from tests.postgres_server import database, made_database, postgres, reachable_folder  # noqa: F401
from tests.preloaded import preloaded_telecine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import Database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
# Pages that begin in an empty folder; the others begin with the files that `make demo` writes.
FROM_NOTHING = {
    *("docs/catalogue.md", "docs/console.md", "docs/tutorial.md"),
    *(page for page in PAGES if page.startswith(("docs/viewership", "docs/trakt"))),
}
# Kinds of `telecine gamedata sample` that the pages name.
KINDS = ("gameplay", "dark", "black", "letterbox", "pillarbox", "menu", "menu-in-game", "no-inputs", "cut-off")
DEMO = ".telecine/demo"
# Each worker imports torch.
_ONE_WORKER = {"TELECINE_GAMEDATA_WORKERS": "1"}


@pytest.fixture(scope="module")
def preloaded() -> Iterator[str]:
    """Yield the command line of `telecine` in processes forked from a preloaded one."""
    with preloaded_telecine() as client:
        yield client


@pytest.fixture(scope="module")
def telecine(preloaded: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the text of a script: the first command of each group is a new interpreter, the others are forks.

    A new interpreter would miss an import that the preloaded process has done. Each takes 0.5 to 3 s.
    """
    seen = tmp_path_factory.mktemp("groups")
    return f"""#!/bin/sh
mkdir {seen}/"$1" 2>/dev/null && exec {sys.executable} -c 'from jobs.cli import main; main()' "$@"
exec {preloaded} "$@"
"""


@pytest.fixture(scope="module")
def demo(preloaded: str, postgres: str) -> Iterator[Path]:
    """Yield a folder with the files that `make demo` writes, but fewer TARs."""
    with made_database(postgres) as ledger, reachable_folder() as folder:
        env = {**Cli(folder).env, "TELECINE_DATABASE_URL": ledger.url, **_ONE_WORKER}
        source = folder / DEMO / "game-data"
        source.mkdir(parents=True)
        # One whose share on a page is not of whole samples keeps its frames.
        few = {name: _with_few_frames(kinds.KINDS[name]) for name in KINDS if name != "menu-in-game"}
        with mock.patch.dict(kinds.KINDS, few):
            for name in KINDS:
                (source / f"{name}.tar").write_bytes(make(name))
        buckets = ("--source-bucket", f"./{DEMO}/game-data", "--manifest-bucket", f"./{DEMO}/game-data-manifest")
        outputs = ("--output-path", f"./{DEMO}/manifest.parquet", "--report-dir", f"./{DEMO}/report")
        run = (*preloaded.split(), "gamedata", "run", *buckets, *outputs)
        subprocess.run(run, cwd=folder, env=env, check=True)
        yield folder / DEMO


def _with_few_frames(kind: kinds.SampleKind) -> kinds.SampleKind:
    """Return the kind with 2 frames/s, as long and with as many keyframes: to draw and encode them all takes 9 s."""
    encoding = kind.encoding
    return replace(kind, encoding=replace(encoding, fps=2, gop=encoding.gop * 2 // encoding.fps))


@pytest.fixture
def page(
    request: pytest.FixtureRequest, database: Database, telecine: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Page]:
    with reachable_folder() as folder:
        commands = folder / ".venv/bin"
        commands.mkdir(parents=True)
        script(commands / "telecine", telecine)
        script(commands / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        if request.getfixturevalue("name") not in FROM_NOTHING:
            # Links instead of copies: a copied TAR has another inode, and so another ETag, and would be extracted
            # again.
            shutil.copytree(request.getfixturevalue("demo"), folder / DEMO, copy_function=os.link)
        psql = _binaries._candidates()[0]
        env = {
            **Cli(folder).env,
            "PATH": f"{commands}:{psql}:{os.environ['PATH']}",
            "TELECINE_DATABASE_URL": database.url,
            **_ONE_WORKER,
        }
        for variable in ("PATH", "PYTHONPATH", "TELECINE_DATABASE_URL"):
            monkeypatch.setenv(variable, env[variable])
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
        yield Page(folder, env, database)


@pytest.mark.parametrize("name", PAGES)
def test_blocks_do_what_the_page_says(name: str, page: Page, record_property):
    blocks = find_blocks(name, (ROOT / name).read_text(encoding="utf-8"))
    ran = [block for block in blocks if block.reason is None]
    record_property(PROPERTY, (name, len(ran), len(blocks) - len(ran)))
    for block in ran:
        page.run(block)
    if page.failures:
        pytest.fail("\n\n".join(page.failures), pytrace=False)


@pytest.mark.parametrize("name", ["docstrings"])
@pytest.mark.parametrize("documented", [load, ExtractedData])
def test_examples_in_docstrings_run(name: str, documented: object, page: Page):
    examples = [found for found in doctest.DocTestFinder(recurse=False).find(documented) if found.examples]
    assert examples, f"{documented} has no example"
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples[0]).failed == 0
