"""PromptComparison: related prompts beside each other, and the features that tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...engine.comparison.compare import compare
from ...engine.comparison.result import Comparison
from ...errors import ComparisonError
from ...interventions.effects.next_tokens import next_tokens, why_not
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import MAX_TEXTS
from ..dictionaries import IndexesLike, OfOneLayer
from ..feature.card import AskedCardOf
from ..feature.coloured import Coloured
from ..kept import Kept
from ..shot import Shot
from ..traits import Text, TextOrIds, WholeNumbers, as_text, is_ids
from .asked import AT, AskedDifferences, AskedPredictions, AskedTokens
from .page import fallback_of, questions
from .payload import differences_reply, listed, predictions_reply, tokens_reply

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket


class PromptComparison(Coloured, OfOneLayer, EngineWidget, bundle="comparison"):
    """Two to eight texts with their tokens aligned, the features that differ between them, and what the model says next.

    Args:
        engine: what computes.
        index: an index of the dictionary: what features are said to be, their density, and a card of each at hand. Of an
            engine with several dictionaries, a list of indexes.
        texts: two or more; strings, or token ids of each, which are taken as they are.
        sae: which dictionary of the engine is shown first; default: the one that the index is of, else the first.
        features: up to 6 features to colour by.
        **traits: any of the traits below.

    Traits (both ways; texts are counted from 0):
        texts: two to eight of them; or lists of token ids, which the view shows but does not edit.
        at: where they are compared: "last" token of each, "max" or "sum" over the counted tokens, or at a "chosen" token.
        positions: the chosen position of each text; setting them chooses. Reset by new texts. Of a text that has no such
            token, the last.
        pair: the two texts whose difference (the first less the second) ranks the features.
        all_of, none_of: list only features that are active in all of these texts and in none of those: at the compared
            token, or of "max" and "sum" on any counted one.
        feature: the feature selected last, or None; always one of `features`.
        features: coloured features, at most 6.
        limit: rows of the ranking.
        editable: whether the texts can be edited in the view.
        sae: the dictionary that is shown, by name. `features` go with it.
        theme, error: see `EngineWidget`.

    Raises:
        ComparisonError: for fewer than two texts, or more than eight. FeatureIndexError: for a feature outside the dictionary.
        TokenIdError: for a token id outside the vocabulary. IndexMismatchError: if engine and index do not belong together.
        TypeError: for an unknown setting.

    Example:
        >>> start = "In the beginning, God created the "
        >>> prompts = sw.PromptComparison(engine, index, texts=[f"{start}heavens and the", f"{start}cat and the"])
        >>> prompts                                # in a notebook cell: shows it
        >>> prompts.comparison.differences(k=5)    # the numbers behind it
        >>> traitlets.link((prompts, "feature"), (dashboard, "feature"))
    """

    texts = TextOrIds().tag(sync=True, page=True)
    at = traitlets.Enum(AT, "last").tag(sync=True, page=True)
    positions = WholeNumbers(min=0).tag(sync=True, page=True)
    pair = WholeNumbers(min=0).tag(sync=True, page=True)
    all_of = WholeNumbers(min=0).tag(sync=True, page=True)
    none_of = WholeNumbers(min=0).tag(sync=True, page=True)
    limit = traitlets.Int(25, min=1, max=500).tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)

    def __init__(
        self,
        engine: Engine,
        index: IndexesLike = None,
        texts: TextInput = (),
        *,
        sae: str | None = None,
        features: Iterable[int] = (),
        **traits: Any,
    ) -> None:
        first = self.choose_first(engine, index, sae)
        self._results = Kept[Comparison]()
        if len(traits.get("positions", ())):
            traits.setdefault("at", "chosen")
        super().__init__(engine, sae=first, texts=texts, features=features, **{"pair": [0, 1], **traits})
        self.tell_all(engine)
        self.names_of(*(one.labels for one in engine.dictionaries.values()))

    # -- traits that belong together

    @traitlets.validate("texts")
    def _valid_texts(self, proposal: Mapping[str, Any]) -> Text:
        texts: Text = proposal["value"]
        n = len(texts) if isinstance(texts, list) and not (texts and isinstance(texts[0], int)) else 1
        if not 2 <= n <= MAX_TEXTS:
            raise ComparisonError(f"Give two to {MAX_TEXTS} texts, such as texts=[text, another], not {n}.")
        if is_ids(texts):
            self.engine.to_ids(cast("TextInput", texts))  # refuses what is outside the vocabulary
        return texts

    @traitlets.validate("pair")
    def _valid_pair(self, proposal: Mapping[str, Any]) -> list[int]:
        pair: list[int] = proposal["value"]
        if len(set(pair)) != 2 or len(pair) != 2:
            raise traitlets.TraitError(f"pair is two different texts, counted from 0, such as [0, 1]; not {pair!r}.")
        return pair

    @traitlets.observe("texts")
    def _texts_changed(self, change: Mapping[str, Any]) -> None:
        # The texts that a widget is made with come with what is chosen in them, and have no old ones.
        old, new = change["old"], change["new"]
        if old in (traitlets.Undefined, None) or old == new:
            return
        there = range(len(new))
        self.reset(
            positions=[],
            pair=self.pair if set(self.pair) <= {*there} else [0, 1],
            all_of=[text for text in self.all_of if text in there],
            none_of=[text for text in self.none_of if text in there],
            **({"at": "last"} if self.at == "chosen" else {}),
        )

    @traitlets.observe("positions")
    def _positions_changed(self, change: Mapping[str, Any]) -> None:
        if change["new"] and change["old"] not in (traitlets.Undefined, None):
            self.reset(at="chosen")

    @traitlets.observe("all_of", "none_of")
    def _filters_changed(self, change: Mapping[str, Any]) -> None:
        # No feature is active and silent in one text: what was said last counts.
        other = "none_of" if change["name"] == "all_of" else "all_of"
        self.set_trait(other, [text for text in getattr(self, other) if text not in change["new"]])

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._results.forget()
        self._indexes.check(self.engine)
        self.tell_all(self.engine)

    def _layer_changed(self) -> None:
        self.reset(features=[])

    # -- headless

    @property
    def comparison(self) -> Comparison:
        """The result behind the picture, for the current texts, compared where the view compares them."""
        asked = self._asked()
        found = self._result(self.texts, self.sae)
        return found.read_at(asked.place(found.lengths))

    def to_pandas(self) -> pd.DataFrame:
        """The ranking on screen: columns as in `Comparison.differences`."""
        found, asked = self.comparison, self._asked()
        table = found.differences(*asked.two(found.n_texts))
        rows = found.values.features[listed(found, asked)[: self.limit]]
        return table.loc[rows]

    @property
    def value(self) -> dict[str, wire.Json]:
        """What is selected: {"texts", "sae", "at", "positions", "pair", "all_of", "none_of", "feature", "features"}."""
        names = ("texts", "sae", "at", "positions", "pair", "all_of", "none_of", "feature", "features")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return (
            f"PromptComparison({self._dictionary.name!r}, {len(self.texts)} texts, at={self.at!r}, "
            f"features={self.features})"
        )

    def _asked(self) -> AskedDifferences:
        return AskedDifferences(
            texts=cast("wire.Json", self.texts),
            sae=self.sae,
            at=cast("Any", self.at),
            positions=tuple(self.positions) if self.at == "chosen" else (),
            pair=tuple(self.pair),
            all_of=tuple(self.all_of),
            none_of=tuple(self.none_of),
            limit=self.limit,
            features=tuple(self.features),
        )

    def _result(self, texts: Text, sae: str | None, ticket: Ticket | None = None) -> Comparison:
        """The comparison of `texts`, computed once for tokens, rankings, the fallback and further views."""
        name = self._of(sae).name
        parted_from = self._indexes.parted(name)

        def made() -> Comparison:
            # At no position: a text may have none.
            result = compare(
                self.engine,
                cast("TextInput", texts),
                at="max",
                sae=name,
                on_progress=None if ticket is None else ticket.progress,
            )
            acts = result.activations
            return (
                replace(result, activations=replace(acts, notes=(*acts.notes, parted_from))) if parted_from else result
            )

        return self._results.of(wire.canonical([name, cast("wire.Json", texts)]), made)

    # -- answers

    @channel("tokens", AskedTokens)
    def _answer_tokens(self, asked: AskedTokens, ticket: Ticket) -> wire.Reply:
        found = self._result(as_text(asked.texts), asked.sae, ticket)
        tokens = tokens_reply(found, self._of(asked.sae).name)
        if asked.rank is None:
            return tokens
        # One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
        try:
            # Features that it does not have are those of the dictionary before: they are on their way out.
            there = tuple(f for f in asked.rank.features if 0 <= f < found.activations.n_features)
            wanted = replace(asked.rank, texts=asked.texts, sae=asked.sae, features=there)
            ranked = self._answer_differences(wanted, ticket)
        except ComparisonError:
            return tokens  # the texts are shown; why they cannot be compared is said when the ranking is asked for
        return wire.Reply({**tokens.data, "rank": ranked.data}, {**tokens.arrays, **ranked.arrays})

    @channel("differences", AskedDifferences)
    def _answer_differences(self, asked: AskedDifferences, ticket: Ticket) -> wire.Reply:
        dictionary = self._of(asked.sae)
        dictionary.check_features(asked.features)
        found = self._result(as_text(asked.texts), asked.sae, ticket)
        corpus = self._indexes.corpus(dictionary.name)
        return differences_reply(found.read_at(asked.place(found.lengths)), asked, corpus)

    @channel("predictions", AskedPredictions)
    def _answer_predictions(self, asked: AskedPredictions, _ticket: Ticket) -> wire.Reply:
        texts = cast("TextInput", as_text(asked.texts))
        why = why_not(self.engine, texts)
        return predictions_reply(next_tokens(self.engine, texts) if why is None else None, why)

    @channel("card", AskedCardOf)
    def _answer_card(self, asked: AskedCardOf, _ticket: Ticket) -> wire.Reply:
        return self._indexes.card(self._of(asked.sae).name, asked.feature, "PromptComparison(engine, index, texts=...)")

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self.comparison, self._asked(), self.feature, self._indexes.corpus(self._dictionary.name))

    def shot(self) -> Shot:
        """The texts and what follows them; differences at the last token, by max, by sum and at every column of a short
        comparison; of up to three texts of every pair, and of every filter.
        """
        found, name = self.comparison, self._dictionary.name
        return Shot(
            title=f"{name} on {found.n_texts} texts",
            state={"editable": False},
            questions=list(questions(found, self._asked(), self._indexes.of(name), self._indexes.corpus(name))),
            fallback=self.fallback_html(),
            provenance=list(found.activations.provenance.items()),
        )
