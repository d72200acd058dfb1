"""SteeringPanel: change features and see what the model then says, and what the change did to a text."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ..interventions.checks import RecipeError
from ..interventions.code import code_on_worker
from ..interventions.generation import Generation, generate_on_worker
from ..interventions.make import PRESETS, add
from ..interventions.recipe.recipe import Intervention, Recipe
from ..interventions.scales import maxima_of
from . import wire
from .base import EngineWidget, Handler, live_asset
from .steering_facts import facts_of
from .steering_page import Answers, fallback_of, page_of, questions
from .steering_payload import SETTINGS, Asked, Teller, Units, generation_reply, prompt_payload, sampling_of
from .steering_search import Search
from .steering_views import answer_reply, effect_reply, sweep_reply

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.worker import Ticket
    from ..index.store import FeatureIndex
    from ..interventions.prompts import Prompt

_HISTORY = 20


class SteeringPanel(EngineWidget):
    """Rows of interventions beside the text that the model writes with and without them.

    Args:
        engine: the model and SAEs.
        index: an index of one of the SAEs: maximal activations for the unit "max", labels, and search.
        prompt: what to continue; with `chat=True` one message of a user, through the model's chat template.
        recipe: a `Recipe`, interventions, or its JSON as a dict.
        traits: any trait below.

    Traits:
        prompt, chat, messages: the prompt; `messages` (a list of {"role", "content"}) is used instead of it, if given.
        recipe: the recipe as plain JSON (`Recipe.from_dict` reads it; `panel.value` is it read).
        seed, n_tokens, temperature, top_p, top_k, repetition_penalty, samples: how text is sampled, see `Sampling`.
        view: "text", "effect" (on a given text, token by token), "sweep" (dose-response) or "answer" (rank of an answer).
        color: "none", "surprise" (minus log-probability) or "change" (of the log-probability).
        answer: the answer whose rank is looked at. freeze: in "effect", with attention patterns frozen too.
        feature: the feature of the first row, to be linked with another widget's: setting it steers that feature instead,
            or, without a row, adds it at its max activation.
        history: the runs so far, newest last, as plain JSON with their recipes.

    Example:
        >>> panel = sw.SteeringPanel(engine, index, prompt="My favourite day is", recipe=sw.add(2717, 2, unit="max"))
        >>> panel.result.edited[0].text            # after a run, in another cell
    """

    front_end = "steering"
    long_channels = frozenset({"generate", "effect", "sweep", "answer"})
    _esm = live_asset("steering.js")
    _css = live_asset("steering.css")

    prompt = traitlets.Unicode("").tag(sync=True)
    chat = traitlets.Bool(False).tag(sync=True)
    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    recipe = traitlets.Dict().tag(sync=True)
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
    feature = traitlets.Int(allow_none=True, default_value=None)

    def __init__(
        self,
        engine: Engine,
        index: FeatureIndex | None = None,
        *,
        prompt: str = "",
        recipe: Recipe | Intervention | Sequence[Intervention] | Mapping[str, object] = (),
        **traits: object,
    ) -> None:
        self._index = index
        self._maxima = maxima_of(engine, index)
        self._units = Units(engine, self._maxima)
        self._search = Search(engine, index, next(iter(self._maxima), None))
        self._answers = Answers()
        self._last: Generation | None = None
        super().__init__(engine, prompt=prompt, recipe=_as_dict(recipe), **traits)
        self.set_trait("facts", facts_of(engine, index is not None, next(iter(self._maxima), None)))

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
        self.recipe = Recipe([*self.value, *interventions], **_flags(self.value)).to_dict()

    def run(self) -> Generation:
        """What the button does, from a cell: generate with the settings on screen.

        Raises:
            RecipeError, SaewidgetsError: as `generate`.
        """
        params, made = self._params(), []

        def answer(params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
            start = time.perf_counter()
            made.append(self._generate(params, ticket, keep_partial=False))
            return generation_reply(made[0], self._special(made[0].prompt), time.perf_counter() - start)

        self.engine.worker.run(partial(self._kept, "generate", answer, params))
        self._last = made[0]
        self._remember(made[0])
        return made[0]

    def __repr__(self) -> str:
        return f"SteeringPanel(prompt={self.prompt!r}, recipe={self.recipe.get('interventions')!r})"

    # -- traits

    @traitlets.validate("recipe")
    def _valid_recipe(self, proposal: Mapping[str, Any]) -> dict[str, object]:
        # Not refused here: the front-end sends what is being typed, and shows at the row what is wrong with it.
        return dict(proposal["value"]) or Recipe().to_dict()

    @traitlets.observe("recipe")
    def _recipe_changed(self, _change: Mapping[str, Any]) -> None:
        first: object = next(iter(self.recipe.get("interventions") or []), None)
        features = first.get("features") if isinstance(first, Mapping) else None
        self.feature = int(features[0]) if features else None

    @traitlets.observe("feature")
    def _feature_changed(self, change: Mapping[str, Any]) -> None:
        rows = list(self.recipe.get("interventions") or [])
        shown = rows[0].get("features") if rows and isinstance(rows[0], Mapping) else None
        if change["new"] is None or (shown and shown[0] == change["new"]):
            return
        if shown:
            # What was said of the one feature is not true of the other.
            rows[0] = {**rows[0], "features": [change["new"]], "max_activation": None, "label": None}
        else:
            unit = "max" if self._index is not None else "resid"
            rows = [*Recipe(add(int(change["new"]), 1.0, unit=unit)).to_dict()["interventions"], *rows]  # type: ignore[misc]
        self.recipe = {**(self.recipe or Recipe().to_dict()), "interventions": rows}

    @traitlets.validate("history")
    def _valid_history(self, proposal: Mapping[str, Any]) -> list[dict[str, object]]:
        return list(proposal["value"])[-_HISTORY:]

    @traitlets.validate("prompt", "answer")
    def _valid_text(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

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
        run: dict[str, object] = {
            "id": 1 + max((int(r.get("id", 0)) for r in self.history), default=0),
            "prompt": self.prompt,
            "chat": self.chat,
            "messages": list(self.messages),
            "recipe": dict(self.recipe),
            "settings": {name: getattr(self, name) for name in SETTINGS},
            "baseline": [wire.sendable(text.text) for text in made.baseline],
            "edited": [wire.sendable(text.text) for text in made.edited],
            "stopped": made.stopped,
        }
        self.history = [*self.history, run]

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
        return self._answers.keep(channel, params, handler(params, ticket))

    def _answer_search(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        asked = Asked.of({"prompt": self.prompt, "chat": self.chat, "messages": cast("wire.Json", self.messages)})
        return self._search.reply(str(params.get("q") or ""), cast("str | None", params.get("sae")), asked)

    def _answer_scales(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        recipe = cast("dict[str, wire.Json]", params.get("recipe") or {})
        return self._units.reply(recipe, Asked.of(params), ticket)

    def _answer_generate(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        start = time.perf_counter()
        made = self._last = self._generate(params, ticket, keep_partial=True)
        return generation_reply(made, self._special(made.prompt), time.perf_counter() - start)

    def _generate(self, params: Mapping[str, wire.Json], ticket: Ticket, keep_partial: bool) -> Generation:
        sampling = sampling_of(params)
        teller = Teller(self.engine, sampling.samples)

        def begun(made: Generation) -> None:
            prompt = prompt_payload(made, self._special(made.prompt))
            ticket.part({"prompt": prompt, "template": made.prompt.chat, "notes": list(made.notes)})

        return generate_on_worker(
            self.engine,
            Asked.of(params).input,
            _recipe(params),
            sampling,
            self._maxima,
            ticket,
            on_start=begun,
            on_step=lambda step: ticket.part(teller.part(step)),
            keep_partial=keep_partial,
        )

    def _special(self, prompt: Prompt) -> list[bool]:
        special = self.engine.tokenizer.special_ids
        return [i in special or bool(t) for i, t in zip(prompt.ids, prompt.template, strict=True)]

    def _answer_effect(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        return effect_reply(self.engine, Asked.of(params), _recipe(params), params, self._maxima, ticket)

    def _answer_sweep(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        asked, sampling = Asked.of(params), sampling_of(params)
        return sweep_reply(self.engine, asked, _recipe(params), sampling, params, self._maxima, self._index, ticket)

    def _answer_answer(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        return answer_reply(self.engine, Asked.of(params), _recipe(params), str(params["answer"]), self._maxima, ticket)

    def _answer_code(self, params: Mapping[str, wire.Json], ticket: Ticket) -> wire.Reply:
        recipe = _recipe(params)
        try:
            python = code_on_worker(self.engine, Asked.of(params).read(self.engine), recipe, self._maxima, ticket)
        except RecipeError as error:
            python = f"# {error}"
        return wire.Reply({"json": recipe.to_json(indent=1), "python": python})

    def _answer_preset(self, params: Mapping[str, wire.Json], _ticket: Ticket) -> wire.Reply:
        key, feature, sae = str(params["key"]), int(cast(int, params["f"])), cast("str | None", params.get("sae"))
        if key not in PRESETS:
            raise RecipeError(f"There is no preset {key!r}.", "preset")
        self.engine.dictionary(sae).check_features([feature])
        return wire.Reply({"recipe": cast("wire.Json", PRESETS[key][2](feature, sae).to_dict())})

    # -- without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self)

    def page(self, title: str | None = None, views: Sequence[str] = ("text",)) -> str:
        for channel, params in questions(self._params(), views, self.freeze, self.answer):
            if not self._answers.has(channel, params):
                answer = partial(self.handlers()[channel], params)
                self.engine.worker.run(answer)
        return page_of(self, self._answers, title)

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


def _as_dict(recipe: Recipe | Intervention | Sequence[Intervention] | Mapping[str, object]) -> dict[str, object]:
    if isinstance(recipe, Mapping):
        recipe = Recipe.from_dict(recipe)
    return (recipe if isinstance(recipe, Recipe) else Recipe(recipe)).to_dict()


def _flags(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in ("keep_error", "system", "thinking", "name")}


def _recipe(params: Mapping[str, wire.Json]) -> Recipe:
    return Recipe.from_dict(cast("Mapping[str, object]", params.get("recipe") or {}))
