"""FeatureIndex: a corpus scanned once, opened in milliseconds, without a model.

Everything is memory-mapped; a feature costs the few pages that hold it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..engine.arrays import Floats, Ints
from ..storage.array_folder import Array, Folder
from .attached import Attached
from .errors import IndexMismatchError
from .exchange.exchanged import Exchanged
from .explanations.described import Described
from .record.manifest import Manifest, finished, must_open
from .remaining.pending import Pending
from .scan.every import Every
from .scan.progress import Bar
from .scan.shards import SAMPLE, Shard, shards_in, shards_of
from .store.examples import Examples, select
from .store.feature import Feature
from .store.features_table import density_figure, features_table, neighbours_table
from .store.kept import Kept, kept_of
from .store.orders import Order, Orders
from .store.read_feature import read_feature
from .store.stated import density_of, is_imported
from .store.texts import Texts

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ..engine.engine import Engine


class FeatureIndex(Attached, Exchanged, Described):
    """Statistics, examples and weights of every feature of a dictionary on a corpus.

    Open one with `FeatureIndex.open(path)`, make one with `build_index`, or of the files of Neuronpedia or SAEDashboard.

    Attributes:
        path: its folder.
        texts: the corpus inside it.

    Example:
        >>> index = sw.FeatureIndex.open("my-index")
        >>> index.features.nlargest(10, "density")
        >>> index.feature(2717)
        >>> index.examples(2717, group="top")
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        self._folder = Folder(path / manifest.store)
        self._pending = Pending(path, self._folder)
        self.texts = Texts(self._folder)
        super().__init__(path, manifest.key, self._folder, self.texts)
        self._orders = Orders(self._folder, self._labels)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, engine: Engine | None = None, sae: str | None = None
    ) -> FeatureIndex:
        """The finished index at `path`; with an `engine`, after checking that it is of that engine's SAE.

        Raises:
            IndexMismatchError: if there is none, its scan did not end, or it is of another SAE.
            IndexVersionError: if another version wrote it. IndexCorruptError: if a file is missing or was altered.
        """
        folder = Path(path)
        index = cls(folder, finished(folder))
        if engine is not None:
            index.check(engine, sae)
        return index

    def check(self, engine: Engine, sae: str | None = None) -> None:
        """Raise unless the index is of this engine's SAE and model, and share labels with it from now on (see `Labels`).

        Weights and dtypes must be the same, not only names. Where index and engine both say in their provenance which
        "weights" they were made with, as the demo does, and say another thing, a warning says so.

        Raises:
            IndexMismatchError: naming what differs.
        """
        dictionary = engine.dictionary(sae)
        try:
            must_open(self._manifest, engine, dictionary, self.path)
        except IndexMismatchError:
            dictionary.labels.unlink(self._labels)  # what it says of features is of other weights
            if engine is self.engine:
                self.detach()
            raise
        dictionary.labels.link(self._labels)
        self._pending.attach(engine, dictionary, self._manifest)
        self.attach(engine, dictionary)

    # -- what remains to be computed

    @property
    def remains(self) -> str:
        """What is not computed yet of all features, and how far it is; "" if nothing remains."""
        return self._pending.said

    def wait(self, *, progress: bool = True) -> FeatureIndex:
        """Wait until everything is computed of all features, and compute it if nobody does; the index itself.

        No view needs it: a feature that is looked at is computed at once. After it the columns of `features` that come of
        the decoder are there, and the folder is complete, to be copied elsewhere.

        Raises:
            IndexMismatchError: if the index was opened without an engine, or the weights were changed since.
            IndexWriteError: if the disk is full. What was computed is kept.

        Example:
            >>> sw.build_index(engine, texts, "my-index").wait().features["logit_kurtosis"]
        """
        with Bar(progress) as bar:
            self._pending.wait(bar)
        return self

    def verify(self) -> None:
        """Read everything and compare it with its checksums.

        Raises:
            IndexCorruptError: naming the first file that changed.
        """
        self._folder.verify()
        drawn = [] if self.kept is None else [Shard(self.path / SAMPLE, 0)]
        for shard in (*shards_in(self.path), *drawn):
            shard.folder.verify()

    # -- what it holds

    def __len__(self) -> int:
        return int(self._manifest.identity["n_features"])

    @property
    def counted(self) -> int:
        """Tokens of the corpus that count; of files, those that their densities are shares of, or of their examples if they
        do not say (`provenance`)."""
        return int(self._folder.facts["counted"])

    @property
    def tokens(self) -> int:
        """Tokens of the corpus, special ones and norm outliers included."""
        return int(self._folder.facts["tokens"])

    @property
    def alive(self) -> int:
        """Features that fire at all."""
        return int((self.column("count") > 0).sum())

    @property
    def provenance(self) -> dict[str, str]:
        """Model, SAE, hook, BOS, processing, dtype, versions, corpus: what to publish beside a number."""
        if is_imported(self._folder):
            return dict(self._manifest.provenance)
        kept = self.kept
        documents = self.texts.documents.num_rows if kept is None else kept.documents
        return {
            **self._manifest.provenance,
            "corpus": f"{documents:,} documents, {self.tokens:,} tokens, {self.counted:,} counted",
            **({} if kept is None else {"kept": kept.said}),
            "left out": f"special tokens, {self.texts.outliers:,} norm outliers",
            "context": f"{self._manifest.identity['context_size']} tokens",
            "seed of samples": str(self._manifest.settings.seed),
        }

    @property
    def documents(self) -> pd.DataFrame:
        """One row a document: its number ("document"), "name", length ("tokens"), and the corpus' own columns; those that
        are called like one of the three have "document_" in front (`attrs["renamed"]` says which). Of a bounded scan only those
        whose texts are kept (`attrs["kept"]`)."""
        return self.texts.frame()

    @property
    def columns(self) -> tuple[str, ...]:
        """The corpus' own columns, that examples can be filtered by."""
        return self.texts.columns

    def column(self, name: str) -> Array:
        """One stored array over all features, such as "count", "total", "high" (see `features` for the usual ones)."""
        self._pending.must_have(name)
        return self._folder.read(name)

    @property
    def every(self) -> Every | None:
        """All activations of the scan, if they are still on disk; None of an index that was shipped without them, of a bounded
        scan, or made of another tool's files. Of the corpus as the index has it, also where its scan went on since."""
        shards = shards_of(self.path, self.tokens) if self._manifest.has_scan(self.path) else []
        return Every(shards, len(self)) if shards else None

    @property
    def kept(self) -> Kept | None:
        """Of a bounded scan (`keep_activations=False`), what it kept and so what is estimated; None if all that it says is exact."""
        return kept_of(self._folder)

    @property
    def corpus_hash(self) -> str:
        """Of all token ids of the corpus, chunk by chunk: two indexes with the same one are of the same tokens."""
        return str(self._manifest.corpus["hash"])

    @property
    def folder(self) -> Folder:
        """The store."""
        self._pending.refresh()
        return self._folder

    @property
    def activation_name(self) -> str:
        """What the numbers are: "activation", "dot product" (directions) or "neuron value"."""
        return str(self._folder.facts["activation_name"])

    # -- features

    def feature(self, feature: int) -> Feature:
        """Everything about one feature but its examples.

        Raises:
            FeatureIndexError: if there is no such feature.
        """
        feature = self.check_feature(feature)
        computed = self._pending.rows_of(feature)
        return read_feature(self._folder, self.texts, feature, self.label(feature), self.activation_name, computed)

    def examples(
        self,
        feature: int,
        *,
        group: Literal["all", "top", "intervals", "silent"] = "all",
        low: float | None = None,
        high: float | None = None,
        token: str | None = None,
        where: Mapping[str, object] | None = None,
        window: int | None = 10,
        top: int = 20,
        per_interval: int = 5,
        fold: bool = True,
    ) -> Examples:
        """Texts on which the feature fires, and some on which it does not.

        Args:
            group: the largest activations ("top"), a uniform sample of each of ten equal intervals of (0, max]
                ("intervals"), texts without an activation ("silent"), or all of them.
            low, high: instead of groups, a uniform sample of the activations with low <= activation < high (with the
                maximum itself, if high is it).
            token: only where this is the token (spaces around it aside). If it is no token but several ("the heaven"): only
                where it ends, that is on the last of its tokens.
            where: only documents with these values in these columns (a list: any of its values; None: a missing one; a date:
                the whole day). If the corpus has no column "name", "document" or "tokens", these are the document's own.
            window: tokens shown before and after; None: the whole chunk.
            top: how many of the largest; per_interval: how many of each interval. A list ends where what was kept of the
                feature (`Keeping`) ends, and says so: see `Group`.
            fold: show equal snippets once, with a count.

        Raises:
            FeatureIndexError: if there is no such feature. KeyError: for an unknown column.
            FilterError: for a value that no document has, or a token that is nowhere in the corpus.

        Example:
            >>> index.examples(2717, group="top", top=5)
        """
        feature = self.check_feature(feature)
        return select(
            self._folder,
            self.texts,
            feature,
            group=group,
            bounds=None if low is None and high is None else (low, high),
            token=token,
            where=dict(where or {}),
            window=window,
            top=top,
            per_interval=per_interval,
            fold=fold,
        )

    def activations(self, feature: int) -> tuple[Ints, Floats]:
        """Positions in the corpus and values of the activations that are kept: all of them if `feature(i).complete`.

        Of a bounded scan positions count the texts that are kept (`texts`).
        """
        feature = self.check_feature(feature)
        start, stop = self._folder.read("kept_ptr", feature, feature + 2).tolist()
        position = self._folder.read("kept_position", start, stop).astype(np.int64)
        return position, self._folder.read("kept_value", start, stop).copy()

    def neighbours(self, feature: int, k: int = 10) -> pd.DataFrame:
        """The features whose decoder rows have the largest cosine with this one's (at most 20)."""
        return neighbours_table(self.feature(feature).neighbours[:k], self._labels)

    @property
    def features(self) -> pd.DataFrame:
        """One row a feature: label, density, count, max, mean, top_token, top_logits, nearest neighbour ...

        Statistics are over counted tokens; `mean` and `std` over active ones. NaN for what a feature does not have. Columns
        of logits and neighbours are there once they are computed (`remains` says whether, `attrs["remains"]` too). Of a bounded
        scan `attrs["estimated"]` says which column is estimated.
        """
        table = features_table(self.folder, self.texts, self._labels)
        table.attrs["remains"] = self.remains
        return table

    def order(self, by: Order = "index") -> Ints:
        """All features in an order: "density", "max" and "mean" from the largest down, labelled ones first. The array, as those of
        `column`, is the index's own and cannot be written; copy it to change it.

        Raises:
            ValueError: for another order.
        """
        return self._orders.of(by)

    # -- pictures

    def figure(self) -> Figure:
        """Density of all features that fire (log10), as a plotly figure; the silent ones are counted in the title."""
        return density_figure(density_of(self._folder), None if is_imported(self._folder) else self.counted)

    def __repr__(self) -> str:
        more = "; not all is computed of all of them yet, see .remains" if self.remains else ""
        told = self.imported
        more = f"; bounded, see .kept{more}" if self.kept is not None else more
        on = f"on {self.counted:,} tokens" if told is None else f"{told.features:,} in {told.format}'s files"
        return f"FeatureIndex({str(self.path)!r}: {len(self):,} features, {self.alive:,} fire, {on}{more})"
