"""sw.compare: every number against one written from its definition, with the SAE's own encode on the model's own cache."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import by_hand
import numpy as np
import pytest
import tiny
import torch
from cases import on_either

import saewidgets as sw
from saewidgets.errors import ComparisonError

START = "In the beginning God created "
TEXTS = [f"{START}the heaven and the earth.", f"{START}日本語 and the earth", "the earth was without form"]


def dense_of(model: Any, sae: Any, text: str) -> np.ndarray:
    """[pos, F] one text alone."""
    seen: list[torch.Tensor] = []
    with torch.no_grad(), by_hand.hooked(model, lambda value: seen.append(value), sae.cfg.metadata.hook_name):
        model(model.to_tokens(text, prepend_bos=True))
        return sae.encode(seen[0])[0].double().numpy()


def at_place(dense: np.ndarray, at: Any, text: int) -> tuple[np.ndarray, np.ndarray]:
    """[F] what is compared of a text, and where it is active; by definition. The first token is BOS, which does not count."""
    if at in ("max", "sum"):
        rest = dense[1:]
        extreme = rest[np.abs(rest).argmax(0), np.arange(rest.shape[1])]
        return (extreme if at == "max" else rest.sum(0)), (rest != 0).any(0)
    position = at if isinstance(at, int) else at.get(text, -1) if isinstance(at, dict) else at[text]
    return dense[position], dense[position] != 0


CASES = [
    (architecture, at)
    for architecture in ("jumprelu", "abstopk", "topk")
    for at in (-1, -3, 3, "max", "sum", {0: 4, 2: -2}, [2, 6, 1])
]


@pytest.mark.slow
@on_either(("architecture", "at"), CASES)
def test_differences_and_filters_by_definition(wrapper: str, architecture: str, at: Any) -> None:
    model, sae = tiny.MODELS[wrapper](), tiny.sae(architecture)
    expected = [at_place(dense_of(model, sae, text), at, i) for i, text in enumerate(TEXTS)]
    with sw.Engine(model, sae, labels={3: "three"}) as engine:
        found = sw.compare(engine, TEXTS, at=at)
        values = np.array([value for value, _ in expected])
        active = np.array([on for _, on in expected])
        assert active.any(0).sum() > 5, "the case says something"
        for a, b in ((0, 1), (2, 0)):
            table = found.differences(a, b)
            assert set(table.index) == set(np.flatnonzero(active.any(0)))
            assert list(table.columns) == [
                "description", *(f"text_{i}" for i in range(3)), "difference", "largest_difference"
            ]  # fmt: skip
            difference = values[a] - values[b]
            np.testing.assert_allclose(table["difference"], difference[table.index], atol=1e-5)
            sizes = np.abs(table["difference"].to_numpy())
            assert (np.diff(sizes) <= 0).all()
            for i in range(3):
                np.testing.assert_allclose(table[f"text_{i}"], values[i, table.index], atol=1e-5)
            span = values.max(0) - values.min(0)
            np.testing.assert_allclose(table["largest_difference"], span[table.index], atol=1e-5)
            assert list(found.differences(a, b, k=4).index) == list(table.index[:4])
            # As at another place first, and then here.
            elsewhere = sw.compare(engine, TEXTS, at="sum").differences(a, b, at=at)
            np.testing.assert_array_equal(elsewhere.to_numpy()[:, 1:], table.to_numpy()[:, 1:])
        for all_of, none_of in (([0], [1]), ([0, 1], [2]), ([], [0]), ([2], []), ([], [])):
            keep = active[all_of].all(0) & active.any(0) & ~active[none_of].any(0)
            table = found.active(all_of, none_of)
            assert set(table.index) == set(np.flatnonzero(keep)), (all_of, none_of)
            weakest = table[[f"text_{i}" for i in all_of or range(3)]].abs().agg("min" if all_of else "max", axis=1)
            assert (np.diff(weakest) <= 0).all()
        if 3 in found.values.features:
            assert found.to_pandas().loc[3, "description"] == "three"
        assert list(found.to_pandas().index) == sorted(
            found.values.features, key=lambda f: (-np.float32(found.to_pandas().loc[f, "largest_difference"]), f)
        )


@pytest.mark.slow
def test_the_tutorial_s_contrast(demo_engine: sw.Engine) -> None:
    """SAELens' tutorial 2.0, "Comparing features across related prompts", as its cells do it."""
    prompts = [
        "In the beginning, God created the heavens and the",
        "In the beginning, God created the cat and the",
    ]
    model, sae = demo_engine.model.raw, demo_engine.dictionary().sae  # type: ignore[attr-defined]
    last = [torch.tensor(dense_of(model, sae, prompt)[-1]) for prompt in prompts]
    values, features = torch.topk((last[0] - last[1]).abs(), 5)
    table = sw.compare(demo_engine, prompts).differences(k=5)
    assert list(table.index) == features.tolist()
    np.testing.assert_allclose(table["difference"].abs(), values.numpy(), rtol=1e-3)
    assert "largest_difference" not in table


def test_a_difference_is_never_a_rounding() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        same = sw.compare(engine, [TEXTS[0], TEXTS[0]], at="sum")
        assert (same.differences()["difference"] == 0).all()
        assert any("same, token by token" in note for note in same.notes)
        found = sw.compare(engine, TEXTS, at=4)
        ids = [engine.to_ids(text)[0] for text in TEXTS]
        common = next(i for i, (a, b) in enumerate(zip(*ids[:2], strict=False)) if a != b)
        assert common > 5
        assert (found.differences(0, 1)["difference"] == 0).all()
        assert not (found.differences(0, 2)["difference"] == 0).all()
        assert not any("Up to this token" in note for note in found.notes)
        two = sw.compare(engine, TEXTS[:2], at=common - 1)
        assert any("Up to this token" in note for note in two.notes)
        assert not any("Up to this token" in note for note in two.read_at(common).notes)
        # By definition: the first token of the same beginning.
        ptr, flat = found.activations.text_ptr, [tuple(t[: k + 1]) for t in ids for k in range(len(t))]
        assert found.computed_as.tolist() == [flat.index(one) for one in flat]
        assert ptr[-1] == len(flat)


def test_a_model_that_looks_ahead_shares_whole_texts_only() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        engine.model.raw.cfg.attention_dir = "bidirectional"
        found = sw.compare(engine, [TEXTS[0], TEXTS[1], TEXTS[0]])
        ptr = found.activations.text_ptr
        expected = np.arange(ptr[-1])
        expected[ptr[2] :] = np.arange(ptr[1])
        assert found.computed_as.tolist() == expected.tolist()


def test_a_position_that_does_not_count_is_said() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        found = sw.compare(engine, TEXTS, at=0)
        assert any("'<|bos|>'" in note and "leave out" in note for note in found.notes)
        assert len(found.differences()) == int((found.activations[[0], :] != 0).sum())
        assert not any("leave out" in note for note in found.read_at([1, 2, 3]).notes)
        nothing = sw.compare(engine, [TEXTS[0], ""], at="max")
        assert any("no token that counts" in note for note in nothing.notes)
        assert (nothing.differences()["text_1"] == 0).all()


def test_bad_input_says_what_to_do() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(), prepend_bos=False) as engine:
        for one in ("a text", ["a text"], [3, 4, 5]):
            with pytest.raises(ComparisonError, match=r"two texts or more.*compare\(engine, \[text, another\]\)"):
                sw.compare(engine, one)
        with pytest.raises(ComparisonError, match="Text 1 .* has no tokens.*type something"):
            sw.compare(engine, ["the", ""])
        found = sw.compare(engine, ["the earth", "the"], at="sum")
        n = found.lengths
        assert n[0] > n[1]
        with pytest.raises(ComparisonError, match=rf"Text 1 .*has {n[1]} tokens, and so no position {n[1]}"):
            found.read_at(n[1])
        with pytest.raises(ComparisonError, match="no text 2"):
            found.read_at({2: 0})
        with pytest.raises(ComparisonError, match="3 positions were given for 2"):
            found.read_at([0, 0, 0])
        with pytest.raises(ComparisonError, match='"max" or "sum", not \'mean\''):
            found.read_at("mean")  # type: ignore[arg-type]
        for wrong in ({"all_of": [2]}, {"none_of": [-1]}):
            with pytest.raises(ComparisonError, match="no text"):
                found.active(**wrong)
        with pytest.raises(ComparisonError, match="in all_of and in none_of"):
            found.active([0], [0])
        with pytest.raises(ComparisonError, match="no text 5"):
            found.differences(0, 5)
        with pytest.raises(TypeError):
            found.read_at(0.5)  # type: ignore[arg-type]


def test_texts_of_token_ids_and_pictures() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("abstopk"), labels={3: "<b>three</b>"}) as engine:
        ids = [engine.to_ids(text)[0] for text in TEXTS]
        given, read = sw.compare(engine, ids, at="max"), sw.compare(engine, TEXTS, at="max")
        np.testing.assert_array_equal(given.to_pandas().to_numpy()[:, 1:], read.to_pandas().to_numpy()[:, 1:])
        figure = given.figure(k=5)
        assert np.array(figure.data[0].z).shape == (5, 3)
        np.testing.assert_array_equal(figure.data[0].z, given.to_pandas().head(5)[[f"text_{i}" for i in range(3)]])
        assert "<b>" not in str(given.figure(k=48).layout)
        assert repr(read.read_at(-1)).startswith(f"Comparison(3 texts of {engine.default!r}, at='last'")
        assert "at='max'" in repr(read)


def test_texts_without_an_active_feature() -> None:
    sae = tiny.sae()
    with torch.no_grad():
        sae.b_enc[:] = -1e3
    with sw.Engine(tiny.hooked(), sae) as engine:
        for at in (-1, "max", "sum"):
            found = sw.compare(engine, TEXTS, at=at)
            assert len(found.differences()) == len(found.active([0])) == len(found.to_pandas()) == 0
            found.figure()


def test_lengths_and_the_alignment_as_a_table() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        found = sw.compare(engine, TEXTS)
        assert found.lengths == [len(engine.to_ids(text)[0]) for text in TEXTS]
        table = found.aligned()
        for i in range(3):
            assert table[f"position_{i}"].dropna().tolist() == list(range(found.lengths[i]))
            strings = [t for t in table[f"token_{i}"] if isinstance(t, str)]
            assert tuple(strings) == found.activations.tokens[slice(*list(pairwise(found.activations.text_ptr))[i])]
        ids = [found.activations.token_ids[a:b] for a, b in pairwise(found.activations.text_ptr)]
        for column, same in zip(found.alignment, found.same, strict=True):
            here = {None if p < 0 else int(ids[i][p]) for i, p in enumerate(column)}
            assert same == (len(here) == 1 and None not in here)
