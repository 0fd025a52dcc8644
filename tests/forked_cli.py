"""The ``telecine`` command of :mod:`tests.cli` in forked processes, with a database of the test server.

    from tests.forked_cli import ForkedCli

    with ForkedCli.on(postgres) as cli:
        cli("gamedata", "sample", "--output", "./tars").expect(0)

A command takes 0.1 s of processor time. Started as a user starts it, it takes 1 to 3 s, for its imports and for the
embedded server; tests that are about these use :meth:`tests.cli.Cli.fresh`.
"""

from __future__ import annotations

import atexit
import functools
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tests.cli import Cli
from tests.forks import Forked, Forks
from tests.postgres_server import made_database, reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ForkedCli"]

_SCRIPT = "from jobs.cli import main; main()"
# A process that `extract` starts imports torch, which takes 1.7 s of processor time.
_FORKED_WORKER = """
from functools import partial

from jobs.gamedata.steps import extract
from tests.fakes.pool import ForkPool

extract.processes = partial(ForkPool, forks=1)
"""
_PRELOADED = (
    *("jobs.cli", "jobs.gamedata.steps.run", "jobs.gamedata.steps.verify", "jobs.gamedata.steps.sample"),
    *("jobs.gamedata.manifest.table", "jobs.gamedata.manifest.gather", "jobs.gamedata.manifest.report"),
    *("jobs.gamedata.checks.run", "jobs.gamedata.checks.frames", "jobs.gamedata.checks.menu_references"),
    *(f"jobs.gamedata.checks.built_in.{name}" for name in ("empty", "inputs", "menu", "timestamps", "vision")),
    *("jobs.gamedata.session.child", "jobs.gamedata.compute.processes", "jobs.gamedata.extraction.worker"),
    *("shared.ledger.run", "shared.ledger.commands", "shared.settings.command", "shared.storage.file"),
    *("shared.report.outputs", "rich.table", "rich.text", "rich.console", "rich.progress", "typer.rich_utils"),
    # pyarrow imports pandas with the first Python value that it converts.
    *("_strptime", "av", "torch", "pandas", "pyarrow.pandas_compat", "sqlalchemy.dialects.postgresql.psycopg"),
)


class ForkedCli(Cli):
    """Runs commands in one folder, each in a fork of one preloaded process.

    Attributes:
        forks_worker: the one worker of `extract` is a fork, too, instead of a process that imports all.
    """

    forks_worker = False

    @classmethod
    @contextmanager
    def on(cls, server: str, env: Mapping[str, str] | None = None) -> Iterator[ForkedCli]:
        """Make a command line in a new folder, with a new database of this server."""
        with made_database(server) as database, reachable_folder() as folder:
            cli = cls(folder, {"TELECINE_DATABASE_URL": database.url, **(env or {})})
            yield cli
            until(lambda: not cli.processes(), 30)

    def start(self, *argv: str, env: Mapping[str, str] | None = None, terminal: str = "") -> Forked:  # type: ignore[override]
        """Start a command at the head of a process group of its own."""
        script = f"{_FORKED_WORKER if self.forks_worker else ''}{_SCRIPT}"
        return _forks().start(script, *argv, env={**self.env, **(env or {})}, cwd=self.folder, terminal=terminal)


@functools.cache
def _forks() -> Forks:
    """Return the preloaded process of this test process."""
    stack = ExitStack()
    forks = stack.enter_context(Forks.started(*_PRELOADED))
    atexit.register(stack.close)
    return forks
