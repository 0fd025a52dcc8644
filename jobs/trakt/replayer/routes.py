"""The API's paths: which list or document a request asks for."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from jobs.trakt.replayer.answer import Answer, html
from jobs.trakt.replayer.documents import (
    comment,
    like,
    rating,
    reaction,
    reactions,
    reactions_summary,
    reply,
    reply_likes,
    stats,
    subject,
    title,
    wrapped,
)
from jobs.trakt.replayer.drift import kind_of, serialized
from jobs.trakt.replayer.lists import FEEDS, SUBJECTS, WRITTEN, FeedName, Lists, reply_of
from jobs.trakt.replayer.paging import SORTS, BadQuery, page_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobs.trakt.replayer.scenarios import Scenario
    from jobs.trakt.replayer.world import World

__all__ = ["Routes"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2}", re.ASCII)
_COMMENTS_AGE: Final = ("Cache-Control", "max-age=28800, public")
_FEED_AGE: Final = ("Cache-Control", "max-age=3600, public")
_RATINGS_AGE: Final = ("Cache-Control", "s-maxage=3600, public")
_SEARCH_LIMIT: Final = 50
_KINDS: Final = {"movies": "movie", "shows": "show"}


class _NotFound(Exception):
    """There is nothing at this path."""


class _Poisoned(Exception):
    """The page holds the comment that makes it fail."""


class Routes:
    """Answers to requests that passed the edge, the key and the quota.

    Args:
        world: the data.
        scenario: what goes wrong with the answers.
    """

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._scenario = scenario
        self._lists = Lists(world)

    def answer(self, parts: Sequence[str], query: Mapping[str, str], *, bare: bool = False) -> Answer:
        """Return the answer to a GET.

        Args:
            parts: the path, split at its slashes and decoded.
            query: parameters, decoded.
            bare: whether the items of feeds are comments, without their subject.
        """
        try:
            return self._answer(list(parts), query, bare=bare)
        except BadQuery as error:
            return Answer(400, json.dumps({"error": str(error)}).encode())
        except _NotFound:
            # The API's own 404 is HTML.
            return html(404, "404 Not Found")
        except _Poisoned:
            return Answer(500, b'{"error":"internal server error"}', fault="poisoned")

    def _answer(self, parts: list[str], query: Mapping[str, str], *, bare: bool) -> Answer:
        if not _LANGUAGE.fullmatch(query.get("language", "en")):
            raise BadQuery("language is not a code; expected two letters")
        match parts:
            case ["movies" | "shows" as kind, identifier, *rest]:
                return self._of_title(_KINDS[kind], identifier, rest, query)
            case ["comments", name, *rest] if name in FEEDS:
                return self._feed(cast("FeedName", name), rest, query, bare=bare)
            case ["comments", identifier, *rest]:
                return self._comment(identifier, rest, query)
            case ["search", name, *rest]:
                return self._search(name, rest, query)
            case _:
                raise _NotFound

    # Titles

    def find(self, kind: str, identifier: str) -> int | None:
        """Return the title with a Trakt id, a slug or an IMDb id, in this order; None if there is none."""
        world = self._world
        titles = [each for each in world.catalogue.titles if each.kind == kind and not world.away(each.number)]
        if _DIGITS.fullmatch(identifier):
            for each in titles:
                if each.trakt == int(identifier):
                    return each.number
        for each in titles:
            if identifier in (world.slugs[each.number], each.imdb):
                return each.number
        return None

    def _of_title(self, kind: str, identifier: str, rest: list[str], query: Mapping[str, str]) -> Answer:
        number = self.find(kind, identifier) if _ID.fullmatch(identifier) else None
        if number is None:
            raise _NotFound
        season = episode = None
        if kind == "show" and len(rest) > 2 and rest[0] == "seasons":  # noqa: PLR2004 - seasons, number, resource
            season, rest = _number(rest[1]), rest[2:]
            if len(rest) > 2 and rest[0] == "episodes":  # noqa: PLR2004 - episodes, number, resource
                episode, rest = _number(rest[1]), rest[2:]
        try:
            thread = self._world.thread_number(number, season, episode)
        except KeyError:
            raise _NotFound from None
        match rest:
            case []:
                full = "full" in query.get("extended", "").split(",")
                return _document(title(self._world, number, full=full), _FEED_AGE)
            case ["comments"] | ["comments", _]:
                return self._thread(thread, rest[1] if rest[1:] else "likes", query)
            case ["ratings"]:
                extended = "all" in query.get("extended", "").split(",")
                return _document(rating(self._world, thread, extended=extended), _RATINGS_AGE)
            case ["stats"]:
                return _document(stats(self._world, thread), _FEED_AGE)
            case _:
                raise _NotFound

    def _thread(self, thread: int, sort: str, query: Mapping[str, str]) -> Answer:
        if sort not in SORTS:
            raise BadQuery(f"sort is unknown; expected one of {', '.join(SORTS)}")
        page = page_of(query)
        numbers, items = self._lists.thread(thread, sort, page)
        shown = [self._item(number) for number in self._checked(numbers, query)]
        return _list(shown, [*page.headers(items), _COMMENTS_AGE])

    def _checked(self, numbers: list[int], query: Mapping[str, str]) -> list[int]:
        """Return the comments of a page that are shown, unless the page fails."""
        if self._scenario.poisoned and self._world.poisoned in numbers:
            raise _Poisoned
        shown = [number for number in numbers if self._world.visible(number)]
        if (language := query.get("language")) is not None:
            # The filter applies to the page, so that its places stay those of the thread.
            shown = [number for number in shown if comment(self._world, number)["language"] == language]
        return shown

    def _item(self, number: int) -> bytes:
        kind = kind_of(self._world.seed, number) if self._scenario.drifts else ""
        return serialized("" if kind == "no-comment" else kind, comment(self._world, number))

    # Comments

    def _feed(self, name: FeedName, rest: list[str], query: Mapping[str, str], *, bare: bool) -> Answer:
        kind, about, *more = [*rest, *("all", "all")[len(rest) :]]
        if more or kind not in WRITTEN or about not in SUBJECTS:
            raise _NotFound
        replies = query.get("include_replies", "false")
        if replies not in ("true", "false"):
            raise BadQuery("include_replies is not true or false")
        page = page_of(query)
        items, count = self._lists.feed(name, kind, about, page, replies=replies == "true")
        if self._scenario.poisoned and self._world.poisoned in items:
            raise _Poisoned
        shown = [self._feed_item(item, bare=bare) for item in items if item < 0 or self._world.visible(item)]
        return _list(shown, [*page.headers(count), _FEED_AGE], fault="bare" if bare else "")

    def _feed_item(self, item: int, *, bare: bool) -> bytes:
        world = self._world
        if found := reply_of(item):
            document = reply(world, *found)
            return serialized("", document if bare else wrapped(world, found[0], document))
        if bare:
            return self._item(item)
        kind = kind_of(world.seed, item) if self._scenario.drifts else ""
        return serialized(kind, wrapped(world, item, comment(world, item)))

    def _comment(self, identifier: str, rest: list[str], query: Mapping[str, str]) -> Answer:
        world = self._world
        found = world.find(_number(identifier))
        if found is None:
            raise _NotFound
        number, place = found
        if self._scenario.poisoned and number == world.poisoned:
            raise _Poisoned
        if rest == []:
            body = self._item(number) if place is None else serialized("", reply(world, number, place))
            about = world.catalogue.threads[world.thread_of(number)]
            item = [("X-Item-Type", about.kind), ("X-Item-ID", str(self._item_id(number)))]
            return Answer(200, body, headers=[*item, _COMMENTS_AGE], rows=1)
        if rest == ["item"]:
            return _document(subject(world, number), _COMMENTS_AGE)
        moment = world.created(number) if place is None else world.replied(number, place)
        document = partial(reply, world, number)
        match rest:
            case ["replies"] if place is None:
                count = world.replies(number)
            case ["likes"]:
                count = world.likes(number) if place is None else reply_likes(world, int(identifier))
                document = partial(like, world, int(identifier), since=moment)
            case ["reactions"]:
                count = reactions(world, int(identifier))
                document = partial(reaction, world, int(identifier), since=moment)
            case ["reactions", "summary"]:
                return _document(reactions_summary(world, int(identifier)), _COMMENTS_AGE)
            case _:
                raise _NotFound
        page = page_of(query)
        shown = [serialized("", document(each)) for each in range(page.start, min(page.stop, count))]
        return _list(shown, [*page.headers(count), _COMMENTS_AGE])

    def _item_id(self, number: int) -> int:
        about = subject(self._world, number)
        return int(about[about["type"]]["ids"]["trakt"])

    # Search

    def _search(self, name: str, rest: list[str], query: Mapping[str, str]) -> Answer:
        wanted = query.get("type", "movie,show").split(",")
        if name in ("trakt", "imdb", "tmdb") and len(rest) == 1:
            attribute = name
            matches = [each for each in self._titles(wanted) if str(getattr(each, attribute)) == rest[0]]
        elif not rest and set(kinds := name.split(",")) <= {"movie", "show"}:
            text = query.get("query", "").lower()
            if not text:
                raise BadQuery("query is missing; expected the words of a title")
            slugs = self._world.slugs
            matches = [each for each in self._titles(kinds) if text in each.name.lower() or text == slugs[each.number]]
        else:
            raise _NotFound
        page = page_of(query, _SEARCH_LIMIT)
        shown: list[dict[str, Any]] = [
            {"type": each.kind, "score": 1000.0, each.kind: title(self._world, each.number, full=False)}
            for each in matches[page.start : page.stop]
        ]
        return _list([serialized("", each) for each in shown], [*page.headers(len(matches)), _FEED_AGE])

    def _titles(self, kinds: list[str]) -> list[Any]:
        world = self._world
        return [each for each in world.catalogue.titles if each.kind in kinds and not world.away(each.number)]


def _number(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise _NotFound
    return int(text)


def _document(found: dict[str, Any] | dict[str, int], *headers: tuple[str, str]) -> Answer:
    return Answer(200, serialized("", found), headers=list(headers), rows=1)


def _list(items: list[bytes], headers: list[tuple[str, str]], fault: str = "") -> Answer:
    return Answer(200, b"[" + b",".join(items) + b"]", headers=headers, rows=len(items), fault=fault)
