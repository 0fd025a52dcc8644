"""A replayer as a child process: a scenario with a world of any size, and changes made before it serves."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.clock import DAY
from jobs.trakt.replayer.scenarios import scenario
from jobs.trakt.replayer.server import listen
from jobs.trakt.replayer.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Served", "needed", "served"]

_LIMIT: Final = 250
_SEED: Final = 1
# Answers that hang end after this long: a client would wait 30 s for each, all of them the same.
_HANG_S: Final = 0.5


class Served:
    """A site that another process serves.

    Attributes:
        url: its base URL.
        titles: names of all titles, as in a watch list.
        cpu_s: CPU seconds of its process; known after it has ended.
    """

    def __init__(self, url: str, titles: list[str]) -> None:
        self.url = url
        self.titles = titles
        self.cpu_s = 0.0

    def ask(self, path: str) -> bytes:
        """Return the body at one of the replayer's own paths."""
        with urllib.request.urlopen(f"{self.url}/_replayer/{path}", timeout=300) as answer:
            body: bytes = answer.read()
        return body

    def status(self) -> dict[str, Any]:
        """Return the counts of requests, and the site's time."""
        found: dict[str, Any] = json.loads(self.ask("status"))
        return found

    def titles_now(self) -> list[dict[str, Any]]:
        """Return the titles with their visible comments and their places, as of the last request."""
        found: list[dict[str, Any]] = json.loads(self.ask("truth"))["titles"]
        return found

    def comments(self, at: str = "") -> dict[int, str]:
        """Return the id of each visible comment of a title, and the title; by default as of the last request."""
        found = {}
        for line in self.ask(f"truth/comments{at and '?at='}{at}").splitlines():
            item = json.loads(line)
            if item["type"] in ("movie", "show"):
                found[item["comment"]["id"]] = f"{item['type']}:id:{item[item['type']]['ids']['trakt']}"
        return found


def needed(titles: list[dict[str, Any]]) -> int:
    """Return the pages that the comments of all titles have now, plus each title's summary and ratings."""
    return sum(max(-(-each["places"] // _LIMIT), 1) + 2 for each in titles)


@contextmanager
def served(name: str, **world: int) -> Iterator[Served]:
    """Serve a scenario without a quota until the block ends.

    Args:
        name: of the scenario.
        world: ``comments`` and ``titles`` of its world instead of the scenario's own; ``changed``, a number of
            comments: a day later, half as many were edited, and half as many written.
    """
    command = [sys.executable, "-m", "tests.benchmarks._trakt_site", json.dumps({"name": name, **world})]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = json.loads(process.stdout.readline() or '{"port": null}')
            if said["port"] is None:
                raise RuntimeError(f"the replayer of {name} did not start")
            site = Served(f"http://127.0.0.1:{said['port']}", said["titles"])
            yield site
            process.send_signal(signal.SIGTERM)
            site.cpu_s = json.loads(process.stdout.read())["cpu_s"]
        finally:
            process.kill()


def _change(site: Site, changed: int) -> None:
    """Edit and write comments of as few titles as have enough of them."""
    world, catalogue = site.world, site.world.catalogue
    half = changed // 2
    numbers: list[int] = []
    threads = []
    for thread in catalogue.threads:
        if thread.kind in ("movie", "show") and len(numbers) < half:
            threads.append(thread.number)
            of_thread = world.slice(thread.number, 0, world.size(thread.number))
            numbers += [number for number in of_thread if world.visible(number)]
    moment = site.clock.advance(DAY)
    # By number: the order of a feed is computed in blocks of neighbours, of which few are kept.
    for number in sorted(numbers[:half]):
        moment += 1
        world.edit(number, moment)
    added = 0
    while added < half:
        moment += 1
        world.insert(threads[added % len(threads)], moment)
        added += 1
    world.version += 1
    site.clock.advance(moment - site.clock.now + 1)
    world.advance_to(site.clock.now)


async def _serve(site: Site) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    about = site.world.catalogue.titles
    titles = [f"{each.kind}:id:{each.trakt}" for each in about]

    def ready(port: int) -> None:
        print(json.dumps({"port": port, "titles": titles}), flush=True)

    await listen(site, "127.0.0.1", 0, ready=ready, stop=stop, hang_s=_HANG_S)


def _main(options: dict[str, Any]) -> None:
    name, changed = options.pop("name"), options.pop("changed", 0)
    plan = scenario(name)
    plan = dataclasses.replace(plan, habits=dataclasses.replace(plan.habits, **options))
    site = Site(name, _SEED, quota=0, plan=plan)
    if changed:
        _change(site, changed)
    asyncio.run(_serve(site))
    print(json.dumps({"cpu_s": time.process_time()}))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
