"""Settings models as Argo parameters: arguments of the form, inputs of a template, container variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hera.workflows import Parameter
from hera.workflows.models import ConfigMapKeySelector, EnvVar, ValueFrom

from shared.settings.base import metadata
from shared.settings.flags import flags, shell_default
from shared.step.form import FORM_VARIABLE, GIVEN_VARIABLE
from workflows._lib.names import CONFIG_PARAMETERS
from workflows._lib.variables import PARAMETERS, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo

    from shared.settings import Settings

# Where a value comes from: the template's inputs or the Workflow's parameters.
Source = Literal["inputs", "workflow"]

__all__ = ["Field", "Source", "arguments", "environment", "fields", "form_names", "inputs", "passed"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a settings model as Argo sees it.

    Attributes:
        name: of the parameter: the flag without the leading dashes.
        variable: environment variable that the step reads; empty for a positional argument. An empty value is unset.
        value: default as text; empty for none.
        choices: valid values if they are a closed list.
        description: the form's own text or the CLI's, including the unit.
        config_key: key in the ConfigMap ``telecine-parameters`` that holds the installation's default, if any.
    """

    name: str
    variable: str
    value: str
    choices: tuple[str, ...]
    description: str
    config_key: str | None = None

    def argument(self, prefix: str = "") -> Parameter:
        """Return the parameter as the form shows it."""
        name = f"{prefix}{self.name}"
        if self.config_key is None:
            return Parameter(name=name, value=self.value, enum=list(self.choices) or None, description=self.description)
        source = ValueFrom(
            config_map_key_ref=ConfigMapKeySelector(name=CONFIG_PARAMETERS, key=self.config_key), default=self.value
        )
        # Argo 4.0.2 checks the value against `enum` before it reads the ConfigMap, and rejects the Workflow.
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
        model: the settings of a step.
        without: names of parameters to leave out.
        only: names of parameters to keep; None keeps all.
        values: parameter name -> its default in a Workflow if it differs from the one on a laptop.
        from_config: parameter name whose default the chart sets -> key in its ConfigMap.
    """
    left_out, kept, other, config = set(without), None if only is None else set(only), values or {}, from_config or {}
    found = []
    for flag in flags(model):
        name = flag.name.replace("_", "-")
        if flag.pipeline is None or flag.secret or name in left_out or (kept is not None and name not in kept):
            continue
        field = model.model_fields[flag.name]
        made = Field(
            name=name,
            variable="" if flag.argument else flag.variables[0],
            value=_text(field),
            choices=("true", "false") if flag.is_switch else flag.choices,
            description=_described(field, flag.description),
            config_key=config.get(name),
        )
        found.append(replace(made, value=other[name]) if name in other else made)
    unknown = (left_out | (kept or set()) | set(other) | set(config)) - {
        each.name.replace("_", "-") for each in flags(model)
    }
    if unknown:
        raise ValueError(f"{model.__name__} has no field {', '.join(sorted(unknown))}")
    return tuple(found)


def _text(field: FieldInfo) -> str:
    """Return a default as the variable would hold it in a cluster."""
    if field.default_factory is not None:
        # The factory depends on the machine; its text is the default of a cluster.
        return metadata(field).default_text or ""
    return shell_default(field)


def _described(field: FieldInfo, description: str) -> str:
    known = metadata(field)
    text = known.form or description
    if known.unit:
        text += f" Unit: {known.unit}."
    if field.default is None and known.default_text:
        text += f" Empty: {known.default_text}."
    return text


def arguments(found: Iterable[Field], *, prefix: str = "") -> list[Parameter]:
    """Return the parameters of a Workflow, with defaults, as the form of the Argo UI shows them."""
    return [field.argument(prefix) for field in found]


def inputs(found: Iterable[Field]) -> list[Parameter]:
    """Return the inputs of a template, without defaults: the caller passes all of them."""
    return [Parameter(name=field.name) for field in found]


def passed(found: Iterable[Field], source: Source, *, prefix: str = "", **others: str) -> list[Parameter]:
    """Return the arguments with which one template calls another.

    Args:
        found: parameters of the called template.
        source: where the caller's values come from.
        prefix: of the parameter names in the source.
        others: parameter name, with ``_`` for ``-`` -> value to pass instead of the caller's.
    """
    own = {name.replace("_", "-"): value for name, value in others.items()}
    return [
        Parameter(name=field.name, value=own.get(field.name, tag(parameter(source, f"{prefix}{field.name}"))))
        for field in found
    ]


def environment(found: Iterable[Field], source: Source) -> list[EnvVar]:
    """Return the variables through which a step reads its settings; no value passes through a shell.

    Args:
        found: the step's settings.
        source: where the values come from.
    """
    return [EnvVar(name=field.variable, value=tag(parameter(source, field.name))) for field in found if field.variable]


def form_names(found: Iterable[Field]) -> dict[str, str]:
    """Return the variables by which the first step of a run finds parameters that no step reads.

    Argo accepts parameters of any name, so a misspelled one would be ignored without a message.

    Args:
        found: the form of the pipeline's own WorkflowTemplate.
    """
    return {GIVEN_VARIABLE: tag(PARAMETERS), FORM_VARIABLE: ",".join(field.name for field in found)}
