"""`feature_matrix`: from texts to documents by features, however often it is interrupted on the way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..engine.dictionary.collect import columns_of
from ..engine.provenance import context_of
from ..index.corpus.documents import Corpus, documents
from ..index.record.identity import identity
from ..storage.errors import writing
from ..storage.process_lock import process_lock
from .aggregate import AGGREGATES, Aggregate, Rows
from .errors import DatasetError, MatrixMismatchError
from .matrix import FeatureMatrix
from .read import Reading, blocks
from .saved import Fingerprint, Made, Saved

if TYPE_CHECKING:
    import pandas as pd

    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine
    from ..engine.ticket import Progress, Ticket

__all__ = ["feature_matrix", "matrix_of"]

# Tokens between two points from which an interrupted run goes on; stored values after which it is saved however few.
_PART_TOKENS, _PART_ENTRIES = 131_072, 2**24
_NAMED = 5


def feature_matrix(
    engine: Engine,
    texts: Corpus,
    *,
    aggregate: Aggregate = "max",
    sae: str | None = None,
    features: Sequence[int] | None = None,
    path: str | os.PathLike[str] | None = None,
    text_column: str | None = None,
    on_progress: Progress | None = None,
) -> FeatureMatrix:
    """What every feature does in every text: documents by features, sparse.

    Each text is read as `engine.activations` reads it, those longer than the model's context in windows, and aggregated over
    its counted tokens (neither special nor norm outliers). Texts are read block by block, and what is held is one block's
    activations, however many texts there are.

    Args:
        engine: model and SAE.
        texts: a list of strings or of token ids, a pandas Series, a table with a text column, or whatever else
            `build_index` takes. A missing or empty text gives a row of zeros.
        aggregate: "max", the activation largest in magnitude (with its sign; of two equally large ones the positive);
            "sum"; "mean" (over the counted tokens, silent ones counting as 0); "count" or "share" of tokens where the feature
            is active.
        sae: which dictionary of the engine; default: the first.
        features: encode only these.
        path: a folder that keeps what is done. An interrupted call goes on there, with the same result; a finished one is
            read again, after all texts were tokenized and compared.
        text_column: of a table; default: "text", or its only column.
        on_progress: called with (texts done, texts in all or 0 if nobody knows), on the worker thread.

    Raises:
        CorpusError: for something that is no text. DatasetError: if there is none, or `features` is empty.
        ValueError: for an unknown aggregate. FeatureIndexError: for a feature outside the dictionary.
        MatrixMismatchError: if `path` holds a matrix of another SAE, model, setting or of other texts.
        IndexWriteError: if the disk is full or `path` cannot be written. What is finished is kept.
        KeyboardInterrupt: on Ctrl-C; with `path`, the same call goes on.

    Example:
        >>> matrix = sw.feature_matrix(engine, frame["text"], path="my-matrix")
        >>> matrix.matrix                # scipy, for any model of scikit-learn
        >>> frame.join(matrix.to_pandas([2717]))
    """
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate is one of {', '.join(AGGREGATES)}, not {aggregate!r}.")
    who = identity(engine, engine.dictionary(sae), engine.context_size, fresh=path is not None)
    return matrix_of(engine, texts, who, aggregate, sae, features, path, text_column, on_progress)


def matrix_of(
    engine: Engine,
    texts: Corpus,
    who: Mapping[str, object],
    aggregate: Aggregate,
    sae: str | None,
    features: Sequence[int] | None,
    path: str | os.PathLike[str] | None,
    text_column: str | None,
    on_progress: Progress | None,
) -> FeatureMatrix:
    """`feature_matrix` of an engine whose `identity` is known: it takes seconds to find out of a large model."""
    dictionary = engine.dictionary(sae)
    columns = columns_of(dictionary, features)
    if columns is not None and not len(columns):
        raise DatasetError("features is empty: name at least one, or leave it out for all.")
    reading = Reading(engine, dictionary, columns, aggregate)
    run = _Run(reading, Made(who, aggregate, columns), texts, text_column, None if path is None else Saved(Path(path)))
    with ExitStack() as stack:
        if run.saved is not None:
            run.saved.begin()
            with writing(run.saved.path):
                stack.enter_context(process_lock(run.saved.lock, lambda: _say_waiting(Path(str(path)))))
            run.saved.must_be(run.made)
        rows = engine.worker.run(run.rows, on_progress)
        notes = _notes(engine, dictionary, rows)
        provenance = engine.provenance(dictionary.name)
        told = {"dictionary": dictionary.name, "activation_name": dictionary.activation_name}
        if run.saved is not None and run.saved.manifest is None:
            facts = {**told, "signed": dictionary.signed, "provenance": provenance, "notes": list(notes)}
            run.saved.finish(facts, run.made)
    return FeatureMatrix.of(
        rows,
        run.made,
        dictionary=dictionary.name,
        activation_name=dictionary.activation_name,
        signed=dictionary.signed,
        provenance=provenance,
        notes=notes,
        labels=dictionary.labels,
        index=_index_of(texts, len(rows)),
    )


class _Run:
    """One pass over the texts, on the engine's worker."""

    def __init__(
        self, reading: Reading, made: Made, texts: Corpus, text_column: str | None, saved: Saved | None
    ) -> None:
        self.made, self.saved = made, saved
        self._reading, self._texts, self._text_column = reading, texts, text_column
        self._total = len(texts) if isinstance(texts, Sized) else 0

    def rows(self, ticket: Ticket) -> Rows:
        """The rows of all texts; those that are on disk already are compared and not computed."""
        stream = (d.ids for d in documents(self._texts, self._reading.engine, self._text_column, None))
        ticket.progress(0, self._total)
        done = self._skip(stream, ticket)
        if self.saved is not None and self.saved.manifest is not None:
            if next(stream, None) is not None:
                raise MatrixMismatchError(
                    f"The matrix at {self.saved.path} is finished, of {done:,} texts; these are more. Choose another path."
                )
            return self.saved.rows()
        kept: list[Rows] = []
        texts = Fingerprint()
        for block in blocks(stream, self._reading.block_tokens):
            ticket.check()
            kept.append(self._reading.rows(block, done, self._total, ticket))
            done += len(block)
            ticket.progress(done, max(done, self._total) if self._total else 0)
            if self.saved is not None:
                texts.add(block)
                if self._is_part(kept):
                    self.saved.add(Rows.joined(kept), texts, self.made)
                    kept, texts = [], Fingerprint()
        if not done:
            raise DatasetError("There are no texts: pass at least one. (A generator can be read only once.)")
        if self.saved is None:
            return Rows.joined(kept)
        if kept:
            self.saved.add(Rows.joined(kept), texts, self.made)
        return self.saved.rows()

    def _is_part(self, kept: list[Rows]) -> bool:
        tokens = sum(int(rows.lengths.sum()) + len(rows) for rows in kept)
        return tokens >= _PART_TOKENS or sum(len(rows.values) for rows in kept) >= _PART_ENTRIES

    def _skip(self, stream: Iterator[list[int]], ticket: Ticket) -> int:
        """Pass over the texts that are on disk, all of which must be the same; how many they are."""
        done = 0
        for part in [] if self.saved is None else self.saved.parts:
            n = int(part.facts["documents"])
            texts = Fingerprint().add(islice(stream, n))
            if (texts.documents, texts.hash) != (n, part.facts["hash"]):
                where = f"{done} to {done + n - 1}"
                ends = f", of which these have {done + texts.documents:,}" if texts.documents < n else ""
                raise MatrixMismatchError(
                    f"The matrix at {part.path.parent} is of other texts: they differ among the texts {where}{ends}. Pass the "
                    "same texts, or choose another path."
                )
            done += n
            ticket.progress(done, self._total)
            ticket.breathe()
        return done


def _notes(engine: Engine, dictionary: Dictionary, rows: Rows) -> tuple[str, ...]:
    """What a reader of the numbers must know."""
    longest = int(rows.lengths.max(initial=0))
    notes = engine._notes([range(longest)], dictionary)
    empty = np.flatnonzero(rows.tokens == 0)
    if len(empty):
        which = ", ".join(map(str, empty[:_NAMED].tolist())) + (", ..." if len(empty) > _NAMED else "")
        are = (
            "text has no counted token: its row is 0"
            if len(empty) == 1
            else "texts have no counted token: their rows are 0"
        )
        notes.append(f"{len(empty):,} {are} ({which}).")
    context = context_of(dictionary)
    past = int(np.maximum(rows.lengths - context, 0).sum()) if context else 0
    if past:
        notes.append(
            f"{past:,} tokens lie beyond the {context} tokens of context that {dictionary.name!r} was trained with: their "
            "activations may mean little."
        )
    outliers = int(rows.outliers.sum())
    if outliers:
        notes.append(f"{outliers:,} norm outlier{'s' if outliers > 1 else ''} (attention sinks) left out.")
    return tuple(notes)


def _index_of(texts: object, n: int) -> pd.Index | None:
    """What a Series or DataFrame calls its rows."""
    import pandas as pd

    index = getattr(texts, "index", None)
    return index if isinstance(index, pd.Index) and len(index) == n else None


def _say_waiting(path: Path) -> None:
    warnings.warn(f"Another process is making the matrix at {path}; waiting for it.", stacklevel=4)
