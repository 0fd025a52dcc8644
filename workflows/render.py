"""Write the workflows as YAML for the chart: ``python -m workflows.render``; ``--check`` only compares.

The chart reads the files with ``.Files.Get``, so Helm leaves Argo's own braces alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

import yaml

from workflows import crons, maintenance, media
from workflows.pipelines import PIPELINES

__all__ = ["FOLDER", "documents", "main", "render"]

FOLDER: Final = Path(__file__).parents[1] / "charts" / "telecine" / "files"

_HEAD: Final = "# Generated from workflows/ by `python -m workflows.render`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """A dumper that indents lists below their key, as in the chart's other files, and writes no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow=flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def documents() -> dict[str, dict[str, Any]]:
    """Return all objects by file name."""
    own = [template for each in PIPELINES for template in each.templates()]
    objects = [*own, media.build(), maintenance.build(), *crons.build()]
    return {f"{workflow.name}.yaml": workflow.to_dict() for workflow in objects}


def render() -> dict[str, str]:
    """Return the text of all files by name; the bytes are reproducible."""
    return {
        name: _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=True, width=120, allow_unicode=True)
        for name, document in documents().items()
    }


def main(argv: list[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files or compare them.

    Args:
        argv: ``--check`` or nothing.
        folder: folder of the files.

    Returns:
        0, or with ``--check`` 1 if a file differs, is missing or is superfluous.
    """
    parser = argparse.ArgumentParser(prog="python -m workflows.render", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file differs")
    check = parser.parse_args(argv).check
    began = time.monotonic()
    wanted = render()
    existing = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    stale = sorted(name for name in wanted.keys() | existing.keys() if wanted.get(name) != existing.get(name))
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            if name in wanted:
                (folder / name).write_text(wanted[name], encoding="utf-8")
            else:
                (folder / name).unlink()
    state = "differ" if check else "written"
    sys.stdout.write(
        f"{len(wanted)} files in {time.monotonic() - began:.1f} s; {state}: {', '.join(stale) or 'none'}\n"
    )
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
