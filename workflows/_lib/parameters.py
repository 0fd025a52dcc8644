"""A settings model as Argo parameters: arguments of the form, inputs of a template, variables of its container."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from hera.workflows import Parameter
from hera.workflows.models import ConfigMapKeySelector, EnvVar, ValueFrom

from shared.settings.base import about
from shared.settings.flags import flags
from shared.step.form import FORM_VARIABLE, GIVEN_VARIABLE
from workflows._lib.names import CONFIG_PARAMETERS
from workflows._lib.variables import PARAMETERS, parameter, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic.fields import FieldInfo

    from shared.settings import Settings

# Of a template, or of the whole Workflow.
Source = Literal["inputs", "workflow"]

__all__ = ["Field", "Source", "arguments", "environment", "fields", "form_names", "inputs", "passed"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a settings model as Argo sees it.

    Attributes:
        name: of the parameter: the flag without its dashes.
        variable: by which the step reads it; an empty value counts as not set. An argument by position has none.
        value: the default as text, empty for none.
        choices: the valid values, where they are a closed list.
        description: with the unit.
        config_key: key of the ConfigMap ``telecine-parameters`` that holds this installation's default, if one does.
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
        # Argo 4.0.2 looks for a value in the list before it asks the ConfigMap, and refuses the Workflow.
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
    """Return the fields that belong to the model's pipeline, in the order of ``--help``; secrets are no parameters.

    Args:
        model: the settings of a step.
        without: names of parameters to leave out.
        only: names of parameters to keep; None keeps all.
        values: name of a parameter -> its default in a Workflow, where it is another than on a laptop.
        from_config: name of a parameter whose default the chart sets -> key of its ConfigMap.
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
    """Return a default as the variable would hold it."""
    known = about(field)
    if field.default_factory is not None:
        # The factory looks at this machine; its text is what a cluster has.
        return known.default_text or ""
    if field.default is None or field.default in ((), ""):
        return ""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    if isinstance(field.default, tuple):
        return known.default_text or ",".join(map(str, field.default))
    return str(field.default)


def _described(field: FieldInfo, description: str) -> str:
    known = about(field)
    text = f"{description} Unit: {known.unit}." if known.unit else description
    if field.default is None and known.default_text:
        text += f" Empty: {known.default_text}."
    return text


def arguments(found: Iterable[Field], *, prefix: str = "") -> list[Parameter]:
    """Return the parameters of a Workflow: what the form of the Argo UI shows, each with its default."""
    return [field.argument(prefix) for field in found]


def inputs(found: Iterable[Field]) -> list[Parameter]:
    """Return the inputs of a template: whoever calls it gives them all."""
    return [Parameter(name=field.name) for field in found]


def passed(found: Iterable[Field], source: Source, *, prefix: str = "", **others: str) -> list[Parameter]:
    """Return the arguments by which a template calls another one.

    Args:
        found: what the called template takes.
        source: where the caller has its values.
        prefix: of the names in the source.
        others: name of a parameter, with ``_`` for ``-``, -> a value of its own.
    """
    own = {name.replace("_", "-"): value for name, value in others.items()}
    return [
        Parameter(name=field.name, value=own.get(field.name, tag(parameter(source, f"{prefix}{field.name}"))))
        for field in found
    ]


def environment(found: Iterable[Field], source: Source) -> list[EnvVar]:
    """Return the variables by which a step reads its settings: no value passes a shell, or is split into words.

    Args:
        found: the settings.
        source: where the values are.
    """
    return [EnvVar(name=field.variable, value=tag(parameter(source, field.name))) for field in found if field.variable]


def form_names(found: Iterable[Field]) -> dict[str, str]:
    """Return the variables by which the first step of a run finds parameters that no step reads.

    Argo accepts parameters of any name, so a misspelled one would be ignored without a message.

    Args:
        found: the form of the pipeline's own WorkflowTemplate.
    """
    return {GIVEN_VARIABLE: tag(PARAMETERS), FORM_VARIABLE: ",".join(field.name for field in found)}
