"""Explaining and scoring, with a model that is a function, against rates that are counted by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

import saewidgets as sw
from saewidgets.index.autointerp.ask import AskError, Message
from saewidgets.index.autointerp.score import Score, read_judgement
from saewidgets.index.autointerp.windows import Window, Windows, WindowsError, marked

LENGTH = 14
LETTERS = [*"abcdefghijklmnopqrstuvwxyz     "]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    dice = np.random.default_rng(0)
    # No stretch of a window's length is there twice, so a judge can know it again.
    texts = ["".join(dice.choice(LETTERS, 150)) for _ in range(40)]
    with sw.Engine(tiny.hooked(), tiny.sae("topk")) as engine:
        return sw.build_index(engine, texts, tmp_path_factory.mktemp("autointerp") / "index", progress=False, wait=True)


@pytest.fixture
def own(index: sw.FeatureIndex, tmp_path: Path) -> sw.FeatureIndex:
    """A copy to write to."""
    import shutil

    return sw.FeatureIndex.open(shutil.copytree(index.path, tmp_path / "index"))


def some(index: sw.FeatureIndex) -> list[int]:
    """Features that fire often, and not everywhere."""
    found = []
    for f in index.order("density").tolist():
        try:
            Windows(index, LENGTH).silent(f, 12)
            Windows(index, LENGTH).active(f, "score", 12)
        except WindowsError:
            continue
        found.append(f)
    assert len(found) >= 3
    return found[:3]


def dense(index: sw.FeatureIndex, feature: int) -> np.ndarray:
    """[tokens], the activation everywhere in the corpus."""
    values = np.zeros(index.tokens, np.float32)
    position, value = index.activations(feature)
    values[position] = value
    return values


@pytest.mark.slow
def test_windows_are_of_a_grid_and_halves_do_not_meet(index: sw.FeatureIndex) -> None:
    windows, ptr = Windows(index, LENGTH), index.texts.chunk_ptr.tolist()
    grid = {start: min(start + LENGTH, b) for a, b in pairwise(ptr) for start in range(a, b, LENGTH)}
    for f in some(index):
        values = dense(index, f)
        assert index.feature(f).complete
        halves = {half: windows.active(f, half, 10_000) for half in ("explain", "score")}  # type: ignore[arg-type]
        silent = windows.silent(f, 12)
        starts = {half: {one.start for one in found} for half, found in halves.items()}
        assert not starts["explain"] & starts["score"]
        used = {a for a, b in grid.items() if 2 * (b - a) >= LENGTH or a in ptr}
        assert starts["explain"] | starts["score"] == {a for a in used if np.any(values[a : grid[a]])}
        assert {one.start for one in silent} <= used and used < set(grid)
        for one in (*halves["explain"], *halves["score"], *silent):
            at = np.arange(one.start, grid[one.start])
            counts = index.texts.flags(one.start, grid[one.start]) != 1
            assert np.array_equal(one.activations, values[at][counts])
            strings = index.texts.display(one.start, grid[one.start]).strings
            assert one.tokens == tuple(strings[i] for i in np.flatnonzero(counts))
        assert not any(values[one.start : grid[one.start]].any() for one in silent)
        assert len({one.start for one in silent}) == 12
        # Equally many of each tenth by the largest activation, the strongest first.
        chosen = windows.active(f, "score", 20)
        ranked = sorted((np.abs(values[a : grid[a]]).max() for a in starts["score"]), reverse=True)
        tenths = np.array_split(np.array(ranked), 10)
        assert [one.largest for one in chosen] == sorted((one.largest for one in chosen), reverse=True)
        for i, tenth in enumerate(tenths):
            some_of = [one for one in chosen if tenth.min() <= one.largest <= tenth.max()]
            assert len(some_of) >= min(2, len(tenth)), i
        assert [one.start for one in windows.active(f, "score", 20)] == [one.start for one in chosen]


def test_marks() -> None:
    text = (" a", "b", " c", "d")
    assert marked(text, np.array([True, True, False, True])) == "<< ab>> c<<d>>"
    assert marked(text, np.zeros(4, bool)) == " ab cd"


class Model:
    """A model that is a function, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, str], str]) -> None:
        self.answer, self.asked = answer, []  # type: ignore[var-annotated]
        self.__name__ = "judge"

    def __call__(self, messages: Sequence[Message]) -> str:
        assert [m["role"] for m in messages] == ["system", "user"]
        self.asked.append(messages[1]["content"])
        return self.answer(messages[0]["content"], messages[1]["content"])


@pytest.mark.slow
def test_the_explainer_sees_marked_windows_of_its_half_and_what_it_says_is_kept(own: sw.FeatureIndex) -> None:
    features = some(own)
    model = Model(lambda system, user: f'I think ...\n[EXPLANATION]: "number {len(user)}"\n')
    made = sw.explain(own, features, model, length=LENGTH, progress=False, parallel=1)
    assert made.name == "judge" and not made.failed and [*made.texts] == features
    assert len(model.asked) == 3
    for f, user in zip(features, model.asked, strict=True):
        assert made.texts[f] == f"number {len(user)}" == own.describe(f).text  # type: ignore[union-attr]
        shown = Windows(own, LENGTH).active(f, "explain", 40)
        top = own.feature(f).maximum
        assert top is not None
        texts = re.findall(r"Excerpt \d+: (.*)\nStrengths: (.*)", user)
        assert len(texts) == len(shown) <= 40
        for (text, strengths), window in zip(texts, shown, strict=True):
            assert text.replace("<<", "").replace(">>", "") == "".join(window.tokens)
            strong = window.activations > 0.3 * top
            strong = strong if strong.any() else window.activations == window.largest
            told = [
                f'("{t}", {min(10, int(10 * a / top))})'
                for t, a, s in zip(window.tokens, window.activations, strong, strict=True)
                if s
            ]
            assert strengths == ", ".join(told)
    assert set(own.explanations.method) == {"saewidgets explain"} and set(own.explanations.source) == {"judge"}
    # Nothing is paid for twice, also after a restart; another model is asked anew.
    again = sw.explain(sw.FeatureIndex.open(own.path), features, model, length=LENGTH, progress=False)
    assert again.texts == made.texts and len(model.asked) == 3
    sw.explain(own, features[:1], model, model="other", length=LENGTH, progress=False)
    assert len(model.asked) == 4 and set(own.explanations.source) == {"judge", "other"}


@pytest.mark.slow
def test_an_interrupted_run_goes_on(own: sw.FeatureIndex) -> None:
    features = some(own)
    left = [2]

    def answer(_system: str, user: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return "[EXPLANATION]: fine"

    model = Model(answer)
    with pytest.raises(KeyboardInterrupt):
        sw.explain(own, features, model, length=LENGTH, progress=False, parallel=1)
    left[0] = 1
    made = sw.explain(own, features, model, length=LENGTH, progress=False, parallel=1)
    assert len(made.texts) == 3 and len(model.asked) == 4


@pytest.mark.slow
def test_nonsense_and_failures_are_told_by_feature(own: sw.FeatureIndex) -> None:
    features = some(own)
    answers = iter(["no line like that", "[EXPLANATION]:   ", "[EXPLANATION]: good"])
    made = sw.explain(own, features, Model(lambda s, u: next(answers)), length=LENGTH, progress=False, parallel=1)
    assert made.texts == {features[2]: "good"} and [*made.failed] == features[:2]
    assert "no line that begins with [EXPLANATION]" in made.failed[features[0]]
    assert made.to_pandas().explanation.notna().sum() == 1 and "2 failed" in repr(made)

    def broken(system: str, user: str) -> str:
        raise ConnectionError("nobody there")

    with pytest.raises(AskError, match=r"None of 3 features.*nobody there"):
        sw.explain(own, features, Model(broken), model="broken", length=LENGTH, progress=False)
    with pytest.raises(AskError, match="model="):
        sw.explain(own, features, object(), length=LENGTH)
    with pytest.raises(AskError, match="cannot be asked"):
        sw.explain(own, features, object(), model="m", length=LENGTH)


def judge(own: sw.FeatureIndex, feature: int, *, wrong: bool = False) -> Callable[[str, str], str]:
    """One who knows which windows are active, and which marks are the right ones."""
    values = dense(own, feature)
    ptr = own.texts.chunk_ptr.tolist()
    active: set[str] = set()
    for a, b in pairwise(ptr):
        for start in range(a, b, LENGTH):
            stop = min(start + LENGTH, b)
            counts = np.flatnonzero(own.texts.flags(start, stop) != 1)
            strings = own.texts.display(start, stop).strings
            if values[start:stop].any():
                active.add("".join(strings[i] for i in counts))

    def answer(_system: str, user: str) -> str:
        texts = [t.replace("<<", "").replace(">>", "") for t in re.findall(r"Excerpt \d+: (.*)", user)]
        return f"Sure: [{', '.join(str(int((text in active) != wrong)) for text in texts)}] and [1]"

    return answer


@pytest.mark.slow
def test_rates_are_those_of_the_answers(own: sw.FeatureIndex) -> None:
    a, b, _ = some(own)
    own.add_explanations({a: "about a", b: "about b"}, "theirs")

    def scored(answer: Callable[[str, str], str], name: str, **more: object) -> sw.Scores:
        model = Model(answer)
        return sw.score_explanations(own, [a], model, model=name, n=12, length=LENGTH, progress=False, **more)  # type: ignore[arg-type]

    right = scored(judge(own, a), "right")
    assert [(s.method, s.balanced_accuracy, s.precision, s.f1, s.failed) for s in right.scores] == [
        ("detection", 1, 1, 1, 0), ("fuzzing", 1, 1, 1, 0)
    ]  # fmt: skip
    assert {(s.active, s.silent) for s in right.scores} == {(12, 12)}
    assert own.explanations_of(a)[0][1].score == 1
    told = own.describe(a)
    assert told is not None and told.measure == "balanced accuracy, detection and fuzzing, judged by right"
    wrong = scored(judge(own, a, wrong=True), "wrong", methods=["detection"])
    assert [s.balanced_accuracy for s in wrong.scores] == [0] and own.explanations_of(a)[0][1].score == 0
    always = scored(
        lambda s, u: f"[{', '.join('1' * len(re.findall('Excerpt', u)))}]".replace("1", "1"), "always"
    ).scores[0]
    assert (always.recall, always.specificity, always.balanced_accuracy, always.precision) == (1, 0, 0.5, 0.5)
    assert always.f1 == pytest.approx(2 * 0.5 * 1 / 1.5)
    # Half of the answers cannot be read: they are counted, and in no rate.
    calls = [0]

    def sometimes(system: str, user: str) -> str:
        calls[0] += 1
        return judge(own, a)(system, user) if calls[0] % 2 else "Let me think."

    half = scored(sometimes, "sometimes", methods=["detection"], parallel=1).scores[0]
    assert half.failed == 10 and half.active + half.silent == 14 and half.balanced_accuracy == 1
    with pytest.raises(ValueError, match="no method 'sound'"):
        scored(judge(own, a), "x", methods=["sound"])


@pytest.mark.slow
def test_rates_of_unequal_numbers() -> None:
    score = Score(0, "text", "detection", active=10, silent=40, true_positives=9, true_negatives=20, failed=50)
    rates = (score.recall, score.specificity, score.balanced_accuracy, score.precision, score.f1)
    assert rates == pytest.approx((9 / 10, 20 / 40, 0.7, 9 / 29, 2 * 9 / (2 * 9 + 20 + 1)))
    none = Score(0, "text", "detection", active=0, silent=0, true_positives=0, true_negatives=0, failed=100)
    assert all(
        np.isnan(rate) for rate in (none.recall, none.specificity, none.balanced_accuracy, none.precision, none.f1)
    )


def test_of_an_endpoint_that_breaks_down_no_half_score_is_kept(own: sw.FeatureIndex) -> None:
    a, b, _ = some(own)
    own.add_explanations({a: "about a", b: "about b"}, "theirs")
    left = [7]

    def answer(system: str, user: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionError("gone")
        return judge(own, a if "about a" in user else b)(system, user)

    def score() -> sw.Scores:
        methods: list[Any] = ["detection"]
        return sw.score_explanations(
            own, [a, b], Model(answer), n=12, length=LENGTH, methods=methods, baseline=False, progress=False, parallel=1
        )

    made = score()  # five questions of a feature: the second one's are half answered
    assert [s.feature for s in made.scores] == [a] and [*made.failed] == [b] and "gone" in made.failed[b]
    assert own.explanations_of(b)[0][1].score is None
    left[0] = 3
    again = score()
    assert not again.failed and [s.balanced_accuracy for s in again.scores] == [1, 1]


def test_strengths_of_a_feature_that_goes_both_ways(tmp_path: Path) -> None:
    window = Window(0, ("a", "b", "c"), np.array([-4.0, 1.0, 2.0], np.float32))
    assert window.strong(4.0).tolist() == [True, False, True] and window.strong(100.0).tolist() == [True, False, False]
    with sw.Engine(tiny.hooked(), tiny.sae("abstopk")) as engine:
        index = sw.build_index(engine, ["God created the heaven. " * 9] * 3, tmp_path / "i", progress=False, wait=True)
    windows = Windows(index, LENGTH)
    for f in range(len(index)):
        position, value = index.activations(f)
        assert windows.scale(f) == (np.abs(value).max() if len(position) else 0)


def test_another_explanation_is_the_baseline(own: sw.FeatureIndex) -> None:
    a, b, c = some(own)
    own.add_explanations({a: "about a", b: "about b", c: "about c"}, "theirs")

    def answer(system: str, user: str) -> str:
        feature = {"about a": a, "about b": b, "about c": c}[re.findall("feature: (.*)", user)[0]]
        return judge(own, feature)(system, user)

    model = Model(answer)
    made = sw.score_explanations(own, [a, b, c], model, n=12, length=LENGTH, methods=["detection"], progress=False)
    assert len(made.scores) == 3 and all(s.balanced_accuracy == 1 for s in made.scores)
    for s in made.scores:
        assert s.baseline_of in {a, b, c} - {s.feature} and s.baseline is not None and s.baseline < 1
        # By hand: where the other one is active, on this one's windows.
        windows, values, ptr = Windows(own, LENGTH), dense(own, s.baseline_of), own.texts.chunk_ptr
        active, silent = (
            [values[one.start : min(one.start + LENGTH, ptr[ptr > one.start].min())].any() for one in found]
            for found in (windows.active(s.feature, "score", 12), windows.silent(s.feature, 12))
        )
        assert s.baseline == pytest.approx((np.mean(active) + 1 - np.mean(silent)) / 2)
        kept = own.explanations_of(s.feature)[0][1]
        assert kept.score == 1 and kept.measure.endswith(f"another feature's explanation: {s.baseline:.3f}")
    table = made.to_pandas()
    assert table.columns.tolist()[:4] == ["feature", "method", "balanced_accuracy", "baseline"] and len(table) == 3


@pytest.mark.slow
def test_what_cannot_be_scored_is_told(own: sw.FeatureIndex) -> None:
    a, b, _ = some(own)
    dead = next((f for f in range(len(own)) if own.feature(f).dead), None)
    own.add_explanations({a: "about a", **({} if dead is None else {dead: "dead"})}, "theirs")
    features = [a, b] if dead is None else [a, b, dead]
    made = sw.score_explanations(own, features, Model(judge(own, a)), n=12, length=LENGTH, progress=False)
    assert "no explanation" in made.failed[b] and {s.feature for s in made.scores} == {a}
    if dead is not None:
        assert "fires in none" in made.failed[dead]
    assert made.scores[0].baseline is None or dead is not None
    with pytest.raises(WindowsError, match="windows of the corpus; 100000 are needed"):
        Windows(own, LENGTH).silent(a, 100_000)


@pytest.mark.parametrize(
    ("answer", "n", "judged"),
    [
        ("[1, 0, 1]", 3, [True, False, True]),
        ("So: [1,0,1] because [0]", 3, [True, False, True]),
        ("[1, 0]", 3, None),
        ("[1, 0, 2]", 3, None),
        ("[yes, no, yes]", 3, None),
        ("1, 0, 1", 3, None),
        ("[]", 0, None),
        ("", 3, None),
        ("[[1, 0, 1]]", 3, [True, False, True]),
    ],
)
def test_judgements_are_read_strictly(answer: str, n: int, judged: list[bool] | None) -> None:
    assert read_judgement(answer, n) == judged
