"""Streaming and stop, runs and their history, the other views, pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from front_end import recorded
from steering_made import PROMPT, SETTINGS, ask, good, prompt_of, strong

import saewidgets as sw

pytestmark = pytest.mark.usefixtures("fake_comm")


TEMPLATE = (
    "{% for m in messages %}<|bos|>{{ m['role'] }}: {{ m['content'] }}<|eos|>{% endfor %}"
    "{% if add_generation_prompt %}<|bos|>a: {% endif %}"
)


# -- generation


def test_the_answer_is_the_generation_and_the_parts_are_its_tokens(engine: sw.Engine) -> None:
    recipe = sw.Recipe(sw.add(5, 6))
    panel = sw.SteeringPanel(engine)
    r, arrays = good(panel, "generate", **prompt_of(recipe.to_dict(), settings=SETTINGS))
    expected = sw.generate(engine, PROMPT, recipe, **SETTINGS)
    for name, texts in (("baseline", expected.baseline), ("edited", expected.edited)):
        for s, text in enumerate(texts):
            assert r[name][s]["ids"] == text.token_ids.tolist()
            assert "".join(r[name][s]["str"]) == text.text
            n = len(text)
            np.testing.assert_allclose(arrays[f"{name[0]}_logprob"][s, :n], text.logprobs, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(arrays[f"{name[0]}_entropy"][s, :n], text.entropy, rtol=1e-4, atol=1e-5)
            assert np.isnan(arrays[f"{name[0]}_logprob"][s, n:]).all()
    assert r["diverge"] == [expected.diverges_at(s) for s in range(2)]
    assert r["prompt"]["flags"] == [1] + [0] * (len(expected.prompt) - 1)
    assert r["prompt"]["edited"] == [0] + [1] * (len(expected.prompt) - 1)
    parts = [c["r"] for c, _ in panel.comm.customs() if c.get("t") == "part"]
    assert parts[0]["prompt"] == r["prompt"]
    told = [p["e"][0][0] for p in parts[1:] if p["e"][0] is not None]
    assert told == r["edited"][0]["ids"]
    assert panel.result is not None
    assert panel.result.edited[0].text == expected.edited[0].text


def test_stop_keeps_what_was_written(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = sw.SteeringPanel(engine)
    real = sw.SteeringPanel.send
    pressed: list[str] = []

    def send(self: Any, content: Any, buffers: Any = None) -> None:
        real(self, content, buffers)
        if content.get("t") == "part" and content["r"].get("s") == 2 and not pressed:
            pressed.append(content["id"])
            panel.comm.view_sends({"t": "cancel", "id": content["id"]})

    monkeypatch.setattr(sw.SteeringPanel, "send", send)
    settings = {**SETTINGS, "n_tokens": 30, "samples": 1}
    r, _ = good(panel, "generate", **prompt_of(sw.Recipe(sw.add(5, 6)).to_dict(), settings=settings))
    assert r["stopped"]
    assert len(r["edited"][0]["ids"]) == 3
    again, _ = good(panel, "generate", **prompt_of(sw.Recipe().to_dict(), settings={**SETTINGS, "samples": 1}))
    assert not again["stopped"]


def test_other_questions_are_answered_while_it_writes(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = sw.SteeringPanel(engine)
    order: list[str] = []
    real = sw.SteeringPanel.send

    def send(self: Any, content: Any, buffers: Any = None) -> None:
        real(self, content, buffers)
        if content.get("t") == "part" and content["r"].get("s") == 1:
            params = prompt_of(sw.Recipe().to_dict())
            panel.comm.view_sends({"t": "req", "id": "v:scales", "ch": "scales", "p": params, "enc": "binary"})
        if content.get("t") == "res":
            order.append(content["id"])

    monkeypatch.setattr(sw.SteeringPanel, "send", send)
    good(panel, "generate", **prompt_of(sw.Recipe(sw.add(5, 6)).to_dict(), settings={**SETTINGS, "n_tokens": 12}))
    assert order[0] == "v:scales"


def test_run_from_a_cell_and_the_history(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt=PROMPT, recipe=sw.add(5, 6), n_tokens=4, temperature=0.0)
    made = panel.run()
    assert made is panel.result
    (run,) = panel.history
    assert run["edited"] == [made.edited[0].text]
    assert sw.Recipe.from_dict(run["recipe"]) == panel.value
    assert run["settings"]["n_tokens"] == 4
    for _ in range(25):
        panel._remember(made)
    assert len(panel.history) == 20
    assert [r["id"] for r in panel.history] == list(range(7, 27))


def test_chats_go_through_the_template() -> None:
    model = tiny.hooked()
    model.tokenizer.chat_template = TEMPLATE  # type: ignore[union-attr]
    try:
        engine = sw.Engine(model, {"mine": tiny.sae("jumprelu")})
        panel = sw.SteeringPanel(engine)
        assert panel.facts["has_chat"]
        params = prompt_of(sw.Recipe(sw.add(5, 6)).to_dict(), settings=SETTINGS)
        r, _ = good(panel, "generate", **{**params, "chat": True})
        said = "".join(r["prompt"]["str"])
        assert said == f"<|bos|>user: {PROMPT}<|eos|><|bos|>a: "
        content = [t for t, special in zip(r["prompt"]["str"], r["prompt"]["flags"], strict=True) if not special]
        assert "".join(content).strip() == PROMPT
        assert [bool(e) for e in r["prompt"]["edited"]] == [not s for s in r["prompt"]["flags"]]
    finally:
        model.tokenizer.chat_template = None  # type: ignore[union-attr]


def test_a_chat_without_a_template_and_a_prompt_too_long_are_said(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine)
    params = prompt_of(sw.Recipe().to_dict(), settings=SETTINGS)
    message, _ = ask(panel, "generate", **{**params, "chat": True})
    assert "no chat template" in message["e"]["message"]
    message, _ = ask(panel, "generate", **{**params, "prompt": "earth " * 100})
    assert "context" in message["e"]["message"]
    message, _ = ask(panel, "generate", **{**params, "settings": {**SETTINGS, "temperature": "warm"}})
    assert not message["ok"]
    assert good(panel, "generate", **params)


# -- the other views


@pytest.mark.slow
def test_effect_sweep_and_answer_are_what_the_functions_give(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = strong(index)
    recipe = sw.Recipe(sw.add(f, 2, unit="max"))
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    r, arrays = good(
        panel, "effect", **prompt_of(recipe.to_dict(), continuation=[20, 30], which="edited", freeze=False)
    )
    expected = sw.effects(
        engine, [*engine.to_ids(PROMPT)[0], 20, 30], recipe, n_prompt=len(engine.to_ids(PROMPT)[0]), index=index
    )
    np.testing.assert_allclose(arrays["delta"], expected.delta, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(arrays["kl"], expected.kl, rtol=1e-3, atol=1e-5)
    assert r["n_prompt"] == len(engine.to_ids(PROMPT)[0])
    assert r["rows"][0]["feature"] == f
    assert all({"f", "clean", "edited", "change"} <= set(row) for row in r["side"])
    assert f not in [row["f"] for row in r["side"]]

    strengths = [0.0, 1.0, 2.0]
    for given, samples in (({"samples": 3}, 3), ({}, SETTINGS["samples"])):
        r, arrays = good(
            panel,
            "sweep",
            **prompt_of(recipe.to_dict(), settings=SETTINGS, row=0, strengths=strengths, controls=1, **given),
        )
        made = sw.sweep(
            engine,
            PROMPT,
            recipe,
            strengths,
            controls=1,
            index=index,
            n_tokens=6,
            temperature=1.0,
            seed=3,
            samples=samples,
        )
        assert r["n"] == samples == len(r["baseline"]) and r["pairs"] == [samples] * 3
        assert r["texts"] == [[t.text for t in row] for row in made.texts]
        for n, name in enumerate(("target", "kl", "perplexity", "repetition", "promoted", "activation")):
            curve = made.curve_of(name)
            for key, wanted in ((name, curve.mean), (f"{name}_low", curve.low), (f"{name}_high", curve.high)):
                np.testing.assert_allclose(arrays[key], wanted, rtol=1e-3, atol=1e-5)
            assert arrays[f"c_{name}"].shape == (len(r["controls"]), 3)
            np.testing.assert_allclose(arrays["base"][n], curve.unedited, rtol=1e-3, atol=1e-5)
            assert r["titles"][name] == made.title_of(name)
        assert r["unit"] == "max" and r["directions"] == [0, 1, 1] and f"n = {samples}" in r["about"][0]
        tokens = made.promoted.tokens  # type: ignore[union-attr]
        assert all(repr(token) in r["about"][1] for token in tokens) and r["verdict"].startswith(
            ("Usable", "No strength")
        )

    r, _ = good(panel, "answer", **prompt_of(recipe.to_dict(), answer=" earth"))
    table = sw.answer_effects(engine, PROMPT, " earth", recipe, index=index).to_pandas()
    assert [row["rank"] for row in r["rows"]] == table["rank"].tolist()
    assert r["rows"][0]["kind"] == "clean"


def test_code_and_presets(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    recipe = sw.Recipe(sw.add(5, 2))
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    r, _ = good(panel, "code", **prompt_of(recipe.to_dict(), settings=SETTINGS))
    assert sw.Recipe.from_json(r["json"]) == recipe
    assert r["python"] == sw.to_code(engine, PROMPT, recipe, index=index)
    r, _ = good(panel, "preset", key="tutorial", f=5, sae=None)
    assert sw.Recipe.from_dict(r["recipe"]) == sw.preset("tutorial", 5)
    message, _ = ask(panel, "preset", key="tutorial", f=5000, sae=None)
    assert not message["ok"]


# -- pictures without a kernel


@pytest.mark.slow
def test_a_page_has_the_run_and_what_was_asked(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    panel = sw.SteeringPanel(
        engine, index, prompt=PROMPT, recipe=sw.add(strong(index), 1, unit="max"), n_tokens=4, answer=" earth"
    )
    panel.run()
    html = panel.page()
    state, answers = recorded(html)
    assert state["facts"]["offline"]
    assert sorted(a["ch"] for a in answers) == ["generate", "scales"]
    assert panel.page() == html, "the same state must give the same bytes"
    _, answers = recorded(panel.page(views=("text", "effect", "sweep", "answer")))
    assert sorted(a["ch"] for a in answers) == ["answer", "effect", "generate", "scales", "sweep"]
    generated = next(a for a in answers if a["ch"] == "generate")
    assert generated["r"]["edited"][0]["ids"] == panel.result.edited[0].token_ids.tolist()  # type: ignore[union-attr]
    # Answers about another recipe are not in the page.
    panel.recipe = sw.Recipe(sw.ablate(2)).to_dict()
    panel.run()
    _, answers = recorded(panel.page())
    assert all(a["p"]["recipe"] == panel.recipe for a in answers)


def test_hostile_text_is_inert_in_the_fallback_and_the_page(engine: sw.Engine) -> None:
    hostile = "</script><script>window.hacked=1</script>\u2028<b>&"
    panel = sw.SteeringPanel(engine, prompt=hostile, n_tokens=2)
    panel.run()
    for html in (panel.page(), panel.fallback_html()):
        assert "<script>window" not in html
        assert "<b>&" not in html


def test_the_fallback_says_what_was_run(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt=PROMPT, recipe=sw.ablate(5), n_tokens=3)
    assert "Nothing was generated yet" in panel.fallback_html()
    made = panel.run()
    html = panel.fallback_html()
    assert "ablate feature 5" in html
    assert "as it is: " in html
    assert "edited: " in html
    assert len(made.edited) == 1


@pytest.mark.slow
def test_two_panels_on_one_engine_do_not_mix(engine: sw.Engine) -> None:
    a = sw.SteeringPanel(engine, prompt=PROMPT, recipe=sw.add(5, 8), n_tokens=5, temperature=0.0)
    b = sw.SteeringPanel(engine, prompt=PROMPT, recipe=sw.add(9, 8), n_tokens=5, temperature=0.0)
    for panel, name in ((a, "a:1"), (b, "b:1")):
        params = prompt_of(panel.recipe, settings={**SETTINGS, "temperature": 0.0, "samples": 1})
        panel.comm.view_sends({"t": "req", "id": name, "ch": "generate", "p": params, "enc": "binary"})
    for panel, name, feature in ((a, "a:1", 5), (b, "b:1", 9)):
        message, _ = panel.comm.response(name, 30)
        expected = sw.generate(engine, PROMPT, sw.add(feature, 8), n_tokens=6, temperature=0)
        assert message["r"]["edited"][0]["ids"] == expected.edited[0].token_ids.tolist()


def test_a_closed_panel_says_so_and_leaves_the_engine(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt=PROMPT)
    panel.close()
    with pytest.raises(RuntimeError, match="closed"):
        panel.run()
    assert engine.activations(PROMPT).top(1)


def test_units_of_a_chat_leave_the_template_out() -> None:
    """The residual norm is the median over what was said, not over roles and separators."""
    model = tiny.hooked()
    model.tokenizer.chat_template = TEMPLATE  # type: ignore[union-attr]
    try:
        engine = sw.Engine(model, {"mine": tiny.sae("jumprelu")})
        panel = sw.SteeringPanel(engine)
        r, _ = good(panel, "scales", **{**prompt_of(sw.Recipe(sw.add(5, 1, unit="resid")).to_dict()), "chat": True})
        made = sw.generate(engine, [{"role": "user", "content": PROMPT}], sw.add(5, 1, unit="resid"), n_tokens=1)
        tokens = torch.tensor([made.prompt.ids])
        x = engine.model.read(tokens, ["blocks.1.hook_resid_pre"])["blocks.1.hook_resid_pre"][0]
        said = [i for i, t in enumerate(made.prompt.template) if not t and made.prompt.ids[i] > 1]
        assert 0 < len(said) < len(made.prompt.ids) - 3
        expected = float(np.median(x[said].norm(dim=-1).detach().numpy()))
        assert r["median_norm"]["mine"] == pytest.approx(expected, rel=1e-5)
        assert made.resolved.amounts[0].median_norm == pytest.approx(expected, rel=1e-5)
    finally:
        model.tokenizer.chat_template = None  # type: ignore[union-attr]
