"""A small menu model, trained on the tuning variants' frames: shows what ``--menu-model`` does with one."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from jobs.gamedata.checks.menu_model import MENU_SCORE, MenuModel
from jobs.gamedata.checks.ragged import Frames
from tests.detectors.measured import THUMBNAIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.detectors.measured import Measured

__all__ = ["menu_shares", "train"]

_EPOCHS, _BATCH, _PER_SESSION = 12, 64, 8
# Kinds that show both: which of their frames are menus is not recorded.
_BOTH = frozenset({"menu-mostly", "menu-between"})


def train(items: Sequence[Measured]) -> bytes:
    """Train four convolutions and export them as a ``.pt2`` program; the same every time on one machine."""
    import torch
    from torch import nn

    random = np.random.default_rng(0)
    torch.manual_seed(0)
    frames, labels = [], []
    for item in items:
        menu = item.kind.truth.menu
        if menu is None or item.name in _BOTH or not len(item.thumbnails):
            continue
        picked = random.permutation(len(item.thumbnails))[:_PER_SESSION]
        frames.append(item.thumbnails[picked])
        labels += [float(menu)] * len(picked)
    inputs, truth = torch.from_numpy(np.concatenate(frames)), torch.tensor(labels)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = (3, 16, 24, 32, 48)
            self.layers = nn.Sequential(
                *(
                    layer
                    for few, many in itertools.pairwise(sizes)
                    for layer in (nn.Conv2d(few, many, 3, 2, 1), nn.BatchNorm2d(many), nn.ReLU())
                )
            )
            self.last = nn.Linear(2 * sizes[-1], 1)

        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            found = self.layers(frames.float() / 255 - 0.5)
            pooled = torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1)
            return torch.sigmoid(self.last(pooled))

    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _EPOCHS)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(inputs)).split(_BATCH):
            optimizer.zero_grad()
            loss = nn.functional.binary_cross_entropy(net(inputs[batch])[:, 0], truth[batch])
            loss.backward()
            optimizer.step()
        schedule.step()
    example = torch.zeros((2, 3, *THUMBNAIL), dtype=torch.uint8)
    dims = {0: torch.export.Dim("n", min=1, max=4096)}
    file = io.BytesIO()
    torch.export.save(torch.export.export(net.eval(), (example,), dynamic_shapes=(dims,)), file)
    return file.getvalue()


def menu_shares(body: bytes, items: Sequence[Measured]) -> list[float | None]:
    """Give each session's ``model_menu_percent``: the share of its time whose frames the model calls menus."""
    model = MenuModel(body, "trained.pt2", "cpu")
    shares: list[float | None] = []
    for item in items:
        times = item.row["frame_time_s"]
        if not len(times):
            shares.append(None)
            continue
        table = pl.DataFrame({"frame_time_s": [list(times)], "duration_s": [item.row["duration_s"]]})
        seconds = Frames.of(table).seconds()
        shares.append(float(seconds[model.score(list(item.thumbnails)) >= MENU_SCORE].sum() / seconds.sum()))
    return shares
