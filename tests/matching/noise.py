"""Rows as platforms write them: each kind of noise takes an episode and returns what a row says about it."""

from __future__ import annotations

import html
import random
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.viewership.keys.titles import series_base, title_key
from jobs.viewership.matching.prepare import MatchKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.matching.catalogue import Episode
    from tests.matching.world import World

__all__ = ["KINDS", "Labelled", "labelled"]

ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
WORDS = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"]
PLACEHOLDERS = (
    "Episode {n}",
    "Unknown",
    "TBA",
    "Untitled",
    "N/A",
    "Episode {n}",
    "Ep. {n}",
    "-",
    "Unknown Title",
    "Title {n}",
)


@dataclass(frozen=True)
class Labelled:
    """A row with its right answer.

    Attributes:
        key: what the row says.
        kind: the kind of noise.
        truth: the right episode; None if no episode of the catalogue is right.
        group: right (one right answer), open (several episodes fit), lacking, placeholder or conflict.
    """

    key: MatchKey
    kind: str
    truth: int | None
    group: str


@dataclass
class Context:
    """The input of a kind of noise."""

    rng: random.Random
    made: World
    unique_in_series: set[tuple[int, str]]
    unique_anywhere: set[str]
    titles: dict[str, list[str]] = field(default_factory=dict)
    """Key of a series' name without its year -> titles of all its episodes, folded."""

    def series(self, one: Episode) -> str:
        return self.made.names[one.series]

    def title(self, one: Episode) -> str:
        return one.titles[0]


Fields = dict[str, str]


def _full(c: Context, e: Episode) -> Fields:
    return {
        "content_id": e.ref or "",
        "series": c.series(e),
        "season": e.season or "",
        "episode": e.episode or "",
        "content_name": c.title(e),
    }


def _numbers(c: Context, e: Episode) -> Fields:
    return {"series": c.series(e), "season": e.season or "", "episode": e.episode or ""}


def _named(c: Context, e: Episode, title: str | None) -> Fields | None:
    return None if title is None else {"series": c.series(e), "content_name": title}


def _typo(rng: random.Random, text: str, count: int = 1) -> str | None:
    """One or two typing errors in words of at least five letters; never in a number."""
    for _ in range(count):
        spots = [
            match
            for match in re.finditer(r"[^\W\d_]{5,}", text)
            if not re.fullmatch("(?i)part|chapter|" + "|".join(WORDS[3:]), match[0])
        ]
        if not spots:
            return None
        word = rng.choice(spots)
        at = rng.randrange(word.start() + 1, word.end() - 1)
        letter = rng.choice("abcdefghijklmnoprstuvwy")
        text = rng.choice(
            (
                text[:at] + text[at + 1 :],
                text[:at] + letter + text[at:],
                text[:at] + text[at + 1] + text[at] + text[at + 2 :],
                text[:at] + letter + text[at + 1 :],
            )
        )
    return text


def _parts(rng: random.Random, text: str) -> str | None:
    match = re.search(r"[,:]? (?:- )?(?:Part|Pt\.) (\w+)$| \((\d)\)$", text)
    if match is None:
        return None
    raw = match[1] or match[2]
    value = next((at for at in range(1, 13) if raw in {str(at), ROMAN[at], WORDS[at]}), None)
    if value is None:
        return None
    shape = rng.choice(
        (" (Part {d})", ", Pt. {r}", " - Part {w}", " ({d})", " Part {d:02}", ": Part {r}", " ({d} of 3)", " pt {d}")
    )
    return text[: match.start()] + shape.format(d=value, r=ROMAN[value], w=WORDS[value])


def _number_forms(rng: random.Random, text: str) -> str | None:
    match = re.search(rf"\b(\d{{1,2}}|{'|'.join(WORDS[1:])})\b", text)
    if match is None:
        return None
    value = int(match[0]) if match[0].isdigit() else WORDS.index(match[0])
    if not 1 <= value <= 12 or "Part" in text:
        return None
    return text[: match.start()] + rng.choice((str(value), WORDS[value], WORDS[value].upper())) + text[match.end() :]


def _moved(text: str) -> str | None:
    match = re.match(r"(The|A) (.+)", text)
    return f"{match[2]}, {match[1]}" if match and not re.search(r"[,:/(-]", text) else None


def _mojibake(text: str) -> str | None:
    text = text.replace("'", "\u2019")
    if text.isascii():
        return None
    return "".join(
        bytes([byte]).decode("cp1252") if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(byte)
        for byte in text.encode()
    )


def _typography(rng: random.Random, text: str) -> str:
    text = text.replace("'", rng.choice("\u2019`\u00b4")).replace(" ", "\u00a0", 1)
    return rng.choice(("{}\u200b", "\ufeff{}", "  {} ", "\u201c{}\u201d")).format(text)


def _plain(text: str) -> str | None:
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return plain if plain != text and plain.isascii() else None


def _truncated(rng: random.Random, text: str) -> str | None:
    if len(text) < 26:
        return None
    return text[: rng.randint(20, len(text) - 3)].rstrip() + rng.choice(("", "...", "\u2026"))


def _small(text: str) -> str | None:
    less = re.sub(r" (?:the|a|in|with|of|for) ", " ", text, count=1)
    return less if less != text else None


def _stop(text: str) -> str | None:
    less = re.sub(r"[!-.:-@]", "", text)
    return less if less != text else None


def _merged(rng: random.Random, text: str) -> str | None:
    spots = [match.start() for match in re.finditer(r"(?<=[a-z]) (?=[A-Za-z])", text)]
    if not spots:
        return None
    at = rng.choice(spots)
    return text[:at] + rng.choice(("", "-")) + text[at + 1 :]


KINDS: dict[str, Callable[[Context, Episode], Fields | None]] = {
    "full": _full,
    "id, series, title": lambda c, e: {
        key: value for key, value in _full(c, e).items() if key not in {"season", "episode"}
    },
    "id, title": lambda c, e: {"content_id": e.ref or "", "content_name": c.title(e)},
    "id inside id": lambda c, e: {"content_id": f"chan_US_{e.ref}_v2", "content_name": c.title(e)},
    "id alone": lambda c, e: {"content_id": (e.ref or "").lower()},
    "id, other title": lambda c, e: {
        "content_id": e.ref or "",
        "series": c.series(e),
        "content_name": c.made.foreign[e.id],
    },
    "numbers": _numbers,
    "numbers, title": lambda c, e: {**_numbers(c, e), "content_name": c.title(e)},
    "numbers, zeros": lambda c, e: {
        "series": c.series(e),
        "season": f"{int(e.season or 0):02}",
        "episode": f"{int(e.episode or 0):03}.0",
        "content_name": c.title(e),
    },
    "numbers, typo": lambda c, e: {**_numbers(c, e), "content_name": _typo(c.rng, c.title(e)) or c.title(e)},
    "numbers, translated": lambda c, e: {**_numbers(c, e), "content_name": f"{c.made.foreign[e.id]} (dubbed) (LAS)"},
    "numbers, rounded id": lambda c, e: {**_numbers(c, e), "content_id": f"{c.rng.random() * 9 + 1:.5f}E+11"},
    "series, title": lambda c, e: _named(c, e, c.title(e)),
    "title": lambda c, e: {"content_name": c.title(e)},
    "upper case": lambda c, e: {"series": c.series(e).upper(), "content_name": c.title(e).upper()},
    "S01E02 - title": lambda c, e: _named(c, e, f"S{int(e.season or 0):02}:E{int(e.episode or 0):02} - {c.title(e)}"),
    "series: title (S1E2)": lambda c, e: {"content_name": f"{c.series(e)}: {c.title(e)} (S{e.season}E{e.episode})"},
    "series - season - episode": lambda c, e: {
        "content_name": f"{c.series(e)} - Season - {e.season} - Episode - {e.episode}"
    },
    "1x02 title": lambda c, e: _named(c, e, f"{e.season}x{int(e.episode or 0):02} {c.title(e)}"),
    "series: title": lambda c, e: {"content_name": f"{c.series(e)}{c.rng.choice((': ', ' - ', ' | '))}{c.title(e)}"},
    "series | title, series": lambda c, e: _named(c, e, f"{c.series(e)} | {c.title(e)}"),
    "typo": lambda c, e: _named(c, e, _typo(c.rng, c.title(e))),
    "two typos": lambda c, e: _named(c, e, _typo(c.rng, c.title(e), 2)),
    "truncated": lambda c, e: _named(c, e, _truncated(c.rng, c.title(e))),
    "article moved": lambda c, e: _named(c, e, _moved(c.title(e))),
    "series, article moved": lambda c, e: (
        {"series": moved, "content_name": c.title(e)} if (moved := _moved(c.series(e))) else None
    ),
    "mojibake": lambda c, e: _named(c, e, _mojibake(c.title(e))),
    "typography": lambda c, e: _named(c, e, _typography(c.rng, c.title(e))),
    "no accents": lambda c, e: _named(c, e, _plain(c.title(e))),
    "part forms": lambda c, e: _named(c, e, _parts(c.rng, c.title(e))),
    "number forms": lambda c, e: _named(c, e, _number_forms(c.rng, c.title(e))),
    "and": lambda c, e: (
        _named(c, e, c.title(e).replace("&", c.rng.choice(("and", "&amp;", "AND")))) if "&" in c.title(e) else None
    ),
    "additions": lambda c, e: _named(
        c, e, c.title(e) + c.rng.choice((" | Full Episode", " [HD]", " (Full Episode)", " - Full Episode", " (Dubbed)"))
    ),
    "two titles": lambda c, e: {
        **(_named(c, e, "Clip of the " + c.rng.choice(("Week", "Night"))) or {}),
        "content_name_2": c.title(e),
    },
    "series with season": lambda c, e: {
        "series": f"{c.series(e)}{c.rng.choice((' Season ', ' - S', ': Season '))}{e.season}",
        "content_name": c.title(e),
    },
    "small word lost": lambda c, e: _named(c, e, _small(c.title(e))),
    "stops lost": lambda c, e: _named(c, e, _stop(c.title(e))),
    "spaces": lambda c, e: _named(c, e, _merged(c.rng, c.title(e))),
    "entities": lambda c, e: _named(c, e, escaped) if (escaped := html.escape(c.title(e))) != c.title(e) else None,
    "series typo": lambda c, e: (
        {"series": typo, "content_name": c.title(e)} if (typo := _typo(c.rng, c.series(e))) else None
    ),
}
"""Kind of noise -> what it makes of an episode; None if it does not apply."""

_WITH_NUMBERS = re.compile(r"season|episode")
_TITLE_ONLY = frozenset({"title"})
_NO_SERIES = frozenset(
    {
        "title",
        "id, title",
        "id alone",
        "id inside id",
        "series: title",
        "series: title (S1E2)",
        "series - season - episode",
    }
)


def _answerable(c: Context, kind: str, fields: Fields, one: Episode) -> bool:
    """Return whether a row has one right answer: what it says fits one episode, of the catalogue or lacking."""
    if fields.get("content_id") and kind != "numbers, rounded id":
        return True
    key = title_key(one.titles[0])
    unique = (one.series, key) in c.unique_in_series
    group = c.made.remakes & {one.series}
    if kind == "truncated":
        start = re.sub(r"(\.\.\.|\u2026)$", "", fields["content_name"]).casefold()
        mates = c.titles[series_base(c.made.names[one.series])]
        return sum(title.startswith(start) for title in mates) == 1
    if kind == "title":
        return key in c.unique_anywhere
    if fields.get("season") or kind in {
        "S01E02 - title",
        "series: title (S1E2)",
        "series - season - episode",
        "1x02 title",
    }:
        return not group or (
            "content_name" in fields and unique and kind not in {"series - season - episode", "numbers, translated"}
        )
    return unique


def labelled(made: World, seed: int, count: int) -> list[Labelled]:
    """Return rows in equal shares of all kinds that apply; lacking episodes, placeholders and conflicts besides.

    Args:
        made: the catalogue.
        seed: decides everything.
        count: number of rows.
    """
    rng = random.Random(seed)
    every = made.catalogue.episodes + made.lacking
    groups = {one: series_base(name) for one, name in made.names.items()}
    in_series: dict[tuple[str, str], set[int]] = {}
    anywhere: dict[str, set[int]] = {}
    for one in every:
        key = title_key(one.titles[0])
        in_series.setdefault((groups[one.series], key), set()).add(one.id)
        anywhere.setdefault(key, set()).add(one.id)
    context = Context(
        rng,
        made,
        {
            (one.series, key)
            for one in every
            if len(in_series[groups[one.series], key := title_key(one.titles[0])]) == 1
        },
        {key for key, ids in anywhere.items() if len(ids) == 1},
    )
    for one in every:
        context.titles.setdefault(groups[one.series], []).append(one.titles[0].casefold())
    active = {one.id for one in made.catalogue.series if one.active}
    rows: list[Labelled] = []
    kinds = list(KINDS)
    while len(rows) < count:
        draw = rng.random()
        number = len(rows)
        if draw < 0.05:
            rows.append(_placeholder(context, number))
            continue
        if draw < 0.07:
            rows.append(_conflict(context, number))
            continue
        lacking = draw < 0.20
        one = rng.choice(made.lacking if lacking else made.catalogue.episodes)
        kind = kinds[rng.randrange(len(kinds))]
        fields = KINDS[kind](context, one)
        if fields is None:
            continue
        key = MatchKey(number, "test", **fields)
        if lacking:
            rows.append(Labelled(key, kind, None, "lacking"))
        elif one.series not in active:
            rows.append(Labelled(key, kind, None, "inactive"))
        else:
            right = _answerable(context, kind, fields, one)
            rows.append(Labelled(key, kind, one.id, "right" if right else "open"))
    return rows


def _placeholder(c: Context, number: int) -> Labelled:
    one = c.rng.choice(c.made.catalogue.episodes)
    title = c.rng.choice(PLACEHOLDERS).format(n=c.rng.randint(1, 30))
    series = c.series(one) if c.rng.random() < 0.7 else None
    return Labelled(MatchKey(number, "test", content_name=title, series=series), "placeholder", None, "placeholder")


def _conflict(c: Context, number: int) -> Labelled:
    """An id and a title, or numbers and a title, of two episodes of one series."""
    while True:
        one, other = c.rng.sample(c.made.catalogue.episodes, 2)
        if (other.series, title_key(other.titles[0])) not in c.unique_in_series:
            continue
        mates = [each for each in c.made.catalogue.episodes if each.series == other.series and each.id != other.id]
        if mates:
            one = c.rng.choice(mates)
            break
    fields = _numbers(c, one) if c.rng.random() < 0.5 else {"content_id": one.ref or "", "series": c.series(one)}
    return Labelled(MatchKey(number, "test", content_name=c.title(other), **fields), "conflict", None, "conflict")
