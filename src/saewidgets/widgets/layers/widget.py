"""LayerLens: one prompt at every layer, what the stream would say next there and which features are active."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...engine.activations.result import FeatureActivations
from ...engine.lens import LogitLens, lens_hooks, logit_lens
from ...engine.model.unembedding import Unembedding
from ...errors import ReadoutError, SaewidgetsError
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..dictionaries import Indexes, IndexesLike
from ..feature.card import AskedCardOf
from ..kept import Kept
from ..shot import Shot
from ..traits import Text, TextOrIds, WholeNumber, as_text, is_ids
from .asked import AskedLadder, AskedLens, Chosen
from .found import Found, is_own, target_of
from .page import fallback_of, questions
from .payload import ladder_reply, lens_reply, provenance
from .placed import placed

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.text.given import TextInput
    from ...engine.ticket import Ticket


class LayerLens(EngineWidget, bundle="layers"):
    """One text at every layer of the model: the logit lens of the residual stream, and the features of all dictionaries.

    The grid has a column a token and a row a hook, the last layer on top; a cell is the token that is likeliest to come next,
    if the stream there went to the final norm and the unembedding at once. Below, the layers one by one after the token that
    is chosen: likeliest tokens, and the strongest features of each dictionary, where the model comes to it.

    Args:
        engine: the model and its dictionaries.
        text: one text, or its token ids, which are taken as they are.
        index: an index of one of the dictionaries, or a list of indexes of several: what features are said to be, and a card of
            each at hand.
        **traits: any of the traits below.

    Traits (both ways):
        text: one text, or its token ids, which the view shows but does not edit.
        position: the chosen token, counted from 0; None, and one that the text does not have: the last. Reset by a new text.
        target: one token as a string (" earth", with its space): the grid is shaded by its probability; "": by that of the
            likeliest token of each cell.
        k: likeliest tokens of each cell.
        top_features: features of each dictionary that are listed, strongest first by magnitude.
        sae: the dictionary of the chosen feature.
        feature: the chosen feature, whose activation on every token stands in the grid; None: none. Reset by another `sae`.
        editable: whether the text can be edited in the view.
        theme, error: see `EngineWidget`.

    Raises:
        ReadoutError: if the model has no unembedding. FeatureIndexError: for a feature outside its dictionary.
        TokenIdError: for a token id outside the vocabulary. KeyError: for a dictionary that the engine does not have.
        IndexMismatchError: if engine and index do not belong together. After `refresh()` an index of other weights is put aside,
            with a word among the notes.
        TypeError: for an unknown setting.

    A text longer than the model's context is an error, and so is a target of several tokens: both are said in the view. One
    forward is for the lens, one for all dictionaries together, and one for what the model itself predicts.

    Example:
        >>> layers = sw.LayerLens(engine, "In the beginning, God created the heavens and the", target=" earth")
        >>> layers                       # in a notebook cell: shows it
        >>> layers.lens.to_pandas()      # the numbers behind the grid
        >>> layers.features              # those behind the list below it
    """

    text = TextOrIds(single=True).tag(sync=True, page=True)
    position = WholeNumber(min=0, allow_none=True, default_value=None).tag(sync=True, page=True)
    target = traitlets.Unicode("").tag(sync=True, page=True)
    k = traitlets.Int(5, min=1, max=20).tag(sync=True, page=True)
    top_features = traitlets.Int(5, min=0, max=50).tag(sync=True, page=True)
    sae = traitlets.Unicode().tag(sync=True, page=True)
    feature = WholeNumber(allow_none=True, default_value=None).tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)
    indexed = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True, page=True)
    live = traitlets.Bool(True, read_only=True).tag(sync=True, page=True)

    def __init__(self, engine: Engine, text: TextInput = "", *, index: IndexesLike = None, **traits: object) -> None:
        self._indexes = Indexes(engine, index)
        self._hooks = lens_hooks(engine)
        self._d_vocab = engine.worker.run(lambda _: _readable(engine))
        self._places = tuple(engine.worker.run(lambda _: placed(engine, self._hooks)))
        self._own = Kept[bool]()
        self._results = Kept[Found]()
        self._activations = Kept[dict[str, FeatureActivations]]()
        if traits.get("sae", "") is None:
            del traits["sae"]
        super().__init__(engine, **{"text": text, "sae": next(iter(self._indexes.names), engine.default), **traits})
        self.set_trait("indexed", self._indexes.names)
        self.names_of(*(dictionary.labels for dictionary in engine.dictionaries.values()))

    # -- traits that belong together

    @traitlets.validate("text")
    def _valid_text(self, proposal: Mapping[str, Any]) -> Text:
        text: Text = proposal["value"]
        if is_ids(text):
            self.engine.to_ids(cast("TextInput", text))  # refuses what is outside the vocabulary
        return text

    @traitlets.validate("target")
    def _valid_target(self, proposal: Mapping[str, Any]) -> str:
        return wire.sendable(proposal["value"])

    @traitlets.validate("sae")
    def _valid_sae(self, proposal: Mapping[str, Any]) -> str:
        return self.engine.dictionary(proposal["value"] or None).name

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        return None if value is None else self.engine.dictionary(self.sae or None).check_features([value])[0]

    @traitlets.observe("text", "sae")
    def _asked_otherwise(self, change: Mapping[str, Any]) -> None:
        # What a widget is made with comes with what is chosen in it, and has no old value.
        if change["old"] in (traitlets.Undefined, None) or change["old"] == change["new"]:
            return
        self.reset(**({"position": None} if change["name"] == "text" else {"feature": None}))

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._results.forget()
        self._activations.forget()
        self._own.forget()
        self._indexes.check(self.engine)
        self.set_trait("indexed", self._indexes.names)

    # -- headless

    @property
    def lens(self) -> LogitLens:
        """The lens behind the grid, for the current text, target and k.

        Raises:
            SaewidgetsError: for a target of several tokens, a text without tokens, or one longer than the context.
        """
        target_of(self.engine, self.target)
        return self._found(self._asked()).lens

    @property
    def activations(self) -> dict[str, FeatureActivations]:
        """The activations of every dictionary on the current text, by name."""
        return dict(self._acts(self.text))

    @property
    def features(self) -> pd.DataFrame:
        """The features that are listed at the chosen position: sae, hook, position, token, feature, description, activation."""
        found = self._found(self._asked())
        return found.table(found.position(self.position), self.top_features)

    @property
    def value(self) -> dict[str, wire.Json]:
        """What is chosen: {"text", "position", "target", "sae", "feature"}."""
        return {name: getattr(self, name) for name in ("text", "position", "target", "sae", "feature")}

    def __repr__(self) -> str:
        return f"LayerLens({len(self._hooks)} hooks, {len(self._places)} dictionaries, text={_short(self.text)})"

    def _asked(self) -> AskedLadder:
        chosen = None if self.feature is None else Chosen(self.sae, self.feature)
        text = cast("wire.Json", self.text)
        return AskedLadder(text, self.target, self.k, self.position, self.top_features, chosen)

    def _acts(self, text: Text) -> dict[str, FeatureActivations]:
        key = wire.canonical(cast("wire.Json", text))
        return self._activations.of(key, lambda: self.engine.all_activations(cast("TextInput", text)))

    def _found(self, asked: AskedLadder | AskedLens) -> Found:
        """What `asked` is about, computed once; a target that is none is left out, with the reason."""
        text = as_text(asked.text)

        def made() -> Found:
            try:
                target, wrong = target_of(self.engine, asked.target), ""
            except SaewidgetsError as error:
                target, wrong = None, str(error)
            tokens = () if target is None else (target,)
            lens = logit_lens(self.engine, cast("TextInput", text), tokens, hooks=self._hooks, k=asked.k)
            acts = self._acts(text)
            ids = lens.token_ids.tolist()
            own = self._own.of(
                wire.canonical(cast("wire.Json", ids)),
                lambda: self.engine.worker.run(lambda ticket: is_own(self.engine, lens, ticket)),
            )
            notes = (*lens.notes, *_notes(acts), *(why for name in acts if (why := self._indexes.parted(name))))
            return Found(lens, acts, self._places, wrong, own, self._d_vocab, notes)

        return self._results.of(wire.canonical([cast("wire.Json", text), asked.target, asked.k]), made)

    # -- answers

    @channel("lens", AskedLens)
    def _answer_lens(self, asked: AskedLens, _ticket: Ticket) -> wire.Reply:
        found = self._found(asked)
        lens = lens_reply(found, self.engine)
        if asked.ladder is None:
            return lens
        # One answer for both: a second small message would wait for the first one's acknowledgement (some 40 ms).
        ladder = self._ladder(found, asked.ladder)
        return wire.Reply({**lens.data, "ladder": ladder.data}, {**lens.arrays, **ladder.arrays})

    @channel("ladder", AskedLadder)
    def _answer_ladder(self, asked: AskedLadder, _ticket: Ticket) -> wire.Reply:
        return self._ladder(self._found(asked), asked)

    def _ladder(self, found: Found, asked: AskedLadder) -> wire.Reply:
        if asked.chosen is not None:
            self.engine.dictionary(asked.chosen.sae).check_features([asked.chosen.feature])
        return ladder_reply(found, asked, self.engine)

    @channel("card", AskedCardOf)
    def _answer_card(self, asked: AskedCardOf, _ticket: Ticket) -> wire.Reply:
        return self._indexes.card(
            self.engine.dictionary(asked.sae).name, asked.feature, "LayerLens(engine, text, index=index)"
        )

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        asked = self._asked()
        return fallback_of(self._found(asked), asked, provenance(self.engine))

    def shot(self) -> Shot:
        """The lens, and the layers one by one after each token of a short text; of a longer one after the chosen token."""
        asked = self._asked()
        found = self._found(asked)
        return Shot(
            title=f"Layers of {self.engine.model.name} on {_short(self.text)}",
            state={"editable": False, "live": False},
            questions=list(questions(found, asked, self._indexes.names)),
            fallback=self.fallback_html(),
            provenance=provenance(self.engine),
        )


def _readable(engine: Engine) -> int:
    """How many tokens the model's unembedding has. On the worker.

    Raises:
        ReadoutError: if it has none.
    """
    with engine.lock:
        try:
            return Unembedding(engine.model).d_vocab
        except ReadoutError as error:
            raise ReadoutError(
                f"{engine.model.name} has no unembedding, through which a lens looks: LayerLens needs a language model that "
                "predicts tokens. TokenFeatureHeatmap shows features of any model."
            ) from error


def _notes(acts: Mapping[str, FeatureActivations]) -> list[str]:
    """What is to be said of the dictionaries, once where it is of all of them, else with the name."""
    every = [one for result in acts.values() for one in result.notes]
    common = [note for note in dict.fromkeys(every) if every.count(note) == len(acts)]
    own = [
        note if repr(name) in note else f"{name}: {note}"
        for name, result in acts.items()
        for note in result.notes
        if note not in common
    ]
    return [*common, *own]


def _short(text: object) -> str:
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= 48 else shown[:45] + "..."
