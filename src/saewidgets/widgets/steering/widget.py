"""SteeringPanel: change features and see what the model then says, and what the change did to a text."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...interventions.edit.plain_code import to_code
from ...interventions.generation.generate import Generation
from ...interventions.recipe.errors import RecipeError
from ...interventions.recipe.intervention import Intervention
from ...interventions.recipe.recipe import Recipe, replace_in
from ...interventions.recipe.units import LookedUp, maxima_of
from .. import wire
from ..base import EngineWidget
from ..channel import channel, plain
from ..constants import HISTORY, MAX_SAMPLES, SETTINGS
from ..indexed import parted
from ..recipe_trait import RecipeLike, RecipeTrait, as_dict, feature_of, with_feature
from ..remembered import Remembered
from ..shot import Question, Shot
from ..traits import Follows, JsonTrait, TextOrIds, WholeNumber, several_texts
from .asked import (
    AskedAnswer,
    AskedEffect,
    AskedPreset,
    AskedRecipe,
    AskedSearch,
    AskedSweep,
    AskedTexts,
)
from .facts import facts_of, preset_reply
from .page import PanelView, fallback_of, of_this_recipe, remembered, without_seconds
from .payload import Units, generation_reply, prompt_flags
from .results import answer_reply, effect_reply, sweep_reply
from .runs import Runs
from .search import Search
from .variants import Variants

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.feature_index import FeatureIndex


class SteeringPanel(Follows, EngineWidget, bundle="steering"):
    """Rows of interventions beside the text that the model writes with and without them.

    Args:
        engine: the model and SAEs.
        index: an index of one of the SAEs: maximal activations for the unit "max", labels, and search. New rows, `feature`
            and searches are about that SAE.
        prompt: what to continue, as text or as token ids; with `chat=True` one message of a user, through the model's chat
            template.
        recipe: a `Recipe`, interventions, or its JSON as a dict.
        traits: any trait below.

    Traits:
        prompt: what to continue. chat: as one message of a user, through the model's chat template.
        messages: a list of {"role", "content"}, used instead of the prompt, if given.
        recipe: the recipe as plain JSON (`Recipe.from_dict` reads it; `panel.value` is it read). What is no recipe is shown
            as an error, beside its row where it has one.
        seed: of the dice, which both texts share. n_tokens: how many tokens are written. temperature: 0: always the likeliest
            token. top_p: sample from the likeliest tokens that have this much probability together. top_k: from so many
            likeliest tokens; 0: all. repetition_penalty: above 1 makes tokens that stand already less likely. samples: how
            many texts of each kind.
        view: "text", "effect" (on a given text, token by token), "sweep" (dose-response) or "answer" (rank of an answer).
        color: "none", "surprise" (minus log-probability) or "change" (of the log-probability).
        answer: the answer whose rank is looked at. freeze: in "effect", with attention patterns frozen too.
        feature: the feature of the first row (of the index's SAE, if there is an index), to be linked with another
            widget's: setting it steers that feature instead, or, without such a row, adds it at its max activation.
        history: the runs so far, newest last, as plain JSON with their recipes.

    Where only the recipe changed since the last run, its unedited texts are kept: the next one writes the edited texts alone,
    in the time of one. With another prompt or setting, other weights, or hooks of yours on the model it writes both.

    After `refresh()` all is looked up again: an index of other weights is put aside, with a word; old answers are forgotten.

    Example:
        >>> panel = sw.SteeringPanel(engine, index, prompt="My favourite day is", recipe=sw.add(2717, 2, unit="max"))
        >>> panel.result.edited[0].text            # after a run, in another cell
    """

    prompt = TextOrIds(single=True).tag(sync=True, page=True)
    chat = traitlets.Bool(False).tag(sync=True, page=True)
    messages = traitlets.List(JsonTrait()).tag(sync=True, page=True)
    recipe = RecipeTrait().tag(sync=True, page=True)
    seed = traitlets.Int(0).tag(sync=True, page=True)
    n_tokens = traitlets.Int(40, min=1).tag(sync=True, page=True)
    temperature = traitlets.Float(0.7, min=0).tag(sync=True, page=True)
    top_p = traitlets.Float(1.0).tag(sync=True, page=True)
    top_k = traitlets.Int(0, min=0).tag(sync=True, page=True)
    repetition_penalty = traitlets.Float(1.0).tag(sync=True, page=True)
    samples = traitlets.Int(1, min=1, max=MAX_SAMPLES).tag(sync=True, page=True)
    view = traitlets.Enum(("text", "effect", "sweep", "answer"), "text").tag(sync=True, page=True)
    color = traitlets.Enum(("none", "surprise", "change"), "none").tag(sync=True, page=True)
    answer = traitlets.Unicode("").tag(sync=True, page=True)
    freeze = traitlets.Bool(False).tag(sync=True, page=True)
    history = traitlets.List(traitlets.Dict()).tag(sync=True, page=True)
    facts = traitlets.Dict(read_only=True).tag(sync=True)
    feature = WholeNumber(allow_none=True, default_value=None)

    linked = ("recipe", "feature")

    def __init__(
        self,
        engine: Engine,
        index: FeatureIndex | None = None,
        *,
        prompt: str | Sequence[int] = "",
        recipe: RecipeLike = (),
        **traits: object,
    ) -> None:
        self._index, self._of_index = index, maxima_of(engine, index)
        self._of = next(iter(self._of_index), None)  # the dictionary that the index is of
        self._last: tuple[AskedTexts, Generation] | None = None
        self._runs = Runs()
        self._told: dict[str, object] = {"recipe": {}, "feature": None}
        self._engine, self._closed = engine, False
        self._use(index)
        super().__init__(engine, prompt=prompt, recipe=as_dict(recipe), **traits)
        self.set_trait("facts", facts_of(engine, self._of))
        self.names_of(*(dictionary.labels for dictionary in engine.dictionaries.values()))

    @property
    def value(self) -> Recipe:
        """The recipe on screen.

        Raises:
            RecipeError: if a row of it is not finished.
        """
        return Recipe.from_dict(self.recipe)

    @property
    def result(self) -> Generation | None:
        """The last run, or None before the first."""
        return None if self._last is None else self._last[1]

    def add(self, *interventions: Intervention) -> None:
        """Put interventions at the end of the recipe: "steer this feature" from a cell or from another widget.

        Example:
            >>> panel.add(sw.add(dashboard.feature, 2, unit="max"))
        """
        self.recipe = replace_in(self.value, (*self.value, *interventions)).to_dict()

    def run(self) -> Generation:
        """What the button does, from a cell: generate with the settings on screen.

        Raises:
            RecipeError, SaewidgetsError: as `generate`.
        """
        asked, made = self._asked(), []
        remembered_answers = self._remembered  # by the end it may be of other weights

        def write(ticket: Ticket) -> None:
            start = time.perf_counter()
            made.append(self._runs.write(self.engine, asked, self._maxima, ticket, False))
            reply = generation_reply(made[0], prompt_flags(self.engine, made[0], ticket), time.perf_counter() - start)
            remembered_answers.keep("generate", plain(asked), reply, quick=False)

        self.engine.worker.run(write)
        self._last = asked, made[0]
        self._remember(made[0])
        return made[0]

    def __repr__(self) -> str:
        return f"SteeringPanel(prompt={self.prompt!r}, recipe={self.recipe.get('interventions')!r})"

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int | None:
        value = cast("int | None", proposal["value"])
        if value is not None and self._of is not None:
            self.engine.dictionary(self._of).check_features([value])
        return value

    def _agree(self, name: str) -> None:
        if name == "recipe":
            self.feature = feature_of(self.recipe, self.engine, self._of)
        elif self.feature is not None and self.feature != feature_of(self.recipe, self.engine, self._of):
            unit = "max" if self._maxima else "resid"
            self.recipe = with_feature(self.recipe, self.feature, self.engine, self._of, unit)

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        """Forget what was said of the weights as they were."""
        engine, note = self.engine, ""
        if self._index is not None and self._of is not None:
            note = parted(engine, self._index, self._of)
        self._use(None if note else self._index, [note] if note else [])
        self._remembered, self._last = Remembered(), None
        self._runs.forget()

    def _use(self, index: FeatureIndex | None, notes: Sequence[str] = ()) -> None:
        """Take maxima and words from `index`, or do without."""
        self._maxima = LookedUp({}, None) if index is None else self._of_index
        self._units = Units(self.engine, self._maxima, notes)
        self._search = Search(self.engine, index, self._of)

    @traitlets.validate("history")
    def _valid_history(self, proposal: Mapping[str, Any]) -> list[dict[str, object]]:
        return list(proposal["value"])[-HISTORY:]

    @traitlets.validate("prompt", "answer")
    def _valid_text(self, proposal: Mapping[str, Any]) -> str | list[int]:
        text = cast("str | list[int]", proposal["value"])
        if not isinstance(text, str):
            self.engine.to_ids(text)  # refuses what is outside the vocabulary
        return wire.sendable(text) if isinstance(text, str) else text

    def _remember(self, made: Generation) -> None:
        self.history = [*self.history, remembered(made, plain(self._asked()), self.history, self.revision)]

    def _asked(self) -> AskedTexts:
        """What a view asks with, from the traits."""
        settings = {name: getattr(self, name) for name in SETTINGS}
        messages = tuple(cast("list[wire.Json]", self.messages))
        return AskedTexts(self.prompt, self.chat, messages, cast("wire.Json", self.recipe), settings)

    # -- answers

    @channel("search", AskedSearch)
    def _answer_search(self, asked: AskedSearch, _ticket: Ticket) -> wire.Reply:
        return self._search.reply(asked.query, self._meant(asked.sae), self._asked())

    @channel("scales", AskedRecipe, remembered=True)
    def _answer_scales(self, asked: AskedRecipe, ticket: Ticket) -> wire.Reply:
        return self._units.reply(asked.recipe or {}, asked, ticket)

    @channel("generate", AskedTexts, long=True, remembered=True)
    def _answer_generate(self, asked: AskedTexts, ticket: Ticket) -> wire.Reply:
        start, revision = time.perf_counter(), self.revision
        made = self._runs.write(self.engine, asked, self._maxima, ticket, True)
        if revision == self.revision and not self._runs.of_a_page:
            self._last = asked, made
        return generation_reply(made, prompt_flags(self.engine, made, ticket), time.perf_counter() - start)

    @channel("effect", AskedEffect, long=True, remembered=True)
    def _answer_effect(self, asked: AskedEffect, _ticket: Ticket) -> wire.Reply:
        return effect_reply(self.engine, asked, self._maxima)

    @channel("sweep", AskedSweep, long=True, remembered=True)
    def _answer_sweep(self, asked: AskedSweep, _ticket: Ticket) -> wire.Reply:
        return sweep_reply(self.engine, asked, self._maxima)

    @channel("answer", AskedAnswer, long=True, remembered=True)
    def _answer_answer(self, asked: AskedAnswer, _ticket: Ticket) -> wire.Reply:
        return answer_reply(self.engine, asked, self._maxima)

    @channel("code", AskedRecipe)
    def _answer_code(self, asked: AskedRecipe, _ticket: Ticket) -> wire.Reply:
        recipe = asked.whole
        try:
            python = to_code(self.engine, asked.input, recipe, index=self._maxima)
        except RecipeError as error:
            python = f"# {error}"
        return wire.Reply({"json": recipe.to_json(indent=1), "python": python})

    @channel("preset", AskedPreset)
    def _answer_preset(self, asked: AskedPreset, _ticket: Ticket) -> wire.Reply:
        return preset_reply(self.engine, asked, self._meant(asked.sae))

    def _meant(self, sae: str | None) -> str | None:
        """The dictionary that a view means: where it names none, the one that the index is of."""
        return self._of if sae is None else sae

    # -- without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._view(self.result))

    def _view(self, made: Generation | None) -> PanelView:
        text = (
            self.prompt if isinstance(self.prompt, str) else "".join(self.engine.tokenizer.display(self.prompt).strings)
        )
        try:
            recipe: Sequence[object] = self.value.active
        except RecipeError as error:
            recipe = [str(error)]
        return PanelView(text, made, recipe, list(self.engine.provenance().items()))

    def _written(self, asked: AskedTexts, ticket: Ticket) -> tuple[Generation, wire.Reply]:
        """What a page says of `asked`: its texts for the picture, and its answer."""
        with self._runs.for_a_page():
            made = self._runs.write(self.engine, asked, self._maxima, ticket, True)
        return made, generation_reply(made, prompt_flags(self.engine, made, ticket), 0.0)

    def _reply_to(self, question: Question) -> wire.Reply:
        with self._runs.for_a_page():
            return without_seconds(super()._reply_to(question))

    def shot(
        self, views: Sequence[str] = ("text",), *, prompts: Sequence[str] = (), strengths: Sequence[float] = ()
    ) -> Shot:
        """The recipe, the runs, and whatever the panel was asked about this recipe.

        Args:
            views: what to compute for it if it was not looked at: "text", "effect" (on the prompt), "sweep", "answer".
            prompts: further prompts, of which the page's reader chooses one; the one on screen is the first.
            strengths: of the recipe's first row, in its unit, to choose from; the one on screen is among them. Each with each
                prompt is computed: its texts, and the `views` of it; dose-response only of what is on screen.

        Raises:
            RecipeError: for strengths of a recipe without a row that has one.
        """
        now = self._asked()
        variants = Variants.of(now, several_texts(prompts, "prompts"), strengths)
        asked = list(variants.questions(now, several_texts(views, "views"), self.freeze, self.answer))
        made, own = self.result, Question("generate", now)
        if own in asked and (self._last is None or self._last[0] != now):
            # The picture is of what the page shows first, and not of an earlier run.
            made, reply = self.engine.worker.run(partial(self._written, now))
            asked[asked.index(own)] = replace(own, reply=without_seconds(reply))
        asked += of_this_recipe(self._remembered, self.channels, now.recipe, asked)
        # Runs of the weights before a refresh do not belong beside the provenance of those that are there now.
        history = [run for run in self.history if run.get("revision", 0) == self.revision]
        view = self._view(made)
        return Shot(
            title="Steering",
            state={"history": cast("wire.Json", history), "facts": cast("wire.Json", {**self.facts, "offline": True})},
            questions=sorted(asked, key=lambda one: (one.channel, wire.canonical(plain(one.asked)))),
            fallback=fallback_of(view),
            provenance=view.provenance,
            choices=variants.choices,
        )
