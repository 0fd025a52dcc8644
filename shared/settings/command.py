"""The command line of a settings model: Typer parses the flags and prints the help, pydantic validates the values.

pydantic-settings' own command line is not used: it does not show resolved defaults or variable names, splits
``3:15,30:15`` at its comma, and omits the flag from its messages.
"""

from __future__ import annotations

import difflib
import inspect
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from shared.errors import UsageError
from shared.scrub import scrub
from shared.secrets import FILE_SUFFIX
from shared.settings.base import active_variable, join_list, split_list
from shared.settings.flags import flags, resolved_default
from shared.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

    from shared.settings.base import Settings
    from shared.settings.flags import Flag

__all__ = ["did_you_mean", "parse"]

S = TypeVar("S", bound="Settings")

# Error type -> expected value, in place of pydantic's messages about parsing.
_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "string_too_short": "at least {min_length} characters",
    # A secret; lists have no shortest length.
    "too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}
# Typer exports only this subclass of its usage errors.
_USAGE: Any = typer.BadParameter.__base__
_SHOULD_BE = "Input should be "
_EPILOG = (
    "A flag overrides its variable, and a variable overrides the default. Lists are comma-separated (a"
    " comma within a value: \\,); their flags may also be repeated."
)


def did_you_mean(word: str, valid: Sequence[str]) -> str:
    """Return ``; did you mean --workers?`` if a word is similar to a valid one, otherwise an empty string."""
    close = difflib.get_close_matches(word, valid, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def parse(model: type[S], program: str, text: str, argv: Sequence[str]) -> S:
    """Return the settings parsed from flags; ``--help`` prints the help and exits.

    Args:
        model: settings class of the command.
        program: the command as typed, such as ``telecine gamedata extract``.
        text: description of the command for ``--help``.
        argv: arguments after the command.

    Raises:
        SystemExit: 0 after ``--help``.
        UsageError: a flag is unknown or a value invalid; the message names the flag and the expected values.
    """
    declared = flags(model)
    help_wanted = _check_names(model, program, declared, argv)
    # Every pod passes variables only, and Typer takes longer than the settings do.
    typed = _typed(model, program, text, declared, argv, show=help_wanted) if argv else {}
    if help_wanted:
        raise SystemExit(0)
    values: dict[str, Any] = {flag.name: _value(flag, typed[flag.name]) for flag in declared if flag.name in typed}
    as_text = {name: join_list(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    try:
        return model(**values).with_typed(as_text, program)
    except ValidationError as error:
        raise UsageError(_explain(model, program, declared, values, error)) from error


def _typed(
    model: type[Settings], program: str, text: str, declared: list[Flag], argv: Sequence[str], *, show: bool
) -> dict[str, Any]:
    """Return the values of the flags that are typed, by field; print the help if it is asked for."""
    typed: dict[str, Any] = {}

    def collect(**values: Any) -> None:
        typed.update({name: value for name, value in values.items() if value not in (None, [])})

    collect.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads
        [_parameter(model, flag, show=show) for flag in declared]
    )
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        cls=_command_class(declared),
        help=text,
        epilog=_EPILOG,
        options_metavar="[FLAGS]",
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
    )(collect)
    try:
        typer.main.get_command(app).main(list(argv), prog_name=program, standalone_mode=False)
    except _USAGE as error:
        raise UsageError(f"{program}: {one_line(error.format_message())}; see {program} --help") from error
    return typed


def _value(flag: Flag, typed: Any) -> Any:
    """Return the value of a flag as the model takes it: the name of a file may have a comma, an entry of a list not."""
    if not flag.repeated:
        return typed
    return tuple(typed) if flag.argument else tuple(chain.from_iterable(map(split_list, typed)))


def _check_names(model: type[Settings], program: str, declared: list[Flag], argv: Sequence[str]) -> bool:
    """Reject unknown flags and missing values, and return whether help is requested."""
    takes_value = {flag.flag: not flag.is_switch for flag in declared if not flag.argument}
    takes_value.update({flag.negative: False for flag in declared if flag.is_switch})
    positions = [flag for flag in declared if flag.argument]
    words = iter(argv)
    only_arguments = False
    filled: list[Flag] = []
    for word in words:
        if word == "--" and not only_arguments:
            only_arguments = True
            continue
        if word in ("--help", "-h") and not only_arguments:
            return True
        name, equals, _ = word.partition("=")
        if name.startswith("-") and not only_arguments:
            if name not in takes_value:
                guess = did_you_mean(name, list(takes_value))
                raise UsageError(
                    f"{program}: unknown flag {one_line(name)}{guess}\nFlags: {' '.join(takes_value)}"
                    f"\nHelp: {program} --help"
                )
            if equals and not takes_value[name]:
                raise UsageError(f"{program}: {name} takes no value; its opposite is {_opposite(name)}")
            if takes_value[name] and not equals and next(words, None) is None:
                raise UsageError(f"{program}: {name} needs a value; see {program} --help")
        elif positions:
            filled.append(positions[0])
            # A repeated argument is the last one and takes all words.
            if not positions[0].repeated:
                positions.pop(0)
        else:
            raise UsageError(
                f"{program}: unexpected argument '{one_line(word)}'; expected --flag value; see {program} --help"
            )
    _check_arguments(model, program, [flag for flag in positions if flag not in filled])
    return False


def _check_arguments(model: type[Settings], program: str, missing: list[Flag]) -> None:
    if missing and missing[0].required and active_variable(model, missing[0].name) is None:
        raise UsageError(f"{program}: {missing[0].flag} is missing; see {program} --help")


def _opposite(name: str) -> str:
    return "--" + name.removeprefix("--no-") if name.startswith("--no-") else "--no-" + name.removeprefix("--")


def _parameter(model: type[Settings], flag: Flag, *, show: bool) -> inspect.Parameter:
    """Return one flag as a parameter for Typer. Values stay text for pydantic; defaults are resolved only for help."""
    if flag.argument:
        argument = typer.Argument(metavar=flag.flag, help=flag.description, show_default=False)
        if flag.required and active_variable(model, flag.name) is None:
            one: Any = list[str] if flag.repeated else str
            return inspect.Parameter(flag.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[one, argument])
        many: Any = list[str] | None if flag.repeated else str | None
        return inspect.Parameter(
            flag.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[many, argument]
        )
    kind: Any = bool | None if flag.is_switch else list[str] | None if flag.repeated else str | None
    names = f"{flag.flag}/{flag.negative}" if flag.is_switch else flag.flag
    option = typer.Option(
        names,
        help=_help(model, flag) if show else None,
        metavar=None if flag.is_switch else flag.metavar,
        show_default=False,
    )
    return inspect.Parameter(
        flag.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
    )


def _help(model: type[Settings], flag: Flag) -> str:
    default = "required" if flag.required else f"default: {resolved_default(model, flag) or '-'}"
    first, *others = flag.variables
    *names, last = [first, *([first + FILE_SUFFIX] if flag.secret else []), *others]
    variables = f"{', '.join(names)} or {last}" if names else last
    return f"{flag.description} [{one_line(scrub(default))}; {variables}]"


def _command_class(declared: list[Flag]) -> type[TyperCommand]:
    titles = {flag.name: "Arguments" if flag.argument else flag.group.title for flag in declared}

    class Command(TyperCommand):
        """A command whose help lists the flags by section."""

        def format_options(self, ctx: Any, formatter: Any) -> None:
            """Write one section per group of flags."""
            sections: dict[str, list[tuple[str, str]]] = {title: [] for title in titles.values()}
            for param in self.get_params(ctx):
                record = param.get_help_record(ctx)
                if record is not None:
                    # Only --help itself has no field.
                    sections.setdefault(titles.get(param.name or "", "Help"), []).append(record)
            for title, records in sections.items():
                if records:
                    with formatter.section(title):
                        formatter.write_dl(records)

    return Command


def _explain(
    model: type[Settings], program: str, declared: list[Flag], typed: dict[str, Any], error: ValidationError
) -> str:
    """Return one line per invalid flag or variable: its name, its value and what is expected."""
    by_name = {flag.name: flag for flag in declared}
    lines: list[str] = []
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        line = _explain_one(model, by_name[name], typed, detail) if name in by_name else _message(detail)
        if line not in lines:
            lines.append(line)
    return "\n".join(f"{program}: {line}" for line in lines)


def _explain_one(model: type[Settings], flag: Flag, typed: dict[str, Any], detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return f"{flag.flag} is required; pass it or set {flag.variables[0]}"
    variable = None if flag.name in typed else active_variable(model, flag.name)
    raw = typed.get(flag.name, variable[1] if variable else None)
    value = join_list(raw) if isinstance(raw, tuple) else raw
    value = value if value is None else one_line(value)
    value = "''" if value == "" else value
    shown = "" if flag.secret or value is None else f" {value}" if variable is None else f"={value}"
    source = variable[0] if variable else flag.flag
    if flag.choices and detail["type"] == "literal_error":
        guess = did_you_mean(str(value), flag.choices)
        return f"{source}{shown} is not valid; expected one of {', '.join(map(_choice, flag.choices))}{guess}"
    return f"{source}{shown} is not valid{_reason(detail)}"


def _choice(word: str) -> str:
    """Return a valid value, quoted if it is only punctuation, which is hard to see in a list."""
    return word if any(map(str.isalnum, word)) else f"'{word}'"


def _reason(detail: ErrorDetails) -> str:
    message = _message(detail)
    return f"; {message}" if message.startswith("expected ") else f": {message}"


def _message(detail: ErrorDetails) -> str:
    if expected := _EXPECTED.get(detail["type"]):
        # A minimum of one means "not empty".
        return f"expected {expected.format(**detail.get('ctx', {})).replace('at least 1 characters', 'some text')}"
    text = one_line(detail["msg"].removeprefix("Value error, "))
    if not text.startswith(_SHOULD_BE):
        return text
    expected = text.removeprefix(_SHOULD_BE)
    return f"expected a value {expected}" if expected.startswith(("greater", "less")) else f"expected {expected}"
