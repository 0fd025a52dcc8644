"""Precision and recall: what the checks say of variants, against what is true of them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from PIL import Image

from jobs.gamedata.checks.load import load_built_in
from jobs.gamedata.checks.menu_references import MenuReferences
from jobs.gamedata.checks.run import run_statistics
from jobs.gamedata.members.inputs import read_inputs
from jobs.gamedata.parts.schema import PART_SCHEMA
from jobs.gamedata.settings import ManifestSettings
from tests.fakes.parts import part_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.detectors.inputs import InputVariant
    from tests.detectors.measured import Measured
    from tests.detectors.paint import Picture

__all__ = ["DEVICES", "Count", "count", "count_inputs", "input_rows", "judge", "references_of"]

DEVICES: Final = ("keyboard_mouse", "gamepad", "mixed", "none")


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

    def misses(self, precision: float, recall: float) -> list[str]:
        """Say which of two floors this does not reach: one that is not a number does not."""
        found = {"precision": (self.precision, precision), "recall": (self.recall, recall)}
        return [f"{name} {value:.3f} < {floor}" for name, (value, floor) in found.items() if not value >= floor]


def count(
    items: Sequence[Measured],
    said: Sequence[dict[str, Any]],
    check: str,
    *,
    group: str | None = None,
    name: str | None = None,
    untold: bool | None = False,
) -> Count:
    """Count a check of pictures over variants whose truth is not open.

    Args:
        items: what was judged.
        said: of each, column -> value; NULL is no.
        check: the column.
        group: only kinds of this class.
        name: only this kind.
        untold: False: what the check's cue can tell; True: the rest; None: both.
    """
    return Count.of(
        (truth, bool(values[check]))
        for item, values in zip(items, said, strict=True)
        if (truth := item.kind.truth.of(check)) is not None
        and (group is None or item.kind.group == group)
        and (name is None or item.name == name)
        and (untold is None or (check in item.kind.untold) is untold)
    )


def count_inputs(
    variants: Sequence[InputVariant], said: Sequence[dict[str, Any]], label: str, *, untold: bool | None = False
) -> Count:
    """Count a class of ``input_device_class`` against the others, or ``has_unusable_timestamps``, over inputs."""
    clock = label == "has_unusable_timestamps"
    return Count.of(
        (variant.unusable, bool(values[label]))
        if clock
        else (variant.device == label, values["input_device_class"] == label)
        for variant, values in zip(variants, said, strict=True)
        if untold is None or variant.untold is untold
    )


def judge(
    rows: Sequence[dict[str, Any]],
    references: MenuReferences | None = None,
    *,
    shares: Sequence[float | None] = (),
    **settings: Any,
) -> list[dict[str, Any]]:
    """Run the statistics checks over part rows, as the manifest step does; NULL stays None.

    Args:
        rows: of sessions.
        references: ``--menu-references``.
        shares: what ``--menu-model`` gave for each.
        settings: of the manifest.
    """
    table = pl.DataFrame(list(rows), schema=pl.from_arrow(PART_SCHEMA.empty_table()).schema)
    if references is not None:
        count = table["frame_time_s"].list.len().cast(pl.Int64).to_numpy()
        table = table.with_columns(references.menu_like(table["frame_signature"], count))
    if shares:
        table = table.with_columns(pl.Series("model_menu_percent", list(shares), dtype=pl.Float64))
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
