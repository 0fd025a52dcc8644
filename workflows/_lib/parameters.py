"""Convert settings models to Argo parameters: arguments of the form, inputs of a template, variables of a container."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from hera.workflows import Parameter
from hera.workflows.models import ConfigMapKeySelector, EnvVar, ValueFrom

from shared.settings.base import ENCODED_SUFFIX, accepts_none, metadata
from shared.settings.flags import flags, shell_default
from shared.step.form import FORM_VARIABLE, GIVEN_VARIABLE
from workflows._lib.names import CONFIG_PARAMETERS
from workflows._lib.variables import PARAMETERS, encoded, expression, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo

    from shared.settings import Settings
    from shared.settings.flags import Flag

# Source of a value: the template's inputs or the Workflow's parameters.
Source = Literal["inputs", "workflow"]

_LIST: Final = "comma-separated"

__all__ = ["Field", "Source", "arguments", "environment", "fields", "form_names", "from_form", "inputs", "passed"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a settings model as an Argo parameter.

    Attributes:
        name: name of the parameter: the flag without the leading dashes.
        variable: environment variable of the setting; the step reads its encoded form. An empty value is unset.
        value: default as text; empty for none.
        choices: valid values if they are a closed list, otherwise empty.
        description: the form's own text or the CLI's, including the unit.
        config_key: key of the installation's default in the ConfigMap ``telecine-parameters``; None if it has none.
    """

    name: str
    variable: str
    value: str
    choices: tuple[str, ...]
    description: str
    config_key: str | None = None

    def argument(self, prefix: str = "") -> Parameter:
        """Return the parameter for the form."""
        name = f"{prefix}{self.name}"
        if self.config_key is None:
            return Parameter(name=name, value=self.value, enum=list(self.choices) or None, description=self.description)
        source = ValueFrom(
            config_map_key_ref=ConfigMapKeySelector(name=CONFIG_PARAMETERS, key=self.config_key), default=self.value
        )
        # Argo 4.0.7 checks the value against `enum` before it reads the ConfigMap, and rejects the Workflow.
        text = f"{self.description} Valid: {', '.join(self.choices)}." if self.choices else self.description
        return Parameter(name=name, value_from=source, description=text)


def fields(
    model: type[Settings],
    *,
    without: Iterable[str] = (),
    only: Iterable[str] | None = None,
    values: Mapping[str, str] | None = None,
    from_config: Mapping[str, str] | None = None,
) -> tuple[Field, ...]:
    """Return the fields of the model's pipeline in ``--help`` order, without secrets.

    Args:
        model: settings class of a step.
        without: names of parameters to leave out.
        only: names of parameters to keep; None keeps all.
        values: parameter name -> default in a Workflow, if it differs from the default on a laptop.
        from_config: parameter name -> key in the ConfigMap, for parameters whose default the chart sets.
    """
    excluded, included, overrides, config_keys = (
        set(without),
        None if only is None else set(only),
        values or {},
        from_config or {},
    )
    result = []
    for flag in flags(model):
        name = _parameter_name(flag)
        if flag.pipeline is None or flag.secret or name in excluded or (included is not None and name not in included):
            continue
        field = model.model_fields[flag.name]
        declared = Field(
            name=name,
            variable=model.variables(flag.name)[0],
            value=_text(field),
            choices=_choices(flag, optional=accepts_none(field)),
            description=_described(field, flag),
            config_key=config_keys.get(name),
        )
        result.append(replace(declared, value=overrides[name]) if name in overrides else declared)
    unknown = (excluded | (included or set()) | set(overrides) | set(config_keys)) - set(
        map(_parameter_name, flags(model))
    )
    if unknown:
        raise ValueError(f"{model.__name__} has no field {', '.join(sorted(unknown))}")
    return tuple(result)


def _parameter_name(flag: Flag) -> str:
    """Return the name of a field in forms, which is that of its flag: `all` for `all_`."""
    return flag.name.rstrip("_").replace("_", "-")


def _choices(flag: Flag, *, optional: bool) -> tuple[str, ...]:
    """Return the values of a list in the form; an empty one leaves an optional setting unset."""
    if flag.is_switch:
        return ("true", "false")
    return ("", *flag.choices) if flag.choices and optional else flag.choices


def _text(field: FieldInfo) -> str:
    """Return the default in a cluster, as text for the variable."""
    if field.default_factory is not None:
        # The factory depends on the machine; default_text is the default in a cluster.
        return metadata(field).default_text or ""
    return shell_default(field)


def _described(field: FieldInfo, flag: Flag) -> str:
    """Return the text in the form, with what ``--help`` shows in other places: separator, unit, default."""
    declared = metadata(field)
    text = declared.form or flag.description
    if flag.required:
        text += " Required."
    if flag.repeated and _LIST not in text:
        text += f" Several values are {_LIST}."
    if declared.unit:
        scale = declared.unit.removeprefix("of ")
        text += f" Unit: {declared.unit}." if scale == declared.unit else f" Scale: 0 to {scale}."
    if field.default is None and declared.default_text:
        text += f" Empty: {declared.default_text}."
    return text


def arguments(parameters: Iterable[Field], *, prefix: str = "") -> list[Parameter]:
    """Return the parameters of a Workflow, with defaults, for the form of the Argo UI."""
    return [field.argument(prefix) for field in parameters]


def inputs(parameters: Iterable[Field]) -> list[Parameter]:
    """Return the inputs of a template, without defaults: the caller passes all of them."""
    return [Parameter(name=field.name) for field in parameters]


def passed(parameters: Iterable[Field], source: Source, *, prefix: str = "", **others: str) -> list[Parameter]:
    """Return the arguments with which one template calls another, as base64.

    Args:
        parameters: parameters of the called template.
        source: source of the caller's values: its inputs, which are encoded already, or the form.
        prefix: prefix of the parameter names in the source.
        others: parameter name, with ``_`` for ``-`` -> encoded value to pass instead of the caller's.
    """
    overrides = {name.replace("_", "-"): value for name, value in others.items()}
    return [
        Parameter(name=field.name, value=overrides.get(field.name, _value(source, f"{prefix}{field.name}")))
        for field in parameters
    ]


def _value(source: Source, name: str) -> str:
    return tag(parameter("inputs", name)) if source == "inputs" else from_form("workflow", name)


def from_form(source: Source, name: str) -> str:
    """Return base64 of what was typed into a form.

    Args:
        source: the Workflow's parameters, or the inputs of an entrypoint, which are in the form as well.
        name: name of the parameter.
    """
    return expression(encoded(parameter(source, name, in_expression=True)))


def environment(parameters: Iterable[Field], source: Source) -> list[EnvVar]:
    """Return the variables that pass a step its settings as base64, so that nothing evaluates or expands a value.

    Args:
        parameters: settings of the step.
        source: source of the values.
    """
    return [EnvVar(name=field.variable + ENCODED_SUFFIX, value=_value(source, field.name)) for field in parameters]


def form_names(parameters: Iterable[Field]) -> dict[str, str]:
    """Return the variables with which the first step of a run detects unknown parameters.

    Argo accepts parameters of any name, so a misspelled one would be ignored without a message.

    Args:
        parameters: form of the pipeline's own WorkflowTemplate.
    """
    # Only the names: the values arrive in variables of their own.
    names = expression(encoded(f"toJson(map(fromJSON({PARAMETERS}), .name))"))
    return {GIVEN_VARIABLE: names, FORM_VARIABLE: ",".join(field.name for field in parameters)}
