"""Several samples and prompts a strength: pairs of the same dice, curves with the intervals of their differences, tables."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy import stats

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.dose_response.result import Sweep
from saewidgets.interventions.dose_response.usable import Band, level_of

PROMPT = "In the beginning God created 日本語 and"
OTHER = "the heaven and"
PRE = "blocks.1.hook_resid_pre"
MEASURES = ("target", "kl", "perplexity", "repetition")
WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
NAN = float("nan")


@cache
def engine_of(wrapper: str, architecture: str = "standard") -> sw.Engine:
    """Shared between tests: none may change it."""
    return sw.Engine(tiny.MODELS[wrapper](), tiny.sae(architecture))


def run(engine: sw.Engine, prompt: Any, recipe: Any, strengths: Any, **more: Any) -> Sweep:
    return sw.sweep(
        engine, prompt, recipe, strengths, **{"n_tokens": 6, "controls": 0, "samples": 3, "seed": 2, **more}
    )


# -- the same dice


@pytest.mark.slow
@WRAPPERS
def test_sample_s_has_the_same_dice_at_every_strength_and_in_the_unedited_text(wrapper: str) -> None:
    engine = engine_of(wrapper)
    strengths = [0.0, 8.0, -8.0]
    made = run(engine, PROMPT, sw.add(3, 1), strengths)
    assert made.n == 3 and made.samples == 3 and len(made.baseline) == 3
    for i, strength in enumerate(strengths):
        alone = sw.generate(engine, PROMPT, sw.add(3, strength), n_tokens=6, samples=3, seed=2)
        assert [t.text for t in made.texts[i]] == [t.text for t in alone.edited]
        assert [t.text for t in made.baseline] == [t.text for t in alone.baseline]
    assert len({t.text for t in made.baseline}) == 3, "samples have dice of their own"
    assert [t.text for t in made.texts[1]] != [t.text for t in made.baseline]


def test_controls_have_the_dice_of_the_edit() -> None:
    """A control by no strength is the unedited text, to the last bit: only the same dice, and the same row, give that."""
    engine = engine_of("hooked")
    made = run(engine, PROMPT, sw.add(3, 1), [0.0, 30.0], controls=2)
    assert len(made.controls) == 4
    for control in (made.curve, *made.control_curves):
        for m in MEASURES:
            np.testing.assert_array_equal(getattr(control, m)[0], getattr(made.base, m))
    assert any((c.target[1] != made.base.target).any() for c in made.control_curves)


@pytest.mark.slow
def test_greedy_text_has_one_sample_and_no_interval() -> None:
    engine = engine_of("hooked")
    for given in ({"temperature": 0}, {"top_k": 1}):
        made = run(engine, PROMPT, sw.add(3, 1), [0.0, 30.0], samples=4, **given)
        assert made.n == 1 and made.samples == 1 and not made.usable.any() and made.bands == ()
        assert np.isnan(made.curve_of("target").low).all() and "no interval" in repr(made)
        assert any("Without dice" in note for note in made.notes) and any("more samples" in n for n in made.notes)
        alone = sw.generate(engine, PROMPT, sw.add(3, 30.0), n_tokens=6, seed=2, **given)
        assert made.texts[1][0].text == alone.edited[0].text
    both = run(engine, [PROMPT, OTHER], sw.add(3, 1), [0.0, 30.0], samples=4, temperature=0)
    assert both.n == 2 and np.isfinite(both.curve_of("kl").low).all()


# -- several prompts


@pytest.mark.slow
@WRAPPERS
def test_several_prompts_are_each_alone(wrapper: str) -> None:
    engine = engine_of(wrapper, "jumprelu")
    prompts = [PROMPT, OTHER, "In the"]
    recipe = sw.Recipe([sw.add(5, 1), sw.add(9, 3, positions="generated")])
    both = run(engine, prompts, recipe, [0.0, 12.0], samples=2, controls=1)
    assert both.n == 6 and [engine.to_ids(p)[0] for p in prompts] and len(both.prompts) == 3
    for k, prompt in enumerate(prompts):
        one = run(engine, prompt, recipe, [0.0, 12.0], samples=2, controls=1)
        at = slice(2 * k, 2 * k + 2)
        assert both.controls == one.controls
        assert [t.text for t in both.baseline[at]] == [t.text for t in one.baseline]
        assert [[t.text for t in row[at]] for row in both.texts] == [[t.text for t in row] for row in one.texts]
        for m in MEASURES:
            for a, b in zip((both.curve, *both.control_curves), (one.curve, *one.control_curves), strict=True):
                np.testing.assert_allclose(getattr(a, m)[:, at], getattr(b, m), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(both.reading.promoted[:, k], one.reading.promoted[:, 0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(both.reading.activation[:, k], one.reading.activation[:, 0], rtol=1e-4, atol=1e-5)
    table = both.texts_to_pandas()
    assert len(table) == 3 * 6 and table["prompt"].nunique() == 3 and set(table["sample"]) == {0, 1}
    assert table["text"].tolist() == [t.text for row in (both.baseline, *both.texts) for t in row]


@pytest.mark.slow
def test_what_is_one_prompt_and_what_are_several() -> None:
    engine = engine_of("hooked")
    (ids,), (others,) = engine.to_ids(PROMPT), engine.to_ids(OTHER)

    def count(prompt: Any) -> tuple[int, list[str]]:
        made = run(engine, prompt, sw.add(3, 1), [2.0], samples=1, n_tokens=2)
        return len(made.prompts), [t.text for t in made.texts[0]]

    one, two = count(PROMPT), count([PROMPT, OTHER])
    assert one[0] == 1 and two[0] == 2 and two[1][0] == one[1][0]
    for given in (ids, tuple(ids), torch.tensor(ids), np.array(ids), [PROMPT], torch.tensor([ids])):
        assert count(given) == one
    for several in ((PROMPT, OTHER), [ids, others], np.array([PROMPT, OTHER])):
        assert count(several) == two
    for wrong, said in (
        ([PROMPT, 5], "prompts only"),
        ([ids, 5], "prompts only"),
        ([{"role": "user", "content": "a"}, PROMPT], "prompts only"),
        ([PROMPT, PROMPT], "same prompt twice"),
        ([PROMPT, ids], "same prompt twice"),
    ):
        with pytest.raises(SaewidgetsError, match=said):
            count(wrong)


@pytest.mark.slow
def test_a_chat_is_one_prompt_and_a_list_of_chats_several() -> None:
    model = tiny.hooked()
    model.tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    try:
        engine = sw.Engine(model, tiny.sae("standard"))
    finally:
        model.tokenizer.chat_template = None  # the tokenizer is shared; the engine has a copy
    one = [{"role": "user", "content": "In the beginning"}]
    two = [*one, {"role": "assistant", "content": "God"}]
    made = run(engine, [one, two], sw.add(3, 1), [9.0], samples=2)
    assert made.n == 4 and len(made.prompts) == 2
    for k, chat in enumerate((one, two)):
        alone = run(engine, chat, sw.add(3, 1), [9.0], samples=2)
        assert len(alone.prompts) == 1 and alone.prompts[0] == made.prompts[k]
        assert [t.text for t in alone.texts[0]] == [t.text for t in made.texts[0][2 * k : 2 * k + 2]]
        generated = sw.generate(engine, chat, sw.add(3, 9.0), n_tokens=6, samples=2, seed=2)
        assert [t.text for t in generated.edited] == [t.text for t in alone.texts[0]]


# -- intervals


def slow_interval(differences: list[float], level: float) -> tuple[float, float, float]:
    """Mean and ends, from the definition: mean ± t(1 - (1 - level) / 2, n - 1) · s / sqrt(n)."""
    n = len(differences)
    mean = sum(differences) / n
    s = math.sqrt(sum((d - mean) ** 2 for d in differences) / (n - 1))
    half = float(stats.t.ppf(1 - (1 - level) / 2, n - 1)) * s / math.sqrt(n)
    return mean, mean - half, mean + half


def test_curves_are_means_with_the_interval_of_paired_differences() -> None:
    engine = engine_of("hooked")
    made = run(engine, PROMPT, sw.add(3, 1), [10.0, 40.0], samples=4, controls=1)
    assert made.level == 0.95
    for m in MEASURES:
        curve = made.curve_of(m)
        for i in range(2):
            edited, base = getattr(made.curve, m)[i].tolist(), getattr(made.base, m).tolist()
            if m == "perplexity":  # in logarithms
                mean = math.exp(sum(map(math.log, edited)) / 4)
                middle, low, high = slow_interval(
                    [math.log(a) - math.log(b) for a, b in zip(edited, base, strict=True)], 0.95
                )
                wanted = [mean, mean * math.exp(low - middle), mean * math.exp(high - middle)]
            else:
                mean = sum(edited) / 4
                middle, low, high = slow_interval([a - b for a, b in zip(edited, base, strict=True)], 0.95)
                wanted = [mean, mean + low - middle, mean + high - middle]
            np.testing.assert_allclose([curve.mean[i], curve.low[i], curve.high[i]], wanted, rtol=1e-6, atol=1e-9)
            assert curve.n[i] == 4
            np.testing.assert_allclose(getattr(made, m)[i], wanted[0], rtol=1e-9)
    with pytest.raises(ValueError, match="repetition"):
        made.curve_of("loudness")


def test_without_controls_intervals_are_wider() -> None:
    assert level_of(0.95, 9, 1) == level_of(0.95, 9, 6) == 0.95
    assert level_of(0.95, 9, 0) == pytest.approx(1 - 0.05 / 9) and level_of(0.9, 1, 0) == pytest.approx(0.9)
    engine = engine_of("hooked")
    made = run(engine, PROMPT, sw.add(3, 1), [10.0, 40.0])
    assert made.level == pytest.approx(0.975) and "97.5%" in made.band_rule and "widened" in made.band_rule


# -- which way


@pytest.mark.slow
def test_directions_of_a_sweep() -> None:
    engine = engine_of("hooked")
    (ids,) = engine.to_ids(PROMPT)
    f: int = int(engine.activations(ids).top(1).features[0])
    made = run(engine, PROMPT, sw.scale(f, 0), [1.0, 0.0, 3.0])
    assert made.directions.tolist() == [0, -1, 1]
    base = float(made.base.target.mean())
    made = run(engine, PROMPT, sw.clamp(f, 1, unit="max", max_activation=base), [0.5, 2.0])
    assert made.directions.tolist() == [-1, 1], "a clamp is compared with what the feature does, in activations"
    # Where the edit acts only where the feature is active, that is what it is compared with.
    texts = sw.generate(engine, PROMPT, n_tokens=6, samples=3, seed=2).baseline
    found = []
    for f in range(tiny.D_SAE):
        per_text, loud = [], []
        for text in texts:
            new = text.token_ids.tolist()
            with torch.no_grad():
                x = engine.model.raw.run_with_cache(torch.tensor([[*ids, *new]]))[1][PRE]
            acts = [
                a for a, i in zip(tiny.sae("standard").encode(x)[0, len(ids) :, f].tolist(), new, strict=True) if i > 1
            ]
            per_text.append(sum(acts) / len(acts))
            loud += [[a for a in acts if a]]
        if all(loud) and any(len(some) < 6 for some in loud):
            overall = sum(per_text) / 3
            where_active = sum(sum(some) / len(some) for some in loud) / 3
            found.append((f, (overall + where_active) / 2, where_active - overall))
    f, between, apart = max(found, key=lambda one: one[2])
    assert apart > 0.1, "the case tests nothing"
    for only_active, way in ((False, 1), (True, -1)):
        edit = sw.clamp(f, 1, only_active=only_active)
        assert run(engine, PROMPT, edit, [between]).directions.tolist() == [way]
    assert run(engine, PROMPT, sw.add(3, 1), [5.0, 0.0], direction="suppresses").directions.tolist() == [-1, 0]
    for given in ({"direction": "up"}, {"confidence": 1.0}, {"n_promoted": 0}):
        with pytest.raises(SaewidgetsError, match=next(iter(given))):
            run(engine, PROMPT, sw.add(3, 1), [5.0], **given)


# -- the whole way


@pytest.mark.slow
def test_suppression_is_found_and_named() -> None:
    """A target that the edit takes away: different letters, where a strong edit makes the model say one thing only."""
    engine = engine_of("hooked")

    def variety(text: str) -> float:
        return float(len(set(text)))

    kept = {"samples": 6, "perplexity_factor": 1e9, "max_repetition": 1.0, "n_tokens": 12}
    rows = [run(engine, PROMPT, sw.add(f, 1), [200.0], target=variety, **kept) for f in range(6)]
    found = 0
    for made in rows:
        differences = (made.curve.target[0] - made.base.target).tolist()
        _, low, high = slow_interval(differences, 0.95)
        assert made.usable.tolist() == [low > 0] and made.directions.tolist() == [1]
        turned = run(engine, PROMPT, made.intervention, [200.0], target=variety, direction="suppresses", **kept)
        assert turned.usable.tolist() == [high < 0]
        if high < 0:
            found += 1
            assert turned.bands == (Band(200.0, 200.0, "suppresses"),) and turned.band == (200.0, 200.0)
            assert "suppresses from 200 to 200" in repr(turned) and "below 0" in turned.band_rule
    assert found, "the case tests nothing"


@pytest.mark.slow
def test_progress_counts_texts() -> None:
    engine = engine_of("hooked")
    heard: list[tuple[int, int]] = []
    made = sw.sweep(
        engine, [PROMPT, OTHER], sw.add(3, 1), [0.0, 5.0, 9.0], n_tokens=6, samples=2, controls=1,
        on_progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    # Unedited (which strength 0 is, too), and two strengths of the edit and of two controls: 7 rows.
    assert len(made.controls) == 2 and {total for _, total in heard} == {7 * 2 * 2}
    assert heard == sorted(heard) and heard[-1] == (28, 28) and len({done for done, _ in heard}) > 6


@pytest.mark.slow
def test_table_figure_repr() -> None:
    engine = engine_of("hooked")
    made = run(engine, PROMPT, sw.add(3, 1), [5.0, 0.0, -5.0], controls=2)
    table = made.to_pandas()
    names = (*MEASURES, "promoted", "activation")
    assert len(table) == 3 * 5 * 6 and set(table["measure"]) == set(names)
    assert list(dict.fromkeys(table["edited"])) == ["edit", "feature", "direction"]
    edit = table[table["edited"] == "edit"]
    for m in names:
        rows, curve = edit[edit["measure"] == m], made.curve_of(m)
        np.testing.assert_array_equal(rows["mean"], curve.mean)
        np.testing.assert_array_equal(rows["low"], curve.low)
        np.testing.assert_array_equal(rows["n"], [3] * 3 if m in MEASURES else [1] * 3)
        assert (rows["unedited"] == curve.unedited).all()
    control = table[(table["name"] == made.controls[1][1]) & (table["measure"] == "kl")]
    np.testing.assert_allclose(control["mean"], made.control_curves[1].kl.mean(-1), rtol=1e-9)
    assert control["low"].isna().all() and not control["usable"].any()
    assert edit[edit["measure"] == "kl"]["direction"].tolist() == ["raises", "no edit", "suppresses"]
    assert edit[edit["measure"] == "kl"]["usable"].tolist() == made.usable.tolist()
    figure = made.figure()
    assert len(figure.data) == 6 * 5
    edited = [trace for trace in figure.data if trace.name == "the edit"]
    assert [list(trace.x) for trace in edited] == [[-5.0, 0.0, 5.0]] * 6, "lines go from left to right"
    np.testing.assert_array_equal(np.array(edited[1].y, float), made.kl[::-1])
    ends = np.array(edited[1].y, float) + np.array(edited[1].error_y.array, float)
    np.testing.assert_allclose(ends, made.curve_of("kl").high[::-1])
    assert "3 texts a strength" in figure.layout.title.text and "95% interval" in figure.layout.title.text
    assert "3 strengths, 3 texts each, 4 controls" in repr(made)
    assert run(engine, PROMPT, sw.add(3, 1), [2.0], samples=1).figure()
