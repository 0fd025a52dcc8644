"""Uploads that wait for an answer, with the commands that answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.report.fates import name
from shared.report import Code, Table
from shared.settings.base import join_list
from shared.settings.next_command import next_command
from shared.storage import join_uri, resolved
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.viewership.settings.uploads import UploadSettings
    from shared.database.session import DatabaseSession

__all__ = ["WAITING", "Waiting", "waiting", "waiting_table"]

WAITING: Final = "Waiting for an answer"
"""Title of the table."""

_ON_OVERLAP: Final = ("skip", "replace", "append")
_TO_FILL_IN: Final = {"--map": "FIELD=COLUMN"}
_MESSAGE_CHARS: Final = 600
_ROWS: Final = 50


@dataclass(frozen=True, slots=True)
class Waiting:
    """An upload that waits.

    Attributes:
        upload_id: its number.
        filename: its name.
        code: ``NEEDS_CHOICE``, ``COPY`` or ``OVERLAP``.
        question: the question to answer.
        commands: each answers it; placeholders are in capitals.
    """

    upload_id: int
    filename: str
    code: str
    question: str
    commands: tuple[str, ...]


def waiting(
    session: DatabaseSession,
    upload_ids: Iterable[int] | None = None,
    *,
    places: Mapping[int, str] | None = None,
    settings: UploadSettings | None = None,
) -> list[Waiting]:
    """Return the uploads that wait for an answer, oldest first.

    Args:
        session: a transaction.
        upload_ids: only these; None means all.
        places: number of an upload -> path or URI that the user passed. Others are named by the object that they
            arrived as, or by the raw file.
        settings: settings of the command that prints this, whose typed flags the commands repeat; None adds none.
            `upload` proposes `upload`; everything else proposes `run`, which also loads the rows.
    """
    # Only here: settings import pydantic, which a report without waiting uploads does not need.
    from jobs.viewership.settings.uploads import RunSettings, UploadSettings, step_of

    rows = session.rows(
        """
        SELECT u.upload_id, u.filename, COALESCE(u.code, upper(u.status)) AS code, u.status,
            COALESCE(u.message, '') AS message, u.choices, u.answers, u.object_key, a.uri
        FROM viewership.uploads u
        LEFT JOIN LATERAL (
            SELECT uri FROM viewership.arrivals x WHERE x.upload_id = u.upload_id ORDER BY x.last_seen DESC LIMIT 1
        ) a ON true
        WHERE u.status IN ('needs_choice', 'copy', 'overlap')
            AND (:everything OR u.upload_id = ANY (CAST(:ids AS bigint[])))
        ORDER BY u.upload_id
        """,
        everything=upload_ids is None,
        ids=list(upload_ids or ()),
    )
    if not rows:
        return []
    bucket = resolved((settings or UploadSettings()).bucket)
    step = step_of(settings)
    found = []
    for row in rows:
        place = (places or {}).get(row.upload_id) or row.uri or join_uri(bucket, row.object_key)
        asked = row.status == "needs_choice"
        answers = row.answers if asked else [["--on-overlap", word] for word in _ON_OVERLAP]
        commands = tuple(
            next_command(
                f"viewership {step}",
                _argument(place),
                *_chosen(row.choices, answer),
                *(word for pair in answer for word in pair),
                model=RunSettings if step == "run" else UploadSettings,
                settings=settings,
            )
            for answer in map(_filled_in, answers or [[]])
        )
        found.append(Waiting(row.upload_id, row.filename, row.code, row.message, commands))
    return found


def _argument(place: str) -> str:
    """Return a path in a form that is not parsed as a flag."""
    return f"./{place}" if place.startswith("-") else place


def _filled_in(answer: Sequence[str | None]) -> list[tuple[str, str]]:
    """Return the flags and values of an answer; a value that the user has to fill in becomes a word in capitals."""
    pairs = []
    for flag, value in zip(map(str, answer[::2]), answer[1::2], strict=True):
        to_fill_in = _TO_FILL_IN.get(flag, flag.removeprefix("--").replace("-", "_").upper())
        pairs.append((flag, to_fill_in if value is None else value))
    return pairs


def _chosen(choices: Mapping[str, Any], answer: Sequence[tuple[str, str]]) -> list[str]:
    """Return the flags that were passed before, unless an answer replaces them."""
    answered = {flag for flag, _ in answer}
    mapped = {_field(value) for flag, value in answer if flag == "--map"}
    words: list[str] = []
    for choice, value in choices.items():
        flag = f"--{choice.replace('_', '-')}"
        if flag == "--map":
            words += [word for pair in value if _field(pair) not in mapped for word in (flag, join_list((pair,)))]
        elif isinstance(value, bool):
            words += [flag] if value else []
        elif flag not in answered:
            words += [flag, str(value)]
    return words


def _field(pair: str) -> str:
    """Return the field that a value of ``--map`` names."""
    return pair.partition("=")[0].strip()


def waiting_table(found: Sequence[Waiting], names: Mapping[int, str] | None = None) -> Table | None:
    """Return the table of waiting uploads, which explains the failures of their files; None if no upload waits.

    Args:
        found: the uploads.
        names: number of an upload -> name of its file in this run, if it differs from the first name.
    """
    if not found:
        return None
    shown = found[:_ROWS]
    rows = [
        (
            name(each.upload_id, each.filename),
            each.code,
            Code("\n".join(each.commands), about=clean_text(each.question, _MESSAGE_CHARS)),
        )
        for each in shown
    ]
    note = "Run one of the commands for each upload. Replace words in capitals."
    if len(found) > _ROWS:
        note += " To list all, run: telecine viewership uploads"
    explained = [((names or {}).get(each.upload_id, each.filename), each.code) for each in shown]
    columns = ("upload", "code", "question and commands")
    return Table(WAITING, columns, rows, note, explains=explained, total=len(found))
