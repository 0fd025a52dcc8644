"""``make bench``: every pipeline's benchmark, one after the other.

``python -m tests.benchmarks gamedata`` runs one, ``gamedata:workers`` one part of it; with ``--quick`` all of it is
smaller and takes about four minutes. ``gamedata:versions --against=REF`` compares the speed with another commit.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

from jobs import cli

PIPELINES = tuple(name for name in cli.PIPELINES if Path(__file__).with_name(f"{name}.py").exists())


def main() -> int:
    """Run the benchmarks that are named, or all; exit code 2 for an unknown name."""
    options: dict[str, object] = {"quick": "--quick" in sys.argv}
    names = []
    for word in sys.argv[1:]:
        option, _, value = word.partition("=")
        if option == "--against":
            options["against"] = value
        elif word != "--quick":
            names.append(word)
    names = names or list(PIPELINES)
    unknown = [name for name in names if name.partition(":")[0] not in PIPELINES]
    if unknown:
        sys.stderr.write(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(PIPELINES)}\n")
        return 2
    for name in names:
        pipeline, _, part = name.partition(":")
        main_of = importlib.import_module(f"tests.benchmarks.{pipeline}").main
        known = inspect.signature(main_of).parameters
        main_of(part, **{option: value for option, value in options.items() if option in known})
    return 0


if __name__ == "__main__":
    sys.exit(main())
