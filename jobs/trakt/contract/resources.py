"""The fields of every resource, Trakt's and TMDb's, in one table: name, type, bounds, required, nullable, source.

A field is required only if every answer ever seen has it, and the row would mean nothing without it: real answers lack
fields that the published contract demands, such as a private user's name or any user's numeric id.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

__all__ = ["MAX_ITEM_BYTES", "OBJECTS", "RESOURCES", "SUBJECTS", "Field", "Kind", "Resource", "Source"]

Kind = Literal["integer", "number", "boolean", "text", "time", "date", "texts", "integers", "object", "objects"]
Source = Literal["answers", "contract", "older"]
"""``answers``: in recorded answers; ``contract``: so far only in the published one; ``older``: in old recordings."""

# BIGINT, in Parquet, DuckDB and PostgreSQL alike.
_MAX_INT: Final = 2**63 - 1
# The longest reviews have some 30,000 characters; anything near this limit is not a comment.
_MAX_COMMENT: Final = 1_000_000
_MAX_TEXT: Final = 10_000
MAX_ITEM_BYTES: Final = 4 * 2**20
"""Largest item as stored; a comment of the greatest length in four-byte characters fits."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object.

    Attributes:
        name: its key.
        kind: its type.
        required: whether an item without it is refused.
        nullable: whether it may be null.
        minimum: the smallest number.
        maximum: the largest number, or the greatest length of a text.
        object: name of the object in :data:`OBJECTS`, for the kinds ``object`` and ``objects``.
        source: where it was seen.
        about: its meaning, if the name does not tell.
    """

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = True
    minimum: int | None = None
    maximum: int | None = None
    object: str | None = None
    source: Source = "answers"
    about: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of answer.

    Attributes:
        name: its name in commands and tables.
        object: name of its items' object in :data:`OBJECTS`.
        many: whether the answer is a list of items; otherwise it is one item.
        about: a sentence for the schema.
        wrapped: name of the object for items that hold a comment and its subject, or None.
        one_of: fields of which an item has at least one.
        title: title of the schema; None names Trakt and the resource.
    """

    name: str
    object: str
    many: bool
    about: str
    wrapped: str | None = None
    one_of: tuple[str, ...] = ()
    title: str | None = None


def _id(name: str, *, required: bool = False) -> Field:
    return Field(name, "integer", required=required, nullable=not required, minimum=1, maximum=_MAX_INT)


def _count(name: str, *, about: str = "", source: Source = "answers") -> Field:
    return Field(name, "integer", minimum=0, maximum=_MAX_INT, about=about, source=source)


def _number(name: str, maximum: int, source: Source = "answers") -> Field:
    return Field(name, "number", minimum=0, maximum=maximum, source=source)


def _text(*names: str, source: Source = "answers") -> tuple[Field, ...]:
    return tuple(Field(name, "text", maximum=_MAX_TEXT, source=source) for name in names)


def _flag(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, "boolean") for name in names)


def _object(
    name: str, kind: str, *, required: bool = False, nullable: bool = True, source: Source = "answers"
) -> Field:
    return Field(name, "object", required=required, nullable=nullable, object=kind, source=source)


def _metadata(*fields: Field) -> tuple[Field, ...]:
    """Return fields of TMDb, whose answers are not recorded here: its reference describes them."""
    return tuple(replace(field, source="contract") for field in fields)


_IDS: Final = (*_text("slug", "imdb"), _count("tmdb"), _count("tvdb"), _count("tvrage", source="older"))

_TITLE: Final = (
    *_text("title", "original_title", "tagline", "overview", "country", "trailer", "homepage", "status"),
    *_text("language", "certification", "network", "type"),
    Field("year", "integer", minimum=0, maximum=9999),
    Field("released", "date"),
    Field("first_aired", "time"),
    Field("updated_at", "time"),
    Field("runtime", "integer", minimum=0, maximum=_MAX_INT, about="In minutes."),
    Field("total_runtime", "integer", minimum=0, maximum=_MAX_INT, source="contract"),
    _number("rating", 10),
    *(_count(name) for name in ("votes", "comment_count", "aired_episodes", "episode_count")),
    *(Field(name, "texts") for name in ("languages", "available_translations", "genres", "subgenres")),
    *_flag("after_credits", "during_credits"),
    _object("airs", "airs"),
)


def _sites(name: str, *, more: tuple[Field, ...] = ()) -> tuple[Field, ...]:
    return (_number("rating", 100, "contract"), _count("votes", source="contract"), *more, *_text(name))


OBJECTS: Final[dict[str, tuple[Field, ...]]] = {
    "user_ids": (
        *_text("slug"),
        Field(
            "trakt",
            "integer",
            minimum=1,
            maximum=_MAX_INT,
            source="contract",
            about="Required by the published contract; recorded answers have only the slug.",
        ),
        *_text("uuid", source="contract"),
    ),
    "user": (
        Field("username", "text", required=True, maximum=_MAX_TEXT),
        *_flag("private", "deleted"),
        *_text("name"),
        *_flag("vip", "vip_ep", "director"),
        _object("ids", "user_ids"),
    ),
    "user_stats": (_number("rating", 10), _count("play_count"), _count("completed_count")),
    "comment": (
        _id("id", required=True),
        _count("parent_id", about="0 for a comment on a title; otherwise the comment that this one replies to."),
        Field("created_at", "time", required=True, nullable=False),
        Field("updated_at", "time", about="May be earlier than created_at."),
        Field("comment", "text", required=True, nullable=False, maximum=_MAX_COMMENT, about="Markdown."),
        Field("spoiler", "boolean", required=True, nullable=False),
        Field("review", "boolean", required=True, nullable=False, about="True from 200 words on."),
        _count("replies"),
        _count("likes", about="May fall."),
        *_text("language"),
        Field("user_rating", "number", minimum=0, maximum=10, about="The user's present rating of the subject."),
        _object("user_stats", "user_stats"),
        _object("user", "user", required=True, nullable=False),
    ),
    "title_ids": (_id("trakt", required=True), *_IDS),
    "part_ids": (_id("trakt"), *_IDS),
    "airs": _text("day", "time", "timezone"),
    "title": (_object("ids", "title_ids", required=True, nullable=False), *_TITLE),
    "season": (_count("number"), _object("ids", "part_ids"), *_TITLE),
    "episode": (
        *(_count(name) for name in ("season", "number", "number_abs")),
        *_text("episode_type"),
        _object("ids", "part_ids"),
        *_TITLE,
    ),
    "list": (
        *_text("name", "description", "privacy", "share_link", "type", "sort_by", "sort_how"),
        *_flag("display_numbers", "allow_comments"),
        Field("created_at", "time"),
        Field("updated_at", "time"),
        *(_count(name) for name in ("item_count", "comment_count", "likes")),
        _object("ids", "part_ids"),
        _object("user", "user"),
    ),
    "feed_item": (
        Field("type", "text", required=True, nullable=False, maximum=_MAX_TEXT),
        _object("movie", "title"),
        _object("show", "title"),
        _object("season", "season"),
        _object("episode", "episode"),
        _object("list", "list"),
        _object("comment", "comment", required=True, nullable=False),
    ),
    "distribution": tuple(_count(str(mark)) for mark in range(1, 11)),
    "own_rating": (_number("rating", 10), _count("votes"), _object("distribution", "distribution")),
    "site_rating": _sites("link"),
    "tomatoes": _sites(
        "link", more=(_number("user_rating", 100, "contract"), *_text("state", "user_state", source="contract"))
    ),
    "rating": (
        _number("rating", 10),
        _count("votes", about="May differ from the sum of the distribution by hundreds."),
        _object("distribution", "distribution"),
        _object("trakt", "own_rating", nullable=False, source="contract"),
        *(
            _object(site, "site_rating", source="contract")
            for site in ("tmdb", "imdb", "metascore", "letterboxd", "mal")
        ),
        _object("rotten_tomatoes", "tomatoes", source="contract"),
    ),
    "stats": (
        *(Field(name, "integer", required=True, minimum=0, maximum=_MAX_INT) for name in ("watchers", "plays")),
        *(_count(name) for name in ("collectors", "comments", "lists", "votes", "favorited", "collected_episodes")),
        _count("recommended", source="older"),
    ),
    "update": (
        Field("updated_at", "time", required=True, nullable=False),
        _object("movie", "title", nullable=False),
        _object("show", "title", nullable=False),
    ),
    "tmdb_name": _metadata(
        _id("id"),
        *_text("name", "original_name", "english_name", "iso_639_1", "iso_3166_1", "origin_country", "credit_id"),
        *_text("logo_path", "poster_path", "backdrop_path", "profile_path", "overview"),
        _count("gender"),
    ),
    "tmdb_part": _metadata(
        _id("id"),
        *_text("name", "overview", "air_date", "episode_type", "production_code", "still_path", "poster_path"),
        *(_count(name) for name in ("season_number", "episode_number", "episode_count", "show_id", "runtime")),
        _count("vote_count"),
        _number("vote_average", 10),
    ),
    "tmdb_title": _metadata(
        _id("id", required=True),
        _number("popularity", 10**9),
        _number("vote_average", 10),
        _count("vote_count"),
        *_text(
            "title", "original_title", "name", "original_name", "original_language", "overview", "tagline", "status"
        ),
        *_text("type", "homepage", "imdb_id", "poster_path", "backdrop_path"),
        # A title without a date has an empty text.
        *_text("release_date", "first_air_date", "last_air_date"),
        Field("runtime", "integer", minimum=0, maximum=_MAX_INT, about="In minutes."),
        *(_count(name) for name in ("budget", "revenue", "number_of_episodes", "number_of_seasons")),
        *_flag("adult", "video", "softcore", "in_production"),
        *(Field(name, "texts") for name in ("origin_country", "languages")),
        Field("episode_run_time", "integers", minimum=0, maximum=_MAX_INT, about="In minutes."),
        *(
            Field(name, "objects", object="tmdb_name")
            for name in ("genres", "production_companies", "production_countries", "spoken_languages")
        ),
        *(Field(name, "objects", object="tmdb_name") for name in ("created_by", "networks")),
        _object("belongs_to_collection", "tmdb_name"),
        Field("seasons", "objects", object="tmdb_part"),
        *(_object(name, "tmdb_part") for name in ("last_episode_to_air", "next_episode_to_air")),
    ),
}
"""Name of an object -> its fields."""

SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "movie": ("movie",),
    "show": ("show",),
    "season": ("show", "season"),
    "episode": ("show", "episode"),
    "list": ("list",),
}
"""Type of a feed's item -> the fields that name its subject. Items of other types are accepted and counted."""

RESOURCES: Final[dict[str, Resource]] = {
    resource.name: resource
    for resource in (
        Resource(
            "comment",
            "comment",
            many=True,
            about="A comment, alone or in a feed's item with its subject.",
            wrapped="feed_item",
        ),
        Resource(
            "rating",
            "rating",
            many=False,
            about="The rating of a title, alone or with those of other sites.",
            one_of=("rating", "votes", "distribution", "trakt"),
        ),
        Resource("title", "title", many=False, about="A film or show, as returned with extended=full."),
        Resource("stats", "stats", many=False, about="How often a title is watched, collected and listed."),
        Resource("updates", "update", many=True, about="A title that has changed, and when.", one_of=("movie", "show")),
        Resource(
            "tmdb",
            "tmdb_title",
            many=False,
            about="A film or series, as TMDb returns it at /3/movie/{id} and /3/tv/{id}.",
            title="TMDb title",
        ),
    )
}
"""Name -> resource."""
