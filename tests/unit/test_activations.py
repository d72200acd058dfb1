"""Rankings, slices and tables of FeatureActivations against slow, obvious references."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.text.counted import Counting
from saewidgets.errors import FeatureIndexError

TEXTS = ["In the beginning God created 日本語", "the heaven and the earth."]


@pytest.fixture(scope="module", params=["jumprelu", "abstopk"])
def acts(request: pytest.FixtureRequest) -> sw.FeatureActivations:
    engine = sw.Engine(tiny.hooked(), tiny.sae(request.param), labels={3: "Genesis", 5: "heaven", 7: "genesis too"})
    return engine.activations(TEXTS, reconstruction=True)


@pytest.mark.parametrize("sort", ["max", "sum", "mean"])
@pytest.mark.parametrize("tokens", [None, [3], [2, 3, 12, 0]])
@pytest.mark.parametrize("include_special", [False, True])
def test_top_by_definition(
    acts: sw.FeatureActivations, sort: str, tokens: list[int] | None, include_special: bool
) -> None:
    dense = acts[:, :].astype(np.float64)
    counted = [
        i
        for i in range(len(acts))
        if (tokens is None or i in tokens) and (include_special or not (acts.special[i] or acts.outlier[i]))
    ]
    expected = {}
    for feature in range(acts.n_features):
        column = {i: dense[i, feature] for i in counted if dense[i, feature] != 0}
        if column:
            at = max(column, key=lambda i: (abs(column[i]), -i))
            total = sum(column.values())
            expected[feature] = (
                column[at],
                total,
                total / len(counted),
                len(column),
                at,
                max(column.values()),
                min(column.values()),
            )
    place = {"max": 0, "sum": 1, "mean": 2}[sort]
    order = sorted(expected, key=lambda f: (-abs(np.float32(expected[f][place])), f))

    found = acts.top(None, sort=sort, tokens=tokens, include_special=include_special)
    assert found.n_tokens == len(counted)
    assert found.total == len(expected)
    assert list(found) == order
    for i, feature in enumerate(order):
        largest, total, mean, n, at, highest, lowest = expected[feature]
        assert (found.extreme[i], found.n_active[i], found.argmax[i]) == (np.float32(largest), n, at)
        assert (found.max[i], found.min[i]) == (np.float32(highest), np.float32(lowest))
        np.testing.assert_allclose([found.sum[i], found.mean[i]], [total, mean], rtol=1e-5, atol=1e-6)
    assert list(acts.top(4, sort=sort, tokens=tokens, include_special=include_special)) == order[:4]


def test_filters(acts: sw.FeatureActivations) -> None:
    everything = acts.top(None)
    strong = acts.top(None, minimum=2.5)
    assert set(strong) == {f for f, v in zip(everything, everything.extreme, strict=True) if abs(v) >= 2.5}
    assert strong.total == len(strong) < everything.total
    assert set(acts.top(None, label="genesis")) == {3, 7} & set(everything)
    assert set(acts.top(None, among=[3, 4])) == {3, 4} & set(everything)
    with pytest.raises(ValueError, match="sort is one of"):
        acts.top(sort="median")


def test_slices(acts: sw.FeatureActivations) -> None:
    dense = np.zeros((len(acts), acts.n_features), np.float32)
    for token in range(len(acts)):
        for entry in range(acts.indptr[token], acts.indptr[token + 1]):
            dense[token, acts.feature_ids[entry]] = acts.values[entry]
    np.testing.assert_array_equal(acts[:, :], dense)
    np.testing.assert_array_equal(acts[:, 5], dense[:, 5])
    np.testing.assert_array_equal(acts[2, [7, 3, 7]], dense[2, [7, 3, 7]])
    np.testing.assert_array_equal(acts[1:4, 2:9], dense[1:4, 2:9])
    assert acts[4, 5] == dense[4, 5]
    odd, mask = np.arange(len(acts)) % 2 == 1, np.arange(acts.n_features) % 3 == 0
    for tokens in (odd, [4, 1, 4], np.array([[0, 1], [3, 3]]), slice(None, None, -2), -1, []):
        for features in (mask, [7, 3, 7], slice(None, None, -1), 5, [], slice(2, 9)):
            rows = dense[np.asarray(tokens, int) if isinstance(tokens, list) else tokens]
            columns = np.asarray(features, int) if isinstance(features, list) else features
            np.testing.assert_array_equal(acts[tokens, features], rows[..., columns])
    np.testing.assert_array_equal(acts.to_scipy().toarray(), dense)
    acts.to_scipy().data[:] = 0
    np.testing.assert_array_equal(acts[:, :], dense)
    with pytest.raises(FeatureIndexError, match="one value for each"):
        acts[:, mask[:-1]]
    with pytest.raises(TypeError, match="integers"):
        acts[:, 2.5]  # type: ignore[index]
    for token in range(len(acts)):
        ids, values = acts.token(token)
        assert list(np.abs(values)) == sorted(np.abs(values), reverse=True)
        np.testing.assert_array_equal(dense[token, ids], values)
    for wrong in (acts.n_features, -1):
        with pytest.raises(FeatureIndexError):
            acts[:, wrong]
    with pytest.raises(TypeError, match="tokens and features"):
        acts[3]


@pytest.mark.parametrize(("key", "row"), [((3, slice(None)), 40_000), ((slice(None), 7), 2_000), ((3, [1, 2]), 2)])
def test_what_is_not_asked_for_takes_no_memory(acts: sw.FeatureActivations, key: Any, row: int) -> None:
    """Of 2,000 tokens and 40,000 features: 320 MB, if all of it became dense."""
    n, per_token = 2_000, 5
    large = dataclasses.replace(
        acts,
        token_ids=np.zeros(n, np.int64),
        indptr=np.arange(n + 1) * per_token,
        feature_ids=np.tile(np.arange(per_token), n),
        values=np.ones(n * per_token, np.float32),
        n_features=40_000,
        columns=None,
    )
    tracemalloc.start()
    try:
        found = large[key]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.size == row and peak < 5e6


def test_pandas(acts: sw.FeatureActivations) -> None:
    table = acts.to_pandas()
    assert len(table) == len(acts.values)
    row = table.iloc[len(table) // 2]
    token = int(acts.text_ptr[row["text"]] + row["position"])
    assert acts[token, int(row["feature"])] == row["activation"]
    assert acts.tokens[token] == row["token"]
    assert acts.top(3).to_pandas().loc[next(iter(acts.top(3))), "max"] == acts.top(3).max[0]


@pytest.mark.parametrize("architecture", [*tiny.SAES, *tiny.TRANSCODERS])
def test_reconstruction_error_by_definition(architecture: str) -> None:
    """‖target − reconstruction‖ / ‖target‖, with the reconstruction of the SAE's own forward."""
    model = tiny.hooked()
    transcoder = architecture in tiny.TRANSCODERS
    hook, out = ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out") if transcoder else ("blocks.1.hook_resid_pre", None)
    engine = sw.Engine(model, tiny.sae(architecture, hook, hook_out=out))
    found = engine.activations(TEXTS[0], reconstruction=True)
    _, cache = model.run_with_cache(TEXTS[0], prepend_bos=True)
    with torch.no_grad():
        rebuilt = tiny.sae(architecture, hook, hook_out=out)(cache[hook])[0]
    target = cache[out or hook][0]
    wanted = (target - rebuilt).norm(dim=-1) / target.norm(dim=-1)
    np.testing.assert_allclose(found.reconstruction_error, wanted.detach(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.input_norm, cache[hook][0].norm(dim=-1).detach(), rtol=1e-5)


def test_norm_outliers_by_their_own_norm() -> None:
    relative = np.array([50.0, 10.1, 10.0, 0.0, np.nan, 11.0], np.float32)
    ids = [0, 5, 6, 7, 8, 9]
    counting = Counting(frozenset({0}))
    roles = counting.roles(ids, relative, template=np.array([False, False, False, False, False, True]))
    assert roles.outlier.tolist() == [False, True, False, False, False, False]
    assert roles.counted.tolist() == [False, False, True, True, True, False]
    # What is predicted at an outlier does not count either, and nothing predicts the first token.
    assert roles.predicted.tolist() == [False, False, False, True, True, False]
    assert not Counting(frozenset({0}), None).roles(ids, relative).outlier.any()
    assert len(counting.roles([], np.zeros(0, np.float32))) == 0


def test_special_tokens_are_not_counted() -> None:
    found = sw.Engine(tiny.hooked(), tiny.sae()).activations("In the<|eos|> beginning")
    assert [found.tokens[i] for i in np.flatnonzero(found.special)] == ["<|bos|>", "<|eos|>"]
    assert not found.counted[found.special].any()
    assert 0 not in found.top(None).argmax


def test_windows_of_a_long_text() -> None:
    """Each window is what a forward over its tokens alone gives; the repeated BOS is not part of the result."""
    model, sae = tiny.hooked(), tiny.sae()
    engine = sw.Engine(model, sae, context_size=20)
    ids = engine.to_ids("In the beginning God created the heaven and the earth. " * 4)[0]
    found = engine.activations(ids)
    assert len(found) == len(ids) > 40
    assert "windows" in found.notes[0]
    bos = ids[0]
    alone = sw.Engine(model, tiny.sae())
    windows = [ids[:20]] + [[bos, *ids[i : i + 19]] for i in range(20, len(ids), 19)]
    parts = [alone.activations(window)[0 if i == 0 else 1 :, :] for i, window in enumerate(windows)]
    np.testing.assert_allclose(found[:, :], np.concatenate(parts), atol=1e-5)


def test_beyond_the_saes_context() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae(context_size=8))
    found = engine.activations("In the beginning God created the heaven and the earth.")
    assert found.beyond_context.tolist() == [i >= 8 for i in range(len(found))]
    assert any("8 tokens of context" in note for note in found.notes)


def test_empty_texts() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    only_bos = engine.activations("")
    assert len(only_bos) == 1
    assert len(only_bos.top()) == 0
    nothing = sw.Engine(tiny.hooked(), tiny.sae(prepend_bos=False)).activations(["", ""])
    assert len(nothing) == 0
    assert nothing.n_texts == 2
    assert nothing.to_pandas().empty
    assert nothing.figure() is not None
    for one in (nothing.figure(), only_bos.figure()):
        assert one.layout.xaxis.showgrid is False and one.layout.yaxis.showgrid is False, (
            "lines would show through empty columns"
        )


def test_figure(acts: sw.FeatureActivations) -> None:
    figure = acts.figure([3, 5])
    drawn = np.array(figure.data[0].z, dtype=float)
    np.testing.assert_array_equal(drawn[:, acts.counted], acts[:, [3, 5]].T[:, acts.counted].astype(float))
    assert np.isnan(drawn[:, ~acts.counted]).all()
    assert list(figure.layout.yaxis.ticktext) == ["3 Genesis", "5 heaven"]
    assert figure.layout.xaxis.ticktext[0] == "&lt;|bos|&gt;"


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize(
    ("architecture", "hook", "out"),
    [
        ("jumprelu", "blocks.1.attn.hook_z", None),
        ("layer_norm", "blocks.0.hook_resid_post", None),
        ("transcoder", "blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"),
    ],
)
def test_spliced_logits_are_sae_lens_own(wrapper: str, architecture: str, hook: str, out: str | None) -> None:
    model = tiny.MODELS[wrapper]()
    found = sw.predictions(sw.Engine(model, tiny.sae(architecture, hook, hook_out=out)), "In the beginning", k=4)
    tokens = model.to_tokens("In the beginning", prepend_bos=True)
    sae = tiny.sae(architecture, hook, hook_out=out)
    with torch.no_grad():
        wanted = model.run_with_saes(tokens, saes=[sae])[0, -1]
        clean = model(tokens)[0, -1]
    assert found.spliced is not None
    for view, logits in ((found.spliced, wanted), (found.clean, clean)):
        assert [c.token_id for c in view.top] == logits.argsort(descending=True)[:4].tolist()
        for candidate in view.top:
            assert candidate.logit == pytest.approx(logits[candidate.token_id].item(), rel=1e-3, abs=1e-4)
    assert not torch.allclose(wanted, clean, atol=1e-3), "the case tells the two apart"


def test_predictions_by_definition() -> None:
    model, sae = tiny.hooked(), tiny.sae()
    engine = sw.Engine(model, sae)
    prompt, answer = "In the beginning", " God created"
    found = sw.predictions(engine, prompt, answer, k=5)
    answer_ids = model.to_tokens(answer, prepend_bos=False)[0]
    tokens = torch.cat([model.to_tokens(prompt, prepend_bos=True)[0], answer_ids])[None]
    with torch.no_grad():
        for view, logits in (
            (found.clean, model(tokens)),
            (found.spliced, model.run_with_saes(tokens, saes=[tiny.sae()])),
        ):
            last = logits[0, -len(answer_ids) - 1]
            assert [c.token_id for c in view.top] == last.argsort(descending=True)[:5].tolist()
            for i, token in enumerate(answer_ids):
                probabilities = logits[0, -len(answer_ids) - 1 + i].softmax(-1)
                assert view.answer[i].probability == pytest.approx(probabilities[token].item(), rel=1e-4)
                assert view.answer[i].rank == sorted(probabilities.tolist(), reverse=True).index(
                    probabilities[token].item()
                )
    assert set(found.to_pandas()["model"]) == {"clean", "spliced"}
    directions = sw.Engine(model, sw.Directions(torch.randn(1, tiny.D_MODEL), "blocks.0.hook_resid_post"))
    assert sw.predictions(directions, prompt).spliced is None


def test_a_reconstruction_at_resid_mid_reaches_the_residual_stream_of_a_bridge() -> None:
    """A bridge's resid_mid is a copy that only the MLP's norm reads; what counts is attn_out, added just before."""
    model, sae = tiny.MODELS["bridge"](), tiny.sae("jumprelu", "blocks.1.hook_resid_mid")
    with sw.Engine(model, sae) as engine:
        found = sw.predictions(engine, "In the beginning")
        ids = torch.tensor([engine.to_ids("In the beginning")[0]])
    mid, attn = (engine.model.resolve(f"blocks.1.{hook}") for hook in ("hook_resid_mid", "hook_attn_out"))
    with torch.no_grad():
        _, cache = model.run_with_cache(ids, names_filter=[mid])
        x = cache[mid]
        shift = sae.decode(sae.encode(x)) - x
        wanted = model.run_with_hooks(ids, fwd_hooks=[(attn, lambda value, hook: value + shift)])[0, -1]
    assert found.spliced is not None
    for token in found.spliced.top:
        assert token.logit == pytest.approx(float(wanted[token.token_id]), abs=1e-4)
    assert [t.logit for t in found.spliced.top] != [t.logit for t in found.clean.top]
