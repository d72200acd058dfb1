"""What remains to be computed once an index can be opened: logit weights, neighbours, and which features fire together.

They need all pairs of features, or of features and tokens of the vocabulary, and no more of the corpus than is on disk. So
the index opens without them; of the feature that is looked at they are computed at once, of all features in the background,
part by part, so that a killed process goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...engine.model.weights import looks, weights_hash
from ...engine.ticket import Ticket
from ...errors import ReadoutError, SaewidgetsError
from ...storage.addition import FolderAddition
from ...storage.array_folder import Array, Folder, FolderWriter
from ...storage.process_lock import process_lock
from ..errors import IndexMismatchError, writing
from ..record.settings import Settings
from ..scan.costs import WEIGHTS
from ..scan.shards import SAMPLE, Shard, shards_of
from ..statistics.coactivation import Correlated, OfAll, correlated_in, steps_of_all
from ..statistics.logit_weights import logit_weights
from ..statistics.neighbours import alignment, neighbours

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine

NEURONS, FEATURES, LOGITS = 10, 20, 15
# Features of a part, from which a killed process goes on.
_PART = 4096
# From so many steps on (about three hours), correlations of all features are not chosen by themselves.
_MOST_STEPS = 2**40


def what_remains(engine: Engine, dictionary: Dictionary, shards: Sequence[Shard], settings: Settings) -> dict[str, Any]:
    """Facts of a store: that something remains ("remaining"), what it will be, and why what is missing is missing."""
    facts: dict[str, Any] = {"remaining": True, "decoder_hook": dictionary.hook_name_out or dictionary.hook_name}
    if not dictionary.has_decoder:
        facts["decoder_missing"] = "Neurons are the basis itself: they have no neighbours and align with themselves."
    try:
        some = [0] if dictionary.n_features else []
        facts["logits_label"] = logit_weights(
            engine.model, dictionary, final_norm=settings.final_norm, k=1, features=some
        ).label
    except ReadoutError as error:
        facts["logits_missing"] = str(error)
    if settings.correlations is False:
        facts["correlated_missing"] = "The index was built with feature_correlations=False."
    elif settings.correlations is None and steps_of_all(shards, dictionary.n_features) > _MOST_STEPS:
        facts["correlated_missing"] = (
            f"Not computed: {dictionary.n_features:,} features with each other on {sum(map(len, shards)):,} tokens would take "
            f"some {steps_of_all(shards, dictionary.n_features) / 1e8 / 3600:,.0f} hours. "
            "build_index(..., feature_correlations=True) does it all the same."
        )
    return facts


@dataclass(eq=False)
class Remaining:
    """Computes what remains of one index, on the worker of its engine.

    Args:
        store: the folder of the store; path: of the index.
        keep_activations: else they are removed at the end.

    Raises:
        IndexMismatchError: if the weights are not what they were when this was made.
    """

    engine: Engine
    dictionary: Dictionary
    path: Path
    store: Path
    settings: Settings
    keep_activations: bool

    def __post_init__(self) -> None:
        self.doing = (WEIGHTS, 0, self.dictionary.n_features)
        self.documents_done = 0
        self.told: list[str] = []
        self._folder = Folder(self.store, mapped=False)
        self._stamp = self._weights_now()
        self._decoder: tuple[Tensor, Tensor] | None = None

    # -- one feature

    def of(self, feature: int, ticket: Ticket) -> dict[str, Array]:
        """The rows [1, ...] of one feature; by products of vectors with matrices, not of matrices."""
        together = self._correlated()
        pairs = None if together is None else (lambda first, _: together.of(first, FEATURES))
        return self._rows(feature, feature + 1, pairs, ticket)

    # -- all of them

    def run(self, ticket: Ticket) -> None:
        """Compute what is not there yet, and add it to the store."""
        n = self.dictionary.n_features
        parts = self.path / f".remaining-{self.store.name}"
        self._folder.refresh()
        if not self._folder.facts.get("remaining"):
            return
        with writing(self.path), process_lock(self.path / ".remaining.lock", self._others):
            parts.mkdir(exist_ok=True)
            scratch = parts / "scratch"
            shutil.rmtree(scratch, ignore_errors=True)
            pairs: OfAll | None = None
            for first in range(0, n, _PART):
                last = min(first + _PART, n)
                if not (parts / _part(first)).is_dir():
                    together = self._correlated()
                    if pairs is None and together is not None:
                        pairs = together.of_all(scratch, FEATURES, ticket.breathe)
                    rows = self._rows(first, last, pairs, ticket)
                    with FolderWriter(parts / _part(first)) as writer:
                        put_narrow(writer, **rows)
                        writer.commit({})
                self._say(last, ticket)
            self._add(parts)
            shutil.rmtree(parts)
            self._decoder = None
            if not self.keep_activations:
                drop_activations(self.path)

    def _others(self) -> None:
        raise SaewidgetsError(f"Another process is computing what remains of the index at {self.path}: wait for it.")

    def heard(self, done: int, _total: int) -> None:
        """Told how far the job is."""
        self.doing = (self.doing[0], done, self.doing[2])

    def _say(self, done: int, ticket: Ticket) -> None:
        self.heard(done, 0)
        ticket.progress(done, self.doing[2])
        ticket.breathe()

    def _add(self, parts: Path) -> None:
        folders = [Folder(parts / _part(first), mapped=False) for first in range(0, self.dictionary.n_features, _PART)]
        facts = {name: fact for name, fact in self._folder.facts.items() if name != "remaining"}
        with FolderAddition(self.store) as writer:
            for name in folders[0].names() if folders else ():
                first = folders[0].read(name)
                with writer.appending(name, first.dtype, first.shape[1:]) as out:
                    for folder in folders:
                        out.append(folder.read(name))
            writer.commit(facts)

    # -- rows

    def _rows(self, first: int, last: int, pairs: OfAll | None, ticket: Ticket) -> dict[str, Array]:
        """Rows [features, ...] of the arrays that remain, of features first .. last-1."""
        if self._weights_now() != self._stamp:
            raise IndexMismatchError(
                f"The weights of {self.dictionary.name!r} were changed since the index at {self.path} was made: what remains "
                "of it cannot be computed with them."
            )
        found: dict[str, Array] = {}
        facts = self._folder.facts
        with torch.no_grad():
            if "decoder_missing" not in facts:
                rows, norms = self._directions()
                index, cosine = neighbours(rows, norms, first, last, FEATURES, ticket.breathe)
                neuron, value, share = alignment(rows[first:last], NEURONS)
                found |= {"neighbour": index, "neighbour_cosine": cosine}
                found |= {"aligned": neuron, "aligned_value": value, "aligned_share": share}
            if "logits_missing" not in facts:
                found |= self._logits(first, last, ticket)
        if pairs is not None:
            found["correlated"], found["correlated_r"], found["correlated_both"] = pairs(first, last)
        return found

    def _logits(self, first: int, last: int, ticket: Ticket) -> dict[str, Array]:
        told = ticket.share(first, last, self.doing[2]) if last - first > 1 else ticket
        logits = logit_weights(
            self.engine.model,
            self.dictionary,
            final_norm=self.settings.final_norm,
            k=LOGITS,
            features=range(first, last),
            ticket=told,
        )
        return {
            "logit_top": logits.top_ids,
            "logit_top_value": logits.top_values,
            "logit_bottom": logits.bottom_ids,
            "logit_bottom_value": logits.bottom_values,
            "logit_bins": logits.counts,
            **{f"logit_{name}": getattr(logits, name) for name in ("low", "high", "mean", "std", "skew", "kurtosis")},
        }

    def _directions(self) -> tuple[Tensor, Tensor]:
        """The decoder's rows and their norms."""
        if self._decoder is None:
            rows = self.dictionary.decoder().float()
            self._decoder = rows, rows.norm(dim=1).clamp(min=1e-12)
        return self._decoder

    def _correlated(self) -> Correlated | None:
        facts = self._folder.facts
        if "correlated_missing" in facts:
            return None
        if "bounded" in facts:
            return correlated_in(Shard(self.path / SAMPLE, 0), self.dictionary.n_features)
        total, squares = self._folder.read("total"), self._folder.read("squares")
        shards = shards_of(self.path, int(facts["tokens"]))
        return Correlated(shards, int(facts["counted"]), total, squares)

    def _weights_now(self) -> object:
        return looks(self.dictionary.weights().values()), weights_hash(self.engine.model.raw, fresh=False)


def drop_activations(path: Path) -> None:
    """Remove the scan of a finished index that is not to grow."""
    for left in (*path.glob("shard-*"), *path.glob("sums-*")):
        shutil.rmtree(left, ignore_errors=True)


def _part(first: int) -> str:
    return f"part-{first:09d}"


def put_narrow(writer: FolderWriter, **arrays: Array) -> None:
    """Write arrays, integers as unsigned 32-bit and floats as 32-bit."""
    for name, array in arrays.items():
        writer.put(name, array.astype(np.float32 if array.dtype.kind == "f" else np.uint32))
