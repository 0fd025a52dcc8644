"""JSON documents of the API, built from the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.replayer.catalogue import title_document
from jobs.trakt.replayer.clock import DAY, iso
from jobs.trakt.replayer.draw import mix
from jobs.trakt.replayer.state import comment_id
from jobs.trakt.replayer.words import is_review, written

if TYPE_CHECKING:
    from jobs.trakt.replayer.world import World

__all__ = [
    "comment",
    "is_reply_review",
    "is_review_now",
    "like",
    "rating",
    "reaction",
    "reactions",
    "reactions_summary",
    "reply",
    "reply_likes",
    "stats",
    "subject",
    "title",
    "wrapped",
]

_PRIVATE, _RECORDED = 5, 98
_USERS: Final = 100_000
_LANGUAGES: Final = ("en",) * 19 + ("es",)
_GENRES: Final = ("drama", "thriller", "comedy", "science-fiction", "documentary")
# The sum of the distribution minus the votes, as recorded for 14 titles; the last two ratings were not the mean either.
_DEVIATIONS: Final = (*(0,) * 10, -1, -2, -278, -342)
_FAR_OFF: Final = 100
_REACTIONS: Final = ("like", "dislike", "love", "laugh", "shocked", "bravo", "spoiler")


def _user(world: World, number: int, pool: int, salt: int) -> dict[str, Any]:
    bits = mix(world.seed + 40, salt + number % pool * 1_009) % _USERS
    slug = f"user-{bits:05d}"
    private = mix(world.seed + 41, bits)
    user: dict[str, Any] = {"username": slug.replace("-", "_"), "private": private % _RECORDED < _PRIVATE}
    user["deleted"] = (private >> 8) % 200 == 0
    if not user["private"]:
        user |= {"name": f"User {bits}", "vip": (private >> 16) % 12 == 0, "vip_ep": False, "director": False}
    # Of 98 recorded comments, all had the slug only.
    user["ids"] = {"slug": slug}
    return user


def _salt(world: World, number: int) -> int:
    return world.seed + 43 + 1_000_003 * world.change_of(number).edits


def is_review_now(world: World, number: int) -> bool:
    """Return whether a comment is a review after its edits."""
    return is_review(_salt(world, number), number)


def is_reply_review(world: World, number: int, place: int) -> bool:
    """Return whether a reply is a review."""
    return is_review(world.seed + 44, world.reply_id(number, place))


def comment(world: World, number: int) -> dict[str, Any]:
    """Return a top-level comment."""
    bits = mix(world.seed + 42, number)
    text, spoiler, review = written(_salt(world, number), number)
    rating, plays = world.rating(number), world.plays(number)
    created, updated = world.created(number), world.updated(number)
    written_at = iso(created)
    # The user is drawn by the thread in which the comment was first written: a move does not change the author.
    home = world.catalogue.thread_of(number)
    return {
        "id": comment_id(world.seed, number),
        "parent_id": 0,
        "created_at": written_at,
        "updated_at": written_at if updated == created else iso(updated),
        "comment": text,
        "spoiler": spoiler,
        "review": review,
        "replies": world.replies(number),
        "likes": world.likes(number),
        "language": _LANGUAGES[bits % len(_LANGUAGES)],
        "user_rating": rating,
        "user_stats": {"rating": rating, "play_count": plays, "completed_count": min(plays, 1)},
        "user": _user(world, bits >> 8, world.catalogue.threads[home].pool, home * 7_919),
    }


def reply_likes(world: World, identifier: int) -> int:
    """Return the likes of a reply."""
    return mix(world.seed + 45, identifier) % 4


def reply(world: World, number: int, place: int) -> dict[str, Any]:
    """Return a reply to a comment."""
    identifier = world.reply_id(number, place)
    text, spoiler, review = written(world.seed + 44, identifier)
    moment = iso(world.replied(number, place))
    return {
        "id": identifier,
        "parent_id": comment_id(world.seed, number),
        "created_at": moment,
        "updated_at": moment,
        "comment": text,
        "spoiler": spoiler,
        "review": review,
        "replies": 0,
        "likes": reply_likes(world, identifier),
        "language": "en",
        "user_rating": None,
        "user_stats": {"rating": None, "play_count": 0, "completed_count": 0},
        "user": _user(world, mix(world.seed + 46, identifier), 5_000, 3),
    }


def like(world: World, identifier: int, place: int, since: int) -> dict[str, Any]:
    """Return the like at a place in the likes of a comment or reply, newest first.

    Args:
        world: where it is.
        identifier: id of the comment or reply.
        place: from 0.
        since: when the comment was written.
    """
    return {"liked_at": iso(_moment(world, place, since)), "user": _reader(world, identifier, place)}


def reaction(world: World, identifier: int, place: int, since: int) -> dict[str, Any]:
    """Return the reaction at a place, as :func:`like`."""
    kind = _reaction(world, identifier, place)
    moment = iso(_moment(world, place, since))
    return {"reacted_at": moment, "reaction": {"type": kind}, "user": _reader(world, identifier, place)}


def reactions(world: World, identifier: int) -> int:
    """Return how many reactions a comment or reply has: none for most."""
    return max(mix(world.seed + 51, identifier) % 10 - 6, 0)


def reactions_summary(world: World, identifier: int) -> dict[str, Any]:
    """Return the reactions of a comment or reply, counted by kind."""
    kinds = [_reaction(world, identifier, place) for place in range(reactions(world, identifier))]
    counts = {kind: kinds.count(kind) for kind in _REACTIONS}
    users = {_reader(world, identifier, place)["username"] for place in range(len(kinds))}
    return {"reaction_count": len(kinds), "user_count": len(users), "distribution": counts}


def _reaction(world: World, identifier: int, place: int) -> str:
    return _REACTIONS[mix(world.seed + 52, identifier + place) % len(_REACTIONS)]


def _moment(world: World, place: int, since: int) -> int:
    return since + (world.now - since) // (place + 2)


def _reader(world: World, identifier: int, place: int) -> dict[str, Any]:
    """Return a user who liked a comment or reacted to it."""
    return _user(world, identifier + place, _USERS, 5)


def subject(world: World, number: int) -> dict[str, Any]:
    """Return what a comment is about, as feeds wrap it."""
    thread = world.catalogue.threads[world.thread_of(number)]
    about = world.catalogue.titles[thread.title]
    found: dict[str, Any] = {"type": thread.kind, about.kind: title_document(about, world.slugs[about.number])}
    ids = {"trakt": 80_000 + thread.number, "tvdb": None, "tmdb": 550_000 + thread.number}
    if thread.kind == "season":
        found["season"] = {"number": thread.season, "ids": ids}
    elif thread.kind == "episode":
        name = f"Episode {thread.episode}"
        found["episode"] = {
            "season": thread.season,
            "number": thread.episode,
            "title": name,
            "ids": ids | {"imdb": None},
        }
    return found


def wrapped(world: World, number: int, document: dict[str, Any]) -> dict[str, Any]:
    """Return an item of a feed."""
    return {**subject(world, number), "comment": document}


def title(world: World, number: int, *, full: bool) -> dict[str, Any]:
    """Return a title, with all its fields if ``full``."""
    about = world.catalogue.titles[number]
    found = title_document(about, world.slugs[number])
    if full:
        thread = world.title_thread(number)
        bits = mix(world.seed + 47, number)
        score = rating(world, thread, extended=False)
        day = iso(world.launch - (bits % 30) * DAY)
        released = {"released": day[:10]} if about.kind == "movie" else {"first_aired": day}
        found |= {
            **released,
            "overview": f"A {about.kind} that exists only here.",
            "runtime": 80 + bits % 60,
            "status": "released" if about.kind == "movie" else "ended",
            "genres": [_GENRES[bits % len(_GENRES)], _GENRES[(bits >> 8) % len(_GENRES)]],
            "certification": "PG-13",
            "language": "en",
            "rating": score["rating"] or 0.0,
            "votes": score["votes"],
            "comment_count": world.size(thread),
            "updated_at": iso(world.launch),
        }
    return found


def rating(world: World, thread: int, *, extended: bool) -> dict[str, Any]:
    """Return the ratings of a thread's subject; ``extended`` nests them next to those of other sites."""
    distribution = world.distribution(thread)
    total = sum(distribution)
    found: dict[str, Any] = {"rating": None, "votes": 0, "distribution": None}
    if total:
        deviation = _DEVIATIONS[mix(world.seed + 48, thread) % len(_DEVIATIONS)]
        mean = sum(score * votes for score, votes in enumerate(distribution, 1)) / total
        found = {
            "rating": round(mean - (0.4 if -deviation > _FAR_OFF else 0), 5),
            "votes": total - deviation,
            "distribution": {str(score): votes for score, votes in enumerate(distribution, 1)},
        }
    if not extended:
        return found
    votes = 1_000 + mix(world.seed + 49, thread) % 50_000
    return {
        "trakt": found,
        "tmdb": {"rating": 7.4, "votes": votes // 10, "link": None},
        "imdb": {"rating": 7.1, "votes": votes, "link": None},
        "metascore": {"rating": None, "link": None},
        "rotten_tomatoes": {"rating": 91, "state": "fresh", "user_rating": 80, "user_state": "upright", "link": None},
    }


def stats(world: World, thread: int) -> dict[str, int]:
    """Return the counters of a thread's subject."""
    bits = mix(world.seed + 50, thread)
    watchers = 1_000 + bits % 50_000
    return {
        "watchers": watchers,
        "plays": watchers + (bits >> 16) % watchers,
        "collectors": watchers // 2,
        "comments": world.size(thread),
        "lists": watchers // 9,
        "votes": int(rating(world, thread, extended=False)["votes"]),
        "favorited": watchers // 70,
    }
