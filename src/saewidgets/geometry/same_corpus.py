"""Two indexes of one corpus: whether they are, and which of its tokens both count.

A token's norm decides whether it is counted, so two layers or two models leave out different ones. What is said of the features
of both is said of the tokens that both count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..engine.arrays import Bools
from ..index.errors import IndexMismatchError
from ..index.scan.every import Every

if TYPE_CHECKING:
    from ..index.feature_index import FeatureIndex

__all__ = ["SharedTokens", "every_of", "shared_tokens"]


@dataclass(frozen=True, eq=False)
class SharedTokens:
    """The tokens of a corpus that two indexes count.

    Attributes:
        counted: [tokens of the corpus] whether both count it.
        n: how many both count.
        only_a, only_b: how many only one of them counts.
    """

    counted: Bools
    n: int
    only_a: int
    only_b: int


def every_of(index: FeatureIndex) -> Every:
    """All activations of an index.

    Raises:
        IndexMismatchError: where they are not on disk, with the remedy.
    """
    every = index.every
    if every is not None:
        return every
    if index.imported is not None:
        raise IndexMismatchError(
            f"The index at {index.path} was made of {index.imported.format}'s files, which hold some windows of each feature and "
            "not what others do on their tokens. Build an index of your own (sw.build_index)."
        )
    raise IndexMismatchError(
        f"The index at {index.path} is without its scan: not all activations of its features are there. Build one with it: "
        "sw.build_index(engine, corpus, path), with keep_activations=True (the default)."
    )


def shared_tokens(a: FeatureIndex, b: FeatureIndex) -> SharedTokens:
    """The tokens that count in both.

    Raises:
        IndexMismatchError: for indexes of two corpora, naming both; and as `every_of`.
    """
    for index in (a, b):
        every_of(index)
    if a.corpus_hash != b.corpus_hash:
        raise IndexMismatchError(
            f"These indexes are of two corpora: {a.path} ({_corpus(a)}) and {b.path} ({_corpus(b)}). Token by token only one "
            "corpus can be compared: build both of the same texts, with the same tokens=, context_size= and BOS policy, by models "
            "with the same tokenizer."
        )
    first, second = (index.folder.read("flags") == 0 for index in (a, b))
    both = first & second
    return SharedTokens(both, int(both.sum()), int((first & ~second).sum()), int((second & ~first).sum()))


def _corpus(index: FeatureIndex) -> str:
    told = index.provenance
    return "; ".join(f"{name}: {told[name]}" for name in ("corpus", "context", "BOS") if name in told)
