"""Settings models: each field declares one parameter; its flag, variables, form entry and docs are derived from it.

A keyword argument overrides an environment variable, which overrides the default. The variable is
``TELECINE_<PIPELINE>_<FIELD>`` for fields declared in a class with a pipeline and ``TELECINE_<FIELD>`` for all others.
If it is not set, the field's aliases are read in order. An empty variable counts as unset.

``<VARIABLE>_BASE64`` holds the same value as base64 and overrides the plain variable: workflow templates pass every
parameter this way, so that neither Argo nor Kubernetes evaluates what it contains. Argo itself evaluates the parameters
of a Workflow before its templates can encode them, so a program passes them as ``base64:`` and the value's base64; see
:func:`encoded_form`. Secrets may also come from files, which :mod:`shared.secrets` describes.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import difflib
import os
import re
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast, get_args, get_origin

from pydantic import Field, PrivateAttr, SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared import secrets
from shared.errors import UsageError
from shared.secrets import ENCODED_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo

__all__ = [
    "ENCODED_SUFFIX",
    "HOW_IT_RUNS",
    "LIMITS",
    "RECORDS",
    "UNGROUPED",
    "WHERE",
    "Group",
    "Metadata",
    "Settings",
    "accepts_none",
    "active_variable",
    "decoded",
    "encoded",
    "encoded_form",
    "is_secret",
    "is_tuple",
    "join_list",
    "metadata",
    "setting",
    "split_list",
    "union_members",
    "unknown_variables",
]

PREFIX: Final = "TELECINE_"
# Similarity of two names, 0 to 1 (difflib's ratio). From the second on, one or two letters differ.
_SIMILAR: Final = 0.6
_NEARLY_EQUAL: Final = 0.88
# Begins the value of a form that is base64 itself.
_IN_FORM: Final = "base64:"
# Neither a tag of Argo nor a variable of the kubelet, and not taken for base64.
_PLAIN: Final = re.compile(r"(?!base64:)[A-Za-z0-9 ._:/=,@+-]*")
# A comma in a list, and all backslashes before it. The lookbehind keeps the time linear for long runs of backslashes.
_COMMA: Final = re.compile(r"(?<!\\)(\\*),")
_LAST_BACKSLASHES: Final = re.compile(r"(?<!\\)(\\+)\Z")


@dataclass(frozen=True, slots=True)
class Group:
    """A section of parameters: a heading in ``--help`` and in the docs, and a position in forms.

    Attributes:
        title: the heading.
        rank: sort key of the section, lowest first.
    """

    title: str
    rank: int


# Sections that most commands have; a pipeline declares its own with ranks between them.
UNGROUPED: Final = Group("Flags", 0)
WHERE: Final = Group("Where", 10)
RECORDS: Final = Group("Logs and reports", 70)
HOW_IT_RUNS: Final = Group("How it runs", 80)
LIMITS: Final = Group("Limits", 90)

# Fields of one section appear in the order of their declarations, regardless of class inheritance.
_DECLARED: Final = count(1)


@dataclass(frozen=True, slots=True)
class Metadata:
    """Field metadata from :func:`setting` that pydantic's ``FieldInfo`` cannot hold.

    Attributes:
        group: the section that lists the parameter.
        position: number of the declaration; sort key within a section.
        unit: unit, such as ``MB``; None if the field has none.
        aliases: further environment variables, in the order in which they are read.
        default_text: text that replaces the default in the docs table.
        detail: further sentences for the docs table.
        form: description in the Argo form; None uses the CLI's.
        shared: True if the variable's name omits the pipeline although the class has one.
        secret: True if the value is never shown or written to a report.
        hidden: True if there is no flag and no row in the docs table.
        argument: True if the value is passed by position, without a flag.
        cut: True if the encoded value may end within a character, because a template limits its length.
    """

    group: Group = UNGROUPED
    position: int = 0
    unit: str | None = None
    aliases: tuple[str, ...] = ()
    default_text: str | None = None
    detail: str = ""
    form: str | None = None
    shared: bool = False
    secret: bool = False
    hidden: bool = False
    argument: bool = False
    cut: bool = False


def setting(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | None = None,
    default_text: str | None = None,
    description: str,
    detail: str = "",
    form: str | None = None,
    group: Group = UNGROUPED,
    unit: str | None = None,
    aliases: tuple[str, ...] = (),
    shared: bool = False,
    secret: bool = False,
    hidden: bool = False,
    argument: bool = False,
    cut: bool = False,
) -> Any:
    """Declare one parameter; its flag, variables, Argo parameter and docs row are derived from it.

    Args:
        default: value without a flag or variable; if omitted, the parameter is required.
        default_factory: computes the default on demand (for example, depending on whether S3 is configured).
        default_text: replaces the default in the docs table, and in ``--help`` unless there is a factory.
        description: one imperative sentence of at most 80 characters.
        detail: further sentences, shown in docs/configuration.md only.
        form: description for the Argo form, if the CLI's does not fit: a form has no flags, and the step runs in a pod.
        group: section that lists the parameter.
        unit: unit of the value, such as ``MB`` or ``s``.
        aliases: further environment variables, such as those of other tools.
        shared: omit the pipeline from the variable's name.
        secret: never show the value.
        hidden: create no flag and no docs row, for values that only code and tests set.
        argument: pass by position (``telecine runs show RUN``), without a flag; optional if it has a default.
        cut: accept an encoded value that ends within a character.
    """
    declared = Metadata(
        group=group,
        position=next(_DECLARED),
        unit=unit,
        aliases=aliases,
        default_text=default_text,
        detail=detail,
        form=form,
        shared=shared,
        secret=secret,
        hidden=hidden,
        argument=argument,
        cut=cut,
    )
    extra: dict[str, Any] = {"telecine": declared}
    if default_factory is not None:
        return Field(default_factory=default_factory, description=description, json_schema_extra=extra)
    return Field(default, description=description, json_schema_extra=extra)


def metadata(field: FieldInfo) -> Metadata:
    """Return the metadata that :func:`setting` attached to a field."""
    extra = field.json_schema_extra
    declared = extra.get("telecine") if isinstance(extra, dict) else None
    return declared if isinstance(declared, Metadata) else Metadata()


def union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, also inside ``Annotated``; for any other annotation, the annotation itself."""
    origin = get_origin(annotation)
    if origin is None or origin in (tuple, list) or type(annotation).__name__ == "_LiteralGenericAlias":
        return (annotation,)
    if hasattr(annotation, "__metadata__"):
        return union_members(get_args(annotation)[0])
    return get_args(annotation)


def accepts_none(field: FieldInfo) -> bool:
    """Return whether the field accepts None."""
    return type(None) in union_members(field.annotation)


def is_tuple(field: FieldInfo) -> bool:
    """Return whether the field has several plain values, such as ``tuple[str, ...]``, but not tuples of tuples."""
    for member in union_members(field.annotation):
        if get_origin(member) is tuple:
            return get_origin(get_args(member)[0]) is not tuple
    return False


def split_list(text: str) -> tuple[str, ...]:
    r"""Split a comma-separated list from a variable, form or flag, and drop blank values.

    A comma after a backslash belongs to its value. Backslashes are special only before a comma, where two of them
    mean one.

    >>> split_list(r"hours=Hours\, total, date=Day")
    ('hours=Hours, total', 'date=Day')
    """
    values: list[str] = []
    value, start = "", 0
    for comma in _COMMA.finditer(text):
        backslashes = len(comma[1])
        value += text[start : comma.start()] + "\\" * (backslashes // 2)
        start = comma.end()
        if backslashes % 2:
            value += ","
        else:
            values.append(value)
            value = ""
    values.append(value + text[start:])
    return tuple(each.strip() for each in values if each.strip())


def join_list(values: Iterable[object]) -> str:
    r"""Return values as a comma-separated list, which :func:`split_list` splits into the same values.

    >>> join_list(["hours=Hours, total", "date=Day"])
    'hours=Hours\\, total,date=Day'
    """
    texts = [_COMMA.sub(r"\1\1\\,", str(value)) for value in values]
    # No comma follows the backslashes at the end of the last value.
    return ",".join([*(_LAST_BACKSLASHES.sub(r"\1\1", text) for text in texts[:-1]), *texts[-1:]])


def is_secret(field: FieldInfo) -> bool:
    """Return whether the value must never be shown."""
    return metadata(field).secret or SecretStr in union_members(field.annotation)


class _EnvironmentSource(PydanticBaseSettingsSource):
    """A pydantic-settings source that reads environment variables; pydantic validates their values as usual."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the raw value of one field (None if no variable is set), its name, and False: never JSON."""
        variable = active_variable(cast("type[Settings]", self.settings_cls), field_name)
        if variable is None:
            return None, field_name, False
        value: Any = variable[1]
        if is_tuple(field):
            value = split_list(value)
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        # Values that were passed by keyword need no source, which may be a file that does not exist here.
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
            if name not in self.current_state
        }
        return {name: value for name, value in values.items() if value is not None}


class Settings(BaseSettings):
    """Base class of all settings. A class keyword names the pipeline: ``class X(StepSettings, pipeline="x")``.

    Instances are frozen, and unknown keyword arguments are errors. If pydantic itself uses a name, the field ends with
    an underscore, which flags and variables leave out: ``json_``.

    Attributes:
        pipelines: maps each field to the pipeline in its variable's name, or to None.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    pipelines: ClassVar[dict[str, str | None]] = {}

    _typed: dict[str, str | None] = PrivateAttr(default_factory=dict)
    _program: str | None = PrivateAttr(default=None)

    def __init_subclass__(cls, *, pipeline: str | None = None, **kwargs: Any) -> None:
        """Accept the class keyword; :meth:`__pydantic_init_subclass__` uses it once the fields exist."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, pipeline: str | None = None, **kwargs: Any) -> None:
        """Record which pipeline each field belongs to."""
        super().__pydantic_init_subclass__(**kwargs)
        merged: dict[str, str | None] = {}
        for base in reversed(cls.__mro__[1:]):
            merged.update(vars(base).get("pipelines", {}))
        own = vars(cls).get("__annotations__", {})
        merged.update({name: pipeline for name in own if name in cls.model_fields})
        cls.pipelines = {name: merged.get(name) for name in cls.model_fields}
        for name, field in cls.model_fields.items():
            declare = secrets.declare if is_secret(field) else secrets.declare_public
            declare(cls.variables(name))

    def model_post_init(self, context: Any) -> None:
        """Remember secrets of any source, including flags, so that they are masked in text that leaves the process."""
        super().model_post_init(context)
        self._remember_secrets()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Remember secrets in a process that receives the settings by pickle, such as a worker, as well."""
        super().__setstate__(state)
        self._remember_secrets()

    def _remember_secrets(self) -> None:
        for name, field in type(self).model_fields.items():
            if is_secret(field) and (value := getattr(self, name)) is not None:
                secrets.remember(value.get_secret_value() if isinstance(value, SecretStr) else str(value))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls with these names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read keyword arguments, then environment variables, but no files."""
        return init_settings, _EnvironmentSource(settings_cls)

    @classmethod
    def variables(cls, name: str) -> tuple[str, ...]:
        """Return the environment variables of one field, in the order in which they are read."""
        declared = metadata(cls.model_fields[name])
        pipeline = None if declared.shared else cls.pipelines.get(name)
        infix = f"{pipeline.upper()}_" if pipeline else ""
        return (f"{PREFIX}{infix}{name.rstrip('_').upper()}", *declared.aliases)

    @property
    def typed(self) -> Mapping[str, str | None]:
        """The fields that were set by flags, each with its value as typed; None for a secret."""
        return self._typed

    @property
    def program(self) -> str | None:
        """The command as typed, such as ``telecine gamedata extract``; None if code created the settings."""
        return self._program

    def with_typed(self, values: Mapping[str, str], program: str | None = None) -> Self:
        """Remember the values of flags, for the commands in messages, and return the same settings.

        Args:
            values: name of the field -> value as typed.
            program: the command as typed; None keeps it.
        """
        fields = type(self).model_fields
        self._program = program or self._program
        self._typed = {name: None if is_secret(fields[name]) else value for name, value in values.items()}
        return self

    def parameters(self) -> dict[str, Any]:
        """Return the values in JSON types, without secrets, for the ledger and the report."""
        hidden = {name for name, field in type(self).model_fields.items() if is_secret(field)}
        return self.model_dump(mode="json", exclude=hidden)


def unknown_variables(pipeline: str | None) -> dict[str, str | None]:
    """Return the variables that are set but belong to no setting, each with a similar known one, or None.

    Other pipelines' settings are not imported. So a variable without the pipeline's prefix is returned only if it
    nearly equals one of the pipeline or one that every command reads.

    Args:
        pipeline: its settings must have been imported; None for a tool.
    """
    own = f"{PREFIX}{pipeline.upper()}_" if pipeline else ""
    models = list(_models(Settings))
    known = {name for model in models for field in model.model_fields for name in model.variables(field)}
    groups = {group for model in models for group in model.pipelines.values() if group is not None} - {pipeline}
    others = tuple(f"{PREFIX}{group.upper()}_" for group in groups)
    known_here = {name for name in known if not name.startswith(others)}
    found: dict[str, str | None] = {}
    for variable in sorted(os.environ):
        if not variable.startswith(PREFIX) or variable.startswith(others) or {variable, _stem(variable)} & known:
            continue
        is_own = bool(own) and variable.startswith(own)
        # Compared without the prefix, which would make all names similar.
        prefix, cutoff = (own, _SIMILAR) if is_own else (PREFIX, _NEARLY_EQUAL)
        names = sorted(name.removeprefix(prefix) for name in known_here if name.startswith(prefix))
        similar = difflib.get_close_matches(_stem(variable).removeprefix(prefix), names, n=1, cutoff=cutoff)
        if similar or is_own:
            found[variable] = prefix + similar[0] if similar else None
    return found


def _stem(name: str) -> str:
    return name.removesuffix(ENCODED_SUFFIX).removesuffix(secrets.FILE_SUFFIX)


def _models(model: type[Settings]) -> Iterator[type[Settings]]:
    for each in model.__subclasses__():
        yield each
        yield from _models(each)


def encoded(value: str) -> str:
    """Return text as base64, for a variable whose name ends in ``_BASE64``."""
    return base64.b64encode(value.encode()).decode()


def encoded_form(value: str) -> str:
    """Return text as the value of a Workflow's parameter, which Argo leaves as it is.

    Argo evaluates ``{{…}}`` in the parameters of a Workflow, and compares those with a list of values literally; plain
    words stay as they are.

    >>> encoded_form("2026-11"), encoded_form("{{workflow.name}}")
    ('2026-11', 'base64:e3t3b3JrZmxvdy5uYW1lfX0=')
    """
    return value if _PLAIN.fullmatch(value) else _IN_FORM + encoded(value)


def decoded(variable: str, value: str, *, cut: bool = False) -> str:
    """Return the text of a variable whose name ends in ``_BASE64``.

    Args:
        variable: the name.
        value: the value, base64 of UTF-8.
        cut: drop an incomplete character at the end.

    Raises:
        UsageError: the value is not base64, or not of UTF-8 text; the message names the variable only.
    """
    try:
        content = base64.b64decode(value.encode("ascii"), validate=True)
        text = codecs.getincrementaldecoder("utf-8")().decode(content, final=not cut)
    except (binascii.Error, UnicodeEncodeError):
        raise UsageError(f"{variable} is not valid; expected base64 of the value") from None
    except UnicodeDecodeError:
        raise UsageError(f"{variable} is not valid; expected base64 of UTF-8 text") from None
    if "\0" in text:
        raise UsageError(f"{variable} is not valid; expected base64 of text without NUL")
    return text


def _of_form(variable: str, text: str) -> str:
    """Return the text of a value of a form, which may be base64 itself; see :func:`encoded_form`."""
    return decoded(variable, text.removeprefix(_IN_FORM)) if text.startswith(_IN_FORM) else text


def active_variable(model: type[Settings], name: str) -> tuple[str, str] | None:
    """Return the source that currently sets a field, as ``(variable or file, value)``, or None.

    An encoded variable is named like the plain one, since its value is shown as plain text.

    Positional arguments of a command typed by hand have variables only in their encoded form: the object of a command
    must be typed or passed by a template, never inherited from a shell.

    Raises:
        UsageError: an encoded variable is not valid.
        ConfigurationError: the file of a secret cannot be read.
    """
    field = model.model_fields[name]
    variables = model.variables(name)
    variable = variables[0] + ENCODED_SUFFIX
    if (value := os.environ.get(variable)) and (text := decoded(variable, value, cut=metadata(field).cut)):
        return variables[0], _of_form(variable, text)
    if metadata(field).argument:
        return None
    in_file = secrets.from_file(variables) if is_secret(field) else None
    for candidate in variables:
        if value := os.environ.get(candidate):
            return candidate, value
    # A Secret also holds what belongs to its secrets, such as the id of an access key.
    return in_file or secrets.from_folder(variables)
