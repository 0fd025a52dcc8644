"""Rows of series: by code, or else by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.viewership.catalog.columns import Kind
from jobs.viewership.catalog.entities import Entity, EntityKind
from jobs.viewership.catalog.gathering import Gathering, is_titled, quoted
from jobs.viewership.catalog.state import name_key, ref_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jobs.viewership.catalog.files import Row

__all__ = ["SeriesRows"]


class SeriesRows(Gathering):
    """Find the series that a row names."""

    def _series_row(self, row: Row) -> None:
        values = row.values
        titles = {name: value for name, value in values.items() if is_titled("series", name)}
        name = values.get("series") or next((value for value in titles.values() if value), None)
        entity = self._find_series(row, values.get("series_code"), name)
        if entity is None:
            return
        by_name = not values.get("series_code") and not entity.new
        if not any(titles.values()):
            titles = {}
        elif by_name and name_key(name) != name_key(self._stated(entity, "series")):
            # Found by one of its further names, which does not rename it.
            titles.pop("series", None)
        self._gather(entity, {**titles, **self._about(entity, values)}, row)
        self._present.add(Kind.SERIES)
        self._know(entity, values.get("series_code"), titles.values())

    def _find_series(self, row: Row, code: str | None, name: str | None) -> Entity | None:
        state = self._state
        named = state.series_by_name.get(name_key(name), []) if name else []
        if code and (known := state.series_by_code.get(ref_key(code))) is not None:
            return known
        if name is None:
            about = f"series code {quoted(code)} is new and has no name" if code else "the series is empty"
            self._bad(row, "series", f"{about}; expected its name")
            return None
        if code:
            without = [each for each in named if not self._code(each)]
            return without[0] if len(without) == 1 else self._new(EntityKind.SERIES)
        if len(named) > 1:
            # A remake may have the same name, and another series the name as one of its further titles.
            main = [each for each in named if name_key(each.fields.get("series")) == name_key(name)]
            named = main if len(main) == 1 else named
        if len(named) > 1:
            codes = ", ".join(sorted(quoted(self._code(each) or "none") for each in named))
            self._bad(row, "series", f"{len(named)} series are named {quoted(name)} (codes {codes}); expected a code")
            return None
        return named[0] if named else self._new(EntityKind.SERIES)

    def _about(self, series: Entity, values: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return what a row states of its series, except names."""
        about = {key: values[key] for key in ("series_code", "content_provider", "status") if key in values}
        if code := about.get("series_code"):
            about["series_code"] = self._spelled(series, "series_code", code)
        return about

    def _code(self, series: Entity) -> str | None:
        return self._values.get(series, {}).get("series_code") or series.fields.get("series_code")

    def _know(self, series: Entity, code: str | None, names: Iterable[str | None]) -> None:
        self._state.index_series(series, code, [name for name in names if name])

    def _is_named(self, series: Entity, name: str) -> bool:
        return series in self._state.series_by_name.get(name_key(name), ())
