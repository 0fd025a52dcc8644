"""Names of Argo's template variables, and of the output parameters that several modules refer to."""

from __future__ import annotations

from typing import Final, Literal

__all__ = [
    "DURATION",
    "EXIT_CODE",
    "FAILURES",
    "ITEMS",
    "NAME",
    "NAMESPACE",
    "NODE_STATUS",
    "PARAMETERS",
    "REJECTS",
    "RETRIES",
    "RETRY_STATUS",
    "STATUS",
    "UID",
    "Scope",
    "encoded",
    "exit_code_of",
    "expression",
    "output_of",
    "parameter",
    "tag",
]

Scope = Literal["inputs", "outputs", "workflow"]

# Variables of the Workflow. The last two are available only in the exit hook.
NAME: Final = "workflow.name"
NAMESPACE: Final = "workflow.namespace"
UID: Final = "workflow.uid"
PARAMETERS: Final = "workflow.parameters.json"
STATUS: Final = "workflow.status"
FAILURES: Final = "workflow.failures"

# Variables of a node, for its metrics.
NODE_STATUS: Final = "status"
DURATION: Final = "duration"

# Variables in a retry expression; Argo passes all of them as text.
RETRY_STATUS: Final = "lastRetry.status"
EXIT_CODE: Final = "lastRetry.exitCode"
RETRIES: Final = "retries"

# Output parameters that the metrics read.
ITEMS: Final = "items"
REJECTS: Final = "rejects"


def tag(variable: str) -> str:
    """Return the tag that Argo replaces with the value of a variable: ``{{variable}}``."""
    return f"{{{{{variable}}}}}"


def expression(text: str) -> str:
    """Return the tag that Argo replaces with the value of an expr-lang expression: ``{{=text}}``."""
    return tag(f"={text}")


def encoded(variable: str) -> str:
    """Return the expression for base64 of a variable's text.

    Argo substitutes a pod several times, and evaluates tags in text that it has inserted before; the kubelet then
    expands ``$(NAME)``. Neither changes base64, so text from outside is encoded by the first template that takes it.

    Args:
        variable: an expression that yields text.
    """
    return f"sprig.b64enc({variable})"


def exit_code_of(task: str) -> str:
    """Return the expression for the exit code of an earlier task's last attempt; ``'-1'`` if it has none.

    Argo waits until the run's deadline for a variable that a failed pod never set, unless ``??`` follows it.

    Args:
        task: a task that the condition's own task depends on.
    """
    return f"(tasks.{task}.exitCode ?? '-1')"


def output_of(task: str, name: str, default: str) -> str:
    """Return the expression for an output parameter of an earlier task's last attempt.

    Args:
        task: a task that the condition's own task depends on.
        name: name of the output, without dashes.
        default: value if the pod did not set it.
    """
    return f"(tasks.{task}.outputs?.parameters?.{name} ?? '{default}')"


def parameter(scope: Scope, name: str, *, in_expression: bool = False) -> str:
    """Return the variable of a parameter.

    Args:
        scope: ``inputs`` or ``outputs`` of a template, or ``workflow``.
        name: name of the parameter.
        in_expression: True for an expr-lang expression, which would read the dash in ``a.b-c`` as a minus; a name with
            a dash is then an index.
    """
    if in_expression and "-" in name:
        return f"{scope}.parameters['{name}']"
    return f"{scope}.parameters.{name}"
