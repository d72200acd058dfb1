"""AttributionPanel: why the model says what it says, feature by feature, and whether that is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...attribution.freezes import freezes_of
from ...attribution.metrics.base import Metric
from ...attribution.metrics.of_logits import as_metric
from ...attribution.order import by_layer, earlier
from ...attribution.result import Attribution
from ...attribution.true_effect import TrueEffects
from ...interventions.recipe.recipe import Recipe
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..dictionaries import Indexes, IndexesLike
from ..feature.card import AskedCardOf
from ..recipe_trait import RecipeLike, RecipeTrait, as_dict
from ..remembered import Remembered
from ..shot import Shot
from ..traits import JsonTrait, TextOrIds, WholeNumber, WholeNumbers, as_text
from .asked import (
    AskedCheck,
    AskedColour,
    AskedComplete,
    AskedPredictions,
    AskedRank,
    AskedWithout,
    Question,
    Sort,
)
from .explained import NO_METRIC, Explained
from .outcomes import check, predictions_of, without
from .page import Page, fallback_of
from .path import Step, path_of
from .payload import (
    attribution_reply,
    check_reply,
    colour_reply,
    predictions_reply,
    rank_reply,
    without_reply,
)
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

    from ...attribution.freezes import Linearised
    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket


class AttributionPanel(EngineWidget, bundle="attribution"):
    """Which features a prediction came from: by gradient, over all positions or some, with what truly happens beside it.

    Args:
        engine: the model and its dictionaries.
        index: an index of one of them: what its features are said to be, how dense they are, and a card of each; or a list of
            indexes of several.
        prompt: a text, or several wordings of it (numbers are then means over them, with their spread).
        target, foil: what the model says and what it does not, as tokens (" earth", with its space). Without a foil: the logit
            of the target.
        metric: any metric (`sw.logit_diff(...)`, `sw.kl(...)`, a function of the logits) in place of target and foil.
        sae: which dictionary is shown; default: the one that the index is of, else the first.
        linearised: as in `sw.attribute`.
        traits: any trait below.

    Traits (both ways):
        prompt: a text, or several wordings of it. target: the token that the model says; foil: one that it does not say, or "".
        measure: "logits" (target less foil), "logprob" (of the target, also of several tokens) or
            "given" (the metric that the panel was made with).
        linearised: names of what is held fixed, see `sw.attribute`. steps: of integrated gradients; 1: the gradient.
        sae: the dictionary that is shown.
        path: empty, or the features that are explained one by the other, as {sae, feature, text, position}: the last one's
            activation is what is attributed, to features of earlier dictionaries.
        selected_tokens: positions that the ranking is over (of all texts); empty: all.
        include_special: rank and sum special tokens and norm outliers too.
        sort: "size", "positive", "negative", or "effect" (those that were checked). limit: rows of the ranking.
        feature: the feature that is looked at, to be linked with another widget's; its colours are on the tokens.
        chosen: features that are taken out together (what if). editable: whether the prompt can be edited in the view.
        recipe: what "+" added, as a `SteeringPanel`'s; `panel.value` is it read.
        theme, error: see `EngineWidget`.

    Raises:
        IndexMismatchError: if engine and index do not belong together. TypeError: for what is no metric.

    Example:
        >>> panel = sw.AttributionPanel(engine, index, "In the beginning, God created the heavens and the", " earth", " sky")
        >>> panel                        # in a notebook cell: shows it
        >>> panel.attribution.by_feature().head()
    """

    prompt = TextOrIds().tag(sync=True, page=True)
    target = traitlets.Unicode("").tag(sync=True, page=True)
    foil = traitlets.Unicode("").tag(sync=True, page=True)
    measure = traitlets.Enum(("logits", "logprob", "given"), "logits").tag(sync=True, page=True)
    linearised = traitlets.List(traitlets.Unicode()).tag(sync=True, page=True)
    steps = traitlets.Int(1, min=1, max=100).tag(sync=True, page=True)
    sae = traitlets.Unicode().tag(sync=True, page=True)
    path = traitlets.List(JsonTrait()).tag(sync=True, page=True)
    selected_tokens = WholeNumbers(min=0).tag(sync=True, page=True)
    include_special = traitlets.Bool(False).tag(sync=True, page=True)
    sort = traitlets.Enum(("size", "positive", "negative", "effect"), "size").tag(sync=True, page=True)
    limit = traitlets.Int(20, min=1, max=500).tag(sync=True, page=True)
    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    chosen = WholeNumbers().tag(sync=True, page=True)
    recipe = RecipeTrait().tag(sync=True, page=True)
    given = traitlets.Unicode("", read_only=True).tag(sync=True, page=True)
    saes = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)  # a page has the answers of one
    default_sae = traitlets.Unicode(read_only=True).tag(sync=True, page=True)
    indexed = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)

    def __init__(
        self,
        engine: Engine,
        index: IndexesLike = None,
        prompt: TextInput = "",
        target: str = "",
        foil: str = "",
        *,
        metric: Metric | Callable[[Tensor], Tensor] | None = None,
        sae: str | None = None,
        linearised: Linearised = None,
        recipe: RecipeLike = (),
        **traits: object,
    ) -> None:
        self._explained = Explained(engine, None if metric is None else as_metric(metric))
        self._indexes = Indexes(engine, index)
        self._vocabulary = Vocabulary(engine.tokenizer)
        self._earlier = engine.worker.run(lambda _: earlier(engine))
        self._engine, self._closed = engine, False
        shown = engine.dictionary(sae or next(iter(self._indexes.names), None)).name
        measure = {} if metric is None else {"measure": "given"}
        own = {"prompt": prompt, "target": target, "foil": foil, "linearised": list(freezes_of(linearised))}
        super().__init__(engine, **{**own, **measure, "sae": shown, "recipe": as_dict(recipe), **traits})
        self.set_trait("given", "" if self._explained.metric is None else self._explained.metric.name)
        self.set_trait("default_sae", engine.default)
        self.set_trait("saes", engine.worker.run(lambda _: by_layer(engine)))
        self._follow_path()
        self.set_trait("indexed", self._indexes.names)
        self.names_of(*(dictionary.labels for dictionary in engine.dictionaries.values()))

    # -- traits that belong together

    @traitlets.validate("sae")
    def _valid_sae(self, proposal: Mapping[str, Any]) -> str:
        return self.engine.dictionary(proposal["value"] or None).name

    @traitlets.validate("linearised")
    def _valid_linearised(self, proposal: Mapping[str, Any]) -> list[str]:
        return list(freezes_of(proposal["value"]))

    @traitlets.validate("measure")
    def _valid_measure(self, proposal: Mapping[str, Any]) -> str:
        if proposal["value"] == "given" and self._explained.metric is None:
            raise traitlets.TraitError(NO_METRIC)
        return cast(str, proposal["value"])

    @traitlets.validate("target", "foil")
    def _valid_token(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @traitlets.validate("path")
    def _valid_path(self, proposal: Mapping[str, Any]) -> list[Step]:
        return path_of(proposal["value"], self.engine)

    @traitlets.validate("feature", "chosen")
    def _valid_features(self, proposal: Mapping[str, Any]) -> int | list[int] | None:
        value: int | list[int] | None = proposal["value"]
        dictionary = self.engine.dictionary(self.sae or None)
        if isinstance(value, list):
            return list(dict.fromkeys(dictionary.check_features(value)))
        return None if value is None else dictionary.check_features([value])[0]

    @traitlets.observe("prompt", "target", "foil", "measure", "sae", "path")
    def _asked_otherwise(self, change: Mapping[str, Any]) -> None:
        """What went with the old value of a trait goes with it; what a front-end brings along stays."""
        name, old, new = change["name"], change["old"], change["new"]
        if old in (traitlets.Undefined, None) or old == new or self._closed or not self.saes:
            return
        if name == "sae":  # numbers of features are those of one dictionary
            self.reset(feature=None, chosen=[])
            return
        # Answers of several tokens move the tokens of the prompts after the first.
        moved = self.measure == "logprob" or name == "measure"
        if name in ("prompt", "path") or (moved and name != "foil" and not isinstance(self.prompt, str)):
            self.reset(selected_tokens=[])
        if name != "path":
            self.reset(path=[])
        self._follow_path()

    def _follow_path(self) -> None:
        """What a feature is explained by are features of dictionaries that come before its own."""
        causes = self._earlier[self.path[-1]["sae"]] if self.path else ()
        if causes and self.sae not in causes:
            self.reset(sae=causes[0])

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._explained.forget()
        self._remembered = Remembered()
        self._indexes.check(self.engine)
        self.set_trait("indexed", self._indexes.names)

    # -- headless

    @property
    def attribution(self) -> Attribution:
        """The result behind the picture, for the traits as they are now.

        Raises:
            MetricError: if there is no prompt, or no target.
        """
        return self._explained.of(self._question())

    @property
    def checked(self) -> TrueEffects | None:
        """The last true-effect check of what is shown; None before one."""
        return self._explained.checked(self._question(), self.sae)

    @property
    def value(self) -> Recipe:
        """The recipe that "+" made.

        Raises:
            RecipeError: if what was set is none.
        """
        return Recipe.from_dict(self.recipe)

    def _question(self) -> Question:
        traits = {field.name: getattr(self, field.name) for field in fields(Question)}
        return Question(**{**traits, "linearised": tuple(self.linearised)})

    def _shown(self, found: Attribution, asked: Question) -> str:
        """The dictionary to show: the one that is asked for, or the last of those that the metric depends on."""
        if asked.sae in found.dictionaries:
            return asked.sae
        return max(found.dictionaries, key=lambda name: len(self._earlier[name]))

    # -- answers

    @channel("attribution", Question)
    def _answer_attribution(self, asked: Question, ticket: Ticket) -> wire.Reply:
        found = self._explained.of(asked, ticket)
        sae = self._shown(found, asked)
        return attribution_reply(found, sae, self._earlier[sae], self._indexes.parted(sae))

    @channel("rank", AskedRank)
    def _answer_rank(self, asked: AskedRank, ticket: Ticket) -> wire.Reply:
        found = self._explained.of(asked.of, ticket)
        sae = self._shown(found, asked.of)
        return rank_reply(
            found, sae, asked, self._explained.effects(asked.of, sae), self._indexes.corpus(sae), self.saes
        )

    @channel("colour", AskedColour)
    def _answer_colour(self, asked: AskedColour, ticket: Ticket) -> wire.Reply:
        found = self._explained.of(asked.of, ticket)
        sae = self._shown(found, asked.of)
        self.engine.dictionary(sae).check_features([asked.feature])
        return colour_reply(found, sae, asked.feature)

    @channel("predictions", AskedPredictions)
    def _answer_predictions(self, asked: AskedPredictions, ticket: Ticket) -> wire.Reply:
        texts = predictions_of(self.engine, as_text(asked.prompt), asked.sae, ticket)
        return predictions_reply(texts, self.engine.dictionary(asked.sae or None).name)

    @channel("check", AskedCheck, long=True, remembered=True)
    def _answer_check(self, asked: AskedCheck, ticket: Ticket) -> wire.Reply:
        found = self._explained.of(asked.of, ticket)
        sae = self._shown(found, asked.of)
        made = self._explained.check(asked.of, sae, ticket, lambda of: check(self.engine, of, sae, asked, ticket))
        return check_reply(made, found, sae)

    @channel("without", AskedWithout, long=True, remembered=True)
    def _answer_without(self, asked: AskedWithout, ticket: Ticket) -> wire.Reply:
        found = self._explained.of(asked.of, ticket)
        sae = self._shown(found, asked.of)
        self.engine.dictionary(sae).check_features(asked.features)
        texts = [without(self.engine, found, sae, text, asked.features, ticket) for text in range(found.n_texts)]
        return without_reply(found, sae, asked.features, texts)

    @channel("complete", AskedComplete)
    def _answer_complete(self, asked: AskedComplete, _ticket: Ticket) -> wire.Reply:
        return wire.Reply({"tokens": self._vocabulary.found(asked.query)})

    @channel("card", AskedCardOf)
    def _answer_card(self, asked: AskedCardOf, _ticket: Ticket) -> wire.Reply:
        return self._indexes.card(
            self.engine.dictionary(asked.sae).name, asked.feature, "AttributionPanel(engine, index, ...)"
        )

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        found = self.attribution
        return fallback_of(found, self._shown(found, self._question()), self.include_special)

    def shot(self, features: int | Sequence[int] = 20) -> Shot:
        """The tokens, the rankings, the colours of the first `features`, the predictions, and the checks that were made.

        Args:
            features: of how many of the features that matter most the tokens can be coloured; or of which, beside those of the
                ranking.
        """
        found = self.attribution
        sae = self._shown(found, self._question())
        asked = replace(self._question(), sae=sae)
        rank = AskedRank(asked, tuple(self.selected_tokens), self.include_special, cast("Sort", self.sort), self.limit)
        page = Page(found, sae, rank, self.feature, bool(self._explained.effects(asked, sae)), self._indexes.of(sae))
        own: dict[str, wire.Json] = {} if sae == self.sae else {"sae": sae, "feature": None, "chosen": []}
        return Shot(
            title=f"{found.metric}: {sae}",
            state={"editable": False, **own},
            questions=[*page.questions(features), *page.made(self._remembered, self.channels)],
            fallback=fallback_of(found, sae, self.include_special),
            provenance=list(found.provenance[sae].items()),
        )

    def __repr__(self) -> str:
        return f"AttributionPanel({self.sae!r}, target={self.target!r}, foil={self.foil!r})"
