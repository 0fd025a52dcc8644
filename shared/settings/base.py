"""Settings: pydantic models whose fields are the one place where a parameter is described.

A keyword argument beats an environment variable, which beats the default. Names of variables:
``TELECINE_<PIPELINE>_<FIELD>`` for fields declared in a class with a pipeline, ``TELECINE_<FIELD>`` for all others;
then the field's aliases in their order. An empty variable counts as not set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast, get_args, get_origin

from pydantic import Field, SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

__all__ = [
    "About",
    "Settings",
    "about",
    "accepts_none",
    "is_secret",
    "is_tuple",
    "setting",
    "union_members",
    "variable",
]

PREFIX: Final = "TELECINE_"


@dataclass(frozen=True, slots=True)
class About:
    """What :func:`setting` knows beyond pydantic's own field information.

    Attributes:
        unit: such as ``MB``; None where the field has none.
        aliases: further environment variables that are read, in their order.
        default_text: words or a value that stand for the default in the docs table.
        shared: the variable carries no pipeline's name although the class has one.
        secret: never shown, never written to a report.
        hidden: no flag and no line in the docs table.
        argument: given by position, without a flag.
    """

    unit: str | None = None
    aliases: tuple[str, ...] = ()
    default_text: str | None = None
    shared: bool = False
    secret: bool = False
    hidden: bool = False
    argument: bool = False


def setting(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | None = None,
    default_text: str | None = None,
    description: str,
    unit: str | None = None,
    aliases: tuple[str, ...] = (),
    shared: bool = False,
    secret: bool = False,
    hidden: bool = False,
    argument: bool = False,
) -> Any:
    """Declare one parameter; the flag, the variables, the Argo parameter and the docs row come from it.

    Args:
        default: the value without flag and variable; none makes the parameter required.
        default_factory: makes the default at the moment it is needed (say, whether S3 is configured).
        default_text: stands for the default in the docs table, and in ``--help`` where there is no factory.
        description: one or two plain sentences.
        unit: of the value, such as ``MB`` or ``s``.
        aliases: further environment variables, as other tools name them.
        shared: leave the pipeline out of the variable's name.
        secret: the value is never shown.
        hidden: no flag and no docs row: for values that only code and tests set.
        argument: given by position (``telecine runs show RUN``), without a flag; one with a default may be left out.
    """
    known = About(unit, aliases, default_text, shared, secret, hidden, argument)
    extra: dict[str, Any] = {"telecine": known}
    if default_factory is not None:
        return Field(default_factory=default_factory, description=description, json_schema_extra=extra)
    return Field(default, description=description, json_schema_extra=extra)


def about(field: FieldInfo) -> About:
    """Return what :func:`setting` was told about a field."""
    extra = field.json_schema_extra
    known = extra.get("telecine") if isinstance(extra, dict) else None
    return known if isinstance(known, About) else About()


def union_members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of ``A | B``, ``Optional[A]`` and ``Annotated[…]`` around them; else the annotation itself."""
    origin = get_origin(annotation)
    if origin is None or origin in (tuple, list) or type(annotation).__name__ == "_LiteralGenericAlias":
        return (annotation,)
    if hasattr(annotation, "__metadata__"):
        return union_members(get_args(annotation)[0])
    return get_args(annotation)


def accepts_none(field: FieldInfo) -> bool:
    """Whether None is a value of the field."""
    return type(None) in union_members(field.annotation)


def is_tuple(field: FieldInfo) -> bool:
    """Whether the field takes several plain values: ``tuple[str, ...]`` and its like, not tuples of tuples."""
    for member in union_members(field.annotation):
        if get_origin(member) is tuple:
            return get_origin(get_args(member)[0]) is not tuple
    return False


def is_secret(field: FieldInfo) -> bool:
    """Whether the value must not be shown."""
    return about(field).secret or SecretStr in union_members(field.annotation)


class _Variables(PydanticBaseSettingsSource):
    """Reads a model's values from environment variables; pydantic then validates them like any other input."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the raw value of one field (None when no variable is set), its name, and False: never JSON."""
        found = variable(cast("type[Settings]", self.settings_cls), field_name)
        if found is None:
            return None, field_name, False
        value: Any = found[1]
        if is_tuple(field):
            value = tuple(part.strip() for part in value.split(",") if part.strip())
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


class Settings(BaseSettings):
    """Base of all settings; a subclass names its pipeline by class keyword: ``class X(StepSettings, pipeline="x")``.

    Instances are frozen; unknown keyword arguments are refused.

    Attributes:
        pipelines: field name -> the pipeline whose name its variable carries, or None.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    pipelines: ClassVar[dict[str, str | None]] = {}

    def __init_subclass__(cls, *, pipeline: str | None = None, **kwargs: Any) -> None:
        """Take the class keyword; what it does waits for :meth:`__pydantic_init_subclass__`, when the fields exist."""
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(cls, *, pipeline: str | None = None, **kwargs: Any) -> None:
        """Remember which pipeline each field belongs to."""
        super().__pydantic_init_subclass__(**kwargs)
        merged: dict[str, str | None] = {}
        for base in reversed(cls.__mro__[1:]):
            merged.update(vars(base).get("pipelines", {}))
        own = vars(cls).get("__annotations__", {})
        merged.update({name: pipeline for name in own if name in cls.model_fields})
        cls.pipelines = {name: merged.get(name) for name in cls.model_fields}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings calls with these names
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword arguments, then variables; files are not read."""
        return init_settings, _Variables(settings_cls)

    @classmethod
    def variables(cls, name: str) -> tuple[str, ...]:
        """Return the environment variables of one field, first the one that is read first."""
        known = about(cls.model_fields[name])
        pipeline = None if known.shared else cls.pipelines.get(name)
        middle = f"{pipeline.upper()}_" if pipeline else ""
        return (f"{PREFIX}{middle}{name.upper()}", *known.aliases)

    def parameters(self) -> dict[str, Any]:
        """Return the values as JSON can hold them, without secrets: for the ledger and the report."""
        hidden = {name for name, field in type(self).model_fields.items() if is_secret(field)}
        return self.model_dump(mode="json", exclude=hidden)


def variable(model: type[Settings], name: str) -> tuple[str, str] | None:
    """Return the environment variable that sets a field now, as ``(name, value)``; None when none is set.

    An argument by position has none: what a command is about is typed, not inherited.
    """
    if about(model.model_fields[name]).argument:
        return None
    for candidate in model.variables(name):
        value = os.environ.get(candidate)
        if value:
            return candidate, value
    return None
