"""The names of a Workflow's parameters: Argo takes any name and forgets those that it does not know."""

from __future__ import annotations

import difflib
import json
import os
from typing import TYPE_CHECKING, Final

from shared.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FORM_VARIABLE", "GIVEN_VARIABLE", "check_names", "is_known"]

# Argo's {{workflow.parameters.json}}: a list of objects that have a name each.
GIVEN_VARIABLE: Final = "TELECINE_WORKFLOW_PARAMETERS"
# The names that the form of the pipeline's own WorkflowTemplate has, with commas.
FORM_VARIABLE: Final = "TELECINE_FORM_PARAMETERS"


def is_known(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether this step was told the parameters of its Workflow."""
    return bool(variables.get(GIVEN_VARIABLE) and variables.get(FORM_VARIABLE))


def check_names(variables: Mapping[str, str] = os.environ, *, pipeline: str) -> str:
    """Check the names of the parameters that a Workflow was given.

    Under the umbrella, where a name has its pipeline before it, only names that can be meant for this pipeline are
    judged; in a Workflow that is neither (it has not all parameters of one of the forms) none.

    Args:
        variables: of the step, see :func:`is_known`.
        pipeline: such as ``gamedata``.

    Returns:
        What was found.

    Raises:
        UsageError: one line for each name that nothing reads, with near ones.
    """
    given = _names(variables[GIVEN_VARIABLE])
    form = variables[FORM_VARIABLE].split(",")
    prefix = f"{pipeline}-"
    prefixed = [f"{prefix}{name}" for name in form]
    if given.issuperset(form):
        valid, unknown = form, given.difference(form)
    elif given.issuperset(prefixed):
        meant = {name for name in given if name.startswith(prefix)} | given.intersection(form)
        valid, unknown = prefixed, meant.difference(prefixed)
    else:
        return "not judged: the Workflow is not one of ours"
    if unknown:
        raise UsageError("\n".join(_line(name, valid, prefix) for name in sorted(unknown)))
    return f"{len(valid)} names, all known"


def _names(text: str) -> set[str]:
    try:
        return {parameter["name"] for parameter in json.loads(text)}
    except (ValueError, TypeError, KeyError):
        # Not Argo's list: nothing can be said of it.
        return set()


def _line(name: str, valid: Iterable[str], prefix: str) -> str:
    # Without the prefix on either side: it would make all names alike, and be the whole mistake of some.
    names = {each.removeprefix(prefix): each for each in valid}
    near = [names[each] for each in difflib.get_close_matches(name.removeprefix(prefix), names, n=3)]
    asked = f"did you mean {' or '.join(near)}?" if near else f"valid is one of {', '.join(names.values())}"
    return f"The Workflow was given the parameter {name}, which no step reads; {asked}"
