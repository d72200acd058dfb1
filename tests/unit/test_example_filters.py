"""Filters match what is meant, and refuse by name what is nowhere: an empty list is about the feature, never about a typo."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.widgets.dashboard.asked import AskedExamples
from saewidgets.widgets.dashboard.payload import answer_examples, columns_of, select

SENTENCE = "In the beginning God created the heaven and the earth, {}"
DAYS = ["2020-01-05", "2021-02-03", None, "2020-01-05", "2022-12-31", "2021-02-03"]
TABLE = pd.DataFrame(
    {
        "text": [SENTENCE.format(i) for i in range(6)],
        "when": pd.to_datetime(DAYS),
        "at": pd.to_datetime(["2020-01-05 10:30", "2020-01-05 23:00", None, *["2021-02-03 00:00"] * 3]),
        "zoned": pd.to_datetime(["2020-01-05 10:30", "2020-01-05 23:00", None, *["2021-02-03 00:00"] * 3]).tz_localize(
            "UTC"
        ),
        "day": [None if d is None else dt.date.fromisoformat(d) for d in DAYS],
        "year": [1999, 2000, 2001, 1999, 2000, 2001],
        "size": [1.5, 2.0, np.nan, 1.5, 2.0, 3.25],
        "kept": [True, False, True, False, True, False],
        "lang": ["de", "en", None, "de", "fr", "en"],
        "tags": [["a"], ["a", "b"], [], ["a"], ["b"], ["a", "b"]],
        "mixed": [1, "one", 2.5, dt.date(2020, 1, 5), None, 1],
    }
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        return sw.build_index(engine, TABLE, tmp_path_factory.mktemp("filters") / "index", progress=False, wait=True)


def found(index: sw.FeatureIndex, **how: Any) -> set[int]:
    """The documents that examples of a feature that fires in all of them come from."""
    f = int(index.order("density")[0])
    return {int(e.document) for e in index.examples(f, group="top", top=10**6, fold=False, **how)}


MEANT: list[tuple[str, Any, set[int]]] = [
    ("when", np.datetime64("2020-01-05"), {0, 3}),
    ("when", np.datetime64("2020-01-05T00:00:00", "ns"), {0, 3}),
    ("when", np.datetime64("2020-01-05", "s"), {0, 3}),
    ("when", TABLE["when"].to_numpy()[1], {1, 5}),
    ("when", pd.Timestamp("2021-02-03"), {1, 5}),
    ("when", dt.datetime(2021, 2, 3), {1, 5}),
    ("when", dt.date(2022, 12, 31), {4}),
    ("when", "2020-01-05", {0, 3}),
    ("when", "2020-01-05 00:00:00", {0, 3}),
    ("when", "2020-01-05T00:00:00", {0, 3}),
    ("when", None, {2}),
    ("when", pd.NaT, {2}),
    ("when", np.datetime64("NaT", "ns"), {2}),
    ("when", TABLE["when"].to_numpy()[[0, 4]], {0, 3, 4}),
    ("at", dt.date(2020, 1, 5), {0, 1}),  # the whole day
    ("at", np.datetime64("2020-01-05"), {0, 1}),
    ("at", "2020-01-05", {0, 1}),
    ("at", np.datetime64("2020-01-05T10:30"), {0}),
    ("at", pd.Timestamp("2021-02-03"), {3, 4, 5}),
    ("zoned", pd.Timestamp("2020-01-05 10:30", tz="UTC"), {0}),
    ("zoned", pd.Timestamp("2020-01-05 11:30", tz="Europe/Paris"), {0}),
    ("zoned", np.datetime64("2020-01-05T23:00"), {1}),
    ("day", pd.Timestamp("2020-01-05"), {0, 3}),
    ("day", np.datetime64("2020-01-05", "ns"), {0, 3}),
    ("day", dt.date(2021, 2, 3), {1, 5}),
    ("day", "2021-02-03", {1, 5}),
    ("year", np.int64(1999), {0, 3}),
    ("year", np.float32(2000.0), {1, 4}),
    ("year", 2000.0, {1, 4}),
    ("year", Decimal(2001), {2, 5}),
    ("year", "1999", {0, 3}),
    ("year", [1999, 2001], {0, 2, 3, 5}),
    ("year", range(2000, 2002), {1, 2, 4, 5}),
    ("year", np.array([1999]), {0, 3}),
    ("year", pd.Series([1999, 2000]), {0, 1, 3, 4}),
    ("year", {1999}, {0, 3}),
    ("size", np.float64(1.5), {0, 3}),
    ("size", 2, {1, 4}),
    ("size", "2", {1, 4}),
    ("size", float("nan"), {2}),
    ("size", None, {2}),
    ("size", pd.NA, {2}),
    ("kept", np.bool_(True), {0, 2, 4}),
    ("kept", False, {1, 3, 5}),
    ("kept", "True", {0, 2, 4}),
    ("kept", 1, {0, 2, 4}),
    ("lang", "de", {0, 3}),
    ("lang", np.str_("en"), {1, 5}),
    ("lang", ["de", None], {0, 2, 3}),
    ("lang", ("fr", "en"), {1, 4, 5}),
    ("tags", ["a", "b"], {1, 5}),
    ("tags", [], {2}),
    ("mixed", 1, {0, 5}),
    ("mixed", "one", {1}),
    ("mixed", 2.5, {2}),
    ("mixed", np.datetime64("2020-01-05"), {3}),
    ("document", np.int64(4), {4}),
]


@pytest.mark.parametrize(("name", "value", "wanted"), MEANT, ids=[f"{name}-{value!r}"[:40] for name, value, _ in MEANT])
def test_a_value_is_matched_by_what_it_means(index: sw.FeatureIndex, name: str, value: Any, wanted: set[int]) -> None:
    assert found(index, where={name: value}) == wanted


def test_several_columns_must_all_hold(index: sw.FeatureIndex) -> None:
    assert found(index, where={"lang": ["de", "en"], "kept": True}) == {0}
    assert found(index, where={"lang": "fr", "year": 1999}) == set()  # both are there, in no document together


NOWHERE: list[tuple[str, Any, str]] = [
    ("lang", "den", "No document has 'den' in the column 'lang'.*the nearest 'en', 'de'"),
    ("lang", "EN", "No document has 'EN'.*3 values, 'de', 'en', 'fr'"),
    ("lang", ["de", "xx"], "No document has 'xx'"),
    ("year", 2010, "No document has 2010 in the column 'year'.*3 values, the nearest 2001, 2000, 1999"),
    ("year", None, "Every document has a value in the column 'year'"),
    ("when", np.datetime64("2020-01-06"), r"No document has datetime.date\(2020, 1, 6\).*3 values.*2020, 1, 5"),
    ("at", pd.Timestamp("2020-01-05 10:31"), "No document has Timestamp"),
    ("kept", "maybe", "No document has 'maybe'.*True"),
    ("size", "wide", "No document has 'wide'"),
    ("lang", [], "An empty list of values"),
    ("tags", "c", "No document has 'c'"),
]


@pytest.mark.parametrize(("name", "value", "told"), NOWHERE, ids=[f"{n}-{v!r}"[:40] for n, v, _ in NOWHERE])
def test_a_value_that_no_document_has_is_refused_by_name(
    index: sw.FeatureIndex, name: str, value: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        index.examples(0, where={name: value})
    assert isinstance(raised.value, SaewidgetsError)


def test_a_column_that_is_not_there_is_refused_by_name(index: sw.FeatureIndex) -> None:
    with pytest.raises(KeyError, match="no column 'langs'; it has 'when', .*Nearest: 'lang'"):
        index.examples(0, where={"langs": "de"})


@pytest.mark.slow
def test_what_the_dashboard_lists_can_be_asked_for(index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])
    listed: Any = columns_of(index)
    assert {column["name"] for column in listed} == set(index.columns)
    for column in listed:
        assert "nan" not in column["values"] and "NaT" not in column["values"] and "None" not in column["values"]
        seen: list[int] = []
        for value in column["values"]:
            asked = AskedExamples(f, "all", (), "snippet", 5, "", (column["name"], value))
            assert len(select(index, asked)), (column["name"], value)
            seen += found(index, where={column["name"]: value})
        assert len(seen) == len(set(seen)) >= 5, "each document under one value, those without a value under none"


# -- tokens


def spans(text: str, phrase: str) -> list[int]:
    """Positions in the document's tokens (BOS is 0) of the tokens that end `phrase`, by the tokenizer's own offsets."""
    encoded = tiny.tokenizer()(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    ends = []
    for i in range(len(ids)):
        for j in range(i + 1):
            if text[offsets[j][0] : offsets[i][1]].strip() == phrase and text[offsets[i][0] : offsets[i][1]].strip():
                ends.append(i + 1)
                break
    return ends


PHRASES = [
    "the heaven",
    "heaven and the earth",
    "In the beginning",
    " the heaven ",
    "created the",
    "earth,",
    "earth, 3",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_words_of_several_tokens_are_found_where_they_end(index: sw.FeatureIndex, phrase: str) -> None:
    f = max(range(tiny.D_SAE), key=lambda f: index.feature(f).count)
    wanted, active = set(), {int(p) for p in index.activations(f)[0]}
    first = 0
    for i, text in enumerate(TABLE["text"]):
        tokens = int(index.documents["tokens"][i])
        wanted |= {first + at for at in spans(text, phrase.strip()) if first + at in active}
        first += tokens
    examples = index.examples(f, token=phrase, group="all", top=10**6, fold=False)
    assert {e.position for e in examples if e.activation} == wanted
    assert any(spans(text, phrase.strip()) for text in TABLE["text"]), "the test has something to find"
    for e in examples:
        shown = "".join(e.tokens[: e.focus + 1])
        assert shown.rstrip().endswith(phrase.strip()) and e.tokens[e.focus].strip()


def test_a_token_is_still_that_token(index: sw.FeatureIndex) -> None:
    f = int(index.order("density")[0])
    for e in index.examples(f, token="heaven", top=10**6, fold=False):
        assert e.tokens[e.focus].strip() == "heaven"


@pytest.mark.parametrize("token", ["the heven", "heaven the", "xyzzy", "heaven\nand", "\n\n\n\n", "the heaven" * 30])
def test_a_token_that_is_nowhere_is_refused_by_name(index: sw.FeatureIndex, token: str) -> None:
    with pytest.raises(ValueError, match="is no token of the vocabulary, and the corpus has it nowhere") as raised:
        index.examples(0, token=token)
    assert repr(token) in str(raised.value)


def test_a_misspelt_token_names_the_nearest(index: sw.FeatureIndex) -> None:
    with pytest.raises(ValueError, match="Nearest tokens: .*'heaven'"):
        index.examples(0, token="heavn")


def test_a_character_of_several_tokens(tmp_path: Path) -> None:
    """The tiny tokenizer cuts an unknown character into its bytes."""
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        index = sw.build_index(engine, ["the 龍 and the earth", "龍龍"], tmp_path / "index", progress=False, wait=True)
    f = int(index.order("density")[0])
    examples = list(index.examples(f, token="龍", group="top", top=99, fold=False))
    assert examples and all("".join(e.tokens[: e.focus + 1]).endswith("龍") for e in examples)


@pytest.mark.slow
def test_a_token_of_the_vocabulary_that_the_feature_does_not_fire_on_gives_an_empty_list_that_says_so(
    index: sw.FeatureIndex,
) -> None:
    silent = [
        (f, word)
        for f in index.order("density")[::-1].tolist()
        for word in ("heaven", "God", "the heaven")
        if index.feature(f).count and not len(index.examples(f, token=word, group="top"))
    ]
    f, word = silent[0]
    group = index.examples(f, token=word, group="top")["top"]
    assert group.note == "no positive activation passes the filter" and group.count == 0


def test_the_dashboard_says_it_in_place_of_the_examples(index: sw.FeatureIndex) -> None:
    """While somebody types, half a word is no error."""
    for asked in (("the hea", ()), ("", ("lang", "xx"))):
        reply = answer_examples(index, AskedExamples(0, "all", (), "snippet", 5, *asked))
        assert reply.data["groups"] == [] and "nowhere" in str(reply.data["note"]) + " nowhere" * bool(asked[1])
        assert len(reply.arrays["act"]) == len(reply.arrays["flags"]) == 0


def test_dates_of_numpy_in_a_corpus_of_rows(tmp_path: Path) -> None:
    days = [np.datetime64("2020-01-05", "ns"), np.datetime64("2021-02-03T10:30", "ns"), np.datetime64("NaT", "ns")]
    rows = [{"text": SENTENCE.format(i), "when": day} for i, day in enumerate(days)]
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        index = sw.build_index(engine, rows, tmp_path / "index", progress=False, wait=True)
    assert found(index, where={"when": days[0]}) == {0}
    assert found(index, where={"when": dt.date(2021, 2, 3)}) == {1}
    assert found(index, where={"when": None}) == {2}
