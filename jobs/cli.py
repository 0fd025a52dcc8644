"""The command line: ``telecine <pipeline> <step>``, ``telecine db …``, ``telecine runs …``, ``telecine doctor``.

Importing this module loads only the standard library; a command's own imports happen when it runs.
"""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.errors import EXIT_OK, EXIT_USAGE
from shared.step.contract import Step, Tool
from shared.step.execute import execute, execute_tool
from shared.step.guard import printing
from shared.streams import write_error, write_out
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PIPELINES", "TOOLS", "commands", "main", "run"]

# A pipeline is a package below jobs/ with commands.py: HELP, and STEPS, which may include tools. The name of a command
# may have two words, such as "catalog import".
PIPELINES: Final[dict[str, str]] = {
    name: import_module(f"jobs.{name}.commands").HELP
    for name in sorted(path.parent.name for path in Path(__file__).parent.glob("*/commands.py"))
}

_DATABASE: Final = "shared.settings.database:DatabaseSettings"

TOOLS: Final = {
    "db": (
        "Manage the PostgreSQL database.",
        (
            Tool(
                "db",
                "upgrade",
                "Migrate the schema to the version this telecine needs.",
                _DATABASE,
                "shared.database.commands:upgrade",
            ),
            Tool(
                "db", "check", "Check the schema and list what is missing.", _DATABASE, "shared.database.commands:check"
            ),
            Tool(
                "db",
                "url",
                "Print the URL without its password; an embedded server runs on for ten minutes.",
                _DATABASE,
                "shared.database.commands:url",
            ),
        ),
    ),
    "runs": (
        "Show runs and how they ended.",
        (
            Tool(
                "runs",
                "list",
                "List the most recent runs.",
                "shared.ledger.commands:ListSettings",
                "shared.ledger.commands:list_runs",
            ),
            Tool(
                "runs",
                "show",
                "Show a run with its stages and errors.",
                "shared.ledger.commands:ShowSettings",
                "shared.ledger.commands:show_run",
            ),
            Tool(
                "runs",
                "close",
                "Record how a run's Workflow ended; send a notification if it failed.",
                "shared.notify.settings:CloseSettings",
                "jobs.closing:close",
            ),
        ),
    ),
    "rayjob": (
        "Manage the Ray clusters of steps.",
        (
            Tool(
                "rayjob",
                "sweep",
                "Delete RayJobs whose Workflow has ended or is gone.",
                "shared.rayjob.sweep:SweepSettings",
                "shared.rayjob.sweep:sweep_command",
            ),
        ),
    ),
    "doctor": (
        "Diagnose the installation and suggest fixes.",
        (
            Tool(
                "doctor",
                "",
                "Diagnose the installation and suggest fixes.",
                "shared.doctor.settings:DoctorSettings",
                "jobs.diagnosis:doctor",
            ),
        ),
    ),
    "vacuum": (
        "Delete old reports, artifacts and ledger rows.",
        (
            Tool(
                "vacuum",
                "",
                "Delete reports, artifacts and ledger rows older than --days.",
                "shared.retention.settings:VacuumSettings",
                "shared.retention.vacuum:vacuum",
            ),
        ),
    ),
}


def commands(group: str) -> tuple[Step | Tool, ...]:
    """Return the commands of a pipeline or of a group of tools.

    Raises:
        KeyError: the group is unknown.
    """
    if group in TOOLS:
        return TOOLS[group][1]
    if group not in PIPELINES:
        raise KeyError(group)
    steps: tuple[Step | Tool, ...] = import_module(f"jobs.{group}.commands").STEPS
    return steps


def main() -> None:
    """Run the ``telecine`` script."""
    code = run(sys.argv[1:])
    with printing():
        pass
    raise SystemExit(code)


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: arguments after ``telecine``.
    """
    groups = {**PIPELINES, **{name: text for name, (text, _) in TOOLS.items()}}
    if not argv:
        write_error(_overview(groups))
        return EXIT_USAGE
    word, rest = argv[0], argv[1:]
    if word in ("--help", "-h", "help"):
        _show(_overview(groups))
        return EXIT_OK
    if word == "--version":
        from importlib.metadata import version

        _show(f"telecine {version('telecine')}")
        return EXIT_OK
    if word not in groups:
        return _unknown("telecine", word, [*groups, "--help", "--version"])
    return _group(word, groups[word], rest)


def _group(group: str, text: str, argv: Sequence[str]) -> int:
    known = {command.name: command for command in commands(group)}
    only = known.pop("", None)
    helps = argv[:1] in (["--help"], ["-h"], ["help"])
    if isinstance(only, Tool) and (not known or not argv or helps or argv[0].startswith("-")):
        code = execute_tool(only, ["--help"] if helps else argv)
        return _also(group, known) if known and helps and code == EXIT_OK else code
    listing = _listing(f"telecine {group}", text, {name: command.help for name, command in known.items()})
    if not argv:
        write_error(listing)
        return EXIT_USAGE
    if helps:
        _show(listing)
        return EXIT_OK
    words = 1 if argv[0] in known else 2
    command = known.get(" ".join(argv[:words]))
    if isinstance(command, Tool):
        return execute_tool(command, argv[words:])
    if command is None:
        return _without(f"telecine {group}", known, argv)
    return execute(command, argv[words:])


def _show(text: str) -> None:
    with printing():
        write_out(text)


def _also(group: str, others: dict[str, Step | Tool]) -> int:
    """Print the subcommands of a group that is itself a command, such as ``console``."""
    helps = {name: command.help for name, command in others.items()}
    _show("\n" + _listing(f"telecine {group}", f"Other commands of telecine {group}.", helps))
    return EXIT_OK


def _without(program: str, known: dict[str, Step | Tool], argv: Sequence[str]) -> int:
    """Handle words that are not a command: the first of commands of two words, or a mistake."""
    first, rest = argv[0], argv[1:]
    seconds = {
        name.removeprefix(f"{first} "): each.help for name, each in known.items() if name.startswith(f"{first} ")
    }
    if not seconds:
        return _unknown(program, first, [*known, "--help"])
    if rest and rest[0] not in ("--help", "-h", "help"):
        return _unknown(f"{program} {first}", rest[0], [*seconds, "--help"])
    listing = _listing(f"{program} {first}", f"Commands of {program} {first}.", seconds)
    if rest:
        _show(listing)
        return EXIT_OK
    write_error(listing)
    return EXIT_USAGE


def _overview(groups: dict[str, str]) -> str:
    text = _listing("telecine", "Turn raw media data into tables.", groups)
    return text + "\nRun `telecine --version` for the version.\n"


def _listing(program: str, text: str, members: dict[str, str]) -> str:
    width = max(map(len, members)) + 2
    lines = [f"Usage: {program} COMMAND [FLAGS]", "", f"  {text}", "", "Commands:"]
    lines += [f"  {name:<{width}}{about}" for name, about in members.items()]
    lines += ["", f"Run `{program} COMMAND --help` for details."]
    return "\n".join(lines) + "\n"


def _unknown(program: str, word: str, valid: Sequence[str]) -> int:
    # For a two-word command, suggest a correction of the first word.
    close = difflib.get_close_matches(word, list(dict.fromkeys(each.split()[0] for each in valid)), n=1)
    guess = f"; did you mean {close[0]}?" if close else ""
    kind = "flag" if word.startswith("-") else "command"
    # After "token" and a colon, the text would be masked as a secret.
    about = f"{program}: unknown" if not program.endswith(" token") else f"`{program}` has an unknown"
    write_error(f"{about} {kind} '{one_line(word)}'{guess}\nExpected one of: {', '.join(valid)}")
    return EXIT_USAGE
