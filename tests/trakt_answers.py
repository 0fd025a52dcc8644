"""Answers of the API for tests: a comment, a feed's item, a rating, a title, statistics and an update."""

from __future__ import annotations

import copy
import json
from typing import Any

__all__ = ["comment", "encode", "example", "feed_item"]

_COMMENT: dict[str, Any] = {
    "id": 918273,
    "parent_id": 0,
    "created_at": "2026-05-02T18:04:11.000Z",
    "updated_at": "2026-05-03T07:20:45.000Z",
    "comment": "Slow first act, superb last hour.",
    "spoiler": False,
    "review": False,
    "replies": 2,
    "likes": 14,
    "language": "en",
    "user_rating": 8,
    "user_stats": {"rating": 8, "play_count": 2, "completed_count": 1},
    "user": {
        "username": "mara_k",
        "private": False,
        "deleted": False,
        "name": "Mara K.",
        "vip": False,
        "vip_ep": False,
        "director": False,
        "ids": {"slug": "mara_k", "trakt": 445566},
    },
}
_IDS = {"trakt": 7001, "slug": "harbour", "tvdb": 410001, "imdb": "tt9000001", "tmdb": 99001}
_EXAMPLES: dict[str, dict[str, Any]] = {
    "comment": _COMMENT,
    "rating": {"rating": 7.625, "votes": 1600, "distribution": {str(mark): 10 * mark for mark in range(1, 11)}},
    "title": {
        "title": "Night Ferry",
        "year": 2026,
        "ids": {"trakt": 612345, "slug": "night-ferry-2026", "imdb": "tt9999991", "tmdb": 1234567},
        "tagline": "Nobody boards twice.",
        "released": "2026-03-06",
        "runtime": 112,
        "status": "released",
        "rating": 7.625,
        "votes": 1600,
        "comment_count": 36,
        "updated_at": "2026-05-04T00:12:09.000Z",
        "genres": ["drama", "thriller"],
        "airs": {"day": None, "time": None, "timezone": None},
        "after_credits": None,
    },
    "stats": {"watchers": 39000, "plays": 51000, "collectors": 27000, "comments": 36, "lists": 4500, "votes": 1600},
    "tmdb": {
        "id": 1234567,
        "title": "Night Ferry",
        "popularity": 12.75,
        "vote_average": 7.4,
        "vote_count": 812,
        "original_language": "en",
        "genres": [{"id": 18, "name": "Drama"}, {"id": 53, "name": "Thriller"}],
        "runtime": 112,
        "release_date": "",
        "belongs_to_collection": None,
        "episode_run_time": [50],
        "origin_country": ["NO"],
        "last_episode_to_air": {"id": 5, "name": "Fog", "runtime": None},
    },
    "updates": {"updated_at": "2026-05-04T00:12:09.000Z", "movie": {"title": "Night Ferry", "ids": {"trakt": 612345}}},
}


def example(resource: str) -> dict[str, Any]:
    """Return a fresh valid item."""
    return copy.deepcopy(_EXAMPLES[resource])


def comment(**changes: Any) -> dict[str, Any]:
    """Return a fresh comment with other values; a value of ... leaves the field out."""
    made = {**example("comment"), **changes}
    return {name: value for name, value in made.items() if value is not ...}


def feed_item(kind: str = "episode", **changes: Any) -> dict[str, Any]:
    """Return a fresh item of a feed; a value of ... leaves the field out."""
    part = {"season": 1, "number": 3, "title": "Fog", "ids": {"trakt": 88003, "imdb": None}}
    subjects: dict[str, dict[str, Any]] = {
        "movie": {"movie": {"title": "Night Ferry", "year": 2026, "ids": _IDS}},
        "show": {"show": {"title": "Harbour", "year": 2024, "ids": _IDS}},
        "season": {"show": {"title": "Harbour", "ids": _IDS}, "season": {"number": 1, "ids": {"trakt": 5}}},
        "episode": {"show": {"title": "Harbour", "ids": _IDS}, "episode": part},
        "list": {"list": {"name": "Fog", "ids": {"trakt": 9, "slug": "fog"}, "user": {"username": "mara_k"}}},
    }
    made = {"type": kind, **copy.deepcopy(subjects.get(kind, {})), "comment": comment(), **changes}
    return {name: value for name, value in made.items() if value is not ...}


def encode(value: Any) -> bytes:
    """Return compact JSON, as the servers write it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
