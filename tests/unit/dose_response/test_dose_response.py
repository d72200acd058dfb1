"""A sweep measures its texts by definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from dose_response_made import PRE, PROMPT, TRANSCODER_HOOKS, model_of, name_of, run
from torch import Tensor

import saewidgets as sw
from saewidgets.interventions.dose_response.result import Sweep
from saewidgets.interventions.dose_response.sweep import repetition
from saewidgets.interventions.recipe.recipe import Recipe


def same(a: Sweep, b: Sweep) -> None:
    """Texts exactly, numbers to float tolerance."""
    assert [[t.text for t in row] for row in a.texts] == [[t.text for t in row] for row in b.texts]
    for x, y in zip((a.base, a.curve, *a.control_curves), (b.base, b.curve, *b.control_curves), strict=True):
        for m in MEASURES:
            np.testing.assert_allclose(getattr(x, m), getattr(y, m), rtol=1e-3, atol=1e-5)


MEASURES = ("target", "kl", "perplexity", "repetition")


# -- texts and measures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrapper", "temperature", "architecture", "hook", "hook_out"),
    [
        ("hooked", 0.0, "standard", PRE, None),
        ("hooked", 1.0, "standard", PRE, None),
        ("hooked", 1.0, "topk", PRE, None),
        ("hooked", 1.0, "temporal", PRE, None),
        ("hooked", 1.0, "layer_norm", PRE, None),
        ("hooked", 1.0, "transcoder", *TRANSCODER_HOOKS),
        ("hooked", 1.0, "standard", "blocks.0.attn.hook_z", None),
        ("bridge", 0.0, "topk", PRE, None),
        ("bridge", 1.0, "standard", PRE, None),
        ("bridge", 1.0, "transcoder", *TRANSCODER_HOOKS),
        ("bridge", 1.0, "layer_norm", "blocks.0.attn.hook_z", None),
    ],
)
def test_texts_and_measures(
    wrapper: str, temperature: float, architecture: str, hook: str, hook_out: str | None
) -> None:
    model = model_of(wrapper)
    engine = sw.Engine(model, tiny.sae(architecture, hook, hook_out=hook_out))
    (ids,) = engine.to_ids(PROMPT)
    f = int(engine.activations(ids).top(1).features[0])
    strengths = [6.0, 0.0, -3.0, 20.0]
    made = run(engine, [sw.clamp(f, 1), sw.add(5, 1)], strengths, temperature=temperature, seed=4, n_tokens=12)
    assert made.strengths.tolist() == strengths and [len(row) for row in made.texts] == [1] * 4
    sae = tiny.sae(architecture, hook, hook_out=hook_out)
    if hook.endswith("hook_z"):
        sae.turn_off_forward_pass_hook_z_reshaping()
    texts = [made.baseline[0], *(row[0] for row in made.texts)]
    curves = [made.base, *[made.curve.part(n) for n in range(4)]]
    assert len({text.text for text in texts}) > 1, "the case tests nothing"
    for text, measures, strength in zip(texts, curves, [None, *strengths], strict=True):
        recipe = Recipe() if strength is None else Recipe([sw.clamp(f, strength), sw.add(5, 1)])
        alone = sw.generate(engine, PROMPT, recipe, temperature=temperature, seed=4, n_tokens=12)
        assert text.token_ids.tolist() == alone.edited[0].token_ids.tolist() and text.text == alone.edited[0].text
        tokens = torch.tensor([[*ids, *text.token_ids.tolist()]])
        n, new = len(ids), text.token_ids.tolist()
        with torch.no_grad():
            logits, seen = model.run_with_cache(tokens)
            clean = logits[0].log_softmax(-1)
            x = seen[name_of(model, hook)].reshape(1, tokens.shape[1], -1)
            acts = sae.encode(x)
            edited = clean
            if strength is not None:
                to = acts.clone()
                keep = torch.tensor([i not in (0, 1) for i in tokens[0].tolist()])
                to[:, keep, f] = strength
                change = sae.decode(to) - sae.decode(sae.encode(x))
                change = change + keep[None, :, None] * sae.W_dec[5]
                name = name_of(model, hook_out or hook)
                hooks = [(name, lambda h, hook, c=change: h + c.reshape(h.shape))]
                edited = model.run_with_hooks(tokens, fwd_hooks=hooks)[0].log_softmax(-1)
        kl = (clean.exp() * (clean - edited)).sum(-1)[n - 1 : -1].mean()
        logprob = clean[torch.arange(n - 1, n - 1 + len(new)), new].mean()
        grams = [tuple(new[i : i + 4]) for i in range(len(new) - 3)]
        wanted = [
            float(acts[0, n:, f][[i not in (0, 1) for i in new]].mean()),
            float(kl),
            float((-logprob).exp()),
            1 - len(set(grams)) / len(grams) if grams else 0.0,
        ]
        found = [float(getattr(measures, m)[0]) for m in ("target", "kl", "perplexity", "repetition")]
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-4, err_msg=f"{strength}")
        # Not the generator's own numbers: those are of the edited model.
        if strength == 20:
            assert found[1] > 1e-3


@pytest.mark.slow
def test_unequal_lengths_and_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that end early are read without what stands to the right of them."""
    model = tiny.hooked()
    with torch.no_grad():
        model.unembed.b_U[1] += 5.0  # end of text, often
    engine = sw.Engine(model, tiny.sae("temporal"))
    strengths = list(np.linspace(-30, 30, 4))
    made = run(engine, sw.add(3, 1), strengths, controls=1, n_tokens=10, samples=2)
    assert len({len(text) for row in (made.baseline, *made.texts) for text in row}) > 1, "the case tests nothing"
    for n, strength in enumerate(strengths):
        one = run(engine, sw.add(3, 1), [strength], n_tokens=10, samples=2)
        assert [t.token_ids.tolist() for t in one.texts[0]] == [t.token_ids.tolist() for t in made.texts[n]]
        for m in MEASURES:
            np.testing.assert_allclose(getattr(one, m)[0], getattr(made, m)[n], rtol=1e-3, atol=1e-5)
    monkeypatch.setattr("saewidgets.interventions.dose_response.on_prompt._LOGITS", 1)
    same(run(engine, sw.add(3, 1), strengths, controls=1, n_tokens=10, samples=2), made)


def test_special_tokens_are_left_out_of_the_target_alone() -> None:
    model = tiny.hooked()
    with torch.no_grad():
        model.unembed.b_U[1] += 3.5  # end of text, often
    engine, sae = sw.Engine(model, tiny.sae("standard")), tiny.sae("standard")
    (ids,) = engine.to_ids(PROMPT)
    with torch.no_grad():  # active at the end of text, too
        acts = sae.encode(model.run_with_cache(torch.tensor([[*ids, 1]]))[1][PRE])[0]
    f = int(acts[-1].argmax())
    made = run(engine, sw.add(f, 1), [0.0, 1.0, 2.0, 3.0], n_tokens=20, seed=1)
    ended = []
    for (text,), target, perplexity in zip(made.texts, made.target, made.perplexity, strict=True):
        new = text.token_ids.tolist()
        with torch.no_grad():
            logits, seen = model.run_with_cache(torch.tensor([[*ids, *new]]))
            acts = sae.encode(seen[PRE])[0, len(ids) :, f]
        kept = acts[[i not in (0, 1) for i in new]]
        np.testing.assert_allclose(target, float(kept.mean()), rtol=1e-3, atol=1e-5)  # NaN for a text of EOS alone
        predicted = logits[0].log_softmax(-1)[torch.arange(len(ids) - 1, len(ids) + len(new) - 1), new]
        np.testing.assert_allclose(perplexity, float((-predicted.mean()).exp()), rtol=1e-3)
        ended.append(new[-1] == 1 and len(kept) > 0 and abs(float(acts.mean() - kept.mean())) > 1e-3)
    assert any(ended), "the case tests nothing"


@pytest.mark.slow
def test_when_memory_runs_out_batches_are_smaller_and_the_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    wanted = run(engine, sw.add(3, 1), [0.0, 5.0, 10.0], controls=1)
    real, tried = type(engine.model).logits, []

    def scarce(self: Any, tokens: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        tried.append(len(tokens))
        if len(tokens) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, tokens, *args, **kwargs)

    monkeypatch.setattr(type(engine.model), "logits", scarce)
    found = run(engine, sw.add(3, 1), [0.0, 5.0, 10.0], controls=1)
    assert max(tried) > 4 and sum("Memory ran out" in note for note in found.notes) == 1
    assert found.controls == wanted.controls
    same(found, wanted)
    assert not any("Memory" in note for note in wanted.notes)


def test_repetition() -> None:
    assert repetition([1, 2, 3]) == 0 and repetition([]) == 0
    assert repetition([1, 2, 3, 4, 5]) == 0
    assert repetition([7] * 10) == pytest.approx(1 - 1 / 7)
    assert repetition([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(1 / 5)
    assert repetition(np.array([1, 2, 1, 2, 1]), n=2) == pytest.approx(1 / 2)


@pytest.mark.slow
def test_a_target_of_ones_own() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))

    def vowels(text: str) -> int:
        return sum(c in "aeiou" for c in text)

    made = run(engine, sw.add(3, 5), [0, 10, 40], target=vowels, controls=1, samples=3)
    assert made.curve.target.tolist() == [[vowels(t.text) for t in row] for row in made.texts]
    assert made.target_name == "vowels" and made.base.target.tolist() == [vowels(t.text) for t in made.baseline]
    np.testing.assert_allclose(made.target, [np.mean([vowels(t.text) for t in row]) for row in made.texts])
    assert "vowels" in str(made.figure().layout.annotations[0].text)
    made = run(engine, sw.add(3, 5), [0, 10], target=lambda text: float("nan"), samples=2)
    assert made.bands == () and made.band is None and np.isnan(made.target).all()
    assert made.to_pandas()["n"][:1].tolist() == [0]


def test_a_target_may_ask_the_engine() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))

    def loudest(text: str) -> float:
        return float(engine.activations(text)[:, 3].sum())

    made = run(engine, sw.add(3, 5), [0, 10], target=loudest)
    assert made.target.tolist() == [loudest(text.text) for (text,) in made.texts]


def test_the_target_of_a_direction_is_its_dot_product() -> None:
    model = model_of("hooked")
    engine = sw.Engine(model, tiny.sae("standard"))
    v = torch.randn(tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    made = run(engine, sw.add(v, 2, hook=PRE), [0.0, 3.0], controls=2)
    (ids,) = engine.to_ids(PROMPT)
    for n, (text,) in enumerate(made.texts):
        with torch.no_grad():
            _, seen = model.run_with_cache(torch.tensor([[*ids, *text.token_ids.tolist()]]))
        np.testing.assert_allclose(made.target[n], float((seen[PRE][0, len(ids) :] @ v).mean()), rtol=1e-3)
    assert [kind for kind, _ in made.controls] == ["direction"] * 2 and "the direction" in made.target_name
