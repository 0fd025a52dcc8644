"""usage: python -m tests.language [--count] [--all] [path …]: print each text that breaks a language rule."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

from tests.language.patterns import breaches, patterns
from tests.language.texts import ROOT, files


def main() -> int:
    """Check the given files or folders and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.language", description="Check the language of every text.")
    parser.add_argument("paths", nargs="*", type=Path, help="Files or folders. Default: the whole repository")
    parser.add_argument("--all", action="store_true", help="Check the whole repository (the default)")
    parser.add_argument("--count", action="store_true", help="Print the number of places per pattern")
    arguments = parser.parse_args()
    names = files()
    if arguments.paths and not arguments.all:
        wanted = [Path(os.path.relpath(path.resolve(), ROOT)) for path in arguments.paths]
        names = [name for name in names if any(Path(name).is_relative_to(path) for path in wanted)]
        if not names:
            sys.stderr.write(
                f"{' '.join(map(str, arguments.paths))}: no files to check; expected paths that git tracks\n"
            )
            return 2
    broken = list(breaches(names))
    if arguments.count:
        counts = Counter(breach.pattern.name for breach in broken)
        for pattern in patterns():
            sys.stdout.write(f"{counts[pattern.name]:5} {pattern.name}\n")
        sys.stdout.write(f"{len(broken):5} total in {len({breach.path for breach in broken})} files\n")
    else:
        for breach in broken:
            sys.stdout.write(f"{breach}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
