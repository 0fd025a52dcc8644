"""The flags of a settings model: names, values and defaults, and the tables in docs/configuration.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from shared.secrets import FILE_SUFFIX
from shared.settings.base import (
    Group,
    Metadata,
    active_variable,
    is_secret,
    is_tuple,
    join_list,
    metadata,
    union_members,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic.fields import FieldInfo

    from shared.settings.base import Settings

__all__ = ["Flag", "arguments", "flags", "resolved_default", "shell_default", "table", "variables_table"]

# Last word of a field's name -> placeholder for the value in --help; otherwise the type determines the placeholder.
_METAVARS: Final = {
    "bucket": "BUCKET",
    "checks": "FILE",
    "dir": "DIR",
    "file": "FILE",
    "list": "FILE",
    "model": "FILE",
    "output": "BUCKET",
    "path": "PATH",
    "references": "DIR",
    "url": "URL",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """One field of a settings model on the command line.

    Attributes:
        name: name of the field.
        flag: the flag, such as ``--max-failed``; for a positional argument, its name in capitals.
        negative: the flag for false, such as ``--no-skip-existing``; empty unless the field is a bool.
        repeated: True if the flag may be repeated.
        metavar: placeholder for the value.
        choices: the valid values if they are a closed list, otherwise empty.
        description: one sentence.
        detail: further sentences for the docs.
        group: the section that lists the flag.
        variables: environment variables, in the order in which they are read.
        pipeline: the pipeline that declares the field; None for parameters of all pipelines.
        required: True if the field has no default.
        secret: True if the value is never shown.
        argument: True if the value is passed by position.
    """

    name: str
    flag: str
    negative: str
    repeated: bool
    metavar: str
    choices: tuple[str, ...]
    description: str
    detail: str
    group: Group
    variables: tuple[str, ...]
    pipeline: str | None
    required: bool
    secret: bool
    argument: bool

    @property
    def is_switch(self) -> bool:
        """Return whether the flag takes no value."""
        return bool(self.negative)


def flags(model: type[Settings]) -> list[Flag]:
    """Return the flags of a model: positional arguments, then the pipeline's flags by section, then the shared ones."""
    pairs = [
        (_flag(model, name, field, declared), declared)
        for name, field in model.model_fields.items()
        if not (declared := metadata(field)).hidden
    ]
    return [flag for flag, _ in sorted(pairs, key=_order)]


def _order(pair: tuple[Flag, Metadata]) -> tuple[bool, bool, bool, int, int]:
    flag, declared = pair
    optional_argument = flag.argument and not flag.required
    return (not flag.argument, optional_argument, flag.pipeline is None, declared.group.rank, declared.position)


def _flag(model: type[Settings], name: str, field: FieldInfo, declared: Metadata) -> Flag:
    members = [
        inner for member in union_members(field.annotation) for inner in union_members(member) if inner is not NoneType
    ]
    choices = tuple(str(value) for member in members if get_origin(member) is Literal for value in get_args(member))
    # A trailing underscore tells a field from a name of Python's or pydantic's: json_ is --json.
    words = name.rstrip("_").replace("_", "-")
    return Flag(
        name=name,
        flag=name.upper() if declared.argument else f"--{words}",
        negative=f"--no-{words}" if bool in members else "",
        repeated=is_tuple(field),
        metavar=_metavar(name, members, choices),
        choices=choices,
        description=field.description or "",
        detail=declared.detail,
        group=declared.group,
        variables=() if declared.argument else model.variables(name),
        pipeline=model.pipelines.get(name),
        required=field.is_required(),
        secret=is_secret(field),
        argument=declared.argument,
    )


def _metavar(name: str, members: list[Any], choices: tuple[str, ...]) -> str:
    if choices:
        return "|".join(choices)
    if int in members:
        return "N"
    if float in members:
        return "NUMBER"
    return _METAVARS.get(name.rsplit("_", 1)[-1], "TEXT")


def _shown(flag: Flag, value: Any) -> str:
    """Return a default as a user would type it; empty for None and empty values."""
    if value is None or value in ((), ""):
        return ""
    if isinstance(value, bool):
        return flag.flag if value else flag.negative
    if isinstance(value, tuple):
        return join_list(value)
    return str(value)


def _with_unit(text: str, unit: str | None) -> str:
    return f"{text} {unit}" if unit and text[:1].isdigit() else text


def resolved_default(model: type[Settings], flag: Flag) -> str:
    """Return the value in effect if the flag is omitted: a variable's, with its name, or the default, or an empty text.

    Args:
        model: the settings.
        flag: one of :func:`flags`.
    """
    field = model.model_fields[flag.name]
    declared = metadata(field)
    if not flag.argument and (variable := active_variable(model, flag.name)):
        return f"{'***' if flag.secret else variable[1]} from {variable[0]}"
    if field.default_factory is not None:
        return _shown(flag, field.get_default(call_default_factory=True, validated_data={}))
    return _with_unit(declared.default_text or _literal_default(flag, field), declared.unit)


def _literal_default(flag: Flag, field: FieldInfo) -> str:
    return "" if field.default is PydanticUndefined else _shown(flag, field.default)


def shell_default(field: FieldInfo) -> str:
    """Return a default as text for an environment variable; empty if there is none or it depends on the machine.

    Args:
        field: field of a settings model.
    """
    default = None if field.default_factory is not None else field.default
    if default is None or default is PydanticUndefined or default in ((), ""):
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return metadata(field).default_text or join_list(default)
    return json.dumps(default) if isinstance(default, dict | list) else str(default)


def arguments(settings: Settings) -> list[str]:
    """Return flags that pass a pipeline's settings to another process, except those equal to their defaults.

    Values from variables are passed as flags, because the other process may have a different environment. Secrets are
    omitted.

    Args:
        settings: the settings to pass.
    """
    model = type(settings)
    words: list[str] = []
    for flag in flags(model):
        if flag.pipeline is None or flag.secret or flag.argument:
            continue
        field, value = model.model_fields[flag.name], getattr(settings, flag.name)
        is_default = (
            field.default_factory is None and value == field.default and active_variable(model, flag.name) is None
        )
        if is_default or value is None:
            continue
        if flag.is_switch:
            words.append(flag.flag if value else flag.negative)
        else:
            words += (
                [f"{flag.flag}={join_list((each,))}" for each in value]
                if flag.repeated
                else [f"{flag.flag}={_typed(value)}"]
            )
    return words


def _typed(value: Any) -> str:
    """Return a value as a user would type it: ``3:15,30:15`` for pairs."""
    if isinstance(value, tuple):
        return ",".join(":".join(f"{part:g}" for part in each) for each in value)
    return str(value)


def table(model: type[Settings], *, without: Collection[str] = ()) -> str:
    """Return Markdown tables of a model's flags, one per section and the same on every machine; empty without flags.

    Args:
        model: the settings.
        without: names of fields to omit.
    """
    rows = [flag for flag in flags(model) if not flag.argument and flag.name not in without]
    return _sections(model, rows, ("Flag", "Variable", "Default", "Description"), _row)


def variables_table(model: type[Settings]) -> str:
    """Return Markdown tables of a model that has variables but no flags.

    Args:
        model: the settings.
    """
    return _sections(model, flags(model), ("Variable", "Default", "Description"), _variable_row)


def _sections(
    model: type[Settings], rows: list[Flag], head: tuple[str, ...], row: Callable[[Flag, FieldInfo], tuple[str, ...]]
) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    sections = []
    for group, members in groupby(rows, key=lambda flag: flag.group):
        cells = (row(flag, model.model_fields[flag.name]) for flag in members)
        body = "\n".join([*lines, *(f"| {' | '.join(each)} |" for each in cells)]) + "\n"
        sections.append(f"**{group.title}**\n\n{body}")
    if len(sections) == 1:
        # One section needs no heading.
        return sections[0].partition("\n\n")[2]
    return "\n".join(sections)


def _row(flag: Flag, field: FieldInfo) -> tuple[str, ...]:
    name = f"`{flag.flag}`" + (f", `{flag.negative}`" if flag.is_switch else "")
    if flag.choices:
        name += " " + " \\| ".join(f"`{choice}`" for choice in flag.choices)
    elif not flag.is_switch:
        name += f" {flag.metavar}" + (" …" if flag.repeated else "")
    return (name, *_variable_row(flag, field))


def _variable_row(flag: Flag, field: FieldInfo) -> tuple[str, ...]:
    declared = metadata(field)
    default = (
        "required"
        if flag.required
        else _with_unit(declared.default_text or _literal_default(flag, field), declared.unit)
    )
    names = (*flag.variables, flag.variables[0] + FILE_SUFFIX) if flag.secret else flag.variables
    variables = ", ".join(f"`{variable}`" for variable in names)
    text = f"{flag.description} {flag.detail}".rstrip()
    return (variables, _plain(default) or "-", _plain(text))


def _plain(text: str) -> str:
    """Return text with characters escaped that would end a table cell or begin an HTML tag."""
    return text.replace("|", "\\|").replace("<", "&lt;")
