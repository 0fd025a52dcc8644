"""Some combinations through the command line: ``telecine gamedata extract`` over a folder, then ``load``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata import load
from jobs.gamedata.errors import item_error
from jobs.gamedata.model import stride_key
from jobs.gamedata.parts.store import read_rows
from jobs.gamedata.pt.file import pt_key
from shared.storage import open_store
from tests.cli import Cli
from tests.pictures.comparison import Stored, compare
from tests.pictures.encodes import Absent
from tests.pictures.matrix import Report, Row, packed, spec_of
from tests.pictures.reference import Reference
from tests.pictures.studio import STRIDES, Studio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy.typing as npt

    from tests.pictures.studio import Video

__all__ = ["run_command"]

_SETTINGS: Final = (("exact", "packets"), ("auto", "rgb"))


def run_command(videos: Iterable[Video], folder: Path) -> Report:
    """Extract videos with the default strides by the command, and compare what it wrote."""
    report = Report()
    made: dict[str, tuple[Video, Path]] = {}
    studio = Studio(folder)
    with Cli.fresh() as cli:
        (cli.folder / "tars").mkdir()
        for video in videos:
            try:
                made[f"{len(made)}.tar"] = video, video.make(studio)
            except Absent as reason:
                report.skips[str(reason)] += len(_SETTINGS)
        for key, (_, path) in made.items():
            (cli.folder / "tars" / key).write_bytes(packed(path))
        for mode, form in _SETTINGS:
            strides = ",".join(f"{stride:g}:{count}" for stride, count in STRIDES)
            places = ("--source-bucket", "./tars", "--manifest-bucket", f"./{mode}")
            cli("gamedata", "extract", *places, "--strides", strides, "--sampling", mode, "--frames", form).expect(0)
        with Reference() as reference:
            for key, (video, path) in made.items():
                truth = reference.decode(path)
                readable = truth is not None and not all(truth.corrupt)
                for mode, form in _SETTINGS:
                    rows = read_rows(open_store(f"{cli.folder}/{mode}")).to_pylist()
                    row = next(row for row in rows if row["s3_key"] == key)
                    spec = spec_of(video, mode, form)
                    extract = partial(_read, cli.folder / mode, key, row)
                    result = compare(extract, spec, truth, reference)
                    report.rows.append(Row(video, mode, form, readable, result))
    return report


def _read(folder: Path, key: str, row: dict[str, Any]) -> Stored:
    if row["error_code"]:
        raise item_error(row["error_code"], row["error_message"])
    data = load(folder / pt_key(key))
    marks = dict(zip(row["frame_time_s"], row["frame_corrupt"], strict=True))
    images: list[npt.NDArray[np.uint8]] = []
    times: list[float] = []
    strides = {}
    for stride, _ in STRIDES:
        name = stride_key(stride)
        asked = data.asked_times_s[name].tolist()
        strides[stride] = list(zip(asked, range(len(times), len(times) + len(asked)), strict=True))
        images += list(data.sampled_frames[name])
        times += data.sampled_times_s[name].tolist()
    corrupt = np.array([marks[time] for time in times])
    return Stored(np.array(images), np.array(times), None, corrupt, strides, row["warnings"] or [])
