"""What an index of a bounded scan keeps, what it therefore estimates, and in what words: decided here, for tables, printouts and views.

Such an index (`build_index(..., keep_activations=False)`) knows counts, densities, means, extremes and top examples exactly. Of a
feature not all of whose activations are kept it estimates histogram and intervals, with how far each number can be off, and the
tokens that it fires on, with an interval; and which features fire together is known of some chunks of the corpus.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...storage.array_folder import Folder

__all__ = ["ABOUT", "Kept", "about", "is_estimated", "kept_of", "within"]

ABOUT = "\u2248"
"""Stands before every number that is an estimate."""


@dataclass(frozen=True)
class Kept:
    """What a bounded scan kept.

    Attributes:
        sample: activations of each feature, drawn uniformly; a feature with so many or fewer keeps all of them.
        extreme: the largest and the most negative that are kept besides.
        chunks: of the corpus, drawn uniformly, all activations on which were read for co-activations.
        sampled_tokens: tokens in these; kept_tokens, kept_documents: of all texts that are kept.
        tokens, documents: of the whole corpus.
        confidence: of the intervals of token counts.
    """

    sample: int
    extreme: int
    chunks: int
    sampled_tokens: int
    kept_tokens: int
    kept_documents: int
    tokens: int
    documents: int
    confidence: float

    @property
    def drawn(self) -> str | None:
        """What co-activations are of; None if that is the whole corpus."""
        if self.sampled_tokens >= self.tokens:
            return None
        return f"{self.sampled_tokens:,} tokens of {self.chunks:,} chunks drawn at random"

    @property
    def texts(self) -> str:
        """Of the texts, which are there: "" if all are."""
        if self.kept_tokens >= self.tokens:
            return ""
        return f"{self.kept_tokens:,} of {self.tokens:,} tokens, of {self.kept_documents:,} of {self.documents:,} documents"

    @property
    def said(self) -> str:
        """What is kept, beside the numbers."""
        return (
            f"a bounded scan: all activations of features with at most {self.sample:,}, of the others {self.sample:,} drawn "
            f"uniformly and the {self.extreme:,} most extreme; texts of {self.texts or 'the whole corpus'}; co-activations of "
            f"{self.drawn or 'the whole corpus'}"
        )

    @property
    def of_top_token(self) -> str:
        """What to know of the tokens that features are said to fire on."""
        return (
            f"estimated from {self.sample:,} activations drawn uniformly, for features not all of whose activations are kept; exact "
            "for the others"
        )

    def of_tokens(self, count: int) -> str:
        """What the tokens that a feature fires on are counted from, where that is estimated."""
        return (
            f"{ABOUT} from a sample of {self.sample:,} of its {count:,} activations; in brackets the "
            f"{self.confidence:.0%} interval of each count"
        )


def kept_of(folder: Folder) -> Kept | None:
    """What the index in a store keeps; None if it is not of a bounded scan."""
    facts = folder.facts
    told = facts.get("bounded")
    if told is None:
        return None
    numbers = {name: int(told[name]) for name in ("sample", "extreme", "chunks", "sampled_tokens")}
    return Kept(
        **numbers,
        kept_tokens=int(told["kept_tokens"]),
        kept_documents=int(told["kept_documents"]),
        tokens=int(facts["tokens"]),
        documents=int(facts["corpus"]["documents"]),
        confidence=float(told["confidence"]),
    )


def is_estimated(folder: Folder, feature: int) -> bool:
    """Whether histogram, intervals and tokens of a feature are estimates: of a bounded scan, where not all activations are kept."""
    if "bounded" not in folder.facts:
        return False
    start, stop = folder.read("kept_ptr", feature, feature + 2).tolist()
    return bool(stop - start < int(folder.read("count", feature, feature + 1)[0]))


def about(count: int, bound: int | None) -> str:
    """A count, and by how much it can be off at most; None and 0: not at all."""
    return f"{ABOUT} {count:,} (\u00b1 {bound:,})" if bound else f"{count:,}"


def within(count: int, low: int | None, high: int | None) -> str:
    """A count, and the interval that it is in with confidence; None: it is exact. A line breaks before the brackets, and where
    these are long inside them."""
    if low is None or high is None:
        return f"{count:,}"
    return f"{ABOUT}\u00a0{count:,}" + ("" if low == high else f" ({low:,} to\u00a0{high:,})")
