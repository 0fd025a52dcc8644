"""A seeded catalogue with the habits of real episode lists: parts, remakes, shared titles, siblings, many scripts."""

# ruff: noqa: RUF001 - titles of other scripts
from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.viewership.keys.titles import placeholder, title_key
from tests.matching.catalogue import Catalogue, Episode, Series

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["World", "world"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = _words(
    "Sister Mother Father Brother Husband Wife Cousin Uncle Boyfriend Girlfriend Neighbor Teacher Doctor Boss Judge "
    "Stranger Twin Fiancé Daughter Son Grandma Nephew Lawyer Detective Sheriff Pastor Coach Landlord Roommate Nanny"
)
THINGS = _words(
    "Secret Lie Wedding House Ring Baby Test Letter River Storm Garden Mirror Fire Shadow Train Key Promise Harbour "
    "Winter Debt Bridge Silence Fever Crown Tower Market Island Lantern Verdict Journey Winter Recipe Orchard Café "
    "Piñata Canyon Engine Compass Blizzard Auction Carnival Ledger Anchor Violin Harvest Passport Scandal Inheritance"
)
ADJECTIVES = _words(
    "Broken Hidden Last Long Quiet Dangerous Golden Forgotten Wild Perfect Naïve Lost Bitter Crooked Silver Endless "
    "Reckless Haunted Stolen Frozen Burning Gentle Savage Hollow Bright Restless Empty Distant Secret Loyal Royal"
)
VERBS = _words(
    "Cheated Lied Vanished Returned Confessed Escaped Betrayed Proposed Gambled Apologised Surrendered Testified "
    "Disappeared Cried Laughed Fainted Married Divorced Survived Stole"
)
PLACES = _words(
    "Paris Texas Ohio Denver Oslo Lisbon Kyoto Dublin Naples Havana Memphis Tulsa Boise Cairo Quito Malmö München "
    "Bogotá"
)
NAMES = _words(
    "Karen Miguel Zoë Omar Linda Priya Hank Renée Tomás Ingrid Walter Yuki Boris Carla Dmitri Elena Félix Gus Hilda "
    "Ivan Jamal Kira Lionel Marta Nils Olga Pablo Quinn Rosa Stefan Tanya Uma Victor Wanda Ximena Yusuf Zelda Abigail "
    "Bruno"
)
SPANISH = _words(
    "hermana secreto boda casa mentira madre padre noche verdad traición familia fuego carta lluvia ciudad corazón "
    "venganza promesa hijo vecina juez fiesta camino silencio invierno montaña espejo deuda sombra amigo"
)
FOREIGN = (
    "Тайна сестры",
    "Дом у реки",
    "秘密の手紙",
    "最後の約束",
    "비밀의 집",
    "سر أختي",
    "मेरी बहन का राज़",
    "Το μυστικό",
    "הסוד של אמא",
)
STARTS = _words(
    "Al Bar Cor Dun El Fair Glen Hart Kel Lang Mor Nor Old Pem Quar Ros Stan Thorn Ul Ver Win Ash Brad Crom"
)
MIDDLES = ("", "a", "be", "ing", "er", "ma", "ti", "dle", "o", "sen", "ric", "wel")
ENDS = _words("ton field ham wick ford worth ley brook stead son well bury man shaw dale gate kin mont")
SHARED = _words(
    "Pilot Reunion Homecoming Trapped Betrayal Redemption Fallout Aftermath Payback Ghosts Legacy Exposed Crossroads "
    "Countdown Judgment Runaway Deception Sanctuary Showdown Revelations Collateral Bloodlines Masquerade"
)
SPECIALS = (
    "Christmas Special",
    "Halloween Special",
    "Season {n} Finale",
    "The Best of Season {n}",
    "Behind the Scenes",
)
SERIES_ENDS = _words(
    "Lights Court Show Files Street Diaries Hour Stories Heights Nights Family Rescue Kitchen Patrol Confidential"
)
YEARS = (1987, 1994, 2003, 2018, 2021)


@dataclass
class World:
    """A catalogue, and the episodes that platforms carry but the catalogue lacks.

    Attributes:
        catalogue: what is written to the tables.
        lacking: episodes of its series that are not in it.
        names: series id -> its name.
        remakes: ids of series that share their name.
        foreign: episode id -> its title in another language, which the catalogue lacks.
    """

    catalogue: Catalogue
    lacking: list[Episode]
    names: dict[int, str]
    remakes: set[int] = field(default_factory=set)
    foreign: dict[int, str] = field(default_factory=dict)


def _coined(rng: random.Random) -> str:
    """A surname or a town: real lists have thousands of them, which is why long titles are seldom shared."""
    return rng.choice(STARTS) + rng.choice(MIDDLES) + rng.choice(ENDS)


def _title(rng: random.Random, style: int) -> str:
    def pick(words: Sequence[str]) -> str:
        if words in (NAMES, PLACES) and rng.random() < 0.6:
            return _coined(rng)
        return rng.choice(words)

    shapes = (
        lambda: f"My {pick(PEOPLE)} {pick(VERBS)} With {pick(NAMES)}",
        lambda: f"The {pick(ADJECTIVES)} {pick(THINGS)}",
        lambda: f"{pick(NAMES)} and the {pick(ADJECTIVES)} {pick(THINGS)}",
        lambda: f"{pick(NAMES)}'s {pick(ADJECTIVES)} {pick(THINGS)}",
        lambda: f"A {pick(THINGS)} in {pick(PLACES)}",
        lambda: f"{pick(NAMES)} & {pick(NAMES)}: {pick(ADJECTIVES)} {pick(THINGS)}",
        lambda: f"The One Where {pick(NAMES)} {pick(VERBS)} in {pick(PLACES)}",
        lambda: f"{pick(NAMES)} Is My {pick(PEOPLE)}, Not My {pick(PEOPLE)}!",
        lambda: f"{rng.randint(2, 12)} {pick(THINGS)}s for {pick(NAMES)}",
        lambda: f"{pick(NAMES)} v. {pick(NAMES)}",
        lambda: f"Did {pick(NAMES)}'s {pick(PEOPLE)} {pick(('Steal', 'Burn', 'Sell', 'Hide'))} the {pick(THINGS)}?",
        lambda: f"{pick(ADJECTIVES)} {pick(PLACES)}",
        lambda: pick(SHARED),
    )
    return shapes[style % len(shapes) if rng.random() < 0.5 else rng.randrange(len(shapes))]()


def _number(rng: random.Random, value: int) -> str:
    words = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"]
    roman = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
    return rng.choice([str(value), words[value], roman[value]] if value < len(words) else [str(value)])


def _story(rng: random.Random, style: int, season: int) -> list[str]:
    """Titles of one story: mostly a single one, otherwise parts and siblings that differ in a little."""
    title = _title(rng, style)
    draw = rng.random()
    made = [title]
    if draw < 0.10:
        count = rng.choice((2, 2, 2, 3))
        shape = rng.choice(("{t}, Part {n}", "{t} ({d})", "{t}: Part {n}", "{t} - Part {n}", "{t} Pt. {d}"))
        made = [shape.format(t=title, n=_number(rng, part), d=part) for part in range(1, count + 1)]
    elif draw < 0.13:
        shape = rng.choice(("{t} Returns", "The Return of {t}", "{t} Strikes Back", "Not {t}"))
        made = [title, shape.format(t=title)]
    elif draw < 0.15:
        made = [f"{title} with a {person}" for person in rng.sample(PEOPLE, 2)]
    elif draw < 0.17:
        made = [rng.choice(SPECIALS).format(n=season)]
    elif draw < 0.19:
        made = [f"{title} / {_title(rng, style)}"]
    elif draw < 0.20:
        made = [rng.choice(FOREIGN) + (f" {rng.randint(2, 9)}" if rng.random() < 0.3 else "")]
    elif draw < 0.215:
        made = [str(rng.choice((1923, 1968, 2001, 1776)))]
    return made


def _names(rng: random.Random, count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        shape = rng.randrange(6)
        one = (
            f"{rng.choice(ADJECTIVES)} {rng.choice(SERIES_ENDS)}",
            f"The {rng.choice(NAMES)} {_coined(rng)} Show",
            f"{rng.choice(PLACES)} {rng.choice(SERIES_ENDS)}",
            f"{_coined(rng)} {rng.choice(SERIES_ENDS)}",
            f"The {rng.choice(THINGS)}",
            _coined(rng),
        )[shape]
        found[one] = None
    return list(found)


def world(seed: int, *, series: int = 60, lacking: float = 0.08) -> World:
    """Return a catalogue of about 40 episodes a series.

    Args:
        seed: decides everything.
        series: number of series, remakes included.
        lacking: share of the episodes that the catalogue lacks.
    """
    rng = random.Random(seed)
    made = World(Catalogue(), [], {})
    names = _names(rng, series)
    for _ in range(max(2, series // 30)):  # remakes
        at = rng.randrange(series // 2)
        names[series - 1 - at] = names[at] if rng.random() < 0.5 else f"{names[at]} ({rng.choice(YEARS)})"
    number = 0
    for one, name in enumerate(names, 1):
        code = f"{''.join(word[0] for word in name.split() if word[0].isalpha())[:3].upper()}{one}"
        made.catalogue.series.append(Series(one, [name], code, active=rng.random() > 0.03))
        made.names[one] = name
        style, serial = rng.randrange(13), rng.random() < 0.1
        chapters = rng.random() < 0.08
        told = 0
        seen: set[str] = set()
        for season in range(1, rng.randint(1, 6) + 1):
            titles: list[str] = []
            while len(titles) < rng.randint(6, 22):
                if chapters:
                    told += 1
                    titles.append(f"Chapter {_number(rng, told)}")
                else:
                    titles += _story(rng, style, season)
            for episode, told_as in enumerate(titles, 1):
                title = told_as
                if (title_key(title) in seen and rng.random() < 0.8) or placeholder(title):
                    end = rng.choice(("Again", "at Last", f"in {rng.choice(PLACES)}", f"for {rng.choice(NAMES)}"))
                    title = f"{title} {end}"
                seen.add(title_key(title))
                number += 1
                ref = f"{code}-{season:02}{episode:02}" if not serial else f"{code}-{number:04}"
                item = Episode(number, ref, one, str(season), str(episode), [title])
                made.foreign[number] = (
                    f"{rng.choice(('El', 'La', 'Mi', 'Una'))} {rng.choice(SPANISH)} de {rng.choice(SPANISH)}"
                )
                (made.lacking if rng.random() < lacking else made.catalogue.episodes).append(item)
    bases: dict[str, list[int]] = {}
    for one, name in made.names.items():
        bases.setdefault(name.split(" (")[0], []).append(one)
    made.remakes = {one for ids in bases.values() if len(ids) > 1 for one in ids}
    return made
