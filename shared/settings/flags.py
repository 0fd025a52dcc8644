"""A settings model as flags: names, values, defaults, and the table of the docs."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic_core import PydanticUndefined

from shared.settings.base import About, about, is_secret, is_tuple, union_members, variable

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic.fields import FieldInfo

    from shared.settings.base import Settings

__all__ = ["Flag", "arguments", "flags", "table", "variables_table"]

# What stands for a value in the help, by the last word of the field's name; else by its type.
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
    """One field of a settings model as the command line shows it.

    Attributes:
        name: the field.
        flag: ``--max-failed``; an argument by position has its name in capitals.
        negative: ``--no-skip-existing`` for a bool, else empty.
        repeated: may be given several times.
        metavar: what stands for the value.
        choices: the valid values, where they are a closed list.
        description: with the unit.
        variables: environment variables, first the one that is read first.
        pipeline: whose parameter it is; None for those that every step has.
        required: there is no default.
        secret: never shown.
        argument: given by position.
    """

    name: str
    flag: str
    negative: str
    repeated: bool
    metavar: str
    choices: tuple[str, ...]
    description: str
    variables: tuple[str, ...]
    pipeline: str | None
    required: bool
    secret: bool
    argument: bool

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return bool(self.negative)


def flags(model: type[Settings]) -> list[Flag]:
    """Return the flags of a model: arguments, then the pipeline's own as declared, then those of every step."""
    found = [
        _flag(model, name, field, known)
        for name, field in model.model_fields.items()
        if not (known := about(field)).hidden
    ]
    return sorted(
        found, key=lambda flag: (not flag.argument, flag.argument and not flag.required, flag.pipeline is None)
    )


def _flag(model: type[Settings], name: str, field: FieldInfo, known: About) -> Flag:
    members = [
        inner for member in union_members(field.annotation) for inner in union_members(member) if inner is not NoneType
    ]
    choices = tuple(str(value) for member in members if get_origin(member) is Literal for value in get_args(member))
    flag = "--" + name.replace("_", "-")
    return Flag(
        name=name,
        flag=name.upper() if known.argument else flag,
        negative="--no-" + name.replace("_", "-") if bool in members else "",
        repeated=is_tuple(field),
        metavar=_metavar(name, members, choices),
        choices=choices,
        description=field.description or "",
        variables=() if known.argument else model.variables(name),
        pipeline=model.pipelines.get(name),
        required=field.is_required(),
        secret=is_secret(field),
        argument=known.argument,
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
    """Return a default as a user would type it; empty for what is no value (None, an empty string)."""
    if value is None or value in ((), ""):
        return ""
    if isinstance(value, bool):
        return flag.flag if value else flag.negative
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def _with_unit(text: str, unit: str | None) -> str:
    return f"{text} {unit}" if unit and text[:1].isdigit() else text


def resolved_default(model: type[Settings], flag: Flag) -> str:
    """Return what holds now without the flag: the variable's value and its name, or the default; empty for none.

    Args:
        model: the settings.
        flag: one of :func:`flags`.
    """
    field = model.model_fields[flag.name]
    known = about(field)
    if not flag.argument and (found := variable(model, flag.name)):
        return f"{'***' if flag.secret else found[1]} from {found[0]}"
    if field.default_factory is not None:
        return _shown(flag, field.get_default(call_default_factory=True, validated_data={}))
    return _with_unit(known.default_text or _literal_default(flag, field), known.unit)


def _literal_default(flag: Flag, field: FieldInfo) -> str:
    return "" if field.default is PydanticUndefined else _shown(flag, field.default)


def arguments(settings: Settings) -> list[str]:
    """Return the flags that give another process the pipeline's own settings: those that are not their defaults.

    A value that comes from a variable is given, too: the other process may have another one. Secrets are left out.

    Args:
        settings: such as a step's.
    """
    model = type(settings)
    words: list[str] = []
    for flag in flags(model):
        if flag.pipeline is None or flag.secret or flag.argument:
            continue
        field, value = model.model_fields[flag.name], getattr(settings, flag.name)
        same = field.default_factory is None and value == field.default and variable(model, flag.name) is None
        if same or value is None:
            continue
        if flag.is_switch:
            words.append(flag.flag if value else flag.negative)
        else:
            words += [f"{flag.flag}={_typed(each)}" for each in (value if flag.repeated else (value,))]
    return words


def _typed(value: Any) -> str:
    """Return a value as a user would type it: ``3:15,30:15`` for pairs."""
    if isinstance(value, tuple):
        return ",".join(":".join(f"{part:g}" for part in each) for each in value)
    return str(value)


def table(model: type[Settings], *, every_step: bool, without: Collection[str] = ()) -> str:
    """Return a Markdown table of a model's parameters, the same on every machine; empty when there are none.

    Args:
        model: the settings.
        every_step: the parameters that all steps share, or those of this step alone.
        without: names of fields to leave out.
    """
    rows = [
        _row(flag, model.model_fields[flag.name])
        for flag in flags(model)
        if not flag.argument and (flag.pipeline is None) == every_step and flag.name not in without
    ]
    head = ["| Flag | Variable | Default | What it does |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n" if rows else ""


def _row(flag: Flag, field: FieldInfo) -> str:
    known = about(field)
    name = f"`{flag.flag}`" + (f", `{flag.negative}`" if flag.is_switch else "")
    if flag.choices:
        name += " " + " \\| ".join(f"`{choice}`" for choice in flag.choices)
    elif not flag.is_switch:
        name += f" {flag.metavar}" + (" …" if flag.repeated else "")
    default = (
        "required" if flag.required else _with_unit(known.default_text or _literal_default(flag, field), known.unit)
    )
    variables = ", ".join(f"`{variable}`" for variable in flag.variables)
    return f"| {name} | {variables} | {_plain(default) or '-'} | {_plain(flag.description)} |"


def variables_table(model: type[Settings]) -> str:
    """Return a Markdown table of a model that is set by variables alone.

    Args:
        model: the settings.
    """
    lines = ["| Variable | Default | What it does |", "| --- | --- | --- |"]
    for flag in flags(model):
        known = about(model.model_fields[flag.name])
        default = _with_unit(known.default_text or _literal_default(flag, model.model_fields[flag.name]), known.unit)
        variables = ", ".join(f"`{variable}`" for variable in flag.variables)
        lines.append(f"| {variables} | {_plain(default) or '-'} | {_plain(flag.description)} |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Keep a table's cell whole, and what looks like a tag visible."""
    return text.replace("|", "\\|").replace("<", "&lt;")
