"""Check the names of a Workflow's parameters and suggest similar ones, because Argo ignores unknown names."""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Final

from shared.errors import UsageError
from shared.settings.base import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FORM_VARIABLE", "GIVEN_VARIABLE", "check_names", "is_known"]

# The names of the Workflow's parameters: a JSON list, in base64.
GIVEN_VARIABLE: Final = "TELECINE_WORKFLOW_PARAMETERS_BASE64"
# Parameter names of the pipeline's own WorkflowTemplate, comma-separated.
FORM_VARIABLE: Final = "TELECINE_FORM_PARAMETERS"


def is_known(variables: Mapping[str, str] = os.environ) -> bool:
    """Return whether this step has received the parameters of its Workflow."""
    return bool(variables.get(GIVEN_VARIABLE) and variables.get(FORM_VARIABLE))


def check_names(variables: Mapping[str, str] = os.environ, *, pipeline: str) -> str:
    """Check the names of the parameters that a Workflow has received, and return the result.

    In the umbrella `media`, names are prefixed with their pipeline; only those that may be meant for this pipeline are
    checked. A Workflow that lacks parameters of both forms is not from a telecine template, and is not checked.

    Args:
        variables: environment of the step; see :func:`is_known`.
        pipeline: name of the pipeline, such as ``gamedata``.

    Returns:
        A one-line result.

    Raises:
        UsageError: some names are unknown; the message has one line for each, with similar valid names.
    """
    received = _names(variables[GIVEN_VARIABLE])
    form = variables[FORM_VARIABLE].split(",")
    prefix = f"{pipeline}-"
    prefixed = [f"{prefix}{name}" for name in form]
    if received.issuperset(form):
        valid, unknown = form, received.difference(form)
    elif received.issuperset(prefixed):
        addressed = {name for name in received if name.startswith(prefix)} | received.intersection(form)
        valid, unknown = prefixed, addressed.difference(prefixed)
    else:
        return "not checked: the Workflow is not from a telecine template"
    if unknown:
        raise UsageError("\n".join(_line(name, valid, prefix) for name in sorted(unknown)))
    return f"{len(valid)} names, all known"


def _names(text: str) -> set[str]:
    try:
        names = json.loads(decoded(GIVEN_VARIABLE, text))
    except (ValueError, UsageError):
        names = None
    # Text that is not the template's list cannot be checked.
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _line(name: str, valid: Iterable[str], prefix: str) -> str:
    # Compare without the prefix, which would make all names similar and may itself be misspelled.
    names = {each.removeprefix(prefix): each for each in valid}
    similar = [names[each] for each in difflib.get_close_matches(name.removeprefix(prefix), names, n=3)]
    hint = f"did you mean {' or '.join(similar)}?" if similar else f"expected one of {', '.join(names.values())}"
    return f"The Workflow has an unknown parameter {name}; {hint}"
