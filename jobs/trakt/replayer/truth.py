"""The truth: all that a world holds at a time, for tests to compare with what a client stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jobs.trakt.replayer.clock import iso
from jobs.trakt.replayer.documents import comment, rating, subject
from jobs.trakt.replayer.drift import kind_of
from jobs.trakt.replayer.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs.trakt.replayer.scenarios import Scenario

__all__ = ["Truth"]


class Truth:
    """A copy of a world at one time, separate from the served one, so that reading it changes nothing.

    Args:
        name: of the scenario.
        scenario: its contents.
        seed: of the world.
        at: milliseconds of the site's clock.
    """

    def __init__(self, name: str, scenario: Scenario, seed: int, at: int) -> None:
        self.world = World(seed, scenario.habits)
        self.world.advance_to(at)
        self._name = name
        self._scenario = scenario

    def summary(self) -> dict[str, Any]:
        """Return titles with their visible comments and ratings, without the comments themselves."""
        world = self.world
        shown = [0] * len(world.catalogue.threads)
        for number in world.shown():
            shown[world.thread_of(number)] += 1
        titles = []
        for title in world.catalogue.titles:
            thread = world.title_thread(title.number)
            titles.append(
                {
                    "kind": title.kind,
                    "trakt": title.trakt,
                    "slug": world.slugs[title.number],
                    "away": world.away(title.number),
                    "merged_into": self._trakt(world.merged.get(title.number)),
                    "comments": shown[thread],
                    "places": world.size(thread),
                    "ratings": rating(world, thread, extended=False),
                }
            )
        return {
            "scenario": self._name,
            "seed": world.seed,
            "at": iso(world.now),
            "comments": sum(shown),
            "titles": titles,
        }

    def _trakt(self, title: int | None) -> int | None:
        return None if title is None else self.world.catalogue.titles[title].trakt

    def comments(self) -> Iterator[dict[str, Any]]:
        """Yield every visible comment with its subject, oldest first."""
        for number in self.world.shown():
            found = {**subject(self.world, number), "comment": comment(self.world, number)}
            if self._scenario.drifts:
                found["drift"] = kind_of(self.world.seed, number)
            if self._scenario.poisoned:
                found["poisoned"] = number == self.world.poisoned
            yield found

    def lines(self) -> Iterator[bytes]:
        """Yield the comments as JSON Lines, some hundred at a time."""
        chunk: list[str] = []
        for found in self.comments():
            chunk.append(json.dumps(found, separators=(",", ":")))
            if len(chunk) == 100:  # noqa: PLR2004 - 100 lines are about 64 kB
                yield ("\n".join(chunk) + "\n").encode()
                chunk.clear()
        if chunk:
            yield ("\n".join(chunk) + "\n").encode()
