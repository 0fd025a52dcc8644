"""A simulated site and random titles in one bronze table, with the truth that gold must then say.

The site is the replayer's, with all events of its calm, moving and deleting worlds. It stands still while it is read,
so its truth at each reading is exact. The random titles add what it lacks: young and old ones, releases at the borders
of age bands, before 2010 and to come, replies, users without a name, ratings that change.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from jobs.trakt.replayer import site
from jobs.trakt.replayer.clock import DAY, SECOND
from jobs.trakt.replayer.documents import title as title_document
from jobs.trakt.replayer.habits import Habits
from jobs.trakt.replayer.scenarios import Scenario
from jobs.trakt.replayer.server import running
from tests.trakt_ingest import TraktPlace
from tests.trakt_loads import Bronze, Load, comment

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    import pytest

    from tests.postgres_server import Database

__all__ = ["MOST", "Title", "Told", "World", "make_titles", "read_site"]

Title = tuple[str, int]

EVENTS = {
    "insert": 6, "reply": 2, "like": 6, "unlike": 6, "vote": 5, "rate": 4, "edit": 3, "delete": 6, "restore": 3,
    "move": 6, "slug": 1, "merge": 1,
}  # fmt: skip
# Days between the readings of the site.
READINGS = (0.0, 0.9, 1.0, 0.8)
MADE = 64
FIRST_MADE = 500_000
MOST = 2**63 - 1
BORDERS = (3, 29, 30, 31, 89, 90, 91, 179, 180, 181, 364, 365, 366, 800, 1500)
# Name of a user in the truth, and in a payload.
USERS: tuple[Callable[[int, int], tuple[Any, dict[str, Any] | None]], ...] = (
    lambda who, _: (f"u{who}", {"username": f"U {who}", "ids": {"slug": f"u{who}"}}),
    lambda who, _: (f"u{who}", {"username": f"U {who}", "ids": {"slug": f"u{who}"}}),
    lambda who, _: (f"u{who}", {"username": "", "private": True, "ids": {"slug": f"u{who}"}}),
    lambda who, _: (("id", who), {"username": "gone", "deleted": True, "ids": {"slug": None, "trakt": who + 9}}),
    lambda _, number: (("nobody", number), {"username": "gone", "deleted": True, "ids": {"slug": ""}}),
    lambda _, number: (("nobody", number), None),
)


@dataclass(kw_only=True)
class Told:
    """A comment as it truly is at the end, and what was seen of it first.

    Attributes:
        title: where it is, or was seen last.
        user: something that is equal for comments of one user.
        created: when it was written.
        first_seen: the first reading that had it.
        rating_first: its user's rating at that time.
        is_there: False: deleted. None: it has left for a season, an episode, or a title that is not read.
    """

    title: Title
    user: Any
    created: datetime
    first_seen: datetime
    rating_first: float | None
    rating: float | None
    likes: int
    replies: int
    is_reply: bool = False
    is_review: bool = False
    is_spoiler: bool = False
    is_edited: bool = False
    is_there: bool | None = True

    @property
    def day(self) -> date:
        return self.created.astimezone(UTC).date()

    @property
    def is_late(self) -> bool:
        return self.first_seen > self.created + timedelta(days=7)


def _lists() -> dict[Title, list[Told]]:
    return defaultdict(list)


@dataclass
class World:
    """The truth.

    Attributes:
        titles: titles that were read, and their release.
        ratings: their rating.
        comments: all comments that were ever read at one of them.
        liked: title and day -> change of likes that was seen on it.
        liked_more: likes that were added, in the same way.
        by_title: title -> its comments, once it is settled.
        ended: the last reading.
        file: the build.
    """

    titles: dict[Title, date | None] = field(default_factory=dict)
    ratings: dict[Title, float | None] = field(default_factory=dict)
    comments: dict[int, Told] = field(default_factory=dict)
    liked: Counter[tuple[Title, date]] = field(default_factory=Counter)
    liked_more: Counter[tuple[Title, date]] = field(default_factory=Counter)
    by_title: dict[Title, list[Told]] = field(default_factory=_lists)
    ended: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    file: Path = Path()

    @property
    def as_of(self) -> date:
        return self.ended.date()

    def of(self, title: Title, *, there: bool | None = True) -> list[Told]:
        """Return the comments of a title that are there, or are deleted."""
        return [one for one in self.by_title[title] if one.is_there is there]

    def settle(self) -> None:
        """Sort the comments by title, once all are told."""
        self.by_title = _lists()
        for one in self.comments.values():
            self.by_title[one.title].append(one)

    def like(self, title: Title, at: datetime, change: int) -> None:
        self.liked[title, at.date()] += change
        self.liked_more[title, at.date()] += max(change, 0)

    def query(self, text: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(text)
            names = [part[0] for part in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def read_site(world: World, database: Database, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Ingest the site several times while it lives on."""
    habits = Habits(comments=5_000, event_gap=240 * SECOND, events=EVENTS)  # type: ignore[arg-type]
    patch.setattr(site, "scenario", lambda _: Scenario(habits))
    with running("calm", 5, quota=0, step=0) as served:
        place = TraktPlace(database, folder, served)
        titles = place.watch_list()
        seen: dict[int, int] = {}
        for days in READINGS:
            place.site.world.advance_to(place.site.clock.advance(round(days * DAY)))
            # Only the times that decide what is due: every title is swept again.
            place.tomorrow(8, site=False)
            place.ingest(watch_list=titles)
            _look(world, place, seen)
        for number, about in enumerate(place.site.world.catalogue.titles):
            if (about.kind, about.trakt) in _tracked(place):
                found = title_document(place.site.world, number, full=True)
                released = (found.get("released") or found["first_aired"])[:10]
                world.titles[about.kind, about.trakt] = date.fromisoformat(released)
        world.ended = _now(place)


def _now(place: TraktPlace) -> datetime:
    return datetime.fromtimestamp(place.site.clock.now // SECOND, UTC)


def _tracked(place: TraktPlace) -> set[Title]:
    return {(row[0], row[1]) for row in place.rows("SELECT kind, trakt_id FROM trakt.titles")}


def _look(world: World, place: TraktPlace, likes: dict[int, int]) -> None:
    """Take what a reading of all titles must have seen: the truth, since the site stands still."""
    now, tracked = _now(place), _tracked(place)
    truth = place.site.truth(place.site.clock.now)
    summary = {(each["kind"], each["trakt"]): each for each in truth.summary()["titles"]}
    # A title that answers 404 keeps what was read.
    read = {title for title in tracked if not summary[title]["away"]}
    world.ratings |= {title: summary[title]["ratings"]["rating"] for title in read}
    there: set[int] = set()
    for each in truth.comments():
        item = each["comment"]
        number = item["id"]
        title = (each["type"], each.get(each["type"], {}).get("ids", {}).get("trakt"))
        known = world.comments.get(number)
        if title in tracked:
            there.add(number)
            world.comments[number] = _told(item, title, now, known)
            if known:
                world.like(title, now, item["likes"] - likes[number])
        elif known and known.is_there and known.title in read:
            # Its old title was read without it, so it was asked for, once.
            known.is_there = None
        else:
            continue
        likes[number] = item["likes"]
    for number, one in world.comments.items():
        if number not in there and one.is_there and one.title in read:
            one.is_there = False


def _told(item: dict[str, Any], title: Title, now: datetime, known: Told | None) -> Told:
    created, updated = (datetime.fromisoformat(item[name]) for name in ("created_at", "updated_at"))
    return Told(
        title=title,
        user=item["user"]["ids"]["slug"],
        created=created,
        first_seen=known.first_seen if known else now,
        rating_first=known.rating_first if known else item["user_rating"],
        rating=item["user_rating"],
        likes=item["likes"],
        replies=item["replies"],
        is_review=item["review"],
        is_spoiler=item["spoiler"],
        is_edited=updated > created,
    )


def make_titles(world: World, bronze: Bronze, draw: random.Random) -> None:
    """Add random titles, read twice by three loads; the load of the second reading is committed first."""
    maker = _Maker(world, draw)
    for place in range(MADE):
        maker.title(place)
    maker.large()
    bronze.commit(maker.second, maker.first, maker.gone)
    world.ended = maker.end


class _Maker:
    def __init__(self, world: World, draw: random.Random) -> None:
        self._world = world
        self._draw = draw
        self.end = world.ended.replace(minute=0, second=0) + timedelta(hours=2)
        self._begin = self.end - timedelta(days=2)
        self.first, self.second, self.gone = Load("made-1"), Load("made-2"), Load("made-3")
        self._later: list[dict[str, Any]] = []

    def title(self, place: int) -> None:
        draw = self._draw
        title: Title = ("movie" if place % 4 else "show", FIRST_MADE + place)
        released = self._release(place)
        since = datetime.combine(released, datetime.min.time(), UTC) if released and place % 16 < 14 else None
        said = {}
        if released is not None:
            said = {"released": f"{released}"} if place % 4 else {"first_aired": f"{released}T01:00:00.000Z"}
        # Without votes, a summary says 0.
        self._world.titles[title], self._world.ratings[title] = released, None
        ids = {"trakt": title[1], "slug": f"t{place}"}
        self.first.title(self._begin, title, ids=ids, title=f"T {place}", rating=0.0, votes=0, **said)
        age = (self.end - since).total_seconds() / 86_400 if since else 900.0
        half = draw.choice([age / 8, age / 3, age, 4 * age])
        pool = draw.choice([12, 40, 400])
        page: list[dict[str, Any]] = []
        self._later = []
        for at in range(draw.choice([0, 3, 19, 20, 29, 30, 31, 60, 90, 120, 120, 260])):
            number = 20 * FIRST_MADE + place * 1_000 + at
            written = self._time(since, age, half)
            item = self._comment(title, number, written, pool)
            if written < self._begin:
                page.append(item)
                self._change(number, item)
            else:
                self._later.append(item)
        self.first.page(self._begin, title, *page)
        self.second.page(self.end, title, *self._later)

    def large(self) -> None:
        """Add a title whose numbers are the largest that the contract accepts: their sums are larger."""
        title: Title = ("movie", FIRST_MADE + MADE)
        self._world.titles[title], self._world.ratings[title] = None, 9.5
        self.first.rating(self._begin, title, {"rating": 9.5, "votes": MOST, "distribution": {"9": MOST, "10": MOST}})
        items = []
        for number in (1, 2):
            items.append(
                self._comment(title, number, self._begin - timedelta(hours=1), 9) | {"likes": MOST, "replies": MOST}
            )
            told = self._world.comments[number]
            told.likes = told.replies = MOST
        self.first.page(self._begin, title, *items)

    def _release(self, place: int) -> date | None:
        """Return a release: half of the titles are young, so that they have peers, the others at borders or odd."""
        today = self.end.date()
        age = self._draw.choice(BORDERS) if place % 2 else self._draw.randrange(1, 30)
        match place % 16:
            case 13:
                return None
            case 14:
                return date(1972 + place // 16, 3, 14)
            case 15:
                return today + timedelta(days=40)
        return today - timedelta(days=age)

    def _time(self, since: datetime | None, age: float, half: float) -> datetime:
        draw = self._draw
        rate = math.log(2) / half
        days = -math.log1p(draw.random() * math.expm1(-rate * age)) / rate
        if draw.random() < 0.05:
            days = draw.choice([0.0, age, 90.0, 179.99999, 180.0])
        written = (since or self.end - timedelta(days=age)) + timedelta(days=min(days, age))
        if draw.random() < 0.1:
            written = written.replace(hour=draw.choice([0, 23]), minute=0 if written.hour < 12 else 59)
        if draw.random() < 0.04 and since:
            # Before the release.
            written = since - timedelta(days=draw.random() * 20)
        return min(written.replace(microsecond=0), self.end - timedelta(seconds=1))

    def _comment(self, title: Title, number: int, written: datetime, pool: int) -> dict[str, Any]:
        draw = self._draw
        who, user = draw.choice(USERS)(draw.randrange(pool), number)
        text = f"{written:%Y-%m-%dT%H:%M:%S}.000Z"
        item = comment(
            number, created_at=text, updated_at=text, likes=draw.randrange(4), replies=draw.randrange(3),
            user_rating=draw.choice([None, 0, 3, 5.1, 7.3, 8, 10]), parent_id=draw.choice([0, 0, 0, 0, 0, 77]),
            spoiler=draw.random() < 0.1, review=draw.random() < 0.1,
        )  # fmt: skip
        self._world.comments[number] = Told(
            title=title,
            user=who,
            created=written,
            first_seen=self._begin if written < self._begin else self.end,
            # A rating of 0 means that there is none.
            rating_first=item["user_rating"] or None,
            rating=item["user_rating"] or None,
            likes=item["likes"],
            replies=item["replies"],
            is_reply=bool(item["parent_id"]),
            is_review=item["review"],
            is_spoiler=item["spoiler"],
        )
        return item | {"user": user}

    def _change(self, number: int, item: dict[str, Any]) -> None:
        """Let a comment that was seen be seen again as it was, changed, or not there."""
        draw, told = self._draw, self._world.comments[number]
        match draw.choice(["same", "same", "rated", "liked", "gone", "unread"]):
            case "same":
                self._later.append(item)
            case "rated":
                told.rating = draw.choice([None, 1, 9])
                told.is_edited = True
                updated = f"{self.end:%Y-%m-%dT%H:%M:%S}.000Z"
                self._later.append({**item, "user_rating": told.rating, "updated_at": updated})
            case "liked":
                told.likes = draw.randrange(9)
                self._world.like(told.title, self.end, told.likes - item["likes"])
                self._later.append({**item, "likes": told.likes})
            case "gone":
                told.is_there = False
                self.gone.gone(self.end, number)
