"""A blind test: what is shown, what is not, and what the answers are worth, counted by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import traitlets
from blindtest_made import DEAD, LENGTH, some, truth
from front_end import ask, good, recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.index.autointerp.blind_test import draw
from saewidgets.index.autointerp.score import _shown
from saewidgets.index.autointerp.windows import Windows, WindowsError
from saewidgets.index.statistics.score_interval import wilson
from saewidgets.widgets.blindtest.payload import begun_reply

pytestmark = pytest.mark.usefixtures("fake_comm")


def make(index: sw.FeatureIndex, feature: int | None = None, **more: Any) -> sw.BlindTest:
    return sw.BlindTest(index, some(index)[0] if feature is None else feature, **{"window": LENGTH, **more})


def asked(test: sw.BlindTest, **more: Any) -> dict[str, Any]:
    return {"f": test.feature, "n": test.n, "window": test.window, "seed": test.seed, **more}


def begun(test: sw.BlindTest) -> Any:
    assert test.texts
    return test._test


def right(test: sw.BlindTest) -> list[bool]:
    return [bool(fires) for fires in begun(test).drawn.fires]


# -- the texts


@pytest.mark.slow
def test_half_of_the_texts_are_active_and_all_are_of_the_scorer_s_half(index: sw.FeatureIndex) -> None:
    windows = Windows(index, LENGTH)
    alive = [f for f in range(len(index)) if windows.available(f)[0]]
    explained = {one.start for f in alive for one in windows.active(f, "explain", 10_000)}
    for f in some(index)[:3]:
        test = make(index, f)
        drawn = begun(test).drawn
        assert len(test.texts) == 20 and sum(drawn.fires) == 10
        active, silent = windows.available(f)
        assert active == len(windows.active(f, "score", 10_000))
        assert not any(truth(index, f, one.start) for one in windows.silent(f, silent))
        with pytest.raises(WindowsError, match=f"silent in {silent} windows"):
            windows.silent(f, silent + 1)
        assert len({one.start for one in drawn.texts}) == 20
        assert not explained & {one.start for one in drawn.texts}
        for one, fires, text in zip(drawn.texts, drawn.fires, test.texts, strict=True):
            assert (truth(index, f, one.start) > 0) == fires
            assert "".join(one.tokens) == text
        # The very texts that a language model judges.
        assert list(zip(test.texts, drawn.fires, strict=True)) == _shown(windows, f, "detection", 10, 0)
        # And in an order of the seed alone.
        assert drawn.fires != tuple(sorted(drawn.fires)) and drawn.fires != tuple(sorted(drawn.fires, reverse=True))
        assert make(index, f).texts == test.texts != make(index, f, seed=1).texts


def test_before_everything_is_answered_nothing_of_an_activation_leaves_the_kernel(index: sw.FeatureIndex) -> None:
    test = make(index, n=10)
    reply = good(test, "test", **asked(test))
    names = "f features seed window said n str why notes result provenance"
    assert set(reply) == set(names.split()) and reply["result"] is None
    assert "".join(reply["str"]) == "".join(test.texts)
    test.comm.view_sets(answers=[True, None, False])
    error = ask(test, "check", **asked(test, description=0, answers=[True] * 9))["e"]
    assert error["message"] == "Of 10 texts 1 are not answered yet."
    for data, buffers in test.comm.sent:
        assert not buffers
        content = data.get("content", {})
        assert content.get("t") != "res" or not content["ok"] or content["arrays"] == []
    # Were the feature to fire in the other half, and with other activations: the same message.
    mine = begun(test)
    texts = tuple(replace(one, activations=one.activations * 3 + 1) for one in mine.drawn.texts)
    fires = tuple(not one for one in mine.drawn.fires)
    other = replace(mine, drawn=replace(mine.drawn, texts=texts, fires=fires))
    assert begun_reply(index, other, []) == begun_reply(index, mine, [])
    assert json.loads(json.dumps(begun_reply(index, other, []).data)) == reply


def test_again_shows_other_texts_as_long_as_there_are_any(index: sw.FeatureIndex) -> None:
    f = some(index, 25)[0]
    test = make(index, f, n=10)
    active, silent = Windows(index, LENGTH).available(f)
    seen: set[int] = set()
    for seed in range(min(active, silent) // 5):
        test.seed = seed
        starts = {one.start for one in begun(test).drawn.texts}
        assert len(starts) == 10 and not starts & seen, seed
        assert sum(right(test)) == 5 and not begun(test).notes
        seen |= starts
    test.seed += 1
    while not begun(test).notes:
        test.seed += 1
    assert "of these texts were shown before: there are no others." in begun(test).notes[0]
    assert sum(right(test)) == 5
    # Back from another feature it is another test, with whatever is fresh.
    first = make(index, f, n=10)
    before = set(first.texts)
    first.feature = some(index)[1]
    assert first.texts
    first.feature = f
    assert not before & set(first.texts)


def test_texts_of_an_earlier_test_are_told_and_not_drawn_again(index: sw.FeatureIndex) -> None:
    test = make(index, n=6)
    test.answers = [True] * 6
    test.check()
    later = make(index, n=6)
    assert later.texts == test.texts
    assert begun(later).notes == ("6 of these 6 texts were in an earlier test of this feature: Again draws others.",)
    test.seed = 1
    first = test.texts
    test.answers = [True] * 6
    test.check()
    later.seed = 1
    assert not set(later.texts) & set(first)
    starts = {start for one in index.blind_tests(test.feature) for start in one.starts}
    assert not starts & {one.start for one in begun(later).drawn.texts} and begun(later).notes == ()


# -- what cannot be tested


@pytest.mark.parametrize("few", [0, 1], ids=["fires in few", "is silent in few"])
def test_a_feature_with_too_few_texts_has_fewer_of_both(index: sw.FeatureIndex, few: int) -> None:
    windows = Windows(index, LENGTH)
    of = {f: windows.available(f) for f in range(len(index))}
    f, here = min(((f, one) for f, one in of.items() if min(one)), key=lambda found: found[1][few])
    n = 2 * here[few] + 4
    test = make(index, f, n=n)
    assert len(test.texts) == 2 * here[few]
    assert sum(right(test)) == here[few]
    (note,) = good(test, "test", **asked(test))["notes"]
    said = f"{'is silent' if few else 'fires'} in {here[few]} of the {sum(here)} "
    assert note.startswith(f"{2 * here[few]} texts instead of {n}: the feature {said}")
    test.answers = right(test)
    assert test.check().score.balanced_accuracy == 1


def test_where_there_is_nothing_to_tell_apart_the_widget_says_what_helps(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = make(index, DEAD)
    reply = good(test, "test", **asked(test))
    assert (reply["n"], reply["result"]) == ([], None)
    assert "never fires on this corpus" in reply["why"] and "sw.extend_index" in reply["why"]
    assert (test.result, test.score, len(test.history)) == (None, None, 0)
    for use in (lambda: test.texts, test.check):
        with pytest.raises(WindowsError, match="never fires"):
            use()
    assert "sw.extend_index" in ask(test, "check", **asked(test, description=0, answers=[]))["e"]["message"]
    f = some(index)[0]
    monkeypatch.setattr(Windows, "available", lambda *_: (0, 50))
    with pytest.raises(WindowsError, match="none of which is in the half"):
        draw(index, Windows(index, LENGTH), f, 20, 0)
    monkeypatch.setattr(Windows, "available", lambda *_: (50, 0))
    with pytest.raises(WindowsError, match="smaller window="):
        draw(index, Windows(index, LENGTH), f, 20, 0)
    monkeypatch.undo()
    found = index.feature(f)
    monkeypatch.setattr(sw.FeatureIndex, "feature", lambda *_: replace(found, complete=False))
    with pytest.raises(WindowsError, match="larger keep="):
        draw(index, Windows(index, LENGTH), f, 20, 0)
    monkeypatch.undo()
    test.feature = f
    assert len(good(test, "test", **asked(test))["n"]) == 20


def test_what_cannot_be_set(index: sw.FeatureIndex) -> None:
    test = make(index)
    before = test.feature
    for bad in (48, -1, 10**9):
        with pytest.raises(FeatureIndexError, match="0 to 47"):
            test.feature = bad
        with pytest.raises(FeatureIndexError):
            sw.BlindTest(index, bad)
        assert ask(test, "test", **asked(test) | {"f": bad})["e"]["type"] == "FeatureIndexError"
    for name, value in (("n", 7), ("n", 0), ("n", 202), ("window", 3), ("seed", -1), ("description", -2)):
        with pytest.raises(traitlets.TraitError):
            setattr(test, name, value)
    with pytest.raises(traitlets.TraitError, match="20 texts"):
        test.answers = [True] * 21
    with pytest.raises(traitlets.TraitError):
        test.answers = ["yes"]
    with pytest.raises(TypeError, match="window"):
        make(index, windw=3)
    with pytest.raises(TypeError, match="needs an index"):
        sw.BlindTest("my-index", 3)
    test.feature = np.int64(before)
    assert test.feature == before and len(test.texts) == 20
    test.close()


# -- the score


def slowly(fires: list[bool], answers: list[bool]) -> dict[str, float]:
    """The rates, one text after another."""
    found = {"tp": 0, "fn": 0, "tn": 0, "fp": 0}
    for one, said in zip(fires, answers, strict=True):
        found[("t" if one == said else "f") + ("p" if said else "n")] += 1
    tpr = found["tp"] / (found["tp"] + found["fn"])
    tnr = found["tn"] / (found["tn"] + found["fp"])
    return {"tpr": tpr, "tnr": tnr, "balanced_accuracy": (tpr + tnr) / 2, "right": found["tp"] + found["tn"]}


def test_the_score_is_what_is_counted_by_hand(index: sw.FeatureIndex) -> None:
    dice = np.random.default_rng(5)
    test = make(index, n=10)
    fires = right(test)
    for seed, answers in enumerate([fires, [not one for one in fires], [True] * 10, *(dice.random((4, 10)) < 0.6)]):
        test.seed = seed
        wanted = slowly(right(test), [bool(one) for one in answers])
        test.answers = [bool(one) for one in answers]
        reply = good(test, "check", **asked(test, description=0, answers=test.answers))["result"]
        score = test.score
        assert score is not None
        for name, value in wanted.items():
            assert score[name] == pytest.approx(value), name
        assert (reply["score"], reply["tpr"], reply["tnr"]) == (
            score["balanced_accuracy"],
            score["tpr"],
            score["tnr"],
        )
        assert reply["fires"] == right(test) and reply["answers"] == test.answers and reply["chance"] == 0.5
        assert score["measure"] == "blind test by a person, balanced accuracy, n=10"
        table = test.result.to_pandas()
        assert table.columns.tolist() == ["text", "fires", "answer", "right", "max_activation", "start"]
        assert int(table.right.sum()) == wanted["right"] and table.text.tolist() == list(test.texts)
        for row in table.itertuples():
            assert row.max_activation == pytest.approx(truth(index, test.feature, row.start))
    assert [one["score"] for one in reply["earlier"]] == test.history.balanced_accuracy.tolist()[-2::-1]
    assert test.history.seed.tolist() == [*range(7)]


@pytest.mark.parametrize(("right_of", "n"), [(0, 20), (1, 20), (11, 20), (17, 20), (20, 20), (1, 2), (150, 200)])
def test_wilson_s_interval_is_where_the_normal_approximation_at_its_ends_reaches_the_share(
    right_of: int, n: int
) -> None:
    low, high = wilson(right_of, n)
    assert 0 <= low < high <= 1
    for p in (low, high):
        if 0 < p < 1:
            assert abs(right_of / n - p) == pytest.approx(1.959963984540054 * math.sqrt(p * (1 - p) / n))
        else:
            assert p == right_of / n


def test_a_finished_test_is_judged_once(index: sw.FeatureIndex) -> None:
    test = make(index, n=6)
    first = good(test, "check", **asked(test, description=-1, answers=[True] * 6))
    again = good(test, "check", **asked(test, description=-1, answers=[False] * 6))
    assert again == first == good(test, "test", **asked(test)) and len(test.history) == 1
    assert test.check() == test.result
    _, arrays = test.comm.response([m["id"] for m, _ in test.comm.customs() if m["t"] == "res"][-1])
    activations = np.concatenate([one.activations for one in begun(test).drawn.texts])
    np.testing.assert_array_equal(arrays["act"], activations)
    # Other views are told to ask again.
    assert {"t": "names"} in [message for message, _ in test.comm.customs()]
    test.seed = 1
    assert test.result is None and test.score is None and test.answers == []


# -- traits and pages


def test_another_feature_is_another_test(index: sw.FeatureIndex) -> None:
    a, b = some(index)[:2]
    test = make(index, a)
    for change in ({"feature": b}, {"n": 10}, {"window": 20}, {"seed": 3}, {"description": -1}):
        test.answers = [True, None]
        (name, value) = next(iter(change.items()))
        setattr(test, name, value)
        assert test.answers == [], name
    test.feature = a
    assert test.description == -1  # no description is as good of any feature
    test.description = 0
    test.answers = [True]
    # What the view brings with it stands.
    test.comm.view_sets(feature=b, answers=[None, False])
    assert (test.feature, test.answers) == (b, [None, False])


def test_a_page_of_a_finished_test_tells_all_and_of_an_unfinished_one_nothing(index: sw.FeatureIndex) -> None:
    index.set_label(some(index)[0], "<b>a name</b>")
    test = make(index, n=6)
    texts = test.texts
    test.answers = [True, False, None]
    state, answers = recorded(test.page())
    assert answers == [] and state["live"] is False and state["answers"] == []
    assert "needs a running notebook" in test.page() and "needs a running notebook" in test.fallback_html()
    assert texts[0].strip() not in test.fallback_html()
    test.answers = right(test)
    test.check()
    state, answers = recorded(test.page())
    (one,) = answers
    assert one["p"] == asked(test) and one["r"]["result"]["fires"] == right(test)
    picture = test.fallback_html()
    assert "balanced accuracy 1.00 (chance 0.5), 6 of 6 right" in picture
    assert "&lt;b&gt;a name&lt;/b&gt; (label)" in picture and "<script" not in picture
    assert test.page() == test.page()
    assert "6 of 6 right" in test._repr_mimebundle_()[0]["text/html"]
