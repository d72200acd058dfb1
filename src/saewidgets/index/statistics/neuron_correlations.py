"""Which neurons of the hook go with a feature: sums of products over the whole corpus, then Pearson and cosine.

The sums are kept in float64 and in the order of the corpus: large means cancel in a correlation, and a resumed scan
must end with the same bytes as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...engine.activations.piece import Piece
from ...engine.activations.windows import Window
from ...engine.arrays import Floats, Ints
from ...engine.text.counted import Counting
from ...storage.array_folder import Array, Folder, FolderWriter
from ..scan.shards import flags_of
from .activation_statistics import largest, scatter


@dataclass
class NeuronSums:
    """Running sums over counted tokens of x (the hook's values) and of activation times x.

    Attributes:
        cross: [n_features, d_in], sum of a_f * x_j.
        total, squares: [d_in], sum of x_j and of x_j squared.
    """

    cross: Tensor
    total: Tensor
    squares: Tensor
    counting: Counting

    @classmethod
    def zeros(cls, n_features: int, d_in: int, device: torch.device, counting: Counting) -> NeuronSums:
        if device.type == "mps":  # knows no float64
            device = torch.device("cpu")
        make = [torch.zeros(s, dtype=torch.float64, device=device) for s in ((n_features, d_in), (d_in,), (d_in,))]
        return cls(make[0], make[1], make[2], counting)

    def add(self, batch: Sequence[Window], x: Tensor, pieces: Sequence[Piece]) -> None:
        """Add a batch: its windows, the hook's values [batch, pos, d_in], and what was encoded of each window."""
        device = self.cross.device
        counted = [flags_of(w.ids, p, self.counting) == 0 for w, p in zip(batch, pieces, strict=True)]
        mask = np.zeros(x.shape[:2], bool)
        for i, of_window in enumerate(counted):
            mask[i, : len(of_window)] = of_window
        dense = x[torch.from_numpy(mask).to(x.device)].to(device, torch.float64)
        row_of = np.cumsum(np.concatenate(counted)) - 1
        row = np.repeat(np.arange(len(row_of)), np.concatenate([p.counts for p in pieces]))
        kept = np.concatenate(counted)[row]
        where = np.stack([np.concatenate([p.features for p in pieces])[kept], row_of[row[kept]]])
        values = np.concatenate([p.values for p in pieces])[kept].astype(np.float64)
        sparse = torch.sparse_coo_tensor(
            torch.from_numpy(where), torch.from_numpy(values), (len(self.cross), len(dense)), check_invariants=False
        ).to(device)
        # The product may run out of memory; what is added afterwards cannot, so a batch is never counted twice.
        product, total, squares = torch.sparse.mm(sparse, dense), dense.sum(0), (dense * dense).sum(0)
        self.cross += product
        self.total += total
        self.squares += squares

    def save(self, path: Path) -> None:
        """Write the sums as the folder `path`."""
        with FolderWriter(path) as writer:
            for name in ("cross", "total", "squares"):
                writer.put(name, getattr(self, name).cpu().numpy())
            writer.commit({})

    def load(self, path: Path) -> None:
        """Go on from sums that were saved."""
        folder = Folder(path, mapped=False)
        for name in ("cross", "total", "squares"):
            getattr(self, name).copy_(torch.from_numpy(folder.read(name)))


def correlations(sums: NeuronSums, n: int, total: Array, squares: Array, k: int) -> tuple[Ints, Floats, Floats]:
    """The k neurons of the largest |Pearson r| of every feature: indices, r, and cosine similarity, [n_features, k].

    Args:
        n: counted tokens; total, squares: [n_features], sums of the activations and of their squares.

    A feature or neuron that never varies correlates with nothing: r is 0.
    """
    sx, sxx = sums.total.cpu().numpy(), sums.squares.cpu().numpy()
    k = min(k, len(sx))
    index = np.zeros((len(total), k), np.int64)
    pearson, cosine = np.zeros((len(total), k), np.float32), np.zeros((len(total), k), np.float32)
    step = max(1, 2**24 // max(1, len(sx)))
    var_x = scatter(n, sx, sxx)
    for start in range(0, len(total), step):
        part = slice(start, start + step)
        cross = sums.cross[part].cpu().numpy()
        var_a = scatter(n, total[part], squares[part])
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (n * cross - total[part, None] * sx) / np.sqrt(var_a[:, None] * var_x)
            cos = cross / np.sqrt(squares[part, None] * sxx)
        # In float32 before sorting: ties must not be decided by the last bits of a sum.
        r = np.where(np.isfinite(r), r, 0).astype(np.float32)
        best = largest(np.abs(r), k)
        index[part] = best
        pearson[part] = np.take_along_axis(r, best, 1)
        cosine[part] = np.nan_to_num(np.take_along_axis(cos, best, 1), posinf=0, neginf=0)
    return index, pearson, cosine
