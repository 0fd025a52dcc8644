"""The kinds of rows in a catalogue's files, and their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["COLUMNS", "MAX_CHARS", "Kind", "canonical", "kind_of", "parse_column", "title_column", "title_slot"]


class Kind(StrEnum):
    """The kind of a file's rows; its name plus ``.csv`` is the file that an export writes."""

    SERIES = "series"
    EPISODES = "episodes"
    NUMBERS = "numbers"
    ALIASES = "aliases"
    DEALS = "deals"
    CHANNELS = "channels"
    TERRITORIES = "territories"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one kind.

    Attributes:
        plain: columns with one value.
        titled: a column of which there may be several, by language and position: ``title``, ``title-es``,
            ``title-es.2``.
        languages: whether the titled column has languages.
        marks: a file with one of these columns, and none of the ``never``, is of this kind.
        never: see ``marks``.
    """

    plain: tuple[str, ...]
    titled: str | None
    languages: bool
    marks: tuple[str, ...]
    never: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return every column, in the order in which they are written."""
        return self.plain if self.titled is None or self.titled in self.plain else (*self.plain, self.titled)


_TARGET: Final = ("target_series", "target_season", "target_episode", "target_title")

COLUMNS: Final[dict[Kind, Columns]] = {
    Kind.DEALS: Columns(
        plain=(
            *("platform", "domain", "partner", "channel", "territory", "valid_from", "valid_to"),
            *("deal_parent", "internal_partner", "internal_channel", "internal_territory", "active"),
        ),
        titled=None,
        languages=False,
        marks=("deal_parent",),
    ),
    Kind.ALIASES: Columns(
        plain=("kind", "alias", "target", *_TARGET, "platform", "exact", "series", "season", "episode", "content_id"),
        titled=None,
        languages=False,
        marks=("target",),
    ),
    Kind.NUMBERS: Columns(
        plain=("ref_id", *_TARGET, "platform", "season", "episode"),
        titled=None,
        languages=False,
        marks=("platform",),
        never=("deal_parent", "target"),
    ),
    Kind.CHANNELS: Columns(
        plain=("code", "active"), titled="channel", languages=False, marks=("channel",), never=("deal_parent",)
    ),
    Kind.TERRITORIES: Columns(
        plain=("code", "active"), titled="territory", languages=False, marks=("territory",), never=("deal_parent",)
    ),
    Kind.EPISODES: Columns(
        plain=(
            *("ref_id", "series", "series_code", "content_provider", "status"),
            *("season", "episode", "episode_status"),
        ),
        titled="title",
        languages=True,
        marks=("ref_id", "season", "episode", "title"),
        never=("deal_parent", "target", "platform"),
    ),
    Kind.SERIES: Columns(
        plain=("series_code", "content_provider", "status"),
        titled="series",
        languages=True,
        marks=("series", "series_code"),
        never=("ref_id", "season", "episode", "title", "target", "deal_parent", "platform"),
    ),
}
"""Kind -> its columns; the first kind whose marks fit a header is the file's."""

MAX_CHARS: Final[dict[str, int]] = {
    **dict.fromkeys(("title", "series", "content_provider", "alias", "target_series", "target_title"), 500),
    **dict.fromkeys(("ref_id", "target", "content_id", "domain", "partner", "channel", "territory"), 200),
    **dict.fromkeys(("internal_partner", "internal_channel", "internal_territory"), 200),
    **dict.fromkeys(("series_code", "deal_parent"), 100),
    **dict.fromkeys(("season", "episode", "target_season", "target_episode"), 50),
    **dict.fromkeys(("platform",), 63),
    **dict.fromkeys(("code",), 20),
}
"""Column -> longest value, in characters; 50 for others."""

# Names in tables that others export.
_SYNONYMS: Final = {
    "platform_partner_name": "partner",
    "platform_channel_name": "channel",
    "platform_territory": "territory",
    "season_number": "season",
    "episode_number": "episode",
    "code_of_series": "series_code",
}
_TITLED: Final = re.compile(r"([a-z_]+?)(?:-([a-z]{2,3}(?:-[a-z0-9]{2,8})*))?(?:\.([1-9][0-9]{0,2}))?")
_LONGEST_LANGUAGE: Final = 35


def canonical(header: str) -> str:
    """Return the name of a column as typed in a header: ``Title-ES`` -> ``title-es``.

    >>> canonical(" Series Code "), canonical("Title-ES"), canonical("title-en.1")
    ('series_code', 'title-es', 'title-en')
    """
    name = re.sub(r"\s+", "_", header.strip().lower())
    name = _SYNONYMS.get(name, name)
    return name.removesuffix(".1")


def parse_column(kind: Kind, name: str) -> str | None:
    """Return the column without language and position, or None if the kind has no such column.

    Args:
        kind: the kind of the file.
        name: as :func:`canonical` returns it.
    """
    columns = COLUMNS[kind]
    if name in columns.plain:
        return name
    match = _TITLED.fullmatch(name)
    if match is None or match[1] != columns.titled or (match[2] and not columns.languages):
        return None
    return match[1] if len(match[2] or "") <= _LONGEST_LANGUAGE else None


def title_slot(name: str) -> tuple[str, int]:
    """Return language (``und`` without one) and position of a titled column.

    >>> title_slot("title"), title_slot("title-pt-br.2")
    (('und', 1), ('pt-br', 2))
    """
    match = _TITLED.fullmatch(name)
    if match is None:
        raise ValueError(name)
    return match[2] or "und", int(match[3] or 1)


def title_column(base: str, language: str, position: int) -> str:
    """Return the column of a title; the inverse of :func:`title_slot`."""
    return base + ("" if language == "und" else f"-{language}") + ("" if position == 1 else f".{position}")


def kind_of(names: Collection[str]) -> Kind | None:
    """Return the kind of a file by its columns, or None if none fits.

    Args:
        names: as :func:`canonical` returns them.
    """
    bases = _bases(names)
    for kind, columns in COLUMNS.items():
        if bases & set(columns.marks) and not bases & set(columns.never):
            return kind
    return None


def _bases(names: Iterable[str]) -> set[str]:
    return {match[1] for name in names if (match := _TITLED.fullmatch(name))}
