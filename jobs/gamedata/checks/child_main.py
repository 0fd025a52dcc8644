"""Entry point of the checks process: run checks of ``--checks`` files over a table, and record each result.

Started by :func:`~jobs.gamedata.checks.child.run_in_child` as ``python -m jobs.gamedata.checks.child_main``, with a
pickled :class:`~jobs.gamedata.checks.child.Job` on standard input. Results are appended to a file, so finished ones
survive if a check ends the process, and nothing that a check prints can be mistaken for a result.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
from typing import TYPE_CHECKING

from shared.sandbox import end_with_parent

if TYPE_CHECKING:
    import polars as pl

    from jobs.gamedata.checks.child import Job

__all__ = ["main"]


def main() -> int:
    """Run the job on standard input; return the exit status 0."""
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301  written by the step that started this process
    end_with_parent(job.parent)
    _restore(job)
    from jobs.gamedata.checks.child import Journal
    from jobs.gamedata.checks.load import load_checks
    from jobs.gamedata.checks.run import run_statistics
    from shared import logs
    from shared.errors import TelecineError

    os.set_inheritable(job.journal, False)
    journal = Journal(job.journal)
    try:
        logs.configure(job.settings.log_level, job.settings.log_file, job.settings.log_format)
        checks = {check.name: check for check in load_checks(job.files)}
        wanted = [checks[name] for name in job.names]
    except TelecineError as error:
        journal.refuse(error.message)
        return 0
    except KeyError as error:
        journal.refuse(f"{error} is not defined when its file is executed again")
        return 0
    table = _table(job)
    journal.start()
    with logs.bind(**job.bound, process=True):
        for check in wanted:
            for start, stop in job.slices:
                found = run_statistics([check], table.slice(start, stop - start), job.settings)
                journal.add(found)
                if check.vectorised and len(wanted) > 1:
                    table = table.with_columns(series.alias(name) for name, series in found.values.items())
    return 0


def _table(job: Job) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    tables = []
    for descriptor in (job.table, job.added):
        # Mapped, so that all processes share one copy, of which only the columns in use are read.
        mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        os.close(descriptor)
        tables.append(pl.from_arrow(pa.ipc.open_file(pa.py_buffer(mapped)).read_all()))
    table, added = tables
    assert isinstance(table, pl.DataFrame)
    assert isinstance(added, pl.DataFrame)
    return table.with_columns(added.get_columns())


def _restore(job: Job) -> None:
    """Restore the environment of the step, for programs that a check starts; empty standard input."""
    if job.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = job.python_path
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
