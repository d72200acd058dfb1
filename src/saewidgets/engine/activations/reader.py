"""Texts in, sparse activations out: the one computation that every view stands on.

It runs on the engine's worker. One forward serves all dictionaries; each encodes only what it must; what comes back
is checked (finite, right width) before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from ...errors import NonFiniteError
from ..arrays import Floats, Ints
from ..dictionary.base import Dictionary
from ..memory import in_batches
from ..model.model import Model
from ..model.reference_norms import ReferenceNorms
from ..model.site import Site
from ..text.counted import Counting
from ..text.tokenizer import Tokenizer
from ..ticket import Ticket
from .windows import Window, batches, to_tensor, windows

# Dense activations of one step, in numbers: 256 MB of float32.
_DENSE_BUDGET = 2**26


@dataclass
class Piece:
    """What one window gave: CSR parts of its own tokens.

    Attributes:
        norm: [tokens] of what the dictionary read.
        error: [tokens] relative reconstruction error, if asked for.
        relative: [tokens] norm in the residual stream, in reference norms of the model there: what makes a norm outlier.
    """

    counts: Ints
    features: Ints
    values: Floats
    norm: Floats
    error: Floats | None
    relative: Floats


Watch = Callable[[Sequence[Window], Tensor, Sequence[Piece]], None]
"""Called after each forward with its windows, the hook's values [batch, pos, d_in] of the first dictionary, and what was
encoded of each window."""


@dataclass
class Reader:
    """Runs the model over token ids and encodes what it finds at the dictionaries' hooks.

    Attributes:
        max_tokens: tokens of one forward; halved when memory runs out.
        context_size: longest window; longer texts are cut.
        counting: which tokens count; references: reference norms for it.
    """

    model: Model
    tokenizer: Tokenizer
    lock: RLock
    max_tokens: int
    context_size: int
    counting: Counting
    references: ReferenceNorms
    halved: bool = field(default=False, init=False)

    def read(
        self,
        texts: Sequence[Sequence[int]],
        dictionaries: Sequence[Dictionary],
        columns: Ints | None,
        reconstruction: bool,
        ticket: Ticket,
        watch: Watch | None = None,
    ) -> list[list[list[Piece]]]:
        """Pieces [dictionary][text][window] of token ids `texts`."""
        todo = [w for i, ids in enumerate(texts) for w in windows(i, ids, self.context_size, self.tokenizer.bos_id)]
        total, done = sum(map(len, todo)), 0
        ticket.expect(total)
        found: dict[tuple[int, int, int], Piece] = {}
        pad = self.model.causal
        sites = [Site(self.model, dictionary) for dictionary in dictionaries]
        self.references.measure([name for site in sites for name in self.streams(site)], ticket)
        for batch in batches(todo, lambda: self.max_tokens, pad):
            ticket.breathe()

            def run(part: slice, batch: list[Window] = batch) -> list[list[Piece]]:
                nonlocal done
                pieces = self._forward(batch[part], sites, columns, reconstruction, ticket, watch)
                for window, of_dictionaries in zip(batch[part], pieces, strict=True):
                    for d, piece in enumerate(of_dictionaries):
                        found[d, window.text, window.start] = piece
                done += sum(map(len, batch[part]))
                ticket.progress(done, total)
                return pieces

            in_batches(
                len(batch), len(batch), run, remedy=partial(_remedy, batch), shrunk=partial(self._shrink, len(batch[0]))
            )
        starts = _starts(todo, len(texts))
        return [[[found[d, i, s] for s in starts[i]] for i in range(len(texts))] for d in range(len(dictionaries))]

    def _shrink(self, longest: int, windows: int) -> None:
        self.halved = True
        self.max_tokens = max(longest * windows, 1)

    def streams(self, site: Site) -> tuple[str, ...]:
        """The hooks of the residual stream that tell a dictionary's norm outliers; none where they are not looked for."""
        return () if self.counting.factor is None else site.streams

    def relative_norms(
        self, texts: Sequence[Sequence[int]], site: Site, ticket: Ticket | None = None
    ) -> list[Floats] | None:
        """Relative norms [pos] of each text, from forwards of their own: what tells the outliers of a text before an edit.

        Each text fits into one forward. None where no norm outliers are looked for.
        """
        names = self.streams(site)
        if not names:
            return None
        self.references.measure(names, ticket)
        found: dict[int, Floats] = {}
        todo = [Window(i, 0, tuple(ids)) for i, ids in enumerate(texts) if len(ids)]
        for batch in batches(todo, lambda: self.max_tokens, self.model.causal):

            def run(part: slice, batch: list[Window] = batch) -> list[Floats]:
                with self.lock, torch.no_grad():
                    values = self.model.read(to_tensor(batch[part], self.model.input_device), names, ticket)
                    norms = site.relative_norm(values, self.references).cpu().numpy()
                for row, window in enumerate(batch[part]):
                    found[window.text] = norms[row, : len(window)]
                return list(norms)

            in_batches(
                len(batch), len(batch), run, remedy=partial(_remedy, batch), shrunk=partial(self._shrink, len(batch[0]))
            )
        return [found.get(i, np.zeros(0, np.float32)) for i in range(len(texts))]

    def _forward(
        self,
        batch: list[Window],
        sites: Sequence[Site],
        columns: Ints | None,
        reconstruction: bool,
        ticket: Ticket,
        watch: Watch | None,
    ) -> list[list[Piece]]:
        hooks = [site.read_hook for site in sites]
        if reconstruction:
            hooks += [s.dictionary.hook_name_out for s in sites if s.dictionary.hook_name_out]
        hooks += [name for site in sites for name in self.streams(site)]
        with self.lock, torch.no_grad():
            # What of the time is the model's, roughly, by the sizes of its layers and of the dictionaries.
            width = int(self.model.cfg.d_model)
            forward, encode = 12 * width * self.model.depth(hooks), sum(site.dictionary.n_features for site in sites)
            share, size = forward / max(forward + encode, 1), sum(map(len, batch))
            ticket.step(int(size * share))
            values = self.model.read(to_tensor(batch, self.model.input_device), hooks, ticket)
            ticket.step(size)
            by_dictionary = []
            for site in sites:
                dictionary = site.dictionary
                x = site.flatten(values[site.read_hook])
                target = x
                if reconstruction and dictionary.hook_name_out:
                    target = site.target(values[dictionary.hook_name_out])
                relative = self._relative(site, values, x)
                by_dictionary.append(
                    _encode(batch, dictionary, x, target, relative, columns, reconstruction, ticket, share)
                )
                if watch is not None and site is sites[0]:
                    watch(batch, x, by_dictionary[0])
        return [[pieces[i] for pieces in by_dictionary] for i in range(len(batch))]

    def _relative(self, site: Site, values: Mapping[str, Tensor], x: Tensor) -> Tensor:
        if not self.streams(site):
            return torch.zeros(x.shape[:2])
        return site.relative_norm(values, self.references).cpu()


def _remedy(batch: Sequence[Window], row: int) -> str:
    return (
        f"One window of {len(batch[row])} tokens does not fit in memory. Use a shorter text, "
        "Engine(..., context_size=...) with a smaller number, fewer SAEs at once, or a smaller dtype."
    )


def _encode(
    batch: list[Window],
    dictionary: Dictionary,
    x: Tensor,
    target: Tensor,
    relative: Tensor,
    columns: Ints | None,
    reconstruction: bool,
    ticket: Ticket,
    done: float,
) -> list[Piece]:
    """Encode one batch [batch, pos, d_in]: text by text where that matters, otherwise all tokens in one go.

    `done`: what part of the work on the batch was done before, for the progress.
    """
    norms = [relative[i, : len(window)].numpy() for i, window in enumerate(batch)]
    if dictionary.device is not None:
        x, target = x.to(dictionary.device), target.to(dictionary.device)
    if dictionary.per_text:
        pieces = []
        for i, window in enumerate(batch):
            part = slice(0, len(window))
            sparse = _encode_rows(dictionary, x[i : i + 1, part], target[i : i + 1, part], columns, reconstruction)
            pieces += _split(sparse, [window], norms[i : i + 1])
        return pieces
    if all(len(window) == x.shape[1] for window in batch):
        flat, flat_target = x.flatten(0, 1), target.flatten(0, 1)
    else:
        real = torch.arange(x.shape[1])[None] < torch.tensor([len(window) for window in batch])[:, None]
        flat, flat_target = x[real.to(x.device)], target[real.to(x.device)]
    step = max(1, _DENSE_BUDGET // max(1, dictionary.n_features if columns is None else len(columns)))
    steps = []
    for i in range(0, len(flat), step):
        if i:  # what fits into one step is soon done
            ticket.beat(done + (1 - done) * i / len(flat))
        steps.append(_encode_rows(dictionary, flat[i : i + step], flat_target[i : i + step], columns, reconstruction))
    return _split(join(steps), batch, norms)


def _encode_rows(
    dictionary: Dictionary, x: Tensor, target: Tensor, columns: Ints | None, reconstruction: bool
) -> Piece:
    rebuilt: Tensor | None = None
    norm = _norm(x, dictionary.name, dictionary.hook_name)
    if reconstruction and columns is None:
        acts, rebuilt = dictionary.autoencode(x)
    else:
        acts = dictionary.encode(x, None if columns is None else torch.from_numpy(columns))
    acts = acts.flatten(0, -2)
    rows, cols = acts.nonzero(as_tuple=True)
    values = acts[rows, cols].float().cpu().numpy()
    counts = torch.bincount(rows, minlength=len(acts)).cpu().numpy()
    if not np.isfinite(values).all():
        raise NonFiniteError(
            f"{int((~np.isfinite(values)).sum())} activations of {dictionary.name!r} are NaN or infinite. If the model runs in "
            "float16, its values overflow: load it in bfloat16 or float32. Otherwise the SAE's weights are broken."
        )
    features = cols.cpu().numpy()
    error: Floats | None = None
    if rebuilt is not None:
        wanted = target.flatten(0, -2).float()
        _norm(wanted, dictionary.name, dictionary.hook_name_out or dictionary.hook_name)
        error = ((wanted - rebuilt.reshape(wanted.shape).float()).norm(dim=-1) / wanted.norm(dim=-1)).cpu().numpy()
    return Piece(
        counts=counts,
        features=features if columns is None else columns[features],
        values=values,
        norm=norm,
        error=error,
        relative=np.zeros(len(acts), np.float32),
    )


def _norm(x: Tensor, name: str, hook: str) -> Floats:
    """Norm of each token's vector, flat: what an SAE makes of a broken one (0, often) must not be seen as a number.

    Raises:
        NonFiniteError: if one is not finite, whichever features were asked for.
    """
    norm: Floats = x.flatten(0, -2).float().norm(dim=-1).cpu().numpy()
    if not np.isfinite(norm).all():
        raise NonFiniteError(
            f"The model's values at {hook!r}, which {name!r} is about, are NaN or infinite on {int((~np.isfinite(norm)).sum())} "
            "tokens. If the model runs in float16, its values overflow: load it in bfloat16 or float32. Otherwise the "
            "model's weights, or a hook that changes its values, are broken."
        )
    return norm


def join(pieces: Sequence[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    error = [p.error for p in pieces if p.error is not None]
    return Piece(
        counts=np.concatenate([p.counts for p in pieces]),
        features=np.concatenate([p.features for p in pieces]),
        values=np.concatenate([p.values for p in pieces]),
        norm=np.concatenate([p.norm for p in pieces]),
        error=np.concatenate(error) if error else None,
        relative=np.concatenate([p.relative for p in pieces]),
    )


def _split(piece: Piece, batch: Sequence[Window], relative: Sequence[Floats]) -> list[Piece]:
    """Cut the tokens of a whole batch into its windows, leaving out their lead; `relative` is each whole window's."""
    ptr = np.concatenate([[0], np.cumsum(piece.counts)])
    result, at = [], 0
    for window, norms in zip(batch, relative, strict=True):
        tokens = slice(at + window.lead, at + len(window))
        entries = slice(ptr[tokens.start], ptr[tokens.stop])
        result.append(
            Piece(
                piece.counts[tokens],
                piece.features[entries],
                piece.values[entries],
                piece.norm[tokens],
                None if piece.error is None else piece.error[tokens],
                norms[window.lead :],
            )
        )
        at += len(window)
    return result


def _starts(todo: Sequence[Window], n_texts: int) -> list[list[int]]:
    starts: list[list[int]] = [[] for _ in range(n_texts)]
    for window in todo:
        starts[window.text].append(window.start)
    return starts
