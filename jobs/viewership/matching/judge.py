"""Decide on keys: confirm what ids and numbers found, look for similar titles, and give reasons."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from jobs.viewership.keys.titles import joined, numbers, title_form, without_article
from jobs.viewership.matching.cascade import ALIAS, ID, NUMBERS, SERIES, TITLE, TITLE_ANYWHERE
from jobs.viewership.matching.episodes import CatalogueTitles
from jobs.viewership.matching.fuzzy import Found
from jobs.viewership.matching.model import CONFIDENCE, UNCONFIRMED, Bucket, Candidate, Decision, Match
from jobs.viewership.matching.names import Source
from jobs.viewership.matching.prepare import SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jobs.viewership.matching.cascade import Cascade
    from jobs.viewership.matching.fuzzy import Episode, Similar
    from jobs.viewership.matching.model import MatchRules
    from jobs.viewership.matching.prepare import Prepared
    from shared.database.session import DatabaseSession

__all__ = ["Judge"]

_BITS: Final = (
    (ALIAS, "ALIAS"),
    (ID, "ID"),
    (SERIES, "SERIES"),
    (NUMBERS, "NUMBERS"),
    (TITLE, "TITLE"),
    (TITLE_ANYWHERE, "TITLE"),
)
_SCORES: Final = {ALIAS: 100.0, ID: 50.0, SERIES: 10.0, NUMBERS: 40.0, TITLE: 60.0, TITLE_ANYWHERE: 40.0}
_EQUAL: Final = 100.0
_AND: Final = "and"
_AGAINST: Final = frozenset({"SEVERAL_EPISODES", "CONFLICT", "TITLE_NUMBERS_DIFFER"})
"""Verdicts on a title that outweigh a match by id or numbers."""
_SAME_BUT_NUMBERS: Final = 85.0
"""Similarity of two titles without their numbers, from which differing numbers mean that they are siblings."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    episode_id: int
    mask: int
    active: bool
    agrees: bool


_OPEN: Final = """
    SELECT c.key, c.episode_id, c.mask, c.active, c.agrees, e.ref_id
    FROM match_candidates c JOIN catalog.episodes e ON e.id = c.episode_id
    WHERE NOT EXISTS (SELECT FROM match_found f WHERE f.key = c.key)
    ORDER BY c.key, c.episode_id
"""
_FOUND: Final = """
    SELECT f.key, f.episode_id, e.ref_id, e.series_id
    FROM match_found f JOIN catalog.episodes e ON e.id = f.episode_id
"""


class Judge:
    """Decides on the keys of one cascade.

    Args:
        session: the cascade's transaction, whose temporary tables are read here, and not afterwards.
        keys: the prepared keys.
        cascade: what the buckets found.
        rules: the numbers that decide.
        titles: the catalogue's titles, shared with other judges; None for titles of its own.
    """

    def __init__(
        self,
        session: DatabaseSession,
        keys: Sequence[Prepared],
        cascade: Cascade,
        rules: MatchRules,
        titles: CatalogueTitles | None = None,
    ) -> None:
        self._cascade = cascade
        self._rules = rules
        self._titles = titles or CatalogueTitles(rules)
        self._evidence: dict[int, list[_Evidence]] = defaultdict(list)
        self._refs: dict[int, str | None] = {}
        self._series: dict[int, int] = {}
        for row in session.rows(_OPEN):
            self._evidence[row.key].append(_Evidence(row.episode_id, row.mask, row.active, row.agrees))
            self._refs[row.episode_id] = row.ref_id
        for row in session.rows(_FOUND):
            self._refs[row.episode_id] = row.ref_id
            self._series[row.key] = row.series_id
        if any(self._places(key) or self._is_lost(key) for key in keys):
            self._titles.load(session)
        self._named: dict[tuple[int, bool], tuple[str, ...]] = {}
        self._failed = ("BUCKET_FAILED",) if cascade.failed else ()

    def _places(self, key: Prepared) -> tuple[int, ...]:
        """Return the series whose titles decide on a key."""
        if not key.titles:
            return ()
        found = self._cascade.found.get(key.key)
        if found is None:
            return tuple(sorted(key.series or key.near))
        _, bucket, mask = found
        confirmed = bucket is Bucket.ALIAS or mask & (TITLE | TITLE_ANYWHERE)
        return () if confirmed else (self._series[key.key],)

    def _is_lost(self, key: Prepared) -> bool:
        return bool(
            key.titles
            and key.key not in self._cascade.found
            and not self._evidence.get(key.key)
            and not key.series
            and not key.near
        )

    def match(self, key: Prepared) -> Match:
        """Decide on one key."""
        found = self._cascade.found.get(key.key)
        if found is None:
            return self._open(key)
        episode, bucket, mask = found
        if bucket is Bucket.ALIAS:
            return self._accept(key, episode, bucket, ("ALIAS",), CONFIDENCE[bucket])
        reasons = self._named.get((mask, key.given))
        if reasons is None:
            reasons = self._named[mask, key.given] = _named(mask, key)
        places = self._places(key)
        if not places:
            return self._accept(key, episode, bucket, reasons, CONFIDENCE[bucket])
        similar = self._titles.finder(places).find(_whole(key))
        verdict = self._verdict(key, places[0], episode, similar)
        if verdict in _AGAINST:
            return self._review(key, (verdict, *reasons), [_Evidence(episode, mask, True, True)], similar.best)
        lower = 0.0 if verdict == "TITLE_SIMILAR" else UNCONFIRMED
        return self._accept(key, episode, bucket, (*reasons, verdict), CONFIDENCE[bucket] - lower)

    def _verdict(self, key: Prepared, series: int, episode: int, similar: Found) -> str:
        """Return the verdict of a key's titles on the episode that its id or numbers name."""
        if self._names_several(key, series):
            return "SEVERAL_EPISODES"
        if similar.accepted is not None and similar.accepted.episode_id != episode:
            return "CONFLICT"
        return self._compare(key, self._titles.episodes[series], episode)

    def _names_several(self, key: Prepared, series: int) -> bool:
        """Return whether a title joins the titles of several episodes with a slash or "and": one airing of all."""
        segments = [form for form, kind, _ in key.forms if kind == SEGMENT]
        groups = [segments] if len(segments) > 1 else []
        groups += [
            [joined(without_article(words[:at])), joined(without_article(words[at + 1 :]))]
            for _, kind, words in key.forms
            if kind != SEGMENT
            for at, word in enumerate(words)
            if word == _AND
        ]
        if not groups:
            return False
        known = self._titles.exact(series)
        named = ([known[form] for form in group if form in known] for group in groups)
        return any(one.isdisjoint(other) for group in named for one, other in combinations(group, 2))

    def _compare(self, key: Prepared, titles: Sequence[Episode], episode: int) -> str:
        """Compare the titles of a key with those of the episode that its id or numbers name."""
        from rapidfuzz import fuzz

        verdict = "TITLE_NAMES_NONE"
        for one in titles:
            if one.episode_id != episode:
                continue
            other = title_form(one.title)
            if other.placeholder:
                continue
            for form, _, words in key.forms:
                if numbers(words) == numbers(other.words):
                    if fuzz.ratio(form, other.key) >= self._rules.cut or (
                        len(form) >= self._rules.truncated and other.key.startswith(form)
                    ):
                        return "TITLE_SIMILAR"
                elif fuzz.ratio(_letters(words), _letters(other.words)) >= _SAME_BUT_NUMBERS:
                    verdict = "TITLE_NUMBERS_DIFFER"
        return verdict

    def _open(self, key: Prepared) -> Match:
        """Decide on a key that no bucket has matched."""
        evidence = self._evidence.get(key.key, [])
        reasons = _open_reasons(key, evidence)
        places = self._places(key)
        similar = Found(())
        if places:
            finder = self._titles.finder(places)
            similar = finder.find(_whole(key), key.season, key.episode, cut=key.cut)
            if (match := self._similar(key, evidence, similar)) is not None:
                if self._rules.similar:
                    return match
                reasons = ("SIMILAR_ONLY", *reasons)
            if len(_whole(key)) < len(key.forms):
                similar = finder.find([(form, words) for form, _, words in key.forms])
        elif self._titles.proposals is not None and self._is_lost(key):
            similar = Found(self._titles.proposals.find(key.titles[0]))
            if similar.best and not key.given:
                reasons = ("NO_SERIES", *reasons)
        if places and not evidence and "SIMILAR_ONLY" not in reasons:
            reasons = ("BELOW_CUT", *reasons)
        known = bool(key.series or key.near) and bool(key.titles)
        if evidence or similar.best or known or key.held or "PLACEHOLDER" in key.notes:
            return self._review(key, reasons, evidence, similar.best)
        reasons = ("NUMBERS_NAME_NONE" if key.series else "NO_CANDIDATE", *reasons)
        return Match(key.key, Decision.UNMATCHED, None, None, None, 0.0, (), 0.0, (*reasons, *self._failed))

    def _similar(self, key: Prepared, evidence: Sequence[_Evidence], similar: Found) -> Match | None:
        """Return the match of a similar title, unless something speaks against it."""
        one = similar.accepted
        if one is None or key.held is not None or self._failed or any(each.mask & ALIAS for each in evidence):
            return None
        mine = next((each.mask for each in evidence if each.episode_id == one.episode_id), 0)
        if any(each.mask & (ID | NUMBERS | TITLE) & ~mine for each in evidence):
            return None
        if key.series and min(key.series.values()) is Source.WORDS:
            return None
        score = similar.best[0].score
        if not key.series and (score < _EQUAL or similar.truncated or key.generic):
            return None
        if score == _EQUAL and not similar.truncated:
            code = "TITLE"
        else:
            code = "TITLE_TRUNCATED" if similar.truncated else "TITLE_SIMILAR"
        reasons = (code, "SERIES" if key.series else "SERIES_SIMILAR", *key.notes)
        shown = tuple(
            Candidate(each.episode.episode_id, each.episode.ref_id, round(each.score, 1), ("FUZZY",))
            for each in similar.best
        )
        confidence = CONFIDENCE[Bucket.FUZZY] * (0.95 if similar.truncated else score / 100)
        return Match(
            key.key, Decision.MATCHED, one.episode_id, one.ref_id, Bucket.FUZZY, round(confidence, 4), shown,
            round(similar.margin, 1), reasons,
        )  # fmt: skip

    def _accept(
        self, key: Prepared, episode: int, bucket: Bucket, reasons: tuple[str, ...], confidence: float
    ) -> Match:
        ref = self._refs[episode]
        chosen = Candidate(episode, ref, 100.0, tuple(code for code in reasons if code in _EVIDENCE_CODES))
        if key.notes:
            reasons = (*reasons, *(note for note in key.notes if note not in reasons))
        return Match(key.key, Decision.MATCHED, episode, ref, bucket, round(confidence, 4), (chosen,), 100.0, reasons)

    def _review(
        self, key: Prepared, reasons: tuple[str, ...], evidence: Iterable[_Evidence], similar: Iterable[Similar]
    ) -> Match:
        shown: dict[int, Candidate] = {}
        for one in evidence:
            score = min(100.0, sum(value for bit, value in _SCORES.items() if one.mask & bit))
            by = tuple(dict.fromkeys(name for bit, name in _BITS if one.mask & bit))
            shown[one.episode_id] = Candidate(one.episode_id, self._refs[one.episode_id], score, by)
        for each in similar:
            one_id, score = each.episode.episode_id, round(each.score, 1)
            known = shown.get(one_id)
            if known is None or known.score < score:
                by = (*known.found_by, "FUZZY") if known else ("FUZZY",)
                shown[one_id] = Candidate(one_id, each.episode.ref_id, score, by)
        ranked = sorted(shown.values(), key=lambda one: (-one.score, one.episode_id))[: self._rules.candidates]
        margin = ranked[0].score - ranked[1].score if len(ranked) > 1 else 100.0 * bool(ranked)
        return Match(
            key.key, Decision.REVIEW, None, None, None, 0.0, tuple(ranked), round(margin, 1),
            (*dict.fromkeys(reasons), *self._failed),
        )  # fmt: skip


_EVIDENCE_CODES: Final = frozenset({"ID", "SERIES", "NUMBERS", "TITLE", "ALIAS"})


def _named(mask: int, key: Prepared) -> tuple[str, ...]:
    codes = dict.fromkeys(name for bit, name in _BITS if mask & bit)
    if not key.given and mask & SERIES:
        codes["SERIES_FROM_TITLE"] = None
    return tuple(codes)


def _open_reasons(key: Prepared, evidence: Sequence[_Evidence]) -> tuple[str, ...]:
    """Say why no bucket accepted a key."""
    codes: list[str] = []
    live = [one for one in evidence if one.active]
    if len(live) < len(evidence):
        codes.append("INACTIVE")
    masks = {one.mask & (ID | NUMBERS | TITLE | TITLE_ANYWHERE) for one in live}
    if any(one.mask & ALIAS for one in live):
        codes.append("ALIASES_DISAGREE")
    elif len(live) > 1:
        codes.append("CONFLICT" if len(masks) > 1 else "TIE")
    elif any(not one.agrees for one in live):
        codes.append("NUMBERS_DISAGREE")
    elif live and key.generic and not key.given:
        codes.append("GENERIC_TITLE")
    elif live and not key.held:
        codes.append("CONFLICT" if key.series else "SERIES_UNKNOWN" if key.given else "TIE")
    if sum(source is not Source.WORDS for source in key.series.values()) > 1:
        codes.append("REMAKES")
    return tuple(dict.fromkeys((*codes, *key.notes)))


def _whole(key: Prepared) -> list[tuple[str, tuple[str, ...]]]:
    """Return key and words of each form of the titles, without segments."""
    return [(form, words) for form, kind, words in key.forms if kind != SEGMENT]


def _letters(words: Iterable[str]) -> str:
    return "".join(word for word in words if not word[:1].isdecimal())
