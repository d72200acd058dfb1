"""TokenFeatureHeatmap: type a text, see which features fire on which token."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...engine.activations.result import FeatureActivations
from ...engine.given_labels import labels_from
from ...engine.labels import Labels, Names
from ...engine.model.hook_names import reads_heads
from ...errors import SaewidgetsError
from ...snapshot.page import Choice
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..constants import MAX_FEATURES
from ..dictionaries import IndexesLike, OfOneLayer
from ..feature.card import AskedCardOf
from ..feature.coloured import Coloured
from ..feature.on_text import result_key
from ..feature.sources import AskedSources, place_in_text, sources_reply
from ..kept import Kept
from ..shot import Question, Shot
from ..traits import Text, TextOrIds, WholeNumbers, as_text, is_ids, several_texts, wholes
from .page import fallback_of, questions, questions_of_sources
from .payload import Rank, Said, Tokens, rank_reply, said_reply, tokens_reply
from .ranked import ORDERS

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.given_labels import LabelsLike
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket


class TokenFeatureHeatmap(Coloured, OfOneLayer, EngineWidget, bundle="heatmap"):
    """The tokens of a text coloured by features, and the features that are active on it, ranked.

    Of an SAE on `hook_z` it also shows from which tokens, by which heads, the selected feature got its activation: at the
    selected token, if it is one, else where it is strongest among counted tokens.

    Args:
        engine: what computes.
        text: a text, or a list of texts (shown one under another, on one colour scale); or token ids of one or several, as
            lists, arrays or tensors, which are taken as they are.
        features: up to 6 features to colour by.
        index: an index of that dictionary: what its features are said to be, their density, a colour scale up to their
            largest activation on its corpus, and a card of each at hand. Of an engine with several, a list of indexes.
        sae: which dictionary of the engine is shown first; default: the one that the index is of, else the first.
        labels: feature index to label, for this widget only, in any form that `labels_from` takes; default: the engine's,
            which follow every name that is given later. Of other features it shows what `index` says.
        **traits: any of the traits below.

    Traits (both ways):
        text: one text or several, or token ids (a list, or a list of lists), which the view shows but does not edit.
        feature: the feature selected last, or None; always one of `features`.
        features: coloured features, at most 6; an array, a tensor or an index of a table becomes a list.
        selected_tokens: tokens that the ranking is over (indices over all texts); empty: all. Reset by a new text; those
            that the text does not have are passed over.
        sort: "max", "sum" or "mean"; with an index also "density", the sparsest first.
        include_special: count and colour special tokens and norm outliers too.
        min_activation: hide features whose largest activation is below.
        max_density: with an index: hide features that are active on a larger share of its tokens.
        color_scale: "text", up to the largest activation in the text; with an index also "max", up to that on its corpus.
        label_query: show features of which this is said.
        limit: rows of the ranking.
        view: "text", "matrix" or "both".
        editable: whether the text can be edited in the view.
        sae: the dictionary that is shown, by name. `features` go with it, the text and its
            selected tokens stay.
        theme, error: see `EngineWidget`.

    Raises:
        FeatureIndexError: for a feature outside the dictionary. TokenIdError: for a token id outside the vocabulary.
        LabelError: for labels of which it is not clear which feature they name.
        IndexMismatchError: if engine and index do not belong together. After `refresh()` an index of other weights is put aside,
            with a word among the notes.
        TypeError: for an unknown setting.

    Example:
        >>> heatmap = sw.TokenFeatureHeatmap(engine, text="In the beginning, God created the heavens and the")
        >>> heatmap                      # in a notebook cell: shows it
        >>> heatmap.features = [2717]
        >>> heatmap.activations.top(5)   # the numbers behind the picture
    """

    text = TextOrIds().tag(sync=True, page=True)
    selected_tokens = WholeNumbers(min=0).tag(sync=True, page=True)
    sort = traitlets.Enum(ORDERS, "max").tag(sync=True, page=True)
    include_special = traitlets.Bool(False).tag(sync=True, page=True)
    min_activation = traitlets.Float(0.0, min=0.0).tag(sync=True, page=True)
    max_density = traitlets.Float(1.0, min=0.0, max=1.0).tag(sync=True, page=True)
    color_scale = traitlets.Enum(("text", "max"), "text").tag(sync=True, page=True)
    label_query = traitlets.Unicode("").tag(sync=True, page=True)
    limit = traitlets.Int(25, min=1, max=500).tag(sync=True, page=True)
    view = traitlets.Enum(("text", "matrix", "both"), "both").tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)

    def __init__(
        self,
        engine: Engine,
        text: TextInput = "",
        *,
        features: Iterable[int] = (),
        index: IndexesLike = None,
        sae: str | None = None,
        labels: LabelsLike | None = None,
        **traits: object,
    ) -> None:
        first = self.choose_first(engine, index, sae)
        self._labels: dict[str, Labels] = {}
        if labels is not None:
            dictionary = self._of(first)
            names = Names(labels_from(labels, dictionary.n_features, dictionary.name))
            described = self._indexes.of(dictionary.name)
            names.describers = () if described is None else (described,)
            self._labels[dictionary.name] = Labels(names=names)
        self._results = Kept[FeatureActivations]()
        super().__init__(engine, sae=first, text=text, features=features, **traits)
        self.tell_all(engine)
        for name, one in engine.dictionaries.items():
            of = self._indexes.of(name)
            if name not in self._labels:
                self.names_of(one.labels)
            elif of is not None:
                self.names_of(of.labels)

    # -- traits that belong together

    @traitlets.validate("text")
    def _valid_text(self, proposal: Mapping[str, Any]) -> Text:
        text: Text = proposal["value"]
        if is_ids(text):
            self.engine.to_ids(cast("TextInput", text))  # refuses what is outside the vocabulary
        return text

    @traitlets.validate("sort", "max_density", "color_scale")
    def _valid_with_index(self, proposal: Mapping[str, Any]) -> object:
        name, value = proposal["trait"].name, proposal["value"]
        without = {"sort": value != "density", "max_density": value == 1, "color_scale": value == "text"}
        if self._indexes.of(self._dictionary.name) is None and not without[name]:
            raise traitlets.TraitError(
                f"{name}={value!r} needs an index, which knows the corpus. {self._remedy(self._dictionary.name)}"
            )
        return value

    @traitlets.observe("text")
    def _text_changed(self, change: Mapping[str, Any]) -> None:
        # The text that a widget is made with comes with its selection, and has no old one.
        if change["old"] not in (traitlets.Undefined, None) and change["old"] != change["new"]:
            self.reset(selected_tokens=[])

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._results.forget()
        self._indexes.check(self.engine)
        self._go_without()
        self.tell_all(self.engine)

    def _layer_changed(self) -> None:
        self.reset(features=[])
        self._go_without()

    def _go_without(self) -> None:
        """Without an index there are no densities and scales of a corpus: those of before are of other weights."""
        if self._indexes.of(self._dictionary.name) is None:
            self.reset(color_scale="text", max_density=1.0, sort="max" if self.sort == "density" else self.sort)

    def _remedy(self, sae: str) -> str:
        return self._indexes.parted(sae) or "Make it with one: TokenFeatureHeatmap(engine, index=index)."

    # -- headless

    @property
    def activations(self) -> FeatureActivations:
        """The result behind the picture, for the current text, with reconstruction errors where there are any."""
        return self._result(self.text, self.sae)

    @property
    def value(self) -> dict[str, wire.Json]:
        """What is selected: {"text", "sae", "feature", "features", "selected_tokens"}."""
        return {name: getattr(self, name) for name in ("text", "sae", "feature", "features", "selected_tokens")}

    def __repr__(self) -> str:
        return f"TokenFeatureHeatmap({self._dictionary.name!r}, features={self.features}, text={_short(self.text)})"

    def _result(self, text: Text, sae: str | None, ticket: Ticket | None = None) -> FeatureActivations:
        """The activations of `text`, computed once for the tokens, the ranking, the fallback and further views."""
        name = self._of(sae).name
        parted_from = self._indexes.parted(name)

        def made() -> FeatureActivations:
            # A list without a text is an empty text.
            result = self.engine.activations(
                cast("TextInput", text or ""),
                sae=name,
                reconstruction=True,
                on_progress=None if ticket is None else ticket.progress,
            )
            if name in self._labels:
                result = replace(result, labels=self._labels[name])
            return replace(result, notes=(*result.notes, parted_from)) if parted_from else result

        return self._results.of(wire.canonical([name, cast("wire.Json", text)]), made)

    # -- answers

    @channel("tokens", Tokens)
    def _answer_tokens(self, asked: Tokens, ticket: Ticket) -> wire.Reply:
        acts = self._result(as_text(asked.text), asked.sae, ticket)
        tokens = tokens_reply(acts, self._of(asked.sae).name)
        if asked.rank is None:
            return tokens
        # One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
        # Features that it does not have are those of the dictionary before: they are on their way out.
        there = tuple(f for f in asked.rank.features if 0 <= f < acts.n_features)
        ranked = self._rank(acts, replace(asked.rank, features=there), asked.sae)
        return wire.Reply({**tokens.data, "rank": ranked.data}, {**tokens.arrays, **ranked.arrays})

    @channel("rank", Rank)
    def _answer_rank(self, asked: Rank, ticket: Ticket) -> wire.Reply:
        return self._rank(self._result(as_text(asked.text), asked.sae, ticket), asked, asked.sae)

    def _rank(self, acts: FeatureActivations, asked: Rank, sae: str | None) -> wire.Reply:
        dictionary = self._of(sae)
        dictionary.check_features(asked.features)
        return rank_reply(acts, asked, self._indexes.corpus(dictionary.name))

    @channel("said", Said)
    def _answer_said(self, asked: Said, ticket: Ticket) -> wire.Reply:
        return said_reply(self._result(as_text(asked.text), asked.sae, ticket), asked.token)

    @channel("sources", AskedSources)
    def _answer_sources(self, asked: AskedSources, ticket: Ticket) -> wire.Reply:
        dictionary = self._of(asked.sae)
        acts = self._result(as_text(asked.text), asked.sae, ticket)
        dictionary.check_features([asked.feature])
        place = place_in_text(self.engine, acts, asked.feature, asked.token)
        return sources_reply(self.engine, dictionary.name, asked.feature, place, result_key(acts))

    @channel("card", AskedCardOf)
    def _answer_card(self, asked: AskedCardOf, _ticket: Ticket) -> wire.Reply:
        return self._indexes.card(self._of(asked.sae).name, asked.feature, "TokenFeatureHeatmap(engine, index=index)")

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        corpus = self._indexes.corpus(self._dictionary.name)
        return fallback_of(self.activations, self.feature, self.sort, self.include_special, corpus)

    def shot(self, *, prompts: Sequence[str] = (), features: Sequence[int] | None = None) -> Shot:
        """The tokens, and the rankings over all of them, over each single one, and over the selected ones.

        Args:
            prompts: further texts, of which the page's reader chooses one; the one on screen is the first.
            features: what the page is coloured by at first (the first six), in place of what is on screen; with an index it has
                a card of each.
        """
        coloured = tuple(self.features if features is None else dict.fromkeys(wholes(features)))
        self._dictionary.check_features(coloured)
        texts: list[Text] = [self.text] if self.text or not prompts else []
        texts += [text for text in several_texts(prompts, "prompts") if text not in texts]
        name = self._dictionary.name
        index, corpus = self._indexes.of(name), self._indexes.corpus(name)
        feature = self.feature if features is None else (coloured[:MAX_FEATURES] or (None,))[-1]
        asked = [self._asked(text, coloured) for text in texts]
        results = [self._result(text, self.sae) for text in texts]
        recorded: list[Question] = []
        for one, acts in zip(asked, results, strict=True):
            recorded += [*questions(acts, one, index, corpus), *self._sources(one, feature)]
        return Shot(
            title=f"{name} on {_short(texts[0])}" + (f" and {len(texts) - 1} more" if len(texts) > 1 else ""),
            state={
                "text": asked[0].text,
                "selected_tokens": cast("wire.Json", list(asked[0].tokens)),
                "features": cast("wire.Json", list(coloured[:MAX_FEATURES])),
                "feature": feature,
                "editable": False,
            },
            questions=recorded,
            fallback=fallback_of(results[0], feature, self.sort, self.include_special, corpus),
            provenance=list(results[0].provenance.items()),
            choices=[
                Choice("Text", [(_option(one.text), {"text": one.text, "selected_tokens": []}) for one in asked]),
            ][: len(asked) - 1],
        )

    def _asked(self, text: Text, features: tuple[int, ...]) -> Rank:
        """What a view asks of `text`, from the traits; tokens are selected of the text on screen."""
        n = len(self._result(text, self.sae))
        selected = self.selected_tokens if text == self.text else []
        return Rank(
            text=cast("wire.Json", text),
            sae=self.sae,
            sort=self.sort,
            include_special=self.include_special,
            minimum=self.min_activation,
            query=self.label_query,
            limit=self.limit,
            max_density=self.max_density,
            tokens=tuple(token for token in selected if token < n),
            features=features,
        )

    def _sources(self, asked: Rank, feature: int | None) -> Iterator[Question]:
        """What a page has of the sources; nothing, where the model's attention does not show them: the live view says why."""
        if reads_heads(self._dictionary.hook_name):
            for one in questions_of_sources(asked, feature):
                with suppress(SaewidgetsError):
                    yield Question("sources", one, self._worker.run(partial(self._answer, "sources", one)))


def _short(text: object) -> str:
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= 48 else shown[:45] + "..."


def _option(text: object) -> str:
    if not isinstance(text, str):
        return _short(text)
    return (text or "(empty)") if len(text) <= 72 else f"{text[:69]}..."
