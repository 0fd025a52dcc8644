"""``make bench``: every pipeline's benchmark, one after the other; ``python -m tests.benchmarks gamedata`` runs one."""

from __future__ import annotations

import importlib
import sys

PIPELINES = ("gamedata",)


def main() -> int:
    """Run the benchmarks that are named, or all; exit code 2 for an unknown name."""
    names = sys.argv[1:] or list(PIPELINES)
    unknown = [name for name in names if name not in PIPELINES]
    if unknown:
        sys.stderr.write(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(PIPELINES)}\n")
        return 2
    for name in names:
        importlib.import_module(f"tests.benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
