"""Rows of episodes and of their numberings: by id, by numbers, or else by title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.entities import Entity, EntityKind
from jobs.viewership.catalog.gathering import is_titled, quoted
from jobs.viewership.catalog.series_rows import SeriesRows
from jobs.viewership.catalog.state import name_key, ref_key
from jobs.viewership.keys.titles import title_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.viewership.catalog.files import Row

__all__ = ["EpisodeRows"]


class EpisodeRows(SeriesRows):
    """Find the episode that a row describes or points to."""

    def _episode_row(self, row: Row) -> None:
        values = row.values
        titles = {key: value for key, value in values.items() if is_titled("title", key)}
        ref_id, season, episode = values.get("ref_id"), values.get("season"), values.get("episode")
        known = self._state.episodes_by_ref.get(ref_key(ref_id)) if ref_id else None
        series = self._series_of(row, known)
        if series is None:
            return
        if not (ref_id or (season and episode) or any(titles.values())):
            # A row of a series alone, as in a list of series with the columns of episodes.
            return
        found = known or self._find_episode(row, series, titles)
        if found is None:
            return
        self._owners[found] = series
        own: dict[str, str | None] = {
            key: values[key] for key in ("ref_id", "season", "episode", "episode_status") if key in values
        }
        if "ref_id" in own:
            own["ref_id"] = self._spelled(found, "ref_id", ref_id)
        self._gather(found, {**own, **titles, "series_id": str(series.id)}, row)
        self._present.add(Kind.EPISODES)
        self._state.index_episode(found, series, {**own, **titles})

    def _series_of(self, row: Row, known: Entity | None) -> Entity | None:
        """Return the series of an episode's row, or None after an error, and note what the row states of it."""
        values = row.values
        stated = tuple(values.get(name) for name in ("series_code", "series", "content_provider", "status"))
        code, name = stated[:2]
        if not code and not name and known is not None:
            return self._owners.get(known, known.owner)
        if (series := self._stated_series.get(stated)) is not None:
            return series
        series = self._find_series(row, code, name)
        if series is None:
            return None
        about = self._about(series, values)
        if name and not self._is_named(series, name):
            about["series"] = name
        self._gather(series, about, row)
        self._know(series, code, [name])
        self._stated_series[stated] = series
        return series

    def _find_episode(self, row: Row, series: Entity, titles: Mapping[str, str | None]) -> Entity | None:
        """Return the episode that a row without a known id describes, a new one, or None after an error."""
        ref_id, season, episode = (row.values.get(name) for name in ("ref_id", "season", "episode"))
        found: list[Entity] = []
        if season and episode:
            found = self._state.episodes_by_numbers.get((series.id, season, episode), [])
        elif not ref_id or series.id in self._state.series_without_refs:
            given = [value for value in titles.values() if value]
            found = [
                each
                for each in self._state.episodes_titled(series, given)
                if not _disagree(season, self._stated(each, "season"))
                and not _disagree(episode, self._stated(each, "episode"))
            ]
        if ref_id:
            found = [each for each in found if not self._stated(each, "ref_id")]
        agreeing = [each for each in found if self._agrees(each, titles)]
        if ref_id:
            return agreeing[0] if len(agreeing) == 1 else self._new(EntityKind.EPISODE)
        if len(found) > 1:
            found = agreeing
        if len(found) > 1:
            ids = ", ".join(sorted(quoted(self._stated(each, "ref_id") or "none") for each in found[:5]))
            self._bad(row, "ref_id", f"the row fits {len(found)} episodes (ref_id {ids}); expected a ref_id")
            return None
        return found[0] if found else self._new(EntityKind.EPISODE)

    def _agrees(self, episode: Entity, titles: Mapping[str, str | None]) -> bool:
        """Return whether no title contradicts one of the episode's in the same language."""
        stated = {**episode.fields, **self._values.get(episode, {})}
        for language in {name.partition(".")[0] for name, value in titles.items() if value}:
            ours = {title_key(value) for name, value in stated.items() if value and name.partition(".")[0] == language}
            theirs = {
                title_key(value) for name, value in titles.items() if value and name.partition(".")[0] == language
            }
            if ours and not ours & theirs:
                return False
        return True

    def _target(self, row: Row, ref_id: str | None, column: str) -> Entity | None:
        """Return the episode that a row points to, or None after an error."""
        values = row.values
        if ref_id:
            known = self._state.episodes_by_ref.get(ref_key(ref_id))
            if known is None:
                self._bad(row, column, f"no episode has ref_id {quoted(ref_id)}; import the episodes first")
            return known
        name = values.get("target_series")
        if not name:
            self._bad(row, column, f"the episode is missing; expected {column}, or target_series with its episode")
            return None
        named = self._state.series_by_name.get(name_key(name), [])
        coded = self._state.series_by_code.get(ref_key(name))
        series = coded or (named[0] if len(named) == 1 else None)
        if series is None:
            problem = "no series is" if not named else f"{len(named)} series are"
            self._bad(row, "target_series", f"{problem} named {quoted(name)}; expected the name or code of one series")
            return None
        season, episode, title = values.get("target_season"), values.get("target_episode"), values.get("target_title")
        found = self._state.episodes_by_numbers.get((series.id, season or "", episode or ""), [])
        if not found and title:
            found = self._state.episodes_titled(series, [title])
        if len(found) > 1 and title:
            found = [each for each in found if each in self._state.episodes_titled(series, [title])]
        if len(found) != 1:
            self._bad(row, column, f"{len(found)} episodes of {quoted(name)} fit; expected one: give its ref_id")
            return None
        return found[0]

    def _numbers_row(self, row: Row) -> None:
        values = row.values
        if not (values.get("season") or values.get("episode")):
            self._bad(row, "episode", "season and episode are empty; expected at least one of them")
            return
        entity = self._target(row, values.get("ref_id"), "ref_id")
        if entity is not None:
            platform = values.get("platform")
            numbering = (platform.casefold() if platform else None, values.get("season"), values.get("episode"))
            self._values.setdefault(entity, {})
            self._first.setdefault(entity, row)
            self._numbers[entity].append(numbering)
            self._present.add(Kind.NUMBERS)


def _disagree(first: str | None, second: str | None) -> bool:
    return bool(first and second and first != second)
