"""The parameter that enables a whole pipeline: if it is false, no pod starts, and the run succeeds."""

from __future__ import annotations

from typing import Final

from workflows._lib.parameters import Field
from workflows._lib.variables import expression, parameter

__all__ = ["IS_ENABLED", "enabled"]

# Inputs are base64.
IS_ENABLED: Final = expression(f"sprig.b64dec({parameter('inputs', 'enabled', in_expression=True)}) != 'false'")


def enabled(config_key: str | None = None) -> Field:
    """Return the parameter, which no step reads.

    Args:
        config_key: key in the ConfigMap, in `media`, where the chart's values decide; None for the pipeline's own form.
    """
    return Field(
        name="enabled",
        variable="",
        value="true",
        choices=("true", "false"),
        description="Run the pipeline; false skips it without failing.",
        config_key=config_key,
    )
