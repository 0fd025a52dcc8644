"""The questions about a received file that must be answered before its run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jobs.console.intake.choices import OF_FILE, OF_VALUES, SETS
from jobs.console.intake.library import CANONICAL

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Open", "open_questions"]

# The reader of the file answers these; the others are about columns that it does not read.
_SETTLED_BY_READING: Final = frozenset({"DATE_ORDER", "DECIMAL_MARK", "CLOCK", "FORMAT"})
_ABOUT_COLUMNS: Final = frozenset({"FIELD", "UNIT", "DUPLICATE", "CONTENT", "MEASURE"})


@dataclass(frozen=True, slots=True)
class Open:
    """A question that is still open.

    Attributes:
        code: such as ``DATE_ORDER``.
        message: the question.
        target: id of the field that answers it.
        options: values to choose from.
        key: value with which a form says that none of the options is right; empty if one must be chosen.
    """

    code: str
    message: str
    target: str
    options: tuple[str, ...] = ()
    key: str = ""


def open_questions(reading: Mapping[str, Any], choices: Mapping[str, Any]) -> list[Open]:
    """Return the questions that must be answered before a run.

    Args:
        reading: what was read with the choices.
        choices: as stored.
    """
    used: Mapping[str, Any] = reading.get("used", choices)
    preview, problem = reading.get("preview"), reading.get("problem")
    found: list[Open] = []
    if problem is not None and problem["is_question"]:
        answers = problem["data"].get("answers", [])
        named = problem["data"].get("flags") or [word for answer in answers for word in answer[::2]]
        names = [str(name).lstrip("-") for name in named]
        options = tuple(
            str(answer[1])
            for answer in answers
            if len(answer) == 2 and answer[1] is not None  # noqa: PLR2004 - a flag and its value
        )
        found.append(Open(str(problem["code"]), _asked(problem["message"]), _target(names), options))
    for question in (reading.get("proposal") or {}).get("questions", []):
        names = [str(name).lstrip("-") for name in question["flags"]]
        if _is_answered(question, names, used, preview is not None):
            continue
        key = _key(question)
        # The reader's own question and the proposal's are often the same.
        if key in choices.get("dismissed", []) or any(_asked(question["message"]) == one.message for one in found):
            continue
        must = question["code"] in _SETTLED_BY_READING or preview is None
        found.append(
            Open(
                question["code"],
                _asked(question["message"]),
                _target(names),
                tuple(map(str, question["options"])),
                "" if must else key,
            )
        )
    if preview is not None and str(preview["format"]).startswith(f"{CANONICAL}-") and "platform" not in used:
        found.append(Open("PLATFORM", "which platform is the report from? The format does not say.", "platform"))
    return found


def _is_answered(question: Mapping[str, Any], names: list[str], used: Mapping[str, Any], is_read: bool) -> bool:
    if any(name in used for name in names if name != "map"):
        return True
    code = question["code"]
    if code in _SETTLED_BY_READING:
        return is_read
    if code in _ABOUT_COLUMNS:
        if is_read and "format" in used and not str(used["format"]).startswith(f"{CANONICAL}-"):
            return True
        mapped = {str(name) for name in used.get("map", {}).values()}
        return any(str(name) in mapped for name in question.get("letters", ()))
    return False


def _asked(message: str) -> str:
    """Return a question without the flags that answer it on a command line."""
    return str(message).partition("; pass --")[0]


def _target(names: list[str]) -> str:
    # A choice of values comes before a free text, such as the date order before the period.
    ordered = sorted(names, key=lambda name: name not in SETS)
    return next((name for name in ordered if name in (*OF_VALUES, *OF_FILE)), "columns")


def _key(question: Mapping[str, Any]) -> str:
    text = "\n".join([question["code"], *map(str, question["columns"])])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
