"""Descriptions made of what an index counted: "fires on Monday, Tuesday; promotes morning, night".

Nobody looked at anything for them, so they are always told apart from what a person or a model wrote. They say only what
the index knows: the tokens with the largest sums of activations, and the tokens with the largest logit weights.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from ...engine.arrays import Ints
from ...engine.descriptions import Description
from ...storage.array_folder import Array, Folder
from ..record.settings import NONE
from ..store.kept import is_estimated, kept_of
from ..store.stated import density_of, is_imported, missing_of, not_missing
from ..store.texts import Texts

__all__ = ["NOTHING_SAID", "Automatic"]

NOTHING_SAID = "its files do not say whether it is active"
"""Of a feature that is not in the files of an imported index: no description, and nothing to be found by."""

# Of this module: descriptions that were stored by another one are made anew.
_RULE = 1
_FIRES, _PROMOTES = 5, 4
# A token is worth naming if so much of all activation is on it; if all that are named hold less than _FEW, it fires widely.
_WORTH, _FEW = 0.02, 0.2
# Standard deviations over the mean of a feature's logit weights.
_STANDS_OUT = 5.0
# Above this share of tokens a feature is more about the text than about a word.
_DENSE = 0.1
_KEPT = 32_768
_AT_ONCE = 8192


class Automatic:
    """Describes the features of a store.

    Args:
        folder: the store, in which more may be computed later.
    """

    def __init__(self, folder: Folder, texts: Texts) -> None:
        self._folder, self._texts = folder, texts
        self._known: OrderedDict[int, str] = OrderedDict()
        self._with_logits = False
        self._words: dict[int, tuple[str, str]] = {}

    @property
    def n_features(self) -> int:
        return self._folder.length("count")

    @property
    def stamp(self) -> str:
        """Changes when the descriptions do: with this rule, and when logit weights are there."""
        return f"{_RULE}{int('logit_top' in self._now())}"

    def describe(self, feature: int) -> Description | None:
        """What the index counted of a feature."""
        folder = self._now()
        if feature not in self._known:
            if not 0 <= feature < folder.length("count"):
                return None
            self._known[feature] = next(self._of(folder, feature, feature + 1))
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        source = "the files of the index" if is_imported(folder) else "the index"
        kept = kept_of(folder)
        if kept is not None and is_estimated(folder, feature):
            source = f"the index, its tokens from a sample of {kept.sample:,} activations"
        return Description(self._known[feature], "automatic", source)

    @property
    def described(self) -> Ints:
        """The features that there is anything to be said of, ascending."""
        return np.flatnonzero(not_missing(self._folder))

    def all(self) -> Iterator[str]:
        """Of every feature, in their order."""
        folder = self._now()
        n = folder.length("count")
        for at in range(0, n, _AT_ONCE):
            yield from self._of(folder, at, min(n, at + _AT_ONCE))

    def _now(self) -> Folder:
        """The store, with the logit weights that may have been computed since."""
        if self._folder.facts.get("remaining"):
            self._folder.refresh()
        if self._with_logits != ("logit_top" in self._folder):
            self._with_logits = "logit_top" in self._folder
            self._known.clear()
        return self._folder

    def _of(self, folder: Folder, start: int, stop: int) -> Iterator[str]:
        counted = int(folder.facts["counted"])
        counts = folder.read("count", start, stop).tolist()
        fires = self._fires(folder, start, stop)
        promoted = self._promoted(folder, start, stop)
        stated = density_of(folder, start, stop).tolist() if is_imported(folder) else None
        for i, (count, words) in enumerate(zip(counts, promoted, strict=True)):
            if stated is not None:  # a file does not say on which tokens
                said = self._stated(folder, start + i, stated[i])
            elif not count:
                said = f"never fires on the {counted:,} tokens of the index"
            else:
                said = _told(*fires[i], count / counted)
            yield f"{said}; promotes {', '.join(words)}" if words else said

    def _stated(self, folder: Folder, feature: int, density: float) -> str:
        if missing_of(folder, feature) is not None:
            return NOTHING_SAID
        if not folder.read("count", feature, feature + 1)[0]:
            return "never active, says its file"
        return "active" if density != density else f"active on {density:.3%} of tokens, says its file"

    def _promoted(self, folder: Folder, start: int, stop: int) -> list[list[str]]:
        """The tokens whose logit weights stand out: of noise the largest of some 50,000 is four deviations above the mean."""
        if "logit_top" not in folder:
            return [[]] * (stop - start)
        mean, deviation = (folder.read(f"logit_{name}", start, stop)[:, None] for name in ("mean", "std"))
        out = folder.read("logit_top_value", start, stop) > mean + _STANDS_OUT * deviation
        return self._distinct(folder.read("logit_top", start, stop), out, _PROMOTES)

    def _fires(self, folder: Folder, start: int, stop: int) -> list[tuple[list[str], bool]]:
        """Of each feature the tokens that hold much of its activation, and whether together they hold enough of it."""
        ids = folder.read("token", start, stop)
        totals = np.abs(folder.read("token_total", start, stop).astype(np.float64))
        shares = totals / _sums_of_magnitudes(folder, start, stop)[:, None]
        worth = (ids != NONE) & (shares >= _WORTH)
        few = np.where(worth, shares, 0).sum(1) >= _FEW
        return [*zip(self._distinct(ids, worth, _FIRES), few.tolist(), strict=True)]

    def _distinct(self, ids: Array, which: Array, n: int) -> list[list[str]]:
        """Of each row up to n of its tokens `which` as words, each once whatever its case and the space before it."""
        which = which & (ids != NONE)
        tokens, ends = ids[which].tolist(), np.cumsum(which.sum(1)).tolist()
        rows: list[list[str]] = []
        start = 0
        for end in ends:
            found: dict[str, str] = {}
            for token in tokens[start:end]:
                folded, word = self._words.get(token) or self._word(token)
                found.setdefault(folded, word)
                if len(found) == n:
                    break
            rows.append([*found.values()])
            start = end
        return rows

    def _word(self, token: int) -> tuple[str, str]:
        """A token as a word, and before it what is the same for all that are the same word."""
        text = self._texts.string(token)
        word = text.strip()
        if not word:
            word = "".join({"\n": "\u21b5", "\t": "\u21e5"}.get(c, "\u2423") for c in text)
        elif not any(c.isalnum() for c in word):
            word = f"\u201c{word}\u201d"
        self._words[token] = word.casefold(), word
        return self._words[token]


def _told(words: list[str], few: bool, density: float) -> str:
    """What a feature fires on. `few`: whether these words are most of it."""
    dense = f"active on {density:.0%} of tokens" if density > _DENSE else ""
    if not words:
        return dense or "fires on many different tokens"
    said = f"fires on {', '.join(words)}" if few else f"fires on many tokens, among them {', '.join(words)}"
    return f"{dense}; {said}" if dense else said


def _sums_of_magnitudes(folder: Folder, start: int, stop: int) -> Array:
    """[stop - start], the sum of |activation| of each feature, or what is known to be no more than it."""
    found: Array = np.maximum(np.abs(folder.read("bin_sums", start, stop)).sum(axis=1, dtype=np.float64), 1e-30)
    return found
