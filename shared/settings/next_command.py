"""Build the next command for a message, repeating the flags that the user typed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from shared.settings.base import HOW_IT_RUNS, RECORDS
from shared.settings.flags import flags

if TYPE_CHECKING:
    from shared.settings.base import Settings
    from shared.settings.flags import Flag

__all__ = ["next_command"]

# A dry run, a number of workers or a run id of one command does not apply to the next.
_NOT_REPEATED: Final = (HOW_IT_RUNS, RECORDS)


def next_command(command: str, *words: str, model: type[Settings], settings: Settings | None) -> str:
    """Return a command to paste into a shell, with every typed flag that it also accepts.

    Variables are not repeated: the shell still has them. The value of a secret is never shown: its flag refers to
    the secret's variable.

    Args:
        command: such as ``screenalytics replay``.
        words: arguments and flags of the next command, unquoted.
        model: settings class of the next command.
        settings: settings of the command that prints the message; None adds no flags.
    """
    typed = {} if settings is None else settings.typed
    given = {word for word in words if word.startswith("--")}
    repeated = [
        _flag(flag, typed[flag.name])
        for flag in flags(model)
        if flag.name in typed
        and not flag.argument
        and flag.group not in _NOT_REPEATED
        and not {flag.flag, flag.negative} & given
    ]
    return " ".join(["telecine", command, *map(shlex.quote, words), *repeated])


def _flag(flag: Flag, value: str | None) -> str:
    if flag.is_switch:
        return flag.flag if value == "True" else flag.negative
    if value is None:
        return f'{flag.flag} "${flag.variables[0]}"'
    # A value that starts with a dash would be read as a flag.
    return shlex.quote(f"{flag.flag}={value}") if value.startswith("-") else f"{flag.flag} {shlex.quote(value)}"
