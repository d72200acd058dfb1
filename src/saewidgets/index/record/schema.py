"""Every array that an index stores, by name: its type, its shape, and what it means.

A shape names what it is as long as: F features, T tokens, C chunks, D documents, V the vocabulary, N coordinates of the
hook, E kept activations, S the activations of a shard, B bytes; a name with a plus is one longer (a pointer: row i of what
it points into is `[ptr[i], ptr[i + 1])`). A number in a shape is a number. The others, k, are as many as there are, up to what
was asked for. Indices are of the narrowest unsigned type that holds them; NONE (`settings.py`) fills rows that are not full.

Nothing here is computed or read by the rest: it says what there is, and a test holds it against indexes that are built.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOUNDED", "IMPORTED", "SHARD", "STORE", "SUMS", "UNBOUNDED", "Stored"]


@dataclass(frozen=True)
class Stored:
    """One array.

    Attributes:
        dtype: of NumPy; "index" for an unsigned integer of any width.
        shape: see the module's docstring.
        says: what a row means, with its unit.
    """

    dtype: str
    shape: tuple[str | int, ...]
    says: str


SHARD: dict[str, Stored] = {
    "tokens": Stored("index", ("T",), "token ids, chunk after chunk"),
    "flags": Stored("uint8", ("T",), "0 for a token that counts; else bits: special, norm outlier"),
    "chunk_length": Stored("index", ("C",), "tokens of each chunk"),
    "chunk_lead": Stored("uint8", ("C",), "leading tokens (a repeated BOS) that are not part of the document there"),
    "chunk_document": Stored("index", ("C",), "the document that the chunk is of, counted over the corpus"),
    "chunk_start": Stored("index", ("C",), "the chunk's first token, counted in its document"),
    "block_ptr": Stored("index", ("k",), "where the tokens of each block of forwards begin, and their number"),
    "feature_ptr": Stored("index", ("F+",), "where the entries of each feature begin"),
    "position": Stored("index", ("S",), "the token of each entry, counted in the shard; sorted within a feature"),
    "value": Stored("float32", ("S",), "its activation, never 0"),
}
"""Of a part of the scan, `shard-<n>/`."""

SUMS: dict[str, Stored] = {
    "cross": Stored("float64", ("F", "N"), "sum over counted tokens of activation x value of the coordinate"),
    "total": Stored("float64", ("N",), "sum of the coordinate's values"),
    "squares": Stored("float64", ("N",), "sum of their squares"),
}
"""What the correlations with neurons are made of, `sums-<n>/`."""

STORE: dict[str, Stored] = {
    # The corpus.
    "tokens": Stored("index", ("T",), "token ids, chunk after chunk"),
    "flags": Stored("uint8", ("T",), "0 for a token that counts; else bits: special, norm outlier"),
    "chunk_ptr": Stored("index", ("C+",), "where each chunk begins"),
    "chunk_lead": Stored("uint8", ("C",), "leading tokens (a repeated BOS) that are not part of the document there"),
    "chunk_document": Stored("index", ("C",), "the document that the chunk is of"),
    "chunk_start": Stored("index", ("C",), "the chunk's first token, counted in its document"),
    "document_number": Stored("index", ("D",), "the number under which chunks name the rows of documents.arrow"),
    "occurrences": Stored("index", ("V",), "how often each token id occurs among counted tokens"),
    "vocabulary": Stored("uint8", ("B",), "the tokens as bytes, one after another"),
    "vocabulary_ptr": Stored("index", ("V+",), "where each begins"),
    # Activations of every feature, over counted tokens.
    "count": Stored("index", ("F",), "tokens where the activation is not 0"),
    "total": Stored("float64", ("F",), "sum of the activations"),
    "squares": Stored("float64", ("F",), "sum of their squares"),
    "high": Stored("float32", ("F",), "the largest activation that is not 0; NaN for a feature that never fires"),
    "low": Stored("float32", ("F",), "the smallest"),
    "bins": Stored("index", ("F", 50), "histogram: tokens in 50 equal bins over [low, high]"),
    "bin_sums": Stored("float32", ("F", 50), "sums of the activations in them"),
    "intervals": Stored("index", ("F", 10), "tokens in ten equal intervals of (0, high]"),
    "token": Stored("index", ("F", "k"), "token ids that it fires on, by total activation"),
    "token_count": Stored("index", ("F", "k"), "how often it fires on them"),
    "token_total": Stored("float32", ("F", "k"), "sum of the activations there"),
    # Examples.
    "kept_ptr": Stored("index", ("F+",), "where the kept activations of each feature begin"),
    "kept_position": Stored("index", ("E",), "their tokens, in the order of the corpus"),
    "kept_value": Stored("float32", ("E",), "the activations"),
    "kept_listed": Stored(
        "uint8", ("E",), "1 where it can be an example, 0 where it is kept only because an example's chunk has it"
    ),
    "near": Stored("index", ("F", 8), "positions of tokens of its usual ids where it is silent, a sample"),
    "silent": Stored("index", ("F", 8), "positions drawn from the whole corpus where it is silent"),
    # Logit weights: decoder rows, as they reach the residual stream, times W_U; the fact `logits_label` says what of the final
    # norm is in them.
    "logit_top": Stored("index", ("F", "k"), "token ids with the largest logit weights"),
    "logit_top_value": Stored("float32", ("F", "k"), "these weights"),
    "logit_bottom": Stored("index", ("F", "k"), "token ids with the smallest"),
    "logit_bottom_value": Stored("float32", ("F", "k"), "these weights"),
    "logit_bins": Stored("index", ("F", 50), "histogram of its logit weights over [logit_low, logit_high]"),
    "logit_low": Stored("float32", ("F",), "the smallest logit weight"),
    "logit_high": Stored("float32", ("F",), "the largest"),
    "logit_mean": Stored("float32", ("F",), "mean over the vocabulary"),
    "logit_std": Stored("float32", ("F",), "standard deviation"),
    "logit_skew": Stored("float32", ("F",), "skewness"),
    "logit_kurtosis": Stored("float32", ("F",), "kurtosis, 3 for a normal distribution"),
    # Others that it goes with.
    "neuron": Stored("index", ("F", "k"), "coordinates of the hook with the largest |Pearson r|"),
    "neuron_r": Stored("float32", ("F", "k"), "Pearson r over counted tokens"),
    "neuron_cosine": Stored("float32", ("F", "k"), "cosine of the two, uncentred"),
    "aligned": Stored("index", ("F", "k"), "coordinates of the largest entries of its decoder row, by magnitude"),
    "aligned_value": Stored("float32", ("F", "k"), "these entries"),
    "aligned_share": Stored("float32", ("F", "k"), "their share of the row's L1 norm"),
    "neighbour": Stored("index", ("F", "k"), "features with the largest decoder cosine"),
    "neighbour_cosine": Stored("float32", ("F", "k"), "the cosines"),
    "correlated": Stored("index", ("F", "k"), "features with the largest Pearson r over counted tokens"),
    "correlated_r": Stored("float32", ("F", "k"), "Pearson r"),
    "correlated_both": Stored("index", ("F", "k"), "tokens where both fire"),
}
"""Of the index, `store-<n>/`."""

BOUNDED: dict[str, Stored] = {
    # Of a feature all of whose activations are kept all bounds are 0, and `token_low` and `token_high` are its counts.
    "bins_bound": Stored("index", ("F", 50), "how far `bins` can be off, at most"),
    "bin_sums_bound": Stored("float32", ("F", 50), "how far `bin_sums` can be off, at most"),
    "intervals_bound": Stored("index", ("F", 10), "how far `intervals` can be off, at most"),
    "token_low": Stored("index", ("F", "k"), "lower end of the 99% interval of `token_count`"),
    "token_high": Stored("index", ("F", "k"), "its upper end"),
    "kept_sampled": Stored("uint8", ("E",), "1 where it is of the uniform sample of the feature's activations"),
}
"""Of an index of a bounded scan, besides `STORE`. Its corpus (T, C, D) is the texts that are kept, and `correlated` is of the chunks
that were drawn: `sample/`, a `SHARD`."""

UNBOUNDED = frozenset({"neuron", "neuron_r", "neuron_cosine"})
"""What it does not have of `STORE`: sums of the size of features x coordinates."""


IMPORTED: dict[str, Stored] = {
    # Chunks are the file's examples, one after another. Of `STORE` there is what a file can tell: no silent examples, no sums of
    # activations (NaN), no tokens where two features fire.
    "present": Stored("uint8", ("F",), "1 for a feature that the file has"),
    "known": Stored(
        "uint8",
        ("F",),
        "1 where `count` is what the file says; else it is above 0 where the feature fires, and no number",
    ),
    "density": Stored(
        "float64", ("F",), "share of tokens where it is active, as the file gives it; NaN if it does not"
    ),
    "maximum": Stored(
        "float64", ("F",), "its largest activation as the file gives it, else of its examples or bars; NaN: unknown"
    ),
    "given": Stored(
        "uint8", ("B",), "what the file says of each feature but its examples: zlib of JSON, one after another"
    ),
    "given_ptr": Stored("index", ("F+",), "where each begins"),
    "window_ptr": Stored("index", ("F+",), "where the examples of each feature begin in `window_chunk`"),
    "window_chunk": Stored("index", ("C",), "chunks by feature, then in the order of the file"),
    "window_low": Stored(
        "float64", ("C",), "lower bound of the interval that a chunk was drawn from; -1: a largest activation"
    ),
    "window_high": Stored("float64", ("C",), "upper bound"),
    "window_contains": Stored(
        "float64", ("C",), "share of all tokens in it, as the file gives it; -1: a largest activation"
    ),
    "window_at": Stored(
        "float64", ("C",), "the token that a chunk was chosen for, as the file gives it; NaN if it does not"
    ),
    "window_focus": Stored("index", ("C",), "the token that a chunk is shown for"),
    "window_more": Stored("uint8", ("B",), "what else the file says of a chunk: JSON, nothing if there is nothing"),
    "window_more_ptr": Stored("index", ("C+",), "where each begins"),
    "vocabulary_given": Stored("uint8", ("B",), "the tokens as the file spells them, one after another"),
    "vocabulary_given_ptr": Stored("index", ("V+",), "where each begins"),
}
"""Of an index that was made of another tool's files, besides `STORE`."""
