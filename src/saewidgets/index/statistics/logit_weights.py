"""Which tokens a feature writes towards: its direction times the unembedding, summarised for every feature.

A vocabulary of 50,000 for 25,000 features is a gigabyte of numbers that nobody looks at; what a dashboard shows of them
is fifteen tokens on either side, a histogram and four moments. They are computed here in one pass, a few features
at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...engine.arrays import Floats
from ...engine.dictionary.base import Dictionary
from ...engine.model.model import Model
from ...engine.model.residual_path import path, residual_directions, rows_label
from ...engine.model.unembedding import Unembedding
from ...engine.ticket import Ticket
from ...errors import NonFiniteError

Counts = npt.NDArray[np.uint32]

BINS = 50
# Weights [chunk, d_vocab] at once, in numbers: 128 MB of float32. Their summary works on a few rows of them at a time.
_PRODUCT, _SUMMARY = 2**25, 2**20
# How near an edge, in bins, float32 cannot be trusted: some 30 times its rounding.
_EDGE = 1e-4


@dataclass(frozen=True, eq=False)
class LogitWeights:
    """What the directions of n features do to the logits, summarised over the vocabulary.

    Weights, not logits: there is no bias, no soft cap and no token's own norm in them. `label` says which product they are.

    Attributes:
        top_ids, top_values: [n, k] the tokens with the largest weights, largest first; ties by the lower id.
        bottom_ids, bottom_values: [n, k] those with the smallest, smallest first; ties by the lower id.
        counts: [n, 50] histogram over [low, high] in equal bins, the last closed on the right; each row sums to d_vocab.
            Where low == high everything is in the first bin.
        low, high: [n] smallest and largest weight.
        mean, std: [n] mean and population standard deviation.
        skew, kurtosis: [n] mean of z^3 and of z^4, z = (weight - mean) / std; raw, so a Gaussian has kurtosis 3. NaN
            where all weights are equal.
        label: the product in words, for the reader of the numbers.
    """

    top_ids: Counts
    top_values: Floats
    bottom_ids: Counts
    bottom_values: Floats
    counts: Counts
    low: Floats
    high: Floats
    mean: Floats
    std: Floats
    skew: Floats
    kurtosis: Floats
    label: str

    def __len__(self) -> int:
        return len(self.low)

    def __repr__(self) -> str:
        return f"LogitWeights({len(self)} features, top {self.top_ids.shape[1]}, {self.label})"


def logit_weights(
    model: Model,
    dictionary: Dictionary,
    *,
    final_norm: bool = False,
    k: int = 15,
    features: Sequence[int] | None = None,
    ticket: Ticket | None = None,
) -> LogitWeights:
    """Logit weights of features: (decoder direction in the residual stream) @ W_U, as in SAEDashboard and Neuronpedia.

    The moments are those of McDougall's and Bloom's "Understanding SAE Features with the Logit Lens" (2024).

    All columns of W_U count. Models that pad their vocabulary (Pythia, Qwen) have more columns than the tokenizer has
    tokens; the padding is in the histogram and the moments too, as it is in the model's softmax.

    Args:
        model: the engine's model.
        dictionary: whose features.
        final_norm: take the directions through the final norm, linearised, first (see `Unembedding.through_norm`).
        k: tokens on either side; at most d_vocab of them.
        features: only these, in this order; default: all.
        ticket: of the job that this runs in, for cancelling and progress (in features).

    Raises:
        ReadoutError: if the hook has no direct path to the logits.
        ValueError: if k is less than 1.
        FeatureIndexError: for a feature outside the dictionary.
        NonFiniteError: if a weight comes out as NaN or infinity.

    Example:
        >>> weights = logit_weights(engine.model, engine.dictionary())
        >>> engine.tokenizer.display(weights.top_ids[3]).strings
    """
    unembedding = Unembedding(model)
    note = path(model, dictionary).note
    wanted = range(dictionary.n_features) if features is None else dictionary.check_features(features)
    k = min(k, unembedding.d_vocab)
    if k < 1:
        raise ValueError(f"k is the number of tokens on either side, at least 1, not {k}.")
    step, rows = (max(1, budget // unembedding.d_vocab) for budget in (_PRODUCT, _SUMMARY))
    label = unembedding.label(final_norm, rows_label(model, dictionary)) + (f", {note}" if note else "")
    result = _empty(len(wanted), k, label)
    for at in range(0, len(wanted), step):
        if ticket is not None:
            ticket.breathe()
        with torch.no_grad():
            columns = torch.tensor(wanted[at : at + step], dtype=torch.long)
            directions = residual_directions(model, dictionary, dictionary.decoder(columns))
            weights = unembedding.through_norm(directions) if final_norm else unembedding.direct(directions)
            for start in range(0, len(weights), rows):
                for name, part in _summary(weights[start : start + rows], k, dictionary.name).items():
                    getattr(result, name)[at + start : at + start + len(part)] = part.cpu().numpy()
            del weights  # before the next product is made
        if ticket is not None:
            ticket.progress(min(at + step, len(wanted)), len(wanted))
    return result


def _empty(n: int, k: int, label: str) -> LogitWeights:
    # Room for everything at once: small results kept between the large buffers would leave holes in the heap that
    # nothing fits into again, and the process would grow with every chunk.
    def ids(width: int) -> Counts:
        return np.zeros((n, width), np.uint32)

    def values(*shape: int) -> Floats:
        return np.zeros((n, *shape), np.float32)

    low, high, mean, std, skew, kurtosis = (values() for _ in range(6))
    return LogitWeights(ids(k), values(k), ids(k), values(k), ids(BINS), low, high, mean, std, skew, kurtosis, label)


def _summary(weights: Tensor, k: int, name: str) -> dict[str, Tensor]:
    """Of weights [n, d_vocab]: the fields of `LogitWeights`, each [n, ...]."""
    top_ids, top_values = _extremes(weights, k, largest=True)
    bottom_ids, bottom_values = _extremes(weights, k, largest=False)
    low, high = weights.amin(1), weights.amax(1)
    if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
        raise NonFiniteError(f"Logit weights of {name!r} are NaN or infinite: W_U or the decoder's weights are broken.")
    mean, std, skew, kurtosis = _moments(weights, low == high)
    return {
        "top_ids": top_ids,
        "top_values": top_values,
        "bottom_ids": bottom_ids,
        "bottom_values": bottom_values,
        "counts": _histogram(weights, low, high),
        "low": low,
        "high": high,
        "mean": mean,
        "std": std,
        "skew": skew,
        "kurtosis": kurtosis,
    }


def _extremes(weights: Tensor, k: int, *, largest: bool) -> tuple[Tensor, Tensor]:
    """The k largest or smallest of each row, ties by the lower column, which torch.topk does not promise."""
    # One more than asked for: a tie across the edge shows in it, and looking for it costs no pass over the row.
    more, found = weights.topk(min(k + 1, weights.shape[1]), dim=1, largest=largest)
    ids, order = found[:, :k].sort(dim=1)
    values, order = more[:, :k].gather(1, order).sort(dim=1, descending=largest, stable=True)
    ids = ids.gather(1, order)
    # As good as never among trained weights, and then a full sort costs little.
    for row in (more[:, k:] == values[:, -1:]).any(1).nonzero()[:, 0].tolist():
        sorted_values, sorted_ids = weights[row].sort(descending=largest, stable=True)
        values[row], ids[row] = sorted_values[:k], sorted_ids[:k]
    return ids, values


def _histogram(weights: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Counts in 50 equal bins over [low, high] of each row, with edges in float64."""
    width = torch.where(high > low, high - low, torch.ones_like(high))
    place = (weights - low[:, None]).mul_((BINS / width)[:, None])
    # A number for each bin of each row; the narrower they are, the faster they are counted.
    n = len(weights) * BINS
    bins = place.to(torch.int16 if n <= 2**15 else torch.int32)
    # In float32 a weight beside an edge may fall on the wrong side of it: those few are placed again, exactly. NumPy
    # finds the few among many many times faster than torch.
    near = place.frac_().sub_(0.5).abs_() > 0.5 - _EDGE
    found = torch.from_numpy(np.flatnonzero(near.cpu().numpy())).to(weights.device)
    row, token = found // weights.shape[1], found % weights.shape[1]
    bins.clamp_(0, BINS - 1)
    beside, start, end = bins[row, token], _wide(low[row]), _wide(high[row])
    exact = _wide(weights[row, token])
    beside = beside - (exact < start + (end - start) * beside / BINS).to(bins.dtype)
    above = (exact >= start + (end - start) * (beside + 1) / BINS) & (end > start)
    bins[row, token] = (beside + above.to(bins.dtype)).clamp_(0, BINS - 1)
    bins += torch.arange(0, n, BINS, dtype=bins.dtype, device=weights.device)[:, None]
    return torch.bincount(bins.view(-1), minlength=n).view(len(weights), BINS)


def _moments(weights: Tensor, constant: Tensor) -> list[Tensor]:
    # Sums in float64; the centred values, of the size of one standard deviation, need it no more.
    mean = weights.mean(1, dtype=None if weights.device.type == "mps" else torch.float64)
    centred = weights - mean[:, None].to(weights.dtype)
    squares = centred.square()
    n = weights.shape[1]
    variance, third, fourth = (
        _wide(total) / n for total in (squares.sum(1), centred.mul_(squares).sum(1), squares.square_().sum(1))
    )
    std = torch.where(constant, torch.zeros_like(variance), variance.sqrt())
    scale = torch.where(constant, torch.full_like(std, float("nan")), std)
    return [mean, std, third / scale**3, fourth / scale**4]


def _wide(x: Tensor) -> Tensor:
    """In float64, where the device knows it."""
    return x.float() if x.device.type == "mps" else x.double()
