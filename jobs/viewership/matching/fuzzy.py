"""Similar titles: within a series they may be accepted, without one they are candidates for review."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from jobs.viewership.keys.text import folded
from jobs.viewership.keys.titles import TitleForm, numbers, title_form
from jobs.viewership.matching.guards import aligned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from jobs.viewership.matching.model import MatchRules

__all__ = ["MOST_PER_WORD", "RAREST", "Episode", "Found", "Proposals", "SeriesTitles", "Similar", "title_words"]

MOST_PER_WORD: Final = 300
"""Maximum number of titles that share a word; a more common word is ignored."""
RAREST: Final = 3
"""Number of words of a title, the rarest first, by which titles are proposed."""
_WORDS: Final = re.compile(r"\w+")
_SLASH: Final = re.compile(r"\s+/\s+")


class Episode(NamedTuple):
    """An episode as the catalogue has it.

    Attributes:
        episode_id: id in the catalogue.
        ref_id: its ref id.
        series_id: its series.
        season: season, if it is a whole number.
        episode: episode, likewise.
        active: whether it and its series are.
        title: one of its titles; an episode with several is here several times.
        title_key: key of the title.
    """

    episode_id: int
    ref_id: str | None
    series_id: int
    season: int | None
    episode: int | None
    active: bool
    title: str
    title_key: str


@dataclass(frozen=True, slots=True)
class Similar:
    """An episode whose title is similar.

    Attributes:
        episode: the episode, with the title that is similar.
        score: 0 to 100.
        words: tokens of that title.
    """

    episode: Episode
    score: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The most similar titles of a series.

    Attributes:
        best: each episode once, the most similar first.
        accepted: the one episode that the title may be taken for; None if there is none.
        truncated: it was accepted because the title is its beginning.
        margin: points between the first and the next episode with the same numbers.
    """

    best: tuple[Similar, ...]
    accepted: Episode | None = None
    truncated: bool = False
    margin: float = 100.0


class SeriesTitles:
    """The titles of one series, or of several with one name.

    A segment of a title that a slash joins only proposes its episode: the catalogue may lack one of that name.
    """

    def __init__(self, episodes: Iterable[Episode], rules: MatchRules, known: Collection[str] = ()) -> None:
        self._rules = rules
        self._known = known
        self._choices: list[str] = []
        self._texts: list[str] = []
        self._segments: set[int] = set()
        self._episodes: list[Episode] = []
        every = list(episodes)
        live = {(one.series_id, one.title_key) for one in every if one.active}
        for episode in every:
            # An inactive episode does not compete with an active one of the same title.
            if not episode.title_key or (not episode.active and (episode.series_id, episode.title_key) in live):
                continue
            segments = _SLASH.split(episode.title) if " / " in episode.title else ()
            for number, text in enumerate((episode.title, *segments)):
                if number:
                    self._segments.add(len(self._choices))
                if key := title_form(text).key if segments else episode.title_key:
                    self._choices.append(key)
                    self._texts.append(text)
                    self._episodes.append(episode)

    def find(
        self,
        forms: Sequence[tuple[str, tuple[str, ...]]],
        season: int | None = None,
        episode: int | None = None,
        *,
        cut: bool = False,
    ) -> Found:
        """Find the titles that are most similar to any of some forms of a title.

        Args:
            forms: key and tokens of each form.
            season: season of the row, which the episode must not contradict.
            episode: episode of the row, likewise.
            cut: the title ends with an ellipsis.
        """
        from rapidfuzz import fuzz, process

        rules = self._rules
        best: dict[int, tuple[Similar, tuple[str, ...], int]] = {}
        for key, words in forms:
            if not key:
                continue
            for choice, score, place in process.extract(
                key, self._choices, scorer=fuzz.ratio, score_cutoff=rules.proposed, limit=12
            ):
                one = self._episodes[place]
                known = best.get(one.episode_id)
                if known is None or known[0].score < score:
                    best[one.episode_id] = (Similar(one, score, _key_words(choice)), words, place)
        ranked = sorted(best.values(), key=lambda pair: (-pair[0].score, pair[0].episode.episode_id))
        shown = tuple(pair[0] for pair in ranked[: rules.candidates])
        fitting = [pair for pair in ranked if numbers(pair[1]) == numbers(pair[0].words)]
        if fitting:
            first = fitting[0][0]
            margin = first.score - fitting[1][0].score if len(fitting) > 1 else 100.0
            _, words, place = fitting[0]
            if (
                first.score >= (100.0 if cut else rules.cut)
                and place not in self._segments
                and margin >= rules.margin
                and aligned(words, title_form(self._texts[place]).words, self._known)
                and _agrees(first.episode, season, episode)
                and first.episode.active
            ):
                return Found(shown, first.episode, margin=margin)
        return self._truncated(forms, season, episode, shown, cut=cut)

    def _truncated(
        self,
        forms: Sequence[tuple[str, tuple[str, ...]]],
        season: int | None,
        episode: int | None,
        shown: tuple[Similar, ...],
        *,
        cut: bool,
    ) -> Found:
        margin = shown[0].score - shown[1].score if len(shown) > 1 else 100.0
        for key, words in forms:
            if len(key) < self._rules.truncated:
                continue
            longer = [place for place, choice in enumerate(self._choices) if choice.startswith(key)]
            if len({self._episodes[place].episode_id for place in longer}) != 1:
                continue
            place = longer[0]
            one, choice = self._episodes[place], self._choices[place]
            rest = choice[len(key) :]
            inside = _inside_word(words, title_form(self._texts[place]).words)
            if (
                place not in self._segments
                and (cut or inside)
                and len(rest) <= self._rules.lost * len(choice) * (1 + inside)
                and not any(map(str.isdecimal, rest))
                and one.active
                and _agrees(one, season, episode)
            ):
                others = tuple(each for each in shown if each.episode.episode_id != one.episode_id)
                best = (Similar(one, 100.0, _key_words(choice)), *others)
                return Found(best[: self._rules.candidates], one, truncated=True)
        return Found(shown, margin=margin)


def _inside_word(words: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Return whether a title ends inside a word of a longer one; at a border, it may be another episode's title."""
    end = len(words) - 1
    return (
        end >= 0
        and len(whole) > end
        and whole[:end] == words[:end]
        and whole[end] != words[end]
        and whole[end].startswith(words[end])
    )


def _key_words(key: str) -> tuple[str, ...]:
    return tuple(key.split(" "))


def _agrees(one: Episode, season: int | None, episode: int | None) -> bool:
    return (season is None or one.season is None or season == one.season) and (
        episode is None or one.episode is None or episode == one.episode
    )


def title_words(text: str) -> list[str]:
    """Return the words of a catalogue title, by which proposals find it.

    Example:
        >>> title_words("She's My Sister")
        ['shes', 'my', 'sister']
    """
    return _WORDS.findall(folded(text).replace("'", ""))


class Proposals:
    """All titles by their words, to propose episodes for a title without a series."""

    def __init__(self, episodes: Iterable[Episode], rules: MatchRules) -> None:
        self._rules = rules
        self._episodes = [one for one in episodes if one.title_key]
        self._by_word: dict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(self._episodes):
            for word in set(title_words(one.title)):
                self._by_word[word].append(place)

    @property
    def words(self) -> Collection[str]:
        """Return every word of every title."""
        return self._by_word.keys()

    def find(self, form: TitleForm) -> tuple[Similar, ...]:
        """Propose the most similar titles among those that share one of the title's rarest words."""
        from rapidfuzz import fuzz, process

        words = sorted((len(self._by_word[word]), word) for word in set(form.words) if word in self._by_word)
        places: set[int] = set()
        for count, word in words[:RAREST]:
            if count <= MOST_PER_WORD:
                places.update(self._by_word[word])
        if not places:
            return ()
        order = sorted(places)
        found = process.extract(
            form.key,
            [self._episodes[place].title_key for place in order],
            scorer=fuzz.ratio,
            score_cutoff=max(70.0, self._rules.proposed),
            limit=2 * self._rules.candidates,
        )
        best: dict[int, Similar] = {}
        for choice, score, place in found:
            one = self._episodes[order[place]]
            if one.episode_id not in best:
                best[one.episode_id] = Similar(one, score, _key_words(choice))
        ranked = sorted(best.values(), key=lambda each: (-each.score, each.episode.episode_id))
        return tuple(ranked[: self._rules.candidates])
