"""A process that changes the bronze table and announces each operation, so that it can be killed before any of them.

    with Change.started(settings, "load") as change:
        while (operation := change.next()) and operation != "commit":
            change.go()
        change.kill()

Announced: each system call of a put of the file store, ``commit`` before delta-rs writes the log, ``committed``
after it, and ``unlock`` before the lock is released.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

# Otherwise imported at the first use, in each process: pandas, which pyarrow looks for, takes 0.35 s.
import numpy.ma
import pandas as pd
import sqlalchemy.dialects.postgresql.psycopg

from jobs.trakt.bronze import commit, compaction, erase, table
from jobs.trakt.bronze import place as place_
from shared.storage import file as file_store
from tests.kills.gates import Disk, _Os

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from jobs.trakt.settings import BronzeSettings

__all__ = ["ACTIONS", "Change"]

_PRELOADED = (numpy.ma, pd, sqlalchemy.dialects.postgresql.psycopg)

_LIMIT_S = 60.0


def _compact(place: place_.BronzePlace) -> None:
    with place.locked():
        compaction.compact(place)


ACTIONS = {
    "load": lambda place: commit.commit_load(place, "load-3"),
    "compact": _compact,
    "erase": lambda place: erase.erase_user(place, "ann-b", run_id="run-9"),
}


class Change:
    """One change of the table, in a process group of its own.

    Attributes:
        trace: operations announced so far.
    """

    def __init__(self, process: Any, end: Connection) -> None:
        self.trace: list[str] = []
        self._process = process
        self._end = end

    @classmethod
    @contextmanager
    def started(cls, settings: BronzeSettings, action: str) -> Iterator[Change]:
        """Start a change; it is killed in the end if it still runs."""
        # Forked from a process that has imported everything and started no thread: 20 ms instead of 2 s.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.kills._trakt_bronze"])
        here, there = context.Pipe()
        process = context.Process(target=_main, args=(settings, action, there))
        process.start()
        there.close()
        change = cls(process, here)
        try:
            yield change
        finally:
            change.kill()
            here.close()

    def next(self) -> str | None:
        """Wait for the next operation; None when the process has ended."""
        assert self._end.poll(_LIMIT_S), "no operation"
        try:
            operation = str(self._end.recv())
        except EOFError:
            self._process.join(_LIMIT_S)
            return None
        self.trace.append(operation)
        return operation

    def go(self) -> None:
        """Allow the announced operation."""
        self._end.send(True)

    def finish(self) -> None:
        """Allow everything; fail unless the process ends well."""
        while self.next():
            self.go()
        assert self._process.exitcode == 0

    def kill(self) -> None:
        """Kill the process group, and wait for its end."""
        if self._process.is_alive():
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join(_LIMIT_S)


def _main(settings: BronzeSettings, action: str, end: Connection) -> None:
    os.setpgid(0, 0)

    def announce(name: str, _: str = "") -> None:
        end.send(name)
        end.recv()

    file_store.os = _Os(announce, Disk(), reads=False)  # type: ignore[attr-defined, arg-type]
    commit_, locked = table._commit, place_.BronzePlace.locked

    def announced(*args: Any) -> None:
        announce("commit")
        commit_(*args)
        announce("committed")

    @contextmanager
    def announced_lock(place: place_.BronzePlace) -> Iterator[Any]:
        with locked(place) as session:
            yield session
            announce("unlock")

    table._commit = announced
    place_.BronzePlace.locked = announced_lock  # type: ignore[method-assign]
    ACTIONS[action](place_.BronzePlace(settings))
