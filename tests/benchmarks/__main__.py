"""``make bench``: every pipeline's benchmark, one after the other.

``python -m tests.benchmarks gamedata`` runs one, ``gamedata:workers`` one part of it; with ``--quick`` all of it is
smaller and takes about two minutes.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from jobs import cli

PIPELINES = tuple(name for name in cli.PIPELINES if Path(__file__).with_name(f"{name}.py").exists())


def main() -> int:
    """Run the benchmarks that are named, or all; exit code 2 for an unknown name."""
    names = [name for name in sys.argv[1:] if name != "--quick"] or list(PIPELINES)
    unknown = [name for name in names if name.partition(":")[0] not in PIPELINES]
    if unknown:
        sys.stderr.write(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(PIPELINES)}\n")
        return 2
    for name in names:
        pipeline, _, part = name.partition(":")
        importlib.import_module(f"tests.benchmarks.{pipeline}").main(part, quick="--quick" in sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
