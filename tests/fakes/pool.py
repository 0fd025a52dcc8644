"""Workers in this process, in the place of Ray's."""

from __future__ import annotations

from jobs.gamedata.compute import Outcome

__all__ = ["InlinePool"]


class InlinePool:
    """A :class:`jobs.gamedata.compute.Pool`; batches with a key of ``kills`` kill their worker."""

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
