"""How the tokens of a batch are encoded: all features at once, some tokens at a time, or a block of features at a time.

All features at once is what sae-lens does, and is done wherever it fits. A wide dictionary would make few tokens a step of
it, and read all of its weights for them: its features are encoded in blocks, and so are those of one whose weights are on
the CPU beside a model on a GPU, for which the blocks go over one by one. Sizes follow from sizes alone, not from the memory
that happens to be free, so that a scan that is taken up again does the same sums; only where memory runs out are they halved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from ...errors import NonFiniteError
from ..arrays import Ints
from ..dictionary.base import Dictionary
from ..memory import until_it_fits
from ..transfer import Transfer
from .blocks import encode_blocks
from .extract import Sent, Sparse, joined, send, sparse
from .windows import Window

# Dense activations of one step, in numbers: 256 MB of float32; of a block of features: 16 MB, which a CPU's caches like.
_DENSE_BUDGET, _BLOCK_BUDGET = 2**26, 2**22
# A step of fewer tokens reads the weights too often.
_LEAST_TOKENS = 512
# Where memory runs out, a step of so few numbers is not what fills it.
_SMALLEST = 2**18


class Encoder:
    """Encodes batches of tokens, in steps that fit.

    Attributes:
        features: of a block, as asked for; None: blocks where they are needed.
        halved: whether memory ran out, and steps were made smaller.
    """

    def __init__(self, features: int | None, transfer: Transfer) -> None:
        self.features, self._transfer = features, transfer
        self._limit = _DENSE_BUDGET
        self._last = 0
        self.halved = False

    def told(self, dictionary: Dictionary, reads_on: torch.device) -> str | None:
        """What provenance says of blocks; None where all features are encoded at once, as sae-lens does.

        Args:
            reads_on: where the model is.
        """
        if dictionary.selection is None:
            return None
        blocks = None
        if self.features is not None:
            blocks = f"by blocks of {min(self.features, dictionary.n_features):,} features"
        elif _goes(dictionary, reads_on):
            blocks = "by blocks of features"
        elif _DENSE_BUDGET // max(1, dictionary.n_features) < _LEAST_TOKENS:
            blocks = "by blocks of features where there are many tokens"
        return f"{blocks}, on {reads_on} (the weights stay on the CPU)" if _goes(dictionary, reads_on) else blocks

    def encode(
        self,
        batch: Sequence[Window],
        dictionary: Dictionary,
        x: Tensor,
        target: Tensor,
        relative: Tensor,
        columns: Ints | None,
        reconstruction: bool,
        beat: Callable[[float], None],
    ) -> Sent:
        """Encode a batch [batch, pos, d_in]: text by text where that matters, otherwise all tokens in one go.

        Args:
            target: [batch, pos, d_out], what a reconstruction is compared with; relative: [batch, pos].
            columns: which features; None: all.
            beat: told between steps which part of all was done.

        Raises:
            NonFiniteError: if a token's vector is.
        """
        device = self._device(dictionary, x, columns, reconstruction)
        x, target, relative = (part.to(device) for part in (x, target, relative))
        if dictionary.per_text:
            texts = [(i, slice(0, len(window))) for i, window in enumerate(batch)]
            rows = [(x[i : i + 1, part], target[i : i + 1, part]) for i, part in texts]
            relative = torch.cat([relative[i, part] for i, part in texts])
        else:
            rows = [(_tokens(x, batch), _tokens(target, batch))]
            relative = _tokens(relative, batch)
        norm = torch.cat([_norm(part, dictionary.name, dictionary.hook_name) for part, _ in rows])
        self._last = 0
        encode = partial(self._whole if dictionary.per_text else self._steps, dictionary, columns, reconstruction, beat)
        found = until_it_fits(lambda: [encode(*part) for part in rows], self._smaller)
        some = joined([part for part, _ in found])
        arrays = {
            "counts": some.counts,
            "features": some.features,
            "values": some.values,
            "norm": norm,
            "relative": relative.float(),
        }
        errors = [error for _, error in found if error is not None]
        return send({**arrays, "error": torch.cat(errors)} if errors else arrays, self._transfer)

    def _device(self, dictionary: Dictionary, x: Tensor, columns: Ints | None, reconstruction: bool) -> torch.device:
        """Where to encode: where the weights are, unless blocks of them can go to a GPU that has what is read."""
        home = dictionary.device
        if home is None:
            return x.device
        blocks = _can_be_blocks(dictionary, columns, reconstruction)
        return x.device if blocks and _goes(dictionary, x.device) else home

    def _smaller(self) -> bool:
        """Make the next step smaller than the last; False if that is not what helps."""
        if self._last <= _SMALLEST:
            return False
        self._limit, self.halved = self._last // 2, True
        return True

    def _steps(
        self,
        dictionary: Dictionary,
        columns: Ints | None,
        reconstruction: bool,
        beat: Callable[[float], None],
        x: Tensor,
        target: Tensor,
    ) -> tuple[Sparse, Tensor | None]:
        """Encode tokens [tokens, d_in] in steps: what is not 0, and the relative errors [tokens]."""
        away = dictionary.device not in (None, x.device)
        block = None
        if _can_be_blocks(dictionary, columns, reconstruction):
            block = self._block(dictionary, len(x), away)
        alone = columns is not None and dictionary.alone
        width = block or max(1, len(columns) if columns is not None and alone else dictionary.n_features)
        step = max(1, min(self._limit, _DENSE_BUDGET) // width)
        found: list[tuple[Sparse, Tensor | None]] = []
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            done, share = start / len(x), min(step, len(x) - start) / len(x)
            self._last = width * (len(x[part]) if block is None else max(len(x[part]), dictionary.d_in))
            if block is not None:
                move = partial(self._transfer.to_device, device=x.device)
                some = encode_blocks(dictionary, x[part], block, move, lambda i: beat(done + share * i))  # noqa: B023
                found.append((some if columns is None else _only(some, columns), None))
                continue
            if start:  # what fits into one step is soon done
                beat(done)
            found.append(self._whole(dictionary, columns, reconstruction, beat, x[part], target[part]))
        errors = [error for _, error in found if error is not None]
        return joined([part for part, _ in found]), torch.cat(errors) if errors else None

    def _block(self, dictionary: Dictionary, n: int, away: bool) -> int | None:
        """Features of a block for `n` tokens; None: all at once."""
        # Neither activations nor weights of a block are over the budget.
        fits = max(1, min(self._limit, _BLOCK_BUDGET) // max(n, dictionary.d_in))
        if self.features is not None:
            return min(self.features, dictionary.n_features, fits if self.halved else self.features)
        enough = min(self._limit, _DENSE_BUDGET) // max(1, dictionary.n_features) >= min(n, _LEAST_TOKENS)
        return None if not away and (enough or fits >= dictionary.n_features) else min(fits, dictionary.n_features)

    def _whole(
        self,
        dictionary: Dictionary,
        columns: Ints | None,
        reconstruction: bool,
        _beat: Callable[[float], None],
        x: Tensor,
        target: Tensor,
    ) -> tuple[Sparse, Tensor | None]:
        """Encode tokens [..., d_in] at once."""
        rebuilt: Tensor | None = None
        if reconstruction and columns is None:
            acts, rebuilt = dictionary.autoencode(x)
        else:
            acts = dictionary.encode(x, None if columns is None else torch.from_numpy(columns))
        error: Tensor | None = None
        if rebuilt is not None:
            wanted = target.flatten(0, -2).float()
            norm = _norm(wanted, dictionary.name, dictionary.hook_name_out or dictionary.hook_name)
            error = (wanted - rebuilt.reshape(wanted.shape).float()).norm(dim=-1) / norm
        return sparse(acts.flatten(0, -2)), error


def _goes(dictionary: Dictionary, reads_on: torch.device) -> bool:
    """Whether blocks of weights go from the CPU to a GPU that has what is read."""
    return dictionary.device is not None and dictionary.device.type == "cpu" and reads_on.type == "cuda"


def _can_be_blocks(dictionary: Dictionary, columns: Ints | None, reconstruction: bool) -> bool:
    """Whether the features can be encoded apart, and are not a few of which each stands alone."""
    return dictionary.selection is not None and not reconstruction and (columns is None or not dictionary.alone)


def _only(some: Sparse, columns: Ints) -> Sparse:
    """The activations of the features `columns`, which ascend, by their places in it."""
    wanted = torch.from_numpy(columns).to(some.features.device)
    place = torch.searchsorted(wanted, some.features).clamp(max=max(len(wanted) - 1, 0))
    kept = wanted[place] == some.features
    ends = torch.cat([kept.new_zeros(1, dtype=torch.long), kept.cumsum(0)])[some.counts.cumsum(0)]
    return Sparse(torch.diff(ends, prepend=ends.new_zeros(1)), place[kept], some.values[kept])


def _tokens(x: Tensor, batch: Sequence[Window]) -> Tensor:
    """[batch, pos, ...] without its padding: [tokens, ...]."""
    flat, longest = x.flatten(0, 1), x.shape[1]
    if all(len(window) == longest for window in batch):
        return flat
    real = torch.cat([torch.arange(i * longest, i * longest + len(window)) for i, window in enumerate(batch)])
    return flat.index_select(0, real.to(x.device))


def _norm(x: Tensor, name: str, hook: str) -> Tensor:
    """Norm of each token's vector, flat: what an SAE makes of a broken one (0, often) must not be seen as a number.

    Raises:
        NonFiniteError: if one is not finite, whichever features were asked for.
    """
    norm: Tensor = x.flatten(0, -2).float().norm(dim=-1)
    if not torch.isfinite(norm).all():
        raise NonFiniteError(
            f"The model's values at {hook!r}, which {name!r} is about, are NaN or infinite on {int((~torch.isfinite(norm)).sum())} "
            "tokens. If the model runs in float16, its values overflow: load it in bfloat16 or float32. Otherwise the "
            "model's weights, or a hook that changes its values, are broken."
        )
    return norm
