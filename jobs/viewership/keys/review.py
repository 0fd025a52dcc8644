"""The key of a review decision: one decision covers all rows with the same key."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

from jobs.viewership.keys.ids import id_key
from jobs.viewership.keys.numbering import whole_number
from jobs.viewership.keys.text import cleaned, json_list
from jobs.viewership.keys.titles import TitleForm, series_form, title_form

__all__ = ["ReviewKey", "review_key"]


class ReviewKey(NamedTuple):
    """Platform and what it says about an episode, in one form.

    Attributes:
        platform: platform, folded.
        title: key of the title; of both titles where there are two.
        series: key of the series.
        season: season; as written if it is not a number, empty if there is none.
        episode: episode, likewise.
        content_id: key of the content id; a rounded id is none.
    """

    platform: str
    title: str
    series: str
    season: str
    episode: str
    content_id: str

    @property
    def parts(self) -> list[str]:
        """Return the fields in order, as they are stored."""
        return list(self)

    @property
    def digest(self) -> bytes:
        """Return a hash of the fields, under which keys of one decision are found."""
        return hashlib.blake2b(json_list(self).encode(), digest_size=16).digest()


@lru_cache(maxsize=4096)
def _platform(text: str) -> str:
    return cleaned(text).casefold()


def _number(text: str | None) -> str:
    if text is None:
        return ""
    value = whole_number(text)
    return str(value) if value is not None else cleaned(text).casefold()


def _title(form: TitleForm) -> str:
    if form.season is None and form.episode is None:
        return f"{form.key}  {form.language}" if form.language else form.key.rstrip()
    season = f"s{form.season}" if form.season is not None else ""
    episode = f"e{form.episode}" if form.episode is not None else ""
    return f"{form.key} {season}{episode} {form.language or ''}".rstrip()


def review_key(
    platform: str,
    *,
    content_name: str | None = None,
    content_name_2: str | None = None,
    series: str | None = None,
    season: str | None = None,
    episode: str | None = None,
    content_id: str | None = None,
) -> ReviewKey:
    """Return the key of a row's decision; rows that differ in case, accents, spaces or number forms share it.

    Season and episode inside a title stay part of the key: two placeholders of different episodes are two decisions.

    Example:
        >>> review_key("philo", content_name="The Storm, Part 1", season="01")
        ReviewKey(platform='philo', title='storm 1', series='', season='1', episode='', content_id='')
    """
    titles = [_title(form) for text in (content_name, content_name_2) if text and (form := title_form(text)).key]
    return ReviewKey(
        _platform(platform),
        " | ".join(dict.fromkeys(titles)),
        series_form(series).key if series and series.strip() else "",
        _number(season),
        _number(episode),
        id_key(content_id) if content_id else "",
    )
