"""Build the next command for a message, repeating the flags that the user typed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from shared.settings.base import HOW_IT_RUNS, RECORDS, active_variable, join_list
from shared.settings.flags import flags
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shared.settings.base import Settings
    from shared.settings.flags import Flag

__all__ = ["next_command", "quoted", "same_command"]

# A dry run, a number of workers or a run id of one command does not apply to the next.
_NOT_REPEATED: Final = (HOW_IT_RUNS, RECORDS)


def next_command(command: str, *words: str, model: type[Settings], settings: Settings | None) -> str:
    """Return a command to paste into a shell, with every typed flag that it also accepts.

    Variables are not repeated: the shell still has them. The value of a secret is never shown: its flag refers to
    the secret's variable.

    Args:
        command: such as ``screenalytics replay``.
        words: arguments and flags of the next command, unquoted; the value of a flag is the word after it.
        model: settings class of the next command.
        settings: settings of the command that prints the message; None adds no flags.
    """
    typed = {} if settings is None else settings.typed
    known = flags(model)
    given, shown = _given(words, {flag.flag for flag in known if not flag.is_switch})
    repeated = [
        _flag(flag, typed[flag.name])
        for flag in known
        if flag.name in typed
        and not flag.argument
        and flag.group not in _NOT_REPEATED
        and not {flag.flag, flag.negative} & given
    ]
    return " ".join(["telecine", command, *shown, *repeated])


def same_command(settings: Settings) -> str | None:
    """Return the command that runs the same step again, with each value that differs from its default.

    Values of variables become flags, because another shell does not have them; secrets are left out. Flags of logs,
    the report's folder and the run's id are not repeated: it is another run.

    Args:
        settings: settings that were parsed from a command line.

    Returns:
        One line for bash or zsh; None if code created the settings.
    """
    if settings.program is None:
        return None
    model = type(settings)
    words: list[str] = []
    flagged: list[str] = []
    for flag in flags(model):
        field, value = model.model_fields[flag.name], getattr(settings, flag.name)
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        if flag.secret or flag.group == RECORDS or value in (None, default):
            continue
        if flag.argument:
            words += [str(each) for each in value] if flag.repeated else [str(value)]
        else:
            flagged.append(_flag(flag, _text_of(flag, settings)))
    if any(word.startswith("-") for word in words):
        words.insert(0, "--")
    return " ".join([settings.program, *flagged, *map(quoted, words)])


def _text_of(flag: Flag, settings: Settings) -> str:
    """Return a value as it was typed, or as its variable has it; a value of code as Python prints it."""
    value = getattr(settings, flag.name)
    if flag.is_switch:
        return str(value)
    if (typed := settings.typed.get(flag.name)) is not None:
        return typed
    variable = active_variable(type(settings), flag.name)
    if variable is not None:
        return variable[1]
    return join_list(value) if flag.repeated else str(value)


def _given(words: Sequence[str], valued: Collection[str]) -> tuple[set[str], list[str]]:
    """Return the flags among some words, and the words quoted for a shell.

    Args:
        words: arguments and flags, unquoted.
        valued: the flags that take a value, which may look like a flag itself.
    """
    given: set[str] = set()
    shown = []
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            given.add(word.partition("=")[0])
        value = next(rest, None) if word in valued else None
        shown.append(quoted(word) if value is None else _valued(word, value))
    return given, shown


def _flag(flag: Flag, value: str | None) -> str:
    if flag.is_switch:
        return flag.flag if value == "True" else flag.negative
    if value is None:
        return f'{flag.flag} "${flag.variables[0]}"'
    return _valued(flag.flag, value)


def _valued(flag: str, value: str) -> str:
    # A value that starts with a dash would be read as a flag.
    return quoted(f"{flag}={value}") if value.startswith("-") else f"{flag} {quoted(value)}"


def quoted(word: str) -> str:
    r"""Return a word as typed in bash or zsh: on one line, and without characters that hide or reorder others.

    >>> quoted("a b"), quoted("a\nb")
    ("'a b'", "$'a\\x0ab'")
    """
    if all(map(_is_visible, word)):
        return shlex.quote(word)
    return "$'" + "".join(char if _is_visible(char) and char not in "'\\" else _bytes(char) for char in word) + "'"


def _is_visible(char: str) -> bool:
    # Python calls invisible letters printable, and printable() keeps unusual spaces.
    return char.isprintable() and one_line(char) == char


def _bytes(char: str) -> str:
    # A byte of a path that is not UTF-8 is a lone surrogate in this range.
    errors = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", errors))
