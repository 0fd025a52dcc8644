"""Worker pools without Ray: in this process, or forked from it."""

from __future__ import annotations

import os
from collections import deque
from multiprocessing import Pipe
from multiprocessing.connection import wait

from jobs.gamedata.compute.pool import Outcome

__all__ = ["ForkPool", "InlinePool"]


class InlinePool:
    """A :class:`jobs.gamedata.compute.pool.Pool` in this process; a batch with a key in ``kills`` kills its worker."""

    kind = ""

    def __init__(self, make, workers, kills=()):
        self.runner = make()
        self.workers = workers
        self.queue = []
        self.kills = kills
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def submit(self, work):
        self.queue.append(work)

    def __iter__(self):
        while self.queue:
            work = self.queue.pop(0)
            if any(item.key in self.kills for item in work.items):
                yield Outcome(work, None, "killed by a test")
            else:
                yield Outcome(work, self.runner.run(work))


class ForkPool:
    """A :class:`jobs.gamedata.compute.pool.Pool` of forked processes, which end with the pool or with this process.

    If a worker dies, its work is returned, as by the Ray pools, and a new worker replaces it.
    """

    kind = ""

    def __init__(self, make, workers, forks):
        self._make = make
        self._forks = forks
        self._queue = deque()
        self._busy = {}
        self._idle = []

    def __enter__(self):
        self._idle = [self._fork() for _ in range(self._forks)]
        return self

    def __exit__(self, *_):
        for end in [*self._idle, *self._busy]:
            end.close()

    def submit(self, work):
        self._queue.append(work)

    def __iter__(self):
        while self._queue or self._busy:
            while self._queue and self._idle:
                end, work = self._idle.pop(), self._queue.popleft()
                end.send(work)
                self._busy[end] = work
            for end in wait(list(self._busy)):
                work = self._busy.pop(end)
                try:
                    answer = end.recv()
                except EOFError:
                    self._idle.append(self._fork())
                    yield Outcome(work, None, "it was killed")
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                self._idle.append(end)
                yield Outcome(work, answer)

    def _fork(self):
        ours, theirs = Pipe()
        if os.fork():
            theirs.close()
            return ours
        ours.close()
        for end in [*self._idle, *self._busy]:
            end.close()
        try:
            self._serve(theirs)
        finally:
            os._exit(0)  # never continue as a second driver

    def _serve(self, end):
        runner = self._make()
        while True:
            work = end.recv()
            try:
                end.send(runner.run(work))
            except Exception as error:  # noqa: BLE001 - the driver raises it, as with Ray
                end.send(error)
