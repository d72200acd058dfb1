"""The catalog's rows: found, filtered and sorted as a slow reference does it, in windows."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from saewidgets.widgets.catalog.asked import Chosen
from saewidgets.widgets.catalog.directory import Directory, Entry, directory
from saewidgets.widgets.catalog.saes import Saes, natural, words_of
from saewidgets.widgets.table.asked import Between
from saewidgets.widgets.table.columns import summary

SEARCHED = ("model", "release", "sae_id", "hook_name")


@pytest.fixture(scope="module")
def saes() -> Saes:
    """A thirtieth of the directory, with one or more SAEs of most releases."""
    whole = directory()
    kept = [
        one
        for i, one in enumerate(whole.entries)
        if i % 30 == 0 or one.release.startswith(("gpt2-small-res", "llama_"))
    ]
    random.Random(0).shuffle(kept)
    return Saes(Directory(tuple(kept)))


def rows(saes: Saes, **chosen: Any) -> list[Mapping[str, Any]]:
    return [saes.row(int(at)) for at in saes.listed(Chosen(**chosen))]


def of_window(saes: Saes, chosen: Chosen, first: int = 0, count: int = 200) -> Any:
    """The JSON of a window; its parts are whatever they are."""
    return saes.window(chosen, first, count).data


def every(saes: Saes) -> list[Mapping[str, Any]]:
    """All rows, in no order."""
    return [saes.row(at) for at in range(len(saes))]


def names(found: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(row["release"], row["sae_id"]) for row in found]


def begins_a_word(text: str, word: str) -> bool:
    """Whether `word` stands in `text` with no letter and no digit before it."""
    return any(text[at : at + len(word)] == word and (at == 0 or not text[at - 1].isalnum()) for at in range(len(text)))


@pytest.mark.parametrize(
    "query",
    (
        "gpt2|GPT2 Res-JB|res-jb gpt2-small|resid_pre|16k res gemma|layer_1|blocks.7|7|9b 131k|hook_|esid_pre|"
        "nothing-like-it|llama 32x|_width|  |gemma/|l1|google"
    ).split("|"),
)
def test_all_words_at_the_beginning_of_one(saes: Saes, query: str) -> None:
    words = [word.lstrip("_") for word in query.lower().split()]
    wanted = set()
    for row in every(saes):
        fields = [str(row[name] or "").lower() for name in SEARCHED]
        if all(any(begins_a_word(text, word) for text in fields) for word in words):
            wanted.add((row["release"], row["sae_id"]))
    found = names(rows(saes, query=query))
    assert set(found) == wanted
    assert len(found) == len(set(found))


def test_a_query_s_words() -> None:
    assert words_of(" GPT2-small  res-jb\tgpt2-small _width .7 -- ") == ["gpt2-small", "res-jb", "width", "7"]
    assert words_of("") == []


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["layer_10", "layer_2", "layer_1"], ["layer_1", "layer_2", "layer_10"]),
        (["b", "A", "a1", "a"], ["A", "a", "a1", "b"]),
        (["7", "x", "07a"], ["7", "07a", "x"]),
    ],
)
def test_numbers_in_texts_sort_as_numbers(texts: list[str], wanted: list[str]) -> None:
    assert sorted(texts, key=natural) == wanted


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["layer", "width", "l0", "variance_explained"])
def test_sorted_by_a_number(saes: Saes, column: str, descending: bool) -> None:
    values = [row[column] for row in rows(saes, sort=column, descending=descending)]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=descending)
    assert values[len(known) :] == [None] * (len(values) - len(known))
    assert len(values) == len(saes) and len(known) > 0


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["model", "release", "sae_id", "hook_name", "architecture"])
def test_sorted_by_a_text(saes: Saes, column: str, descending: bool) -> None:
    values = [row[column] for row in rows(saes, sort=column, descending=descending)]
    known = [value for value in values if value is not None]
    assert [natural(one) for one in known] == sorted(map(natural, known), reverse=descending)
    assert values[len(known) :] == [None] * (len(values) - len(known))


def test_the_usual_order(saes: Saes) -> None:
    keys = [tuple(natural(row[name]) for name in ("model", "release", "sae_id")) for row in rows(saes)]
    assert keys == sorted(keys) and len(keys) == len(saes)
    backwards = [
        tuple(natural(row[name]) for name in ("model", "release", "sae_id")) for row in rows(saes, descending=True)
    ]
    assert backwards == keys[::-1]


def test_filters_together(saes: Saes) -> None:
    bounds = (Between("layer", 2, 9), Between("width", None, 40_000), Between("l0", 20.0, None))
    found = rows(saes, filters=bounds, architecture="jumprelu", model="gemma-2-9b", query="gemma")
    wanted = [
        row
        for row in every(saes)
        if row["model"] == "gemma-2-9b"
        and row["architecture"] == "jumprelu"
        and row["layer"] is not None
        and 2 <= row["layer"] <= 9
        and row["width"] is not None
        and row["width"] <= 40_000
        and row["l0"] is not None
        and row["l0"] >= 20
    ]
    assert sorted(names(found)) == sorted(names(wanted)) and wanted


def test_windows_are_pieces_of_the_whole(saes: Saes) -> None:
    chosen = Chosen(sort="l0", descending=True)
    whole = names(rows(saes, sort="l0", descending=True))
    window = of_window(saes, chosen, 30, 50)
    assert names(window["rows"]) == whole[30:80]
    assert (window["first"], window["total"], window["of"]) == (30, len(saes), len(saes))
    assert len(of_window(saes, chosen, -5, 10_000)["rows"]) == 200
    assert of_window(saes, chosen, len(saes), 50)["rows"] == []
    assert of_window(saes, Chosen(query="nothing-like-it"))["total"] == 0


def test_whether_an_sae_is_for_the_user_s_model() -> None:
    def entry(model: str) -> Entry:
        return Entry("r", model or "?", model, "o/r", "p", "sae_lens", math.nan, math.nan, "")

    saes = Saes(Directory((entry("a"), entry("b"), entry(""))))
    window = saes.window(Chosen(), 0, 200, lambda model: {"a": True, "b": False}.get(model))
    told: Any = window.data["rows"]
    fits = {row["sae_id"]: int(f) for row, f in zip(told, window.arrays["fits"], strict=True)}
    assert fits == {"a": 1, "b": 0, "?": 2}


def test_every_layer_is_a_step_of_its_slider(saes: Saes) -> None:
    reply = summary(saes.numbers)
    columns: Any = reply.data["columns"]
    edges = {head["name"]: head["edges"] for head in columns}
    layers = [row["layer"] for row in every(saes) if row["layer"] is not None]
    low, high = min(layers), max(layers)
    assert edges["layer"] == [layer - 0.5 for layer in range(low, high + 2)]
    assert list(reply.arrays["counts_layer"]) == [layers.count(layer) for layer in range(low, high + 1)]
    for name in ("width", "l0", "variance_explained"):
        known = sum(row[name] is not None for row in every(saes))
        assert int(np.sum(reply.arrays[f"counts_{name}"])) == known


def test_a_name_that_there_is_not(saes: Saes) -> None:
    with pytest.raises(LookupError, match=r"no release 'gpt2-small-res-j'.*Nearest: 'gpt2-small-res-jb'"):
        saes.place("gpt2-small-res-j", "x")
    with pytest.raises(
        LookupError, match=r"no SAE 'blocks.7.hook_resid' in the release 'gpt2-small-res-jb'.*blocks.7.hook_resid_pre"
    ):
        saes.place("gpt2-small-res-jb", "blocks.7.hook_resid")
    with pytest.raises(ValueError, match="no column 'layers'"):
        saes.listed(Chosen(sort="layers"))


@pytest.mark.slow
def test_no_window_of_the_directory_is_large() -> None:
    """200 rows in 100 kB, wherever."""
    import json

    whole = Saes(directory())
    sizes = [len(json.dumps(whole.window(Chosen(), first, 200).data)) for first in range(0, len(whole), 100)]
    assert max(sizes) <= 100_000
