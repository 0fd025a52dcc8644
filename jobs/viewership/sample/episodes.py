"""The catalogue of the sample set: invented series and episodes, deals, channels and territories."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CHANNEL", "SampleEpisode", "SampleSeries", "catalogue_files", "episodes"]

CHANNEL: Final = "Lantern"
"""The channel that carries the series."""


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """A series of the sample catalogue."""

    code: str
    name: str
    spanish: str
    per_season: int


@dataclass(frozen=True, slots=True)
class SampleEpisode:
    """An episode of the sample catalogue; its ref_id has the series' code, the season and the episode."""

    series: SampleSeries
    season: int
    number: int
    title: str
    spanish: str

    @property
    def ref_id(self) -> str:
        """Return the id, such as HL-0103."""
        return f"{self.series.code}-{self.season:02d}{self.number:02d}"


_SERIES: Final = (
    SampleSeries("HL", "Harbour Lights", "Luces del puerto", 8),
    SampleSeries("SC", "The Second Chance Court", "El tribunal de la segunda oportunidad", 12),
    SampleSeries("LD", "Late Desk", "La mesa nocturna", 20),
    SampleSeries("NK", "Northern Kitchen", "Cocina del norte", 6),
)
_SUBJECTS: Final = (
    *(("Storm", "tormenta"), ("Letter", "carta"), ("Bridge", "puente"), ("Witness", "testigo"), ("Garden", "jardín")),
    *(
        ("Promise", "promesa"),
        ("Verdict", "veredicto"),
        ("Recipe", "receta"),
        ("Neighbour", "vecino"),
        ("Key", "llave"),
    ),
    *(("Lighthouse", "faro"), ("Secret", "secreto"), ("Return", "regreso"), ("Guest", "invitado"), ("Debt", "deuda")),
    *(("Winter", "invierno"), ("Photograph", "fotografía"), ("Harvest", "cosecha"), ("Alibi", "coartada")),
    *(("Tide", "marea"), ("Wedding", "boda"), ("Ledger", "libro"), ("Orchard", "huerto"), ("Signal", "señal")),
)
_NO_MORE: Final = "No More {}"
_FRAMES: Final = (
    *(("The {}", "{}: el comienzo"), ("A {} for Two", "{} para dos"), ("After the {}", "Después: {}")),
    *(("{} at Midnight", "{} a medianoche"), (_NO_MORE, "Sin {}"), ("My Sister's {}", "{} de mi hermana")),
)


def episodes(per_series: int, seed: int) -> list[SampleEpisode]:
    """Return the episodes of all series; titles are unique in a series, and some stories have two parts.

    Args:
        per_series: number of episodes of each series.
        seed: of the order of the titles.
    """
    found = []
    for series in _SERIES:
        # Every series draws from the same titles, as real ones do: a title alone is not unique.
        titles = _titles(random.Random(f"{seed}:{series.code}"), per_series)  # noqa: S311 - not a secret
        for position, (title, spanish) in enumerate(titles):
            season, number = divmod(position, series.per_season)
            found.append(SampleEpisode(series, season + 1, number + 1, title, spanish))
    return found


def _titles(chance: random.Random, count: int) -> list[tuple[str, str]]:
    pairs = [(frame, subject) for frame in _FRAMES for subject in _SUBJECTS]
    chance.shuffle(pairs)
    titles: list[tuple[str, str]] = []
    for round_number in range(count // len(pairs) + 1):
        for place, ((english, spanish), (word, palabra)) in enumerate(pairs):
            later = f" {round_number + 1}" if round_number else ""
            title = (
                english.format(_plural(word) if english == _NO_MORE else word) + later,
                spanish.format(palabra).capitalize() + later,
            )
            both = place % 9 == 0  # one story in nine has two parts
            titles += (
                [(f"{title[0]}, Part {part}", f"{title[1]}, parte {part}") for part in (1, 2)] if both else [title]
            )
    return titles[:count]


def _plural(word: str) -> str:
    return word + ("es" if word.endswith(("s", "sh", "ch", "x", "z")) else "s")


def catalogue_files(catalogue: Iterable[SampleEpisode]) -> dict[str, bytes]:
    """Return the files that `catalog import` reads, by name.

    Args:
        catalogue: the episodes.
    """
    found = list(catalogue)
    return {
        "episodes.csv": _csv(
            ("ref_id", "series", "series_code", "content_provider", "season", "episode", "title", "title-es"),
            [
                (e.ref_id, e.series.name, e.series.code, "Lantern Studios", e.season, e.number, e.title, e.spanish)
                for e in found
            ],
        ),
        "series.csv": _csv(
            ("series_code", "content_provider", "status", "series", "series-es"),
            [(s.code, "Lantern Studios", "active", s.name, s.spanish) for s in _SERIES],
        ),
        "deals.csv": _csv(_DEAL, _deals()),
        "channels.csv": _csv(("code", "channel", "channel.2"), [("LAN", CHANNEL, "Lantern TV"), ("OWN", "Owned", "")]),
        "territories.csv": _csv(
            ("code", "territory", "territory.2"),
            [
                ("US", "United States", "USA"),
                ("CA", "Canada", ""),
                ("MX", "Mexico", "México"),
                ("GB", "United Kingdom", "UK"),
            ],
        ),
    }


_DEAL: Final = (
    *("platform", "domain", "partner", "channel", "territory"),
    *("deal_parent", "internal_partner", "internal_channel", "internal_territory"),
)
_DISTRIBUTION: Final = "Distribution Partners"
_OWNED: Final = "Owned and Operated"


def _deals() -> list[tuple[str, ...]]:
    """Return one deal per platform, and more specific ones for WURL's partners."""
    whole = {
        **dict.fromkeys(("philo", "pluto", "roku", "tubi", "xumo", "freevee", "canonical"), _DISTRIBUTION),
        **dict.fromkeys(("youtube", "owned"), _OWNED),
    }
    rows: list[tuple[str, ...]] = [
        (platform, domain, "", "", "", str(1000 + number), platform.capitalize(), CHANNEL, "United States")
        for number, (platform, domain) in enumerate(whole.items())
    ]
    partners: tuple[tuple[str, str, str], ...] = (
        ("wurl", "Plex", "US"),
        ("wurl", "Plex", "CA"),
        ("wurl", "Vizio", "US"),
        ("wurl", "Samsung", "US"),
    )
    partners += (("amagi", "PLEX", "US"), ("amagi", "LG", "MX"))
    names = {"US": "United States", "CA": "Canada", "MX": "Mexico"}
    rows += [
        (
            platform,
            _DISTRIBUTION,
            partner,
            "",
            territory,
            str(1100 + number),
            partner.capitalize(),
            CHANNEL,
            names[territory],
        )
        for number, (platform, partner, territory) in enumerate(partners)
    ]
    return rows


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()
