"""Texts in, sparse activations out: the one computation that every view stands on.

It runs on the engine's worker. One forward serves all dictionaries; each encodes only what it must; what comes back
is checked (finite, right width) before anybody sees it. From a GPU it comes back while the next batch is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import RLock

import numpy as np
import torch
from torch import Tensor

from ...errors import OutOfMemoryError
from ..arrays import Floats, Ints
from ..dictionary.base import Dictionary
from ..memory import in_batches, is_out_of_memory
from ..model.model import Model
from ..model.reference_norms import ReferenceNorms
from ..model.site import Site
from ..text.counted import Counting
from ..text.tokenizer import Tokenizer
from ..ticket import Ticket
from ..transfer import Transfer
from .encoder import Encoder
from .extract import Sent, received
from .piece import Piece, split
from .windows import Window, batches, to_tensor, windows

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
        encode_features: features that are encoded at once; None: see `Encoder`.
    """

    model: Model
    tokenizer: Tokenizer
    lock: RLock
    max_tokens: int
    context_size: int
    counting: Counting
    references: ReferenceNorms
    encode_features: int | None = None
    halved: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._transfer = Transfer()
        self.encoder = Encoder(self.encode_features, self._transfer)

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers, or who waits for them, must know of how they were computed."""
        found = []
        if self.halved:
            found.append(f"Memory ran out: batches were made smaller ({self.max_tokens} tokens).")
        if self.encoder.halved:
            found.append("Memory ran out: features were encoded in smaller steps.")
        return found + ([self._transfer.note] if self._transfer.note else [])

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
        sites = [Site(self.model, dictionary) for dictionary in dictionaries]
        call = _Call(sites, columns, reconstruction, ticket, watch, sum(map(len, todo)), self._shrink)
        ticket.expect(call.total)
        self.references.measure([name for site in sites for name in self.streams(site)], ticket)
        for batch in batches(todo, lambda: self.max_tokens, self.model.causal):
            ticket.breathe()

            def run(part: slice, batch: list[Window] = batch) -> list[Window]:
                self._forward(batch[part], call)
                return batch[part]

            in_batches(
                len(batch),
                len(batch),
                run,
                remedy=partial(_remedy, batch, sites),
                shrunk=partial(self._shrink, len(batch[0])),
            )
        with self.lock, torch.no_grad():
            call.land()
        starts = _starts(todo, len(texts))
        return [[[call.found[d, i, s] for s in starts[i]] for i in range(len(texts))] for d in range(len(dictionaries))]

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
                len(batch),
                len(batch),
                run,
                remedy=partial(_remedy, batch, []),
                shrunk=partial(self._shrink, len(batch[0])),
            )
        return [found.get(i, np.zeros(0, np.float32)) for i in range(len(texts))]

    def _forward(self, batch: list[Window], call: _Call) -> None:
        """Read a batch and encode it. Its numbers are taken in at once, or from a GPU after the next batch's forward."""
        sites, reconstruction, ticket = call.sites, call.reconstruction, call.ticket
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
            call.land()
            ticket.step(size)
            sent = []
            for site in sites:
                dictionary = site.dictionary
                x = site.flatten(values[site.read_hook])
                target = x
                if reconstruction and dictionary.hook_name_out:
                    target = site.target(values[dictionary.hook_name_out])
                sent.append(
                    self.encoder.encode(
                        batch,
                        dictionary,
                        x,
                        target,
                        self._relative(site, values, x),
                        call.columns,
                        reconstruction,
                        lambda part: ticket.beat(share + (1 - share) * part),
                    )
                )
            x = sites[0].flatten(values[sites[0].read_hook])
            call.take(_Read(batch, None if call.watch is None else x, sent))

    def _relative(self, site: Site, values: Mapping[str, Tensor], x: Tensor) -> Tensor:
        if not self.streams(site):
            return torch.zeros(x.shape[:2], device=x.device)
        return site.relative_norm(values, self.references)


@dataclass
class _Read:
    """A batch that was encoded, and whose numbers may be on their way still.

    Attributes:
        x: the hook's values [batch, pos, d_in] of the first dictionary, if somebody watches.
        sent: of each dictionary.
    """

    batch: list[Window]
    x: Tensor | None
    sent: list[Sent]


@dataclass
class _Call:
    """One call of `read`: what is asked for, and what came of it so far.

    Attributes:
        found: by dictionary, text and window.
    """

    sites: Sequence[Site]
    columns: Ints | None
    reconstruction: bool
    ticket: Ticket
    watch: Watch | None
    total: int
    shrink: Callable[[int, int], None]
    found: dict[tuple[int, int, int], Piece] = field(default_factory=dict)
    _done: int = 0
    _waiting: _Read | None = None

    def take(self, read: _Read) -> None:
        """Take in a batch, once its numbers are there."""
        self._waiting = read
        if not any(sent.arriving.on_its_way for sent in read.sent):
            self._land()

    def land(self) -> None:
        """Take in the batch that was on its way, if there is one.

        Raises:
            OutOfMemoryError: if the host has no room for it. A smaller batch now would come too late for it.
        """
        if self._waiting is None:
            return
        try:
            self._land()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            told = "The activations of a batch do not fit in memory: use Engine(..., batch_tokens=...) with a smaller number."
            raise OutOfMemoryError(told) from error

    def _land(self) -> None:
        read, self._waiting = self._waiting, None
        assert read is not None
        batch = read.batch
        names = [site.dictionary.name for site in self.sites]
        pieces = [split(received(sent, self.columns, name), batch) for sent, name in zip(read.sent, names, strict=True)]
        watch, x = self.watch, read.x
        if watch is not None and x is not None:

            def told(part: slice) -> list[Window]:
                watch(batch[part], x[part], pieces[0][part])
                return batch[part]

            in_batches(
                len(batch),
                len(batch),
                told,
                remedy=partial(_remedy, batch, self.sites),
                shrunk=partial(self.shrink, len(batch[0])),
            )
        for d, of_windows in enumerate(pieces):
            for window, piece in zip(batch, of_windows, strict=True):
                self.found[d, window.text, window.start] = piece
        self._done += sum(map(len, batch))
        self.ticket.progress(self._done, self.total)


def _remedy(batch: Sequence[Window], sites: Sequence[Site], row: int) -> str:
    whole = [d for d in (site.dictionary for site in sites) if d.selection is None and not d.alone]
    names = ", ".join(f"{dictionary.name!r} ({dictionary.architecture})" for dictionary in whole)
    more = f" All features of {names} are encoded at once, because one may depend on all others." if names else ""
    return (
        f"One window of {len(batch[row])} tokens does not fit in memory. Use a shorter text, Engine(..., context_size=...) "
        f"with a smaller number, fewer SAEs at once, or a smaller dtype.{more}"
    )


def _starts(todo: Sequence[Window], n_texts: int) -> list[list[int]]:
    starts: list[list[int]] = [[] for _ in range(n_texts)]
    for window in todo:
        starts[window.text].append(window.start)
    return starts
