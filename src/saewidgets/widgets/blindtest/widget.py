"""BlindTest: a person guesses, from what is said of a feature, in which texts it fires; the kernel judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import traitlets

from ...index.autointerp.blind_test import BlindResult, draw, judge
from ...index.autointerp.windows import Windows, WindowsError
from ...index.explanations.blind_score import scores_frame
from ...index.feature_index import FeatureIndex
from .. import wire
from ..base import EngineWidget
from ..channel import channel
from ..shot import Question, Shot
from ..traits import WholeNumber
from .asked import AskedCheck, AskedTest
from .page import fallback_of
from .payload import Begun, begun_reply

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.descriptions import Description
    from ...engine.ticket import Ticket
    from ...index.explanations.blind_score import BlindScore

MOST = 200


class BlindTest(EngineWidget, bundle="blindtest"):
    """Does what is said of a feature tell where it fires? Guess, and see.

    Shows a label, an explanation or an automatic description, and texts of the corpus, in half of which the feature fires,
    without a mark on them. When everything is answered the kernel judges: balanced accuracy, of which 0.5 is chance. This is
    detection as `sw.score_explanations` has it, on texts that are drawn by the same rule, with a person as the judge. Every
    result is kept beside the index, and with the label or explanation that was tested.

    Works from an index alone.

    Args:
        index: from `build_index` or `FeatureIndex.open`.
        feature: which.
        n: how many texts, an even number; where the corpus has fewer of one kind, there are as many of either as it has.
        window: tokens of a text.
        seed: of the draw. The first test of a feature is that of the seed; later ones take texts that were not shown before, as
            long as there are any.
        **traits: any of the traits below.

    Traits (both ways):
        feature: of which the test is. n: how many texts. window: tokens of a text. seed: of the draw. Changing one of the four
            begins another test.
        description: which of `descriptions` is shown and tested, 0 the one that speaks for the feature; -1: none. Changing it
            takes the answers back.
        answers: of each text True (fires), False (does not) or None (not answered yet).
        theme, error: see `EngineWidget`.

    Raises:
        FeatureIndexError: for a feature outside the index.

    Example:
        >>> test = sw.BlindTest(index, 2717)
        >>> test
        >>> test.score["balanced_accuracy"], test.result.to_pandas()     # in the next cell
    """

    feature = WholeNumber(0).tag(sync=True, page=True)
    n = WholeNumber(20, min=2, max=MOST).tag(sync=True, page=True)
    window = WholeNumber(32, min=4, max=256).tag(sync=True, page=True)
    seed = WholeNumber(0, min=0, max=2**31 - 1).tag(sync=True, page=True)
    description = WholeNumber(0, min=-1).tag(sync=True, page=True)
    answers = traitlets.List(traitlets.Bool(allow_none=True)).tag(sync=True, page=True)
    live = traitlets.Bool(True, read_only=True).tag(sync=True, page=True)

    def __init__(
        self,
        index: FeatureIndex,
        feature: int,
        *,
        n: int = 20,
        window: int = 32,
        seed: int = 0,
        **traits: object,
    ) -> None:
        if not isinstance(index, FeatureIndex):
            raise TypeError(
                "BlindTest needs an index: BlindTest(index, feature). sw.build_index(engine, texts, path) makes one."
            )
        self._index = index
        self._test: Begun | None = None
        self._windows = Windows(index)
        # By feature and length of window, where the texts begin that this widget showed.
        self._shown: dict[tuple[int, int], set[int]] = {}
        super().__init__(None, feature=feature, n=n, window=window, seed=seed, **traits)
        self.names_of(index.labels)

    # -- traits

    @traitlets.validate("feature")
    def _valid_feature(self, proposal: Mapping[str, Any]) -> int:
        return self._index.check_feature(proposal["value"])

    @traitlets.validate("n")
    def _valid_n(self, proposal: Mapping[str, Any]) -> int:
        if proposal["value"] % 2:
            raise traitlets.TraitError(
                f"n is even, for the feature fires in half of the texts; not {proposal['value']}."
            )
        return int(proposal["value"])

    @traitlets.validate("answers")
    def _valid_answers(self, proposal: Mapping[str, Any]) -> list[bool | None]:
        value = cast("list[bool | None]", proposal["value"])
        if len(value) > self.n:
            raise traitlets.TraitError(f"There are {self.n} texts to answer, not {len(value)}.")
        return value

    @traitlets.observe("feature", "n", "window", "seed")
    def _another_test(self, change: Mapping[str, Any]) -> None:
        if change["old"] is traitlets.Undefined:
            return
        self.reset(answers=[])
        if change["name"] == "feature" and self.description > 0:  # -1, none, is as good of any feature
            self.reset(description=0)

    @traitlets.observe("description")
    def _another_description(self, change: Mapping[str, Any]) -> None:
        if change["old"] is not traitlets.Undefined:
            self.reset(answers=[])

    # -- headless

    @property
    def index(self) -> FeatureIndex:
        """The index behind the test."""
        return self._index

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts, in the order in which they are shown.

        Raises:
            WindowsError: if the corpus has none of one kind, saying what helps.
        """
        test = self._worker.run(partial(self._begin, self._asked()))
        if test.drawn is None:
            raise WindowsError(test.why)
        return tuple("".join(one.tokens) for one in test.drawn.texts)

    @property
    def descriptions(self) -> tuple[Description, ...]:
        """What is said of the feature, and can be tested, as it was when the test began."""
        return self._worker.run(partial(self._begin, self._asked())).said

    @property
    def result(self) -> BlindResult | None:
        """The test on screen, once it is finished; None before."""
        test = self._test
        return test.result if test is not None and test.asked == self._asked() else None

    @property
    def score(self) -> dict[str, Any] | None:
        """The numbers of `result`: balanced_accuracy, tpr, tnr, n, right, and the 95% interval (low, high) of the share
        judged rightly; None before."""
        result = self.result
        return None if result is None else result.score.to_dict()

    @property
    def history(self) -> pd.DataFrame:
        """All blind tests of this feature, this and earlier ones, oldest first: one row a test."""
        return scores_frame(self._index.blind_tests(self.feature))

    def check(self) -> BlindResult:
        """Judge the `answers` and keep the score, as the button does. A test that is finished is not judged again.

        Raises:
            ValueError: if not every text is answered.
        """
        answers = [cast(bool, answer) for answer in self.answers]
        test = self._asked()
        asked = AskedCheck(test.feature, test.n, test.window, test.seed, self.description, tuple(answers))
        result = self._worker.run(partial(self._judge, asked)).result
        assert result is not None
        return result

    def _asked(self) -> AskedTest:
        return AskedTest(self.feature, self.n, self.window, self.seed)

    def __repr__(self) -> str:
        return f"BlindTest({self._index!r}, feature={self.feature}, n={self.n}, seed={self.seed})"

    # -- answers

    @channel("test", AskedTest)
    def _answer_test(self, asked: AskedTest, ticket: Ticket) -> wire.Reply:
        return self._reply_of(self._begin(asked, ticket))

    @channel("check", AskedCheck)
    def _answer_check(self, asked: AskedCheck, ticket: Ticket) -> wire.Reply:
        return self._reply_of(self._judge(asked, ticket))

    def _reply_of(self, test: Begun) -> wire.Reply:
        return begun_reply(self._index, test, self._before(test))

    def _before(self, test: Begun) -> list[BlindScore]:
        """The tests of the feature before this one, the latest first."""
        this = None if test.result is None else test.result.score
        return [one for one in reversed(self._index.blind_tests(test.asked.feature)) if one != this]

    def _begin(self, asked: AskedTest, _ticket: Ticket | None = None) -> Begun:
        """The test that is asked for: the one on screen, or another. Only on the worker, so that there is one at a time."""
        if self._test is not None and self._test.asked == asked:
            return self._test
        feature = self._index.check_feature(asked.feature)
        shown = self._shown.setdefault((feature, asked.window), set())
        earlier = {start for one in self._index.blind_tests(feature) for start in one.starts}
        said = tuple(self._index.descriptions(feature))
        try:
            if self._windows.length != asked.window:
                self._windows = Windows(self._index, asked.window)
            drawn = draw(self._index, self._windows, feature, asked.n, asked.seed, earlier | shown if shown else ())
        except WindowsError as error:
            self._test = Begun(asked, said, None, str(error))
            return self._test
        notes = list(drawn.notes)
        starts = {one.start for one in drawn.texts}
        known = len(starts & earlier)
        if known and not shown:
            notes.append(
                f"{known} of these {len(starts)} texts were in an earlier test of this feature: Again draws others."
            )
        shown |= starts
        self._test = Begun(asked, said, drawn, notes=tuple(notes))
        return self._test

    def _judge(self, asked: AskedCheck, ticket: Ticket | None = None) -> Begun:
        test = self._begin(asked.test, ticket)
        if test.result is not None:
            return test
        if test.drawn is None:
            raise WindowsError(test.why)
        texts, answers = test.drawn.texts, asked.answers
        missing = len(texts) - sum(answer is not None for answer in answers)
        if missing:
            raise ValueError(f"Of {len(texts)} texts {missing} are not answered yet.")
        said = test.tested(asked.description)
        score = judge(asked.feature, test.drawn, answers, said, asked.window, asked.seed)
        note = self._index.keep_blind_test(score)
        # With the time that it was kept at; somebody else may have kept another one since.
        every = reversed(self._index.blind_tests(asked.feature))
        kept = next(one for one in every if replace(one, at="") == score)
        test.result = BlindResult(kept, texts, test.drawn.fires, tuple(answers), note)
        return test

    # -- pictures without a kernel

    def fallback_html(self) -> str:
        return fallback_of(self._index, self.feature, self.result)

    def shot(self) -> Shot:
        """The test on screen with all its answers, if it is finished; else nothing of it: a page has no kernel to judge."""
        asked, result = self._asked(), self.result
        questions = [] if result is None else [Question("test", asked)]
        return Shot(
            title=f"Blind test of feature {asked.feature}",
            state={"live": False, "answers": cast("list[wire.Json]", list(result.answers) if result else [])},
            questions=questions,
            fallback=self.fallback_html(),
            provenance=list(self._index.provenance.items()),
        )
