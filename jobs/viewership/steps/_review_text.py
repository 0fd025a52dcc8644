"""Documents of the review as text for a terminal."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from shared.report.terminal import counted
from shared.text import cut, one_line, text_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.viewership.review.documents import (
        CandidateShown,
        DecisionMade,
        DecisionShown,
        EpisodeShown,
        KeyShown,
        Queue,
        UndoShown,
    )

__all__ = ["decision_text", "key_text", "no_key_text", "queue_text", "undo_text"]

_TITLE_CHARS = 48
_MOST_KEYS = 20


def queue_text(queue: Queue, *, series: str | None = None, near: Sequence[str] = ()) -> str:
    """Return the queue as a table, with its sums.

    Args:
        queue: the keys.
        series: the series that was asked for.
        near: series of waiting keys, with names close to it.
    """
    if not queue.keys and series is not None:
        return no_key_text(series, near)
    if not queue.keys:
        return "no keys wait"
    rows = [
        (
            key.key,
            key.platform,
            _brief(": ".join(filter(None, (key.series, key.title or key.title_2 or key.content_id)))),
            _numbers(key.season, key.episode),
            _rounded(key.hours),
            _rounded(key.revenue),
            f"{key.rows:,}",
            f"{_episode(key.best.episode)}, {key.best.score:g}" if key.best else "-",
            key.reasons[0] if key.reasons else key.status,
        )
        for key in queue.keys
    ]
    head = ("key", "platform", "series and title", "s/e", "hours", "revenue", "rows", "best candidate", "why")
    total = queue.total
    sums = (
        f"{counted(total.keys, 'key', 'keys')} with {counted(total.rows, 'row', 'rows')},"
        f" {_rounded(total.hours)} hours, revenue {_rounded(total.revenue)}"
    )
    shown = f"{len(queue.keys)} of {sums}" if len(queue.keys) < total.keys else sums
    if held := sum(key.held for key in queue.keys):
        shown += f"; {counted(held, 'more row is', 'more rows are')} held for lack of a deal, channel or territory"
    return "\n".join([text_table(head, rows), "", shown])


def no_key_text(series: str, near: Sequence[str]) -> str:
    """Return the message that no key of a series waits, with series of similar names."""
    names = ", ".join(f"'{_brief(name)}'" for name in near)
    return one_line(f"no key of series '{_brief(series)}' waits{f'; did you mean {names}?' if names else ''}")


def key_text(key: KeyShown) -> str:
    """Return a key in detail."""
    title = " | ".join(filter(None, (key.title, key.title_2)))
    lines = [
        f"key        {key.key} ({key.platform}), {key.status}",
        f"series     {key.series or '-'}",
        f"title      {title or '-'}",
        f"numbers    season {key.season or '-'}, episode {key.episode or '-'}",
        f"id         {key.content_id or '-'}",
        f"waiting    {counted(key.rows, 'row', 'rows')} in {counted(key.uploads, 'upload', 'uploads')},"
        f" {key.hours} hours, revenue {key.revenue}" + (f"; {key.held:,} more rows are held" if key.held else ""),
        *(f"{'why' if not at else '':<10} {reason}" for at, reason in enumerate(key.reasons)),
    ]
    lines = [one_line(line) for line in lines]
    if len(key.spellings) > 1:
        spelled = [
            (
                str(each.key_id),
                each.series or "",
                each.title or each.title_2 or "",
                _numbers(each.season, each.episode),
                each.content_id or "",
                str(each.status),
            )
            for each in key.spellings
        ]
        lines += ["", "Spellings", text_table(("number", "series", "title", "s/e", "id", "status"), spelled)]
    for candidate in key.candidates:
        lines += ["", *_candidate(candidate)]
    if key.examples:
        rows = [
            (
                f"{each.upload}:{each.line}",
                each.date or "",
                " / ".join(filter(None, (each.partner, each.channel, each.territory))),
                _brief(": ".join(filter(None, (each.series, each.title)))),
                _numbers(each.season, each.episode),
                each.content_id or "",
                each.hours or "",
                each.revenue or "",
                ", ".join(filter(None, (each.fate, each.code))),
            )
            for each in key.examples
        ]
        head = ("upload:line", "date", "where", "series and title", "s/e", "id", "hours", "revenue", "fate")
        lines += ["", "Rows", text_table(head, rows)]
    if key.found_in:
        found = [
            (str(each.upload), each.file, each.status, f"{each.rows:,}", each.hours, each.revenue)
            for each in key.found_in
        ]
        lines += ["", "Uploads", text_table(("upload", "file", "status", "rows", "hours", "revenue"), found)]
    if key.decisions:
        lines += ["", "Decisions", _decisions(key.decisions)]
    if key.matches:
        past = [
            (each.replaced_at, str(each.key_id), each.status, each.bucket or "", str(each.episode_id or ""))
            for each in key.matches
        ]
        lines += ["", "Earlier matches", text_table(("until", "number", "status", "bucket", "episode"), past)]
    return "\n".join([*lines, "", "Next", *(f"  {command}" for command in key.commands)])


def _candidate(candidate: CandidateShown) -> list[str]:
    ahead = f"{candidate.margin:g} ahead" if candidate.margin >= 0 else f"{-candidate.margin:g} behind the best"
    found = f"; found by {', '.join(candidate.found_by)}" if candidate.found_by else ""
    head = one_line(
        f"Candidate {candidate.number}: {_episode(candidate.episode)}, score {candidate.score:g}, {ahead}{found}"
    )
    rows = [(each.field, each.key or "-", each.candidate or "-", each.result) for each in candidate.differences]
    return [head, text_table(("field", "row", "catalogue", ""), rows)] if rows else [head]


def _decisions(decisions: list[DecisionShown]) -> str:
    rows = [
        (
            str(each.decision),
            each.action,
            each.ref_id or (f"id:{each.episode_id}" if each.episode_id else "-"),
            f"{each.by} ({each.role}), {each.at}",
            f"{each.undone_by} ({each.undone_role}), {each.undone_at}" if each.undone_by else "-",
            each.reason or "",
        )
        for each in decisions
    ]
    return text_table(("number", "action", "episode", "by", "undone by", "reason"), rows)


def decision_text(made: DecisionMade, by: str) -> str:
    """Return what decisions would change, or have changed."""
    lines = []
    if made.keys:
        chosen = [
            (each.key, _brief(each.title), _episode(each.episode), f"{each.score:g}" if each.score is not None else "")
            for each in made.keys
        ]
        lines += [text_table(("key", "series and title", "episode", "score"), chosen), ""]
    if made.skipped:
        skipped = [(each.key, _brief(each.title), each.why) for each in made.skipped]
        lines += [text_table(("skipped", "series and title", "why"), skipped), ""]
    if not made.keys:
        return "\n".join([*lines, "nothing to decide"])
    scope = made.scope
    lines.append(
        f"{made.action}: {counted(len(made.keys), 'key', 'keys')}, {counted(scope.rows, 'row', 'rows')} in"
        f" {counted(scope.uploads, 'upload', 'uploads')}, {scope.hours} hours, revenue {scope.revenue}"
    )
    verbs = ("added", "removed") if made.done else ("would be added", "removed")
    held = f"; {counted(scope.held, 'row is', 'rows are')} held without a deal or place" if scope.held else ""
    lines.append(f"final table: {counted(scope.loads, 'row', 'rows')} {verbs[0]}, {scope.removes:,} {verbs[1]}{held}")
    if made.done:
        numbers = ", ".join(map(str, made.decisions))
        lines.append(one_line(f"decision {numbers} by {by}; to undo it:"))
    else:
        lines.append("nothing was changed; to do it:")
    return "\n".join([*lines, f"  {made.command}"])


def undo_text(shown: UndoShown) -> str:
    """Return what an undo would change, or has changed."""
    verbs = ("added", "removed") if shown.done else ("would be added", "removed")
    lines = [
        _decisions(shown.decisions),
        "",
        *_undone(shown),
        f"final table: {counted(shown.loads, 'row', 'rows')} {verbs[0]}, {shown.removes:,} {verbs[1]}",
    ]
    if shown.command is not None:
        lines += ["nothing was changed; to do it:", f"  {shown.command}"]
    return "\n".join(lines)


def _undone(shown: UndoShown) -> list[str]:
    """Return lines with the keys of undone decisions, and how many of them keep a later decision."""
    if not shown.keys:
        return []
    rows = [(str(each.decision), each.key, _brief(each.title)) for each in shown.keys[:_MOST_KEYS]]
    lines = [text_table(("decision", "key", "series and title"), rows)]
    if len(shown.keys) > _MOST_KEYS:
        lines.append(f"… and {len(shown.keys) - _MOST_KEYS:,} more")
    lines.append("")
    kept = Counter(each.kept_by for each in shown.keys if each.kept_by is not None)
    for decision, count in sorted(kept.items()):
        lines.append(f"{counted(count, 'key keeps', 'keys keep')} decision {decision}, which is later")
    return lines


def _episode(episode: EpisodeShown | None) -> str:
    if episode is None:
        return "none"
    name = episode.ref_id or f"id:{episode.id}"
    title = ": ".join(filter(None, (episode.series, episode.title)))
    return _brief(f"{name} {title}".rstrip()) + ("" if episode.active else " (inactive)")


def _brief(text: str) -> str:
    shown = " ".join(text.split())
    return shown if len(shown) <= _TITLE_CHARS else f"{cut(shown, _TITLE_CHARS - 1)}…"


def _numbers(season: str | None, episode: str | None) -> str:
    return f"{season or '-'}/{episode or '-'}" if season or episode else ""


def _rounded(amount: str) -> str:
    return f"{Decimal(amount):,.2f}"
