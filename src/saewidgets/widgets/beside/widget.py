"""FeatureComparison: two features side by side, of one SAE, of two SAEs or of two models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...engine.ticket import Ticket
from ...geometry.beside.corpus import BesideCorpus
from ...geometry.beside.on_corpus import is_exact, on_corpus
from ...geometry.beside.on_text import BesideText, on_text
from ...geometry.beside.result import REFUSALS, Beside, decoder_cosine
from ...geometry.beside.side import Side, SideLike, Which, labels_of, sided, with_feature
from ...geometry.errors import GeometryError
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..indexed import parted
from ..kept import Kept
from ..shot import Question, Shot
from ..traits import Text, TextOrIds, WholeNumber, as_text, is_ids
from .asked import AskedContext, AskedPair, AskedSide, AskedText
from .page import contexts, fallback_of
from .payload import context_reply, corpus_reply, pair_reply, side_reply, text_reply

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.text.given import TextInput

_NOT_YET = "What both do on the corpus had not been read when this picture was made: the live view reads it."


class FeatureComparison(EngineWidget, bundle="beside"):
    """Two features side by side: on one text token by token, on one corpus token against token, and in their dashboards.

    Two features of one SAE, of two SAEs (layers, widths), or of two models (base and fine-tuned, checkpoints). What cannot be
    compared is left out and says why: two corpora, two tokenizers, decoders of two widths. The text needs an engine on both
    sides, the corpus an index on both sides of the same texts.

    Args:
        a, b: each a pair (engine, feature) or (index, feature), an index being opened with its engine where texts shall be
            read; or a `sw.Side` with both, and a name such as "base" and "tuned".
        text: a text, or the token ids of one.
        read: tokens that are read again at most where an index has not all activations of its feature, as one that is shipped
            without its scan (see `BesideCorpus.all`).
        **traits: any of the traits below.

    Traits (both ways):
        text: changing it computes both on it.
        feature_a, feature_b: the feature of this side; changing one keeps the other.
        position: a token of the corpus that is looked at, counted in the corpus, or None. Reset by another feature.
        swapped: whether B stands first, and on the x axis. A and B stay what they are.
        editable: whether the text can be edited in the view.
        theme, error: see `EngineWidget`.

    Raises:
        GeometryError: for a side that is none. FeatureIndexError: for a feature outside its side's dictionary, naming the side.
        IndexMismatchError: if engine and index of a side do not belong together. TypeError: for an unknown setting.

    Example:
        >>> pair = sw.FeatureComparison((index, 2717), (index, 11), text="In the beginning, God created")
        >>> pair                              # in a notebook cell: shows it
        >>> pair.to_pandas()                  # the numbers on screen
        >>> pair.result.corpus.top("only_a")  # texts where A fires and B is silent
        >>> base = sw.Side(engine=engine, index=index, feature=2717, name="base")
        >>> sw.FeatureComparison(base, sw.Side(engine=tuned, index=tuned_index, feature=2717, name="tuned"))
    """

    text = TextOrIds(single=True).tag(sync=True, page=True)
    feature_a = WholeNumber(0).tag(sync=True, page=True)
    feature_b = WholeNumber(0).tag(sync=True, page=True)
    position = WholeNumber(min=0, allow_none=True, default_value=None).tag(sync=True, page=True)
    swapped = traitlets.Bool(False).tag(sync=True, page=True)
    editable = traitlets.Bool(True).tag(sync=True, page=True)
    live = traitlets.Bool(True, read_only=True).tag(sync=True, page=True)

    def __init__(self, a: SideLike, b: SideLike, *, text: TextInput = "", read: int = 8_000, **traits: object) -> None:
        self._given: dict[Which, Side] = {"A": sided(a, "A"), "B": sided(b, "B")}
        # Why a side's index is not of what its engine has any more.
        self._parted: dict[Which, str] = {"A": "", "B": ""}
        self._read = read
        self._texts, self._corpora = Kept[BesideText](), Kept[BesideCorpus](2)
        features = {"feature_a": self._given["A"].feature, "feature_b": self._given["B"].feature}
        # A worker of its own, which waits for those of the sides: on one of theirs, two comparisons could wait for each other.
        super().__init__(None, **{"text": text, **features, **traits})
        self.names_of(*(labels_of(side) for side in self._given.values()))

    # -- traits that belong together

    @traitlets.validate("feature_a", "feature_b")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int:
        which: Which = "A" if proposal["trait"].name == "feature_a" else "B"
        return with_feature(self._given[which], which, proposal["value"]).feature

    @traitlets.validate("text")
    def _valid_text(self, proposal: Mapping[str, Any]) -> Text:
        text: Text = proposal["value"]
        if is_ids(text):
            for side in self._given.values():
                if side.engine is not None:
                    side.engine.to_ids(cast("TextInput", text))  # refuses what is outside the vocabulary
        return text

    @traitlets.observe("feature_a", "feature_b")
    def _feature_changed(self, change: Mapping[str, Any]) -> None:
        if change["old"] not in (traitlets.Undefined, None) and change["old"] != change["new"]:
            self.reset(position=None)

    @traitlets.observe("revision")
    def _refreshed(self, _change: Mapping[str, Any]) -> None:
        self._texts.forget()
        self._corpora.forget()
        for which, side in self._given.items():
            if side.engine is not None and side.index is not None:
                self._parted[which] = parted(side.engine, side.index, str(side.sae))

    # -- headless

    @property
    def a(self) -> Side:
        """The first side, with the feature on screen."""
        return replace(self._given["A"], feature=self.feature_a)

    @property
    def b(self) -> Side:
        """The second side, with the feature on screen."""
        return replace(self._given["B"], feature=self.feature_b)

    @property
    def result(self) -> Beside:
        """The numbers behind the picture, as `sw.beside` gives them; parts that cannot be are None, and `notes` say why."""
        return self._result()

    def _result(self, *, quick: bool = False) -> Beside:
        """All parts; with `quick` not what takes long and nobody has asked for yet."""
        a, b = self.a, self.b
        text: BesideText | None = None
        corpus: BesideCorpus | None = None
        text_missing = corpus_missing = ""
        try:
            text = self._text(a, b, self.text)
        except REFUSALS as error:
            text_missing = str(error)
        try:
            if quick and not is_exact(a, b) and self._corpora.get(_key(a, b)) is None:
                raise GeometryError(_NOT_YET)
            corpus = self._corpus(a, b)
        except REFUSALS as error:
            corpus_missing = str(error)
        return Beside(a, b, text, text_missing, corpus, corpus_missing, decoder_cosine(a, b))

    def to_pandas(self) -> pd.DataFrame:
        """The numbers on screen: one row for the text and one for the corpus; columns as in `Beside.to_pandas`."""
        return self.result.to_pandas()

    @property
    def value(self) -> dict[str, wire.Json]:
        """What is selected: {"text", "feature_a", "feature_b", "position"}."""
        return {name: getattr(self, name) for name in ("text", "feature_a", "feature_b", "position")}

    def __repr__(self) -> str:
        a, b = self.a, self.b
        return f"FeatureComparison(A: {a.feature} of {a.name!r}, B: {b.feature} of {b.name!r})"

    def _pair(self, a: int, b: int) -> tuple[Side, Side]:
        return with_feature(self._given["A"], "A", a), with_feature(self._given["B"], "B", b)

    def _text(self, a: Side, b: Side, text: Text, ticket: Ticket | None = None) -> BesideText:
        """Both on `text`, computed once for every view, the page and the picture."""
        on_progress = None if ticket is None else ticket.heard
        key = wire.canonical([a.feature, b.feature, cast("wire.Json", text)])
        return self._texts.of(key, lambda: on_text(a, b, cast("TextInput", text), on_progress))

    def _corpus(self, a: Side, b: Side, ticket: Ticket | None = None) -> BesideCorpus:
        for which in ("A", "B"):
            if self._parted[which]:
                raise GeometryError(f"Side {which}: {self._parted[which]}")
        return self._corpora.of(_key(a, b), lambda: on_corpus(a, b, read=self._read, ticket=ticket))

    # -- answers

    @channel("side", AskedSide)
    def _answer_side(self, asked: AskedSide, _ticket: Ticket) -> wire.Reply:
        return side_reply(with_feature(self._given[asked.side], asked.side, asked.feature), self._parted[asked.side])

    @channel("pair", AskedPair)
    def _answer_pair(self, asked: AskedPair, _ticket: Ticket) -> wire.Reply:
        a, b = self._pair(asked.a, asked.b)
        return pair_reply(a, b, decoder_cosine(a, b))

    @channel("text", AskedText)
    def _answer_text(self, asked: AskedText, ticket: Ticket) -> wire.Reply:
        a, b = self._pair(asked.a, asked.b)
        try:
            found = self._text(a, b, as_text(asked.text), ticket)
        except REFUSALS as error:
            return text_reply(asked.a, asked.b, None, str(error))
        return text_reply(asked.a, asked.b, found)

    @channel("corpus", AskedPair, long=True)
    def _answer_corpus(self, asked: AskedPair, ticket: Ticket) -> wire.Reply:
        a, b = self._pair(asked.a, asked.b)
        try:
            found = self._corpus(a, b, ticket)
        except REFUSALS as error:
            return corpus_reply(asked.a, asked.b, None, str(error))
        return corpus_reply(asked.a, asked.b, found)

    @channel("context", AskedContext)
    def _answer_context(self, asked: AskedContext, ticket: Ticket) -> wire.Reply:
        a, b = self._pair(asked.a, asked.b)
        return context_reply(self._corpus(a, b, ticket).window(asked.position))

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        # A cell that shows the widget does not wait until texts were read.
        return fallback_of(self._result(quick=True))

    def shot(self, *, points: int = 200) -> Shot:
        """Both sides, the text and the corpus as they are on screen.

        Args:
            points: of so many points of the scatter, those furthest out, the page also has the texts; of the others it has the
                numbers.
        """
        result = self.result
        a, b = result.a.feature, result.b.feature
        questions = [
            Question("side", AskedSide("A", a)),
            Question("side", AskedSide("B", b)),
            Question("pair", AskedPair(a, b)),
            Question("text", AskedText(cast("wire.Json", self.text), a, b)),
            Question("corpus", AskedPair(a, b)),
        ]
        if result.corpus is not None:
            chosen = [] if self.position is None else [self.position]
            positions = dict.fromkeys([*chosen, *contexts(result.corpus, points)])
            questions += [Question("context", AskedContext(a, b, position)) for position in positions]
        return Shot(
            title=f"Feature {a} of {result.a.name} beside feature {b} of {result.b.name}",
            state={"editable": False, "live": False},
            questions=questions,
            fallback=fallback_of(result),
            provenance=list(result.provenance.items()),
        )


def _key(a: Side, b: Side) -> str:
    return f"{a.feature} {b.feature}"
