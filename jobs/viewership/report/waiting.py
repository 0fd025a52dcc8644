"""Uploads that wait for an answer, with the commands that answer."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.viewership.report.fates import name
from shared.report import Code, Table
from shared.settings.next_command import next_command
from shared.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobs.viewership.settings.uploads import UploadSettings
    from shared.database.session import DatabaseSession

__all__ = ["WAITING", "Waiting", "waiting", "waiting_table"]

WAITING: Final = "Waiting for an answer"
"""Title of the table."""

_ON_OVERLAP: Final = ("skip", "replace", "append")
# A flag that a message names, and the value that may follow it.
_FLAG: Final = re.compile(r"(?<![\w-])(--[a-z]+(?:-[a-z]+)*)(?: (?!or\b|and\b)('(?:[^'\\]|\\.)*'|[\w.:=/-]+))?")
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
    """
    # Only here: settings import pydantic, which a report without waiting uploads does not need.
    from jobs.viewership.settings.uploads import UploadSettings

    rows = session.rows(
        """
        SELECT u.upload_id, u.filename, COALESCE(u.code, upper(u.status)) AS code, u.status,
            COALESCE(u.message, '') AS message, u.choices, a.uri
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
    found = []
    for row in rows:
        place = (places or {}).get(row.upload_id) or row.uri or row.filename
        asked = row.status == "needs_choice"
        answers = _answers(row.message) if asked else [["--on-overlap", word] for word in _ON_OVERLAP]
        chosen = _chosen(row.choices, {word for answer in answers for word in answer})
        commands = tuple(
            next_command(
                "viewership upload", _argument(place), *chosen, *answer, model=UploadSettings, settings=settings
            )
            for answer in answers or [[]]
        )
        found.append(Waiting(row.upload_id, row.filename, row.code, row.message, commands))
    return found


def _argument(place: str) -> str:
    """Return a path in a form that is not parsed as a flag."""
    return f"./{place}" if place.startswith("-") else place


def _answers(message: str) -> list[list[str]]:
    """Return the flags that a message proposes after its last ``pass``, each with a value or a name to fill in."""
    from jobs.viewership.settings.formats import InterpretationSettings
    from shared.settings import StepSettings
    from shared.settings.flags import flags

    # Only flags that say how a file is read: its own text, such as the name of a column, is part of the message.
    known = {flag.flag: flag for flag in flags(InterpretationSettings) if flag.name not in StepSettings.model_fields}
    _, found, clause = message.rpartition("pass ")
    answers: list[list[str]] = []
    end = 0
    for match in _FLAG.finditer(clause if found else ""):
        if (flag := known.get(match[1])) is None:
            continue
        value = "".join(shlex.split(match[2])) if match[2] else _TO_FILL_IN.get(match[1], flag.name.upper())
        if answers and clause[end : match.start()].strip() == "and":
            answers[-1] += [match[1], value]
        elif [match[1], value] not in answers:
            answers.append([match[1], value])
        end = match.end()
    return answers


def _chosen(choices: Mapping[str, Any], answered: set[str]) -> list[str]:
    """Return the flags that were passed before, unless an answer replaces them."""
    words: list[str] = []
    for choice, value in choices.items():
        flag = f"--{choice.replace('_', '-')}"
        for each in value if isinstance(value, list) else [value]:
            if flag == "--map" or flag not in answered:
                words += [flag, str(each)]
    return words


def waiting_table(found: Sequence[Waiting]) -> Table | None:
    """Return the table of waiting uploads; None without any.

    Args:
        found: the uploads.
    """
    if not found:
        return None
    rows = [
        (
            name(each.upload_id, each.filename),
            each.code,
            clean_text(each.question, _MESSAGE_CHARS),
            Code("\n".join(each.commands)),
        )
        for each in found[:_ROWS]
    ]
    more = len(found) - _ROWS
    note = "Run one of the commands for each upload. Replace words in capitals."
    if more > 0:
        note += f" {more:,} more uploads wait; run: telecine viewership uploads"
    return Table(WAITING, ("upload", "code", "question", "command"), rows, note)
