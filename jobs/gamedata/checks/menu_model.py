"""The menu model of ``--menu-model``: a ``torch.export`` program, run in batches over the frames of ``.pt`` files."""

from __future__ import annotations

import functools
import hashlib
import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from jobs.gamedata.checks.program_file import rewrite
from jobs.gamedata.pt.measure import distinct_frames, duration_of
from shared.errors import ConfigurationError, ExtraMissing, ObjectMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from jobs.gamedata.model import ExtractedData
    from jobs.gamedata.settings import ManifestSettings

__all__ = ["MENU_SCORE", "MenuModel", "model_digest", "plain_program", "read_model"]

# Minimum score of a menu frame.
MENU_SCORE: Final = 0.5
# Frames per batch if the program has a dynamic batch size; 64 of 360 x 640 float32 take 177 MB.
_BATCH: Final = 64
_RANK: Final = 4
_CONTRACT: Final = (
    "expected a program with one input (N, 3, H, W), uint8 or float from 0 to 1, RGB, and one output: (N,) or (N, 1) "
    "menu probabilities, or (N, 2) logits for gameplay and menu (docs/checks.md)"
)


def read_model(path: str, settings: ManifestSettings) -> bytes:
    """Read the program's file.

    Raises:
        UsageError: the file cannot be read, or is outside the places that the operator allows.
    """
    from shared.storage import is_inside, read_uri

    try:
        if not is_inside(path, settings.menu_model_places):
            raise UsageError(
                f"--menu-model {path} is not in a place for models; expected a file in "
                f"{', '.join(settings.menu_model_places)}; ask the operator (gamedata.menuModelPlaces, docs/checks.md)"
            )
        return read_uri(path, settings)
    except (ObjectMissing, ConfigurationError, ValueError) as error:
        raise UsageError(f"--menu-model {path}: {error}; expected the path or URI of a .pt2 file") from error


def model_digest(settings: ManifestSettings) -> str:
    """Return the sha256 of the program's file."""
    assert settings.menu_model is not None
    return hashlib.sha256(read_model(settings.menu_model, settings)).hexdigest()


def plain_program(body: bytes, name: str) -> bytes:
    """Return the program of a ``.pt2`` file in a form that runs nothing when it is loaded.

    Raises:
        UsageError: the file contains something else than a plain program and its tensors.
    """
    try:
        return rewrite(body)
    except ValueError as error:
        raise UsageError(
            f"--menu-model {name}: {error}; expected a torch.export program of plain tensors and operators "
            "(docs/checks.md)"
        ) from error


class MenuModel:
    """A loaded program.

    Args:
        body: a ``.pt2`` file, as ``torch.export.save`` writes it.
        name: used in messages.
        device: ``cpu``, ``cuda``, or ``auto``: CUDA if available.

    Raises:
        UsageError: the program cannot be loaded, or its inputs have the wrong shape.
        ExtraMissing: torch is not installed.
    """

    def __init__(self, body: bytes, name: str, device: str = "auto") -> None:
        try:
            import torch
        except ImportError as error:
            raise ExtraMissing(
                "--menu-model needs torch; pip install 'telecine[gamedata]'", extra="gamedata", module="torch"
            ) from error
        program_file = io.BytesIO(plain_program(body, name))
        self.name = name
        self.device = _device(torch, device)
        try:
            program = torch.export.load(program_file)
        except Exception as error:  # torch passes on any error of its zip, JSON and pickle readers
            raise UsageError(f"--menu-model {name}: torch.export cannot load it ({error}); {_CONTRACT}") from error
        self.batch, self.size, self.dtype = self._input(program)
        if self.device == "cuda":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, self.device)
        self._module = program.module()

    @classmethod
    def of(cls, settings: ManifestSettings) -> MenuModel:
        """Load the program that the settings name, once per process."""
        assert settings.menu_model is not None
        return _loaded(read_model(settings.menu_model, settings), settings.menu_model, settings.device)

    def _input(self, program: Any) -> tuple[int | None, tuple[int, int] | None, Any]:
        names = program.graph_signature.user_inputs
        nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
        shape: tuple[Any, ...] = nodes[names[0]].meta["val"].shape if len(names) == 1 and names[0] in nodes else ()
        channels = shape[1] if len(shape) == _RANK else None
        if channels != 3:  # noqa: PLR2004
            raise UsageError(
                f"--menu-model {self.name}: the program takes {len(names)} inputs of shape {tuple(shape)}; {_CONTRACT}"
            )
        batch, _, height, width = (side if isinstance(side, int) else None for side in shape)
        return batch, (height, width) if height and width else None, nodes[names[0]].meta["val"].dtype

    def score(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Return each frame's probability of being a menu: N arrays of uint8 (3, H, W) -> (N,).

        Raises:
            ValueError: the program's output has the wrong shape, or values outside 0 to 1.
        """
        step = self.batch or _BATCH
        parts = [self._scores(frames[start : start + step]) for start in range(0, len(frames), step)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _scores(self, frames: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        import torch

        stack = torch.from_numpy(np.stack(frames)).to(self.device)
        if self.size and tuple(stack.shape[2:]) != self.size:
            scaled = torch.nn.functional.interpolate(stack.float(), self.size, mode="bilinear", antialias=True)
            stack = scaled.round().clamp(0, 255).to(torch.uint8)
        batch = stack if self.dtype == torch.uint8 else stack.to(self.dtype) / 255
        if self.batch and len(frames) < self.batch:  # a fixed batch size: pad with the last frame
            batch = torch.cat([batch, batch[-1:].expand(self.batch - len(frames), -1, -1, -1)])
        with torch.inference_mode():
            output = self._module(batch)
        if not isinstance(output, torch.Tensor) or output.shape[0] != len(batch):
            raise ValueError(f"--menu-model {self.name} returned {_shape(output)} for {len(batch)} frames; {_CONTRACT}")
        output = output[: len(frames)].float()
        if output.ndim == 2 and output.shape[1] == 2:  # noqa: PLR2004
            output = output.softmax(1)[:, 1]
        elif output.shape not in ((len(frames),), (len(frames), 1)):
            raise ValueError(
                f"--menu-model {self.name} returned {_shape(output)} for {len(frames)} frames; {_CONTRACT}"
            )
        scores: npt.NDArray[np.float32] = output.reshape(-1).cpu().numpy()
        if not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError(f"--menu-model {self.name} returned values outside 0 to 1; {_CONTRACT}")
        return scores

    def columns(self, data: ExtractedData) -> dict[str, Any]:
        """Return ``model_menu_percent``, as a frames check returns its columns."""
        return {"model_menu_percent": self.share(data)}

    def share(self, data: ExtractedData) -> float | None:
        """Return the share of a session's time that shows menus, or None without frames."""
        import polars as pl

        from jobs.gamedata.checks.ragged import Frames

        times, frames = distinct_frames(data)
        if not len(times):
            return None
        table = pl.DataFrame(
            {"frame_time_s": [times.tolist()], "duration_s": [duration_of(data)]},
            schema={"frame_time_s": pl.List(pl.Float64), "duration_s": pl.Float64},
        )
        seconds = Frames.of(table).seconds()
        return float(seconds[self.score(frames) >= MENU_SCORE].sum() / seconds.sum())


@functools.lru_cache(maxsize=1)
def _loaded(body: bytes, name: str, device: str) -> MenuModel:
    return MenuModel(body, name, device)


def _device(torch: Any, device: str) -> str:
    available = bool(torch.cuda.is_available())
    if device == "cuda" and not available:
        raise ConfigurationError("--device cuda: no CUDA device found; expected auto or cpu on this machine")
    return "cuda" if available and device != "cpu" else "cpu"


def _shape(output: object) -> str:
    return str(tuple(getattr(output, "shape", ()))) if hasattr(output, "shape") else type(output).__name__
