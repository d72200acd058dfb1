"""`sw.splitting`: the features of one dictionary against those of another on the same corpus."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...engine.arrays import Doubles, Floats, Ints
from ...engine.ticket import Progress, Ticket
from ...index.errors import IndexWriteError
from ..directions import cosines_between, why_no_cosines
from ..errors import GeometryError
from ..same_corpus import SharedTokens, every_of, shared_tokens
from .by_feature import ByFeature
from .pairs import NOBODY, Partners, best_partners, sums_of
from .split import Rule, Side, Splitting

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...index.feature_index import FeatureIndex

__all__ = ["splitting"]


def splitting(
    index_a: FeatureIndex,
    index_b: FeatureIndex,
    *,
    cut: float = 0.75,
    least_r: float = 0.2,
    least_together: int = 5,
    k: int = 10,
    on_progress: Progress | None = None,
) -> Splitting:
    """The features of one dictionary ("a") against those of another ("b") on the same corpus, and families of them.

    A larger dictionary often has several features where a smaller one has one (feature splitting: Bricken et al. 2023, "Towards
    Monosemanticity"). Two SAEs of one model, at one hook or at two, of two models with the same tokenizer (base and fine-tuned,
    checkpoints), or transcoders and directions: anything that has an index of the same tokens.

    Over the tokens that both indexes count (a norm outlier at one layer is none at another: what only one counts is left out of
    every number, and told in `notes`), in float64 and exact, of each feature with the k best of the other side:

    - r: Pearson's r of the activations. Partners are those with the largest r above 0 among features that fire on a token with it.
    - masked cosine: the cosine of the two activation vectors on the tokens where one of them fires,
      sum a_f b_g / sqrt(sum a_f^2 * sum b_g^2) over the tokens with a_f != 0. It has a side: where "b" has g of a third of f's
      tokens, it is 1 on g's tokens and 0.58 on f's. (Bricken et al. name a masked cosine similarity as what they found split
      features by, without a formula that could be compared; this is the plain reading, and what is computed here.)
    - decoder cosine: of what one unit of each adds (`FeatureIndex.decoder`), if both indexes were opened with their engines and
      both write the same width; else it is left out, and `notes` say so.

    A feature's *parent* is its best partner, if they fire together on `least_together` tokens, r >= `least_r`, and the masked
    cosine on the feature's own tokens is >= `cut`: where the feature fires, its parent does the same. The masked cosine does not
    fall with the number of parts, as r does (1/sqrt(n) for n equal parts); r keeps out features that are active everywhere, which
    go with anything on its own tokens. A cut above 0.71 keeps a feature from being the child of one half of itself. Features that
    are linked are a family, a tree.

    What this does not show: a feature that is absorbed (Chanin et al. 2024, "A is for Absorption") takes the place of its parent,
    which is then silent on its tokens. They do not fire together, so no correlation links them; a large decoder cosine may hint at it.

    Args:
        index_a, index_b: with their scans on disk (as `build_index` leaves them). Of the same one twice every feature is its own.
        cut, least_r, least_together: what makes a parent. `Splitting.linked` links anew without computing again.
        k: partners that are kept of each feature; memory grows with k and not with all pairs.
        on_progress: called with products done and in all. The work goes on the worker of the indexes' engine if they have one;
            it takes some 30 bytes an activation of temporary files (see `tempfile`).

    Raises:
        IndexMismatchError: for indexes of two corpora (both named), without their scan, or of another tool's files.
        GeometryError: for settings that mean nothing, or no token that both count.
        IndexWriteError: if there is no room for the temporary files.
        CancelledError: if the engine was closed meanwhile.

    Example:
        >>> found = sw.splitting(small, large)
        >>> found.counts
        >>> found.family(2717)
        >>> found.to_pandas().query("kind == 'one_to_many'")
    """
    if k < 1:
        raise GeometryError(f"k={k}: at least one partner must be kept of each feature.")
    rule = Rule(cut, least_r, least_together)
    for index in (index_a, index_b):
        every_of(index)  # raises
    shared = shared_tokens(index_a, index_b)
    if not shared.n:
        raise GeometryError(
            f"There is no token that both {index_a.path} and {index_b.path} count: what one leaves out as special or a norm "
            "outlier is all that the other counts. Build both with the same special tokens and outlier_factor."
        )
    why = why_no_cosines(index_a, index_b)

    def run(ticket: Ticket) -> Splitting:
        a, b = _sides(index_a, index_b, shared, k, not why, ticket)
        notes = (*_notes(index_a, index_b, shared), *([why] if why else []))
        provenance = {
            **{f"a: {name}": told for name, told in index_a.provenance.items()},
            **{f"b: {name}": told for name, told in index_b.provenance.items()},
        }
        return Splitting(a, b, shared.n, shared.only_a, shared.only_b, rule, provenance, notes)

    engine = index_a.engine or index_b.engine
    return run(Ticket(on_progress)) if engine is None else engine.worker.run(run, on_progress)


def _sides(
    index_a: FeatureIndex, index_b: FeatureIndex, shared: SharedTokens, k: int, cosines: bool, ticket: Ticket
) -> tuple[Side, Side]:
    with tempfile.TemporaryDirectory(prefix="saewidgets-") as name:
        made = []
        try:
            for index, side in ((index_a, "a"), (index_b, "b")):
                folder = Path(name) / side
                folder.mkdir()
                made.append(ByFeature(every_of(index), shared.counted, folder, ticket.breathe))
            a, b = made
            of_a, of_b = best_partners(a, b, shared.n, k, ticket.breathe, ticket.progress)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise IndexWriteError(
                f"There is no room for temporary files at {name} ({error.strerror}): some 30 bytes for every activation. Free some "
                "space, or name a larger place in the environment variable TMPDIR."
            ) from error
        return (
            _side(index_a, index_b, a, b, of_a, cosines, ticket.breathe),
            _side(index_b, index_a, b, a, of_b, cosines, ticket.breathe),
        )


def _side(
    index: FeatureIndex,
    other: FeatureIndex,
    own: ByFeature,
    theirs: ByFeature,
    partners: Partners,
    cosines: bool,
    breathe: Callable[[], None],
) -> Side:
    """A side with all that is told of its features and their partners."""
    f, place = np.nonzero(partners.feature != NOBODY)
    g = partners.feature[f, place]
    sums = sums_of(own, theirs, f, g, breathe)

    def table(values: Doubles) -> Floats:
        found = np.full(partners.feature.shape, np.nan, np.float32)
        found[f, place] = np.minimum(values, 1)
        return found

    together: Ints = np.zeros(partners.feature.shape, np.int64)
    together[f, place] = sums.together
    return Side(
        name=_name(index),
        count=own.count,
        partner=partners.feature,
        r=partners.r,
        together=together,
        masked=table(sums.product / np.sqrt(own.squares[f] * sums.squares_b)),
        masked_partner=table(sums.product / np.sqrt(sums.squares_a * theirs.squares[g])),
        cosine=table(cosines_between(index, other, f, g, breathe)) if cosines else None,
        labels=index.labels,
    )


def _name(index: FeatureIndex) -> str:
    told = index.provenance
    of = next((told[kind] for kind in ("SAE", "transcoder", "directions", "neurons") if kind in told), "")
    return f"{of} of {told.get('model', 'a model')} at {told.get('hook', '?')}, {index.path}"


def _notes(a: FeatureIndex, b: FeatureIndex, shared: SharedTokens) -> tuple[str, ...]:
    """What a reader must know of two indexes that are compared."""
    notes = []
    if a.path.resolve() == b.path.resolve():
        notes.append(
            "Both are the same index: every feature that fires is its own best partner, or, where others fire in proportion to it, "
            "the first of those with r = 1 is."
        )
    if shared.only_a or shared.only_b:
        notes.append(
            f"Left out: {shared.only_a:,} tokens that only a counts and {shared.only_b:,} that only b counts (norm outliers of one "
            "are not those of the other). Counts and sums are over the tokens that both count."
        )
    first, second = a.provenance, b.provenance
    for name, told in (("model", "Two models"), ("hook", "Two hooks")):
        if first.get(name) != second.get(name):
            notes.append(
                f"{told}: {first.get(name)} and {second.get(name)}. A decoder cosine compares directions of two spaces."
            )
    return tuple(notes)
