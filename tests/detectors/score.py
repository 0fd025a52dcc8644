"""Precision and recall: what the checks say of variants, against what is true of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from PIL import Image

from jobs.gamedata._part_schema import PART_SCHEMA
from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.checks.run import run_statistics
from jobs.gamedata.inputs import read_inputs
from jobs.gamedata.menu_references import MenuReferences
from jobs.gamedata.settings import ManifestSettings
from tests.fakes.parts import part_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.detectors.inputs import InputVariant
    from tests.detectors.paint import Picture

__all__ = ["Count", "input_rows", "judge", "references_of"]


@dataclass(frozen=True, slots=True)
class Count:
    """A confusion matrix."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> Count:
        """Count (truth, said) pairs."""
        cells = [0, 0, 0, 0]
        for truth, said in pairs:
            cells[(0 if said else 2) if truth else (1 if said else 3)] += 1
        return cls(*cells)

    @property
    def precision(self) -> float:
        """Share of what was flagged that is; NaN where nothing was."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else float("nan")

    @property
    def recall(self) -> float:
        """Share of what is that was flagged; NaN where nothing is."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else float("nan")


def judge(
    rows: Sequence[dict[str, Any]], references: MenuReferences | None = None, **settings: Any
) -> list[dict[str, Any]]:
    """Run the statistics checks over part rows, as the manifest step does; NULL stays None."""
    table = pl.DataFrame(list(rows), schema=pl.from_arrow(PART_SCHEMA.empty_table()).schema)
    if references is not None:
        count = table["frame_time_s"].list.len().cast(pl.Int64).to_numpy()
        table = table.with_columns(references.menu_like(table["frame_signature"], count))
    checks = [check for check in load_built_in() if check.kind == "statistics"]
    found = run_statistics(checks, table, ManifestSettings(**settings))
    wrong = [error.message for errors in found.errors.values() for error in errors]
    assert not wrong, wrong[0]
    return pl.DataFrame(list(found.values.values())).to_dicts()


def references_of(pictures: Iterable[Picture]) -> MenuReferences:
    """Read pictures as ``--menu-references`` does: from a folder of PNG files."""
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(pictures):
            Image.fromarray(np.ascontiguousarray(picture)).save(Path(folder) / f"{number:04d}.png")
        return MenuReferences.read(folder)


def input_rows(variants: Sequence[InputVariant]) -> list[dict[str, Any]]:
    """Part rows of sessions with an ordinary picture and these inputs."""
    rows = []
    for variant in variants:
        found = read_inputs(variant.content)
        columns = {f"input_{name}": getattr(found, name) for name in found.__slots__}
        rows.append(part_row(f"{variant.kind}-{variant.seed}.tar", duration_s=variant.seconds, **columns))
    return rows
