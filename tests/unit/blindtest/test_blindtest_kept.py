"""Where the score of a blind test goes: into the history always, and with the words that were shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from blindtest_made import LENGTH, some

import saewidgets as sw
from saewidgets.index.errors import IndexWriteError
from saewidgets.index.explanations.blind_score import BlindScore
from saewidgets.storage.json_log import JsonLog

pytestmark = pytest.mark.usefixtures("fake_comm")

MEASURE = "blind test by a person, balanced accuracy, n=6"


@pytest.fixture
def f(index: sw.FeatureIndex) -> int:
    return some(index)[0]


def finished(index: sw.FeatureIndex, f: int, wrong: int = 0, **more: Any) -> sw.BlindTest:
    """A test with so many wrong answers."""
    test = sw.BlindTest(index, f, **{"n": 6, "window": LENGTH, **more})
    answer(test, wrong)
    return test


def answer(test: sw.BlindTest, wrong: int = 0) -> None:
    assert test.texts
    fires = test._test.drawn.fires
    test.answers = [one != (i < wrong) for i, one in enumerate(fires)]
    test.check()


def test_a_label_has_the_score_of_its_last_test(index: sw.FeatureIndex, f: int) -> None:
    index.set_label(f, "a name")
    assert index.describe(f).score is None
    test = finished(index, f, wrong=6)
    assert test.result.score.kind == "label" and test.result.note == ""
    assert (index.describe(f).score, index.describe(f).measure) == (0, MEASURE)
    test.seed = 1
    answer(test)
    assert index.describe(f).score == 1
    again = sw.FeatureIndex.open(index.path)
    assert again.describe(f).score == 1
    assert [one.balanced_accuracy for one in again.blind_tests(f)] == [0, 1]
    assert again.blind_tests(f)[0] == index.blind_tests(f)[0] and again.blind_tests(f)[0].at
    # Another name was not tested.
    index.set_label(f, "another name")
    assert (index.describe(f).score, len(index.blind_tests(f))) == (None, 2)
    told = index.history
    assert told.what.tolist() == ["label", "blind test", "blind test", "label"]
    assert told.text.tolist()[2] == f"{MEASURE}: 1.000 of 'a name'" and told.feature.tolist() == [f] * 4


def test_an_explanation_has_its_score_and_nobody_s_score_is_written_over(index: sw.FeatureIndex, f: int) -> None:
    index.add_explanations({f: "what a person wrote"}, "by hand")
    rows = [{"feature": f, "description": "what a model wrote", "score": 0.8, "measure": "fuzzing, judged by gpt"}]
    index.add_explanations(rows, "model")
    test = sw.BlindTest(index, f, n=6, window=LENGTH)
    assert test.descriptions[-1].kind == "automatic"
    assert [(one.source, one.text) for one in test.descriptions[:-1]] == [
        ("model", "what a model wrote"),
        ("by hand", "what a person wrote"),
    ]
    test.description = 1
    answer(test, wrong=6)
    assert (test.result.score.source, test.result.note) == ("by hand", "")
    table = index.explanations.set_index("source")
    assert (table.score["by hand"], table.measure["by hand"]) == (0, MEASURE)
    test.seed = 1  # a second test of it
    answer(test)
    assert index.explanations.set_index("source").score["by hand"] == 1
    test.description = 0
    test.seed = 2
    answer(test)
    table = index.explanations.set_index("source")
    assert (table.score["model"], table.measure["model"]) == (0.8, "fuzzing, judged by gpt")
    assert "keeps the score that it had, 0.8 (fuzzing, judged by gpt)" in test.result.note
    assert test.history.description.tolist() == ["what a person wrote"] * 2 + ["what a model wrote"]
    assert test.history.measure.tolist() == [MEASURE] * 3


def test_without_a_description_the_feature_was_tested(index: sw.FeatureIndex, f: int) -> None:
    index.set_label(f, "a name")
    test = finished(index, f, description=-1)
    assert test.result.score.kind == "nothing" and test.result.score.description == ""
    assert index.describe(f).score is None and index.history.text.tolist()[-1] == f"{MEASURE}: 1.000"
    index.set_label(f, "")
    test = finished(index, f)
    assert test.result.score.kind == "automatic" and test.result.score.description == index.describe(f).text
    assert test.history.kind.tolist() == ["nothing", "automatic"]


def test_a_score_is_of_the_words_that_were_shown(index: sw.FeatureIndex, f: int) -> None:
    index.set_label(f, "a name")
    test = sw.BlindTest(index, f, n=6, window=LENGTH)
    assert [one.text for one in test.descriptions][:-1] == ["a name"]
    index.set_label(f, "changed meanwhile")
    answer(test)
    assert test.result.score.description == "a name"
    assert "changed during the test" in test.result.note
    assert index.describe(f).score is None
    index.set_label(f, "")
    index.add_explanations({f: "an explanation"}, "set")
    test = sw.BlindTest(index, f, n=6, window=LENGTH)
    assert [one.source for one in test.descriptions] == ["set", "the index"]
    index.remove_explanations("set")
    answer(test)
    assert "taken away during the test" in test.result.note and index.explanations.empty
    assert test.history.description.tolist() == ["a name", "an explanation"]


def test_where_nobody_may_write_it_goes_to_the_user_s_own_folder(
    index: sw.FeatureIndex, f: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, refused = JsonLog.append, []

    def refuse(self: JsonLog, entries: Any) -> None:
        if self.path.parent == index.path.resolve():
            refused.append(self.path)
            raise IndexWriteError("read-only")
        append(self, entries)

    monkeypatch.setattr(JsonLog, "append", refuse)
    with pytest.warns(UserWarning, match="labels, notes, lists and blind tests are kept in"):
        test = finished(index, f)
    assert refused and len(test.history) == 1
    assert len(sw.FeatureIndex.open(index.path).blind_tests(f)) == 1


def test_what_others_wrote_into_the_log_is_checked(index: sw.FeatureIndex, f: int) -> None:
    finished(index, f, wrong=1)
    (score,) = index.blind_tests(f)
    assert BlindScore.from_entry(json.loads(json.dumps({**score.to_entry(), "at": score.at}))) == score
    entry = score.to_entry()
    wrong = [{"f": "3"}, {"kind": "guess"}, {"active": 0}, {"true_positives": 4}, {"starts": ["a"]}, {"description": 3}]
    JsonLog(index.path / "words.jsonl").append([{**entry, **change} for change in wrong])
    again = sw.FeatureIndex.open(index.path)
    assert len(again.blind_tests(f)) == 1 and again.history.what.tolist() == ["blind test"]
