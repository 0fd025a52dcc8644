"""Read dbt's run_results.json: times of models, outcomes of tests, and the first failure as an error."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from jobs.trakt.modelling.errors import DbtEnded, ModelFailed, ModelTestFailed
from shared.child.process import describe_status
from shared.errors import ConfigurationError, StorageFull
from shared.text import clean_text

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.trakt.modelling.environment import Workplace

__all__ = ["ModelResult", "ModelTest", "Results", "check_results", "read_results"]

_SAID: Final = 600
_TAIL: Final = 4_096
# dbt's artifacts alone take 3 MB.
_LEAST_FREE: Final = 1_000_000
_PREFIX: Final = ("model.", "test.")


@dataclass(frozen=True, slots=True)
class ModelResult:
    """A model.

    Attributes:
        name: its name.
        status: success, error or skipped.
        seconds: wall-clock time.
        message: the error; empty without one.
    """

    name: str
    status: str
    seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class ModelTest:
    """A test.

    Attributes:
        name: its name.
        model: the model that it is about.
        status: pass, warn, fail, error or skipped.
        rows: rows that violate it.
        message: the outcome in words; empty if it passed.
        is_anomaly: whether it looks for unusual rows instead of wrong ones.
    """

    name: str
    model: str
    status: str
    rows: int
    message: str
    is_anomaly: bool


@dataclass(slots=True)
class Results:
    """All results of a run."""

    models: list[ModelResult] = field(default_factory=list)
    tests: list[ModelTest] = field(default_factory=list)


def read_results(work: Workplace) -> Results | None:
    """Return the results of a run; None if dbt did not get that far."""
    ran = _document(work.target / "run_results.json")
    if ran is None:
        return None
    manifest = _document(work.target / "manifest.json") or {}
    nodes: dict[str, Any] = manifest.get("nodes", {})
    results = Results()
    for row in ran["results"]:
        unique = row["unique_id"]
        node = nodes.get(unique, {})
        message = _said(row.get("message") or "")
        if unique.startswith("model."):
            is_bad = row["status"] in ("error", "skipped")
            results.models.append(
                ModelResult(unique.rpartition(".")[2], row["status"], row["execution_time"], message if is_bad else "")
            )
        elif unique.startswith("test."):
            about = (node.get("attached_node") or "").rpartition(".")[2]
            is_bad = row["status"] != "pass"
            results.tests.append(
                ModelTest(
                    node.get("name") or unique.split(".")[2],
                    about,
                    row["status"],
                    row.get("failures") or 0,
                    message if is_bad else "",
                    "anomaly" in (node.get("tags") or ()),
                )
            )
    return results


def check_results(status: int, results: Results | None, work: Workplace) -> Results:
    """Return the results of a successful run.

    Args:
        status: dbt's exit status.
        results: from :func:`read_results`.
        work: the folders of the build, which have dbt's output.

    Raises:
        DbtEnded: it was killed.
        ModelFailed: a model could not be built, or the project could not be read.
        ModelTestFailed: rows violate a test.
        StorageFull: the disk is full.
        ConfigurationError: DuckDB's memory was not enough.
    """
    for model in results.models if results else ():
        if model.status == "error":
            raise _model_error(model)
    for test in results.tests if results else ():
        if test.status in ("fail", "error"):
            raise ModelTestFailed(
                f"test {test.name} of model {test.model} failed: {test.message or f'{test.rows:,} rows'}; expected no "
                "such row; nothing was replaced; fix the model or the rows, then run: telecine trakt model",
                test=test.name,
                model=test.model,
                rows=test.rows,
            )
    if status and _is_full(work):
        raise StorageFull(
            f"dbt exited with {status}: {work.root} has no space left; nothing was replaced; free space there or "
            "choose another folder with --model-dir, then try again",
            status=status,
        )
    if status > 0:
        raise ModelFailed(
            f"dbt exited with {status} before it built a model: {_last_message(work.output)}; nothing was replaced",
            status=status,
        )
    if status < 0 or results is None:
        raise DbtEnded(
            f"dbt {describe_status(status)} without a result: {_last_message(work.output)}; try again", status=status
        )
    return results


def _is_full(work: Workplace) -> bool:
    """Return whether the disk is full; dbt itself may then print nothing, or only a part of its traceback."""
    try:
        if shutil.disk_usage(work.root).free < _LEAST_FREE:
            return True
        with work.output.open("rb") as file:
            file.seek(max(0, work.output.stat().st_size - 16 * _TAIL))
            return b"No space left on device" in file.read()
    except OSError:
        return False


def _model_error(model: ModelResult) -> Exception:
    said = model.message
    if "Out of Memory" in said:
        return ConfigurationError(
            f"model {model.name} does not fit into the memory of DuckDB: {said}; pass a larger --dbt-memory-mb",
            model=model.name,
        )
    if "No space left" in said:
        return StorageFull(f"model {model.name} found no space on the disk: {said}", model=model.name)
    return ModelFailed(
        f"model {model.name} failed: {said}; nothing was replaced; fix it, then run: telecine trakt model",
        model=model.name,
        said=said,
    )


def _said(message: str) -> str:
    """Return dbt's message in one line, without the name of the model that it begins with."""
    first, _, rest = message.partition("\n")
    return clean_text(" ".join((rest if " Error in " in first and rest else message).split()), _SAID)


def _last_message(path: Path) -> str:
    """Return the last error that dbt printed, or its last line."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16 * _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "it printed nothing"
    texts = []
    for line in lines:
        try:
            found = json.loads(line)["info"]
        except (ValueError, KeyError, TypeError):
            texts.append(("error", line))
            continue
        texts.append((found.get("level", ""), found.get("msg", "")))
    errors = [text for level, text in texts if level == "error" and text.strip()]
    rest = [text for _, text in texts if text.strip()]
    return _said((errors or rest or ["it printed nothing"])[-1].strip())


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
