"""Two indexes of one corpus: whether they are, and which of its tokens both count.

They are of one corpus if they hold the same token ids, chunk by chunk; then a position of one is the same token of the other. A
token's norm decides whether it is counted, so two layers or two models leave out different ones. What is said of the features of
both is said of the tokens that both count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..engine.arrays import Bools, Ints
from ..index.errors import IndexMismatchError
from ..index.scan.every import Every

if TYPE_CHECKING:
    from ..index.feature_index import FeatureIndex

__all__ = ["SharedTokens", "every_of", "refusal", "shared_tokens", "why_not_one_corpus"]


@dataclass(frozen=True, eq=False)
class SharedTokens:
    """The tokens of a corpus that two indexes count.

    Attributes:
        by_a, by_b: [tokens] whether each counts it.
    """

    by_a: Bools
    by_b: Bools

    @cached_property
    def counted(self) -> Bools:
        """[tokens] whether both count it."""
        return self.by_a & self.by_b

    @property
    def n(self) -> int:
        """How many both count."""
        return int(self.counted.sum())

    @property
    def only_a(self) -> int:
        """How many only the first counts."""
        return int((self.by_a & ~self.by_b).sum())

    @property
    def only_b(self) -> int:
        """How many only the second counts."""
        return int((self.by_b & ~self.by_a).sum())

    def at(self, positions: Ints) -> SharedTokens:
        """The same of some of the tokens."""
        return SharedTokens(self.by_a[positions], self.by_b[positions])


def why_not_one_corpus(a: FeatureIndex, b: FeatureIndex, names: tuple[str, str] = ("a", "b")) -> str:
    """Why two indexes cannot be compared token by token, naming both; "" if they can.

    Args:
        names: what the two are called.
    """
    for index, name in zip((a, b), names, strict=True):
        if index.kept is not None and not _same_texts(a, b):
            return (
                f"{name} at {index.path} is of a bounded scan: it keeps the texts that its own features need, which are not those "
                "of another index. Build both with sw.build_index(..., keep_activations=True) to compare them token by token."
            )
    if a.corpus_hash == b.corpus_hash:
        return ""
    first, second = (f"{name} at {index.path} of {_corpus(index)}" for name, index in zip(names, (a, b), strict=True))
    return (
        f"The two indexes are of different corpora: {first}, {second}. Their tokens, cut into the same stretches, must be the same: "
        "build both of the same texts, with the same tokens=, context_size= and BOS policy, by models with the same tokenizer."
    )


def shared_tokens(a: FeatureIndex, b: FeatureIndex) -> SharedTokens:
    """The tokens that each of two indexes counts.

    Raises:
        IndexMismatchError: for indexes of two corpora, naming both.
    """
    why = why_not_one_corpus(a, b)
    if why:
        raise IndexMismatchError(why)
    first, second = (np.asarray(index.texts.flags(0, len(index.texts)) == 0) for index in (a, b))
    return SharedTokens(first, second)


def _same_texts(a: FeatureIndex, b: FeatureIndex) -> bool:
    """Whether both hold the same tokens in the same chunks, and count the same: one index, opened twice, or its copy."""
    one, other = a.folder, b.folder
    return a.corpus_hash == b.corpus_hash and all(
        np.array_equal(one.read(name), other.read(name)) for name in ("chunk_ptr", "tokens", "flags", "chunk_document")
    )


def every_of(index: FeatureIndex) -> Every:
    """All activations of an index.

    Raises:
        IndexMismatchError: where they are not on disk, with the remedy.
    """
    every = index.every
    if every is not None:
        return every
    if index.kept is not None:
        raise IndexMismatchError(
            f"The index at {index.path} is of a bounded scan, which keeps samples: not all activations of its features are there. "
            "Build one with all of them: sw.build_index(engine, corpus, path, keep_activations=True), at another path."
        )
    raise IndexMismatchError(
        refusal(index)
        or f"The index at {index.path} is without its scan: not all activations of its features are there. Build one with it: "
        "sw.build_index(engine, corpus, path), with keep_activations=True (the default)."
    )


def refusal(index: FeatureIndex) -> str:
    """Why nothing can be said of several features of an index together, if it is of another tool's files; "" for one of ours."""
    if index.imported is None:
        return ""
    return (
        f"The index at {index.path} was made of {index.imported.format}'s files, which hold some windows of each feature and not "
        "what others do on their tokens. Build an index of your own (sw.build_index); sw.subspace also takes an engine and texts."
    )


def _corpus(index: FeatureIndex) -> str:
    facts = index.provenance
    told = [f"{name} {facts[name]}" for name in ("context", "BOS") if name in facts]
    return f"{'; '.join([facts.get('corpus', f'{index.tokens:,} tokens'), *told])} (hash {index.corpus_hash[:8]})"
