"""SteeringPanel: change features and see what the model then says, and what the change did to a text."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...interventions.edit.plain_code import code_on_worker
from ...interventions.generation.generate import Generation, generate_on_worker
from ...interventions.recipe.errors import RecipeError
from ...interventions.recipe.intervention import Intervention
from ...interventions.recipe.recipe import Recipe, replace_in
from ...interventions.recipe.units import maxima_of
from .. import wire
from ..base import EngineWidget, Handler, live_asset
from ..indexed import parted
from ..traits import Follows, JsonTrait, TextOrIds, WholeNumber
from .facts import facts_of, preset_reply
from .page import PAGE_STATE, Answers, PanelView, fallback_of, page_of, questions, remembered
from .payload import (
    SETTINGS,
    Asked,
    Teller,
    Units,
    generation_reply,
    prompt_payload,
    recipe_of,
    sampling_of,
    uncounted_in,
)
from .recipe_trait import RecipeLike, RecipeTrait, as_dict, feature_of, with_feature
from .results import answer_reply, effect_reply, sweep_reply
from .search import Search

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket
    from ...index.feature_index import FeatureIndex

_HISTORY = 20


class SteeringPanel(Follows, EngineWidget):
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
        prompt, chat, messages: the prompt; `messages` (a list of {"role", "content"}) is used instead of it, if given.
        recipe: the recipe as plain JSON (`Recipe.from_dict` reads it; `panel.value` is it read). What is no recipe is shown
            as an error, beside its row where it has one.
        seed, n_tokens, temperature, top_p, top_k, repetition_penalty, samples: how text is sampled, see `Sampling`.
        view: "text", "effect" (on a given text, token by token), "sweep" (dose-response) or "answer" (rank of an answer).
        color: "none", "surprise" (minus log-probability) or "change" (of the log-probability).
        answer: the answer whose rank is looked at. freeze: in "effect", with attention patterns frozen too.
        feature: the feature of the first row (of the index's SAE, if there is an index), to be linked with another
            widget's: setting it steers that feature instead, or, without such a row, adds it at its max activation.
        history: the runs so far, newest last, as plain JSON with their recipes.

    After `refresh()` all is looked up again: an index of other weights is put aside, with a word; old answers are forgotten.

    Example:
        >>> panel = sw.SteeringPanel(engine, index, prompt="My favourite day is", recipe=sw.add(2717, 2, unit="max"))
        >>> panel.result.edited[0].text            # after a run, in another cell
    """

    front_end = "steering"
    long_channels = frozenset({"generate", "effect", "sweep", "answer"})
    _esm = live_asset("steering.js")
    _css = live_asset("steering.css")

    prompt = TextOrIds(single=True).tag(sync=True)
    chat = traitlets.Bool(False).tag(sync=True)
    messages = traitlets.List(JsonTrait()).tag(sync=True)
    recipe = RecipeTrait().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    n_tokens = traitlets.Int(40, min=1).tag(sync=True)
    temperature = traitlets.Float(0.7, min=0).tag(sync=True)
    top_p = traitlets.Float(1.0).tag(sync=True)
    top_k = traitlets.Int(0, min=0).tag(sync=True)
    repetition_penalty = traitlets.Float(1.0).tag(sync=True)
    samples = traitlets.Int(1, min=1, max=8).tag(sync=True)
    view = traitlets.Enum(("text", "effect", "sweep", "answer"), "text").tag(sync=True)
    color = traitlets.Enum(("none", "surprise", "change"), "none").tag(sync=True)
    answer = traitlets.Unicode("").tag(sync=True)
    freeze = traitlets.Bool(False).tag(sync=True)
    history = traitlets.List(traitlets.Dict()).tag(sync=True)
    facts = traitlets.Dict(read_only=True).tag(sync=True)
    feature = WholeNumber(allow_none=True, default_value=None)

    pair = ("recipe", "feature")

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
        self._answers = Answers()
        self._last: Generation | None = None
        self._told: dict[str, object] = {"recipe": {}, "feature": None}
        self._engine, self._closed = engine, False
        self._use(index)
        super().__init__(engine, prompt=prompt, recipe=as_dict(recipe), **traits)
        self.set_trait("facts", facts_of(engine, index is not None, self._of))
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
        return self._last

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
        params, made = self._params(), []

        def answer(params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
            start = time.perf_counter()
            made.append(self._generate(params, ticket, keep_partial=False))
            return generation_reply(made[0], uncounted_in(self.engine, made[0], ticket), time.perf_counter() - start)

        self.engine.worker.run(partial(self._kept, "generate", answer, params))
        self._last = made[0]
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
            self.set_trait("facts", facts_of(engine, not note, self._of))
        self._use(None if note else self._index, [note] if note else [])
        self._answers, self._last = Answers(), None

    def _use(self, index: FeatureIndex | None, notes: Sequence[str] = ()) -> None:
        """Take maxima and words from `index`, or do without."""
        self._used, self._maxima = index, {} if index is None else self._of_index
        self._units = Units(self.engine, self._maxima, notes)
        self._search = Search(self.engine, index, self._of)

    @traitlets.validate("history")
    def _valid_history(self, proposal: Mapping[str, Any]) -> list[dict[str, object]]:
        return list(proposal["value"])[-_HISTORY:]

    @traitlets.validate("prompt", "answer")
    def _valid_text(self, proposal: Mapping[str, Any]) -> str | list[int]:
        text = cast("str | list[int]", proposal["value"])
        if not isinstance(text, str):
            self.engine.to_ids(text)  # refuses what is outside the vocabulary
        return wire.sendable(text) if isinstance(text, str) else text

    def _params(self) -> dict[str, wire.Json]:
        """What a view asks with, from the traits."""
        return {
            "recipe": cast("wire.Json", self.recipe),
            "prompt": self.prompt,
            "chat": self.chat,
            "messages": cast("wire.Json", self.messages),
            "settings": {name: getattr(self, name) for name in SETTINGS},
        }

    def _remember(self, made: Generation) -> None:
        self.history = [*self.history, remembered(made, self._params(), self.history, self.revision)]

    # -- answers

    def handlers(self) -> dict[str, Handler]:
        remembered: dict[str, Handler] = {
            "scales": self._answer_scales,
            "generate": self._answer_generate,
            "effect": self._answer_effect,
            "sweep": self._answer_sweep,
            "answer": self._answer_answer,
        }
        return {
            **{channel: partial(self._kept, channel, handler) for channel, handler in remembered.items()},
            "search": self._answer_search,
            "code": self._answer_code,
            "preset": self._answer_preset,
        }

    def _kept(self, channel: str, handler: Handler, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        answers = self._answers  # by the end it may be those of other weights
        return answers.keep(channel, params, handler(params, ticket))

    def _answer_search(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        asked = Asked.of({"prompt": self.prompt, "chat": self.chat, "messages": cast("wire.Json", self.messages)})
        return self._search.reply(str(params.get("q") or ""), self._meant(params.get("sae")), asked)

    def _answer_scales(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        return self._units.reply(params.get("recipe") or {}, Asked.of(params), ticket)

    def _answer_generate(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        start, revision = time.perf_counter(), self.revision
        made = self._generate(params, ticket, keep_partial=True)
        if revision == self.revision:
            self._last = made
        return generation_reply(made, uncounted_in(self.engine, made, ticket), time.perf_counter() - start)

    def _generate(self, params: Mapping[str, wire.Json], ticket: Ticket, keep_partial: bool) -> Generation:
        sampling = sampling_of(params)
        teller = Teller(self.engine, sampling.samples)

        def begun(made: Generation) -> None:
            prompt = prompt_payload(made, uncounted_in(self.engine, made, ticket))
            ticket.part({"prompt": prompt, "template": made.prompt.chat, "notes": list(made.notes)})

        return generate_on_worker(
            self.engine,
            Asked.of(params).input,
            recipe_of(params),
            sampling,
            self._maxima,
            ticket,
            on_start=begun,
            on_step=lambda step: ticket.part(teller.part(step)),
            keep_partial=keep_partial,
        )

    def _answer_effect(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        return effect_reply(self.engine, Asked.of(params), recipe_of(params), params, self._maxima, ticket)

    def _answer_sweep(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        asked, sampling = Asked.of(params), sampling_of(params)
        return sweep_reply(self.engine, asked, recipe_of(params), sampling, params, self._maxima, self._used, ticket)

    def _answer_answer(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        return answer_reply(
            self.engine, Asked.of(params), recipe_of(params), str(params["answer"]), self._maxima, ticket
        )

    def _answer_code(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        recipe = recipe_of(params)
        try:
            python = code_on_worker(self.engine, Asked.of(params).read(self.engine), recipe, self._maxima, ticket)
        except RecipeError as error:
            python = f"# {error}"
        return wire.Reply({"json": recipe.to_json(indent=1), "python": python})

    def _answer_preset(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        return preset_reply(self.engine, params, self._meant(params.get("sae")))

    def _meant(self, sae: wire.Json) -> str | None:
        """The dictionary that a view means: where it names none, the one that the index is of."""
        return self._of if sae is None else str(sae)

    # -- without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._view())

    def _view(self) -> PanelView:
        text = (
            self.prompt if isinstance(self.prompt, str) else "".join(self.engine.tokenizer.display(self.prompt).strings)
        )
        try:
            recipe: Sequence[object] = self.value.active
        except RecipeError as error:
            recipe = [str(error)]
        return PanelView(text, self.result, recipe, list(self.engine.provenance().items()))

    def page(self, title: str | None = None, views: Sequence[str] = ("text",)) -> str:
        for channel, params in questions(self._params(), views, self.freeze, self.answer):
            if not self._answers.has(channel, params):
                answer = partial(self.handlers()[channel], params)
                self.engine.worker.run(answer)
        state: dict[str, wire.Json] = {name: cast("wire.Json", getattr(self, name)) for name in PAGE_STATE}
        state["facts"] = cast("wire.Json", {**self.facts, "offline": True})
        # Runs of the weights before a refresh do not belong beside the provenance of those that are there now.
        state["history"] = [run for run in self.history if run.get("revision", 0) == self.revision]
        recorded = list(self._answers.of(cast("wire.Json", self.recipe)))
        return page_of(self._view(), state, recorded, title, self.front_end)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, views: Sequence[str] = ("text",), title: str | None = None
    ) -> str | None:
        """Write one self-contained HTML file: the recipe, the runs, and whatever the panel was asked about this recipe.

        Args:
            views: what to compute for it if it was not looked at: "text", "effect" (on the prompt), "sweep", "answer".
        """
        return self._write(path, self.page(title, views))

    def save(self, path: str | os.PathLike[str], *, views: Sequence[str] = ("text",), title: str | None = None) -> Path:
        """`to_html(path)`, returning the path."""
        self.to_html(path, views=views, title=title)
        return Path(path)
