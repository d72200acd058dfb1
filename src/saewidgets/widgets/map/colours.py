"""What the points of a map can be coloured by: the index's numbers, clusters, who is named, who is in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ...engine.arrays import Bools, Ints
from ...index.record.settings import NONE
from .. import wire
from ..browser.features import Features
from .payload import Colouring, by_groups, by_number

if TYPE_CHECKING:
    from ...geometry.map.layout import FeatureLayout
    from ...index.feature_index import FeatureIndex

__all__ = ["LIST", "Colours", "telling"]

LIST = "list:"
# So many clusters have a colour of their own; more could not be told apart.
_CLUSTERS = 10
_WORDS = 4
_FIRST = ("density", "max")
_OTHERS = {
    "cluster": ("cluster", "The largest clusters of decoder rows, with the tokens that tell their features apart"),
    "label": ("what is said", "Whether a feature has a name, or an explanation"),
}


class Colours:
    """The colourings of an index's map."""

    def __init__(self, index: FeatureIndex) -> None:
        self._index, self._features = index, Features(index)

    @property
    def names(self) -> list[str]:
        """All that there are now."""
        columns = self._features.columns
        first = [name for name in _FIRST if name in columns]
        return [
            *first,
            *_OTHERS,
            *(name for name in columns if name not in first),
            *(LIST + name for name in self._index.lists),
        ]

    def choices(self) -> list[wire.Json]:
        """The same with their titles, as a view is sent them."""
        found: list[wire.Json] = []
        for name in self.names:
            if name.startswith(LIST):
                title, says = f"list {name[len(LIST) :]}", "Whether a feature is in the list"
            elif name in _OTHERS:
                title, says = _OTHERS[name]
            else:
                title, says = self._features.columns[name].title, self._features.columns[name].says
            found.append({"name": name, "title": title, "says": says})
        return found

    def of(self, name: str, layout: FeatureLayout) -> Colouring:
        """The colours of all points by `name`.

        Raises:
            ValueError: if there is no such colouring.
        """
        if name not in self.names:
            raise ValueError(f"There is no colouring {name!r}; there are {', '.join(self.names)}.")
        if name == "cluster":
            return self._by_cluster(layout)
        if name == "label":
            return self._by_words(layout.features)
        if name.startswith(LIST):
            among = np.isin(layout.features, self._index.lists[name[len(LIST) :]])
            return by_groups(
                f"list {name[len(LIST) :]}", "Whether a feature is in the list", among - 1, ["in the list"], "others"
            )
        return by_number(self._features.columns[name], layout.features)

    def _by_cluster(self, layout: FeatureLayout) -> Colouring:
        title, says = _OTHERS["cluster"]
        kept = self._index.kept
        if kept is not None:
            says = f"{says} ({kept.of_top_token})"
        tokens = cast("Ints", self._index.column("token"))[layout.features, 0].astype(np.int64)
        shown = range(min(_CLUSTERS, layout.clusters))
        words = [self._words(telling(tokens, layout.cluster == number)) for number in shown]
        names = [
            f"{number + 1}: {' · '.join(found)}" if found else f"{number + 1}" for number, found in enumerate(words)
        ]
        more = layout.clusters - len(names)
        rest = f"{more:,} smaller clusters, and features in none" if more else "in no cluster"
        return by_groups(title, says, layout.cluster, names, rest)

    def _words(self, tokens: Ints) -> list[str]:
        """The first of these as words, no word twice."""
        words = dict.fromkeys(
            string.strip(" ") or string
            for string in (self._index.texts.string(int(token)) for token in tokens[: 4 * _WORDS])
        )
        return [*words][:_WORDS]

    def _by_words(self, features: Ints) -> Colouring:
        title, says = _OTHERS["label"]
        named = np.isin(features, [*self._index.labels.now])
        explained = np.isin(features, self._index.explained)
        level = np.where(named, 0, np.where(explained, 1, -1))
        return by_groups(title, says, level, ["a name given by hand", "an explanation"], "neither")


def telling(tokens: Ints, inside: Bools) -> Ints:
    """The tokens that tell some features from all others, the best first; `tokens` [features]: what each fires on most.

    By n log(p / q) of n features inside that fire on a token most, which are the share p of those inside, and q the share of
    all: a token of many, and of few others. Those that are no more frequent inside are left out.
    """
    known = tokens != NONE
    found, at = np.unique(tokens[known], return_inverse=True)
    everywhere = np.bincount(at, minlength=len(found))
    here = np.bincount(at[inside[known]], minlength=len(found))
    some = here > 0
    found, everywhere, here = found[some], everywhere[some], here[some]
    score = here * np.log((here / max(here.sum(), 1)) / (everywhere / max(int(known.sum()), 1)))
    order = np.lexsort((found, -score))
    best: Ints = found[order][score[order] > 0]
    return best
