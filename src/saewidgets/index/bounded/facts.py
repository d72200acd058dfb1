"""What is said of a shard of a bounded scan, beside its state: how much it read, and of which texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import CorpusError, IndexCorruptError

__all__ = ["Bounds", "ShardFacts", "StateFacts", "corpus_of", "must_count"]


@dataclass(frozen=True)
class Bounds:
    """How much a bounded scan keeps; the same for all of its shards.

    Attributes:
        seed: of all draws.
        sample: activations of each feature that are drawn uniformly; a feature with so many or fewer keeps all.
        extreme: the largest (and most negative) that are kept besides.
        chunks: drawn uniformly from the corpus, all activations of which are kept: for silent examples and co-activations.
    """

    seed: int
    sample: int
    extreme: int
    chunks: int


@dataclass(frozen=True)
class ShardFacts:
    """One shard.

    Attributes:
        number: of the shard; documents: how many it read; filled: of them, those that have a token.
        tokens, counted, chunks: of them, those that count, and how many chunks they are in; outliers: norm outliers.
        texts: a hash of all token ids, chunk by chunk; rows: of the names and other columns of the documents.
        cut: whether it ends before the range of documents does, because enough was read.
    """

    number: int
    documents: int
    filled: int
    tokens: int
    counted: int
    outliers: int
    chunks: int
    texts: str
    rows: str
    cut: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, content: dict[str, Any]) -> ShardFacts:
        return cls(**content)

    def same_corpus(self, other: ShardFacts) -> bool:
        """Whether both read the same."""
        return (self.texts, self.rows, self.documents) == (other.texts, other.rows, other.documents)


@dataclass(frozen=True)
class StateFacts:
    """What a state says of itself.

    Attributes:
        shards: what it is the state of, by number; bounds: what it keeps; n_features: of the dictionary.
    """

    shards: tuple[ShardFacts, ...]
    bounds: Bounds
    n_features: int

    @property
    def numbers(self) -> frozenset[int]:
        """Of its shards."""
        return frozenset(shard.number for shard in self.shards)

    @property
    def counted(self) -> int:
        """Tokens that count."""
        return sum(shard.counted for shard in self.shards)

    def to_json(self) -> dict[str, object]:
        ordered = sorted(self.shards, key=lambda shard: shard.number)
        return {
            "shards": [shard.to_json() for shard in ordered],
            "bounds": asdict(self.bounds),
            "n_features": self.n_features,
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> StateFacts:
        """Of the facts of a folder.

        Raises:
            IndexCorruptError: if it is no state.
        """
        try:
            shards = tuple(ShardFacts.of_json(shard) for shard in facts["shards"])
            return cls(shards, Bounds(**facts["bounds"]), int(facts["n_features"]))
        except (KeyError, TypeError) as error:
            raise IndexCorruptError("A state of the scan is of another version: build the index again.") from error


def corpus_of(shards: Sequence[ShardFacts]) -> dict[str, Any]:
    """What the manifest says of a corpus: tokens, counted ones, documents with a token, chunks, and a hash of all of it."""
    return {
        "tokens": sum(shard.tokens for shard in shards),
        "counted": sum(shard.counted for shard in shards),
        "documents": sum(shard.filled for shard in shards),
        "chunks": sum(shard.chunks for shard in shards),
        "hash": _hash(shard.texts for shard in shards),
    }


def must_count(shards: Sequence[ShardFacts]) -> dict[str, Any]:
    """`corpus_of`, where there is something to count.

    Raises:
        CorpusError: for a corpus without a token, or without one that counts.
    """
    corpus = corpus_of(shards)
    if not corpus["tokens"]:
        raise CorpusError("The corpus is empty: it has no text with a token in it.")
    if not corpus["counted"]:
        raise CorpusError("The corpus has no token to count: all of its tokens are special ones (BOS, EOS, PAD).")
    return corpus


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256(b"shards")
    for part in parts:
        digest.update(part.encode())
    return digest.hexdigest()
