"""SteeringPanel's kernel side: the wire's fields and numbers, streaming and stop, units of the rows, pictures."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pytest
import tiny
import torch
import traitlets
from front_end import RecordingComm

import saewidgets as sw
from saewidgets.interventions.recipe.errors import RecipeError

PROMPT = "In the beginning God created"
TEMPLATE = (
    "{% for m in messages %}<|bos|>{{ m['role'] }}: {{ m['content'] }}<|eos|>{% endfor %}"
    "{% if add_generation_prompt %}<|bos|>a: {% endif %}"
)
SETTINGS = {
    "seed": 3,
    "n_tokens": 6,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "samples": 2,
}


@pytest.fixture(autouse=True)
def fake_comm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    yield
    import ipywidgets

    ipywidgets.Widget.close_all()


@pytest.fixture
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}, labels={3: "Genesis"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "of"
    with sw.Engine(tiny.hooked(), {"mine": tiny.sae("jumprelu")}) as engine:
        texts = ["In the beginning God created the heaven and the earth. " * 3, "Zwölf Boxkämpfer 日本語"]
        sw.build_index(engine, texts, path, progress=False, wait=True)
    return path


@pytest.fixture
def index(folder: Path) -> sw.FeatureIndex:
    return sw.FeatureIndex.open(folder)


def ask(
    panel: sw.SteeringPanel, channel: str, timeout: float = 30, **params: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The answer to a request of a view; its message and arrays."""
    identifier = f"view:{time.monotonic_ns()}"
    panel.comm.view_sends({"t": "req", "id": identifier, "ch": channel, "p": params, "enc": "binary"})
    return panel.comm.response(identifier, timeout)


def good(panel: sw.SteeringPanel, channel: str, **params: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    message, arrays = ask(panel, channel, **params)
    assert message["ok"], message
    return message["r"], arrays


def prompt_of(recipe: Any, **more: Any) -> dict[str, Any]:
    return {"recipe": recipe, "prompt": PROMPT, "chat": False, "messages": [], **more}


def maxima(index: sw.FeatureIndex) -> np.ndarray:
    return np.nan_to_num(index.column("high").astype(float))


def strong(index: sw.FeatureIndex) -> int:
    return int(np.argmax(maxima(index)))


# -- traits


def test_a_recipe_goes_in_as_objects_and_comes_out_as_data_and_objects(engine: sw.Engine) -> None:
    recipe = sw.Recipe([sw.add(5, 2), sw.ablate(6)], keep_error=True)
    for given in (recipe, recipe.to_dict(), list(recipe)):
        panel = sw.SteeringPanel(engine, recipe=given)
        assert panel.value == recipe
        assert json.loads(json.dumps(panel.recipe)) == recipe.to_dict()
    assert sw.SteeringPanel(engine, recipe=sw.add(5, 2)).value == sw.Recipe(sw.add(5, 2))
    assert sw.SteeringPanel(engine).value == sw.Recipe()


def test_steer_this_feature_from_a_cell(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, recipe=sw.Recipe(sw.add(5, 2), name="mine"))
    panel.add(sw.clamp(7, 1), sw.ablate(8))
    assert panel.value == sw.Recipe([sw.add(5, 2), sw.clamp(7, 1), sw.ablate(8)], name="mine")
    with pytest.raises(RecipeError, match="twice"):
        panel.add(sw.ablate(5))
    assert len(panel.value) == 3, "a refused addition must not lose what was there"


def test_the_feature_links_with_another_widget(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    dashboard = sw.FeatureDashboard(engine, index, feature=11)
    panel = sw.SteeringPanel(engine, index, recipe=[sw.add(5, 2, unit="max", max_activation=9.0), sw.ablate(8)])
    assert panel.feature == 5
    traitlets.link((dashboard, "feature"), (panel, "feature"))
    assert panel.value == sw.Recipe([sw.add(11, 2, unit="max"), sw.ablate(8)])
    dashboard.feature = 12
    assert panel.value.interventions[0] == sw.add(12, 2, unit="max")
    panel.recipe = sw.Recipe(sw.ablate(20)).to_dict()
    assert dashboard.feature == 20
    empty = sw.SteeringPanel(engine, index)
    empty.feature = 3
    assert empty.value == sw.Recipe(sw.add(3, 1.0, unit="max"))
    empty.recipe = {"version": 1, "interventions": [{"kind": "add", "features": [], "value": 1.0}]}
    assert empty.feature is None


def test_what_cannot_be_is_refused_at_once(engine: sw.Engine) -> None:
    with pytest.raises(TypeError, match="seed"):
        sw.SteeringPanel(engine, sed=1)
    with pytest.raises(RecipeError):
        sw.SteeringPanel(engine, recipe={"interventions": [{"kind": "ad", "features": [1]}]})


def test_a_half_typed_recipe_from_the_view_breaks_nothing(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, recipe=sw.add(5, 2))
    broken = {"version": 1, "interventions": [{"kind": "add", "features": [], "value": 1}]}
    panel.comm.view_sets(recipe=broken)
    assert panel.recipe == broken
    with pytest.raises(RecipeError):
        _ = panel.value
    message, _ = ask(panel, "generate", **prompt_of(broken, settings=SETTINGS))
    assert not message["ok"]
    assert message["e"]["type"] == "RecipeError"
    assert good(panel, "generate", **prompt_of(sw.Recipe().to_dict(), settings=SETTINGS))


def test_facts_tell_the_view_what_there_is(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    facts = sw.SteeringPanel(engine, index).facts
    assert facts["index_sae"] == facts["saes"][0]["name"]
    assert not facts["has_chat"]
    assert facts["context"] == tiny.N_CTX
    assert [(s["name"], s["n"], s["kind"]) for s in facts["saes"]] == [("mine", tiny.D_SAE, "SAE")]
    assert {p["key"] for p in facts["presets"]} == {"tutorial", "neuronpedia", "neuronpedia_orthogonal", "anthropic"}


# -- units


def test_units_of_a_row_are_each_other(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    f = strong(index)
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    ids = torch.tensor(engine.to_ids(PROMPT))
    x = engine.model.read(ids, ["blocks.1.hook_resid_pre"])["blocks.1.hook_resid_pre"][0, 1:]
    median = float(np.median(x.norm(dim=-1).detach().numpy()))
    row = engine.dictionary().sae.W_dec[f].detach()  # type: ignore[attr-defined]
    for unit, raw in (("raw", 2.0), ("max", 2 * maxima(index)[f]), ("resid", 2 * median / float(row.norm()))):
        r, _ = good(panel, "scales", **prompt_of(sw.Recipe(sw.add(f, 2, unit=unit)).to_dict()))
        (found,) = r["rows"][0]["features"]
        assert found["raw"] == pytest.approx(raw, rel=1e-5)
        assert found["in_max"] == pytest.approx(raw / maxima(index)[f], rel=1e-5)
        assert found["in_resid"] == pytest.approx(raw * float(row.norm()) / median, rel=1e-5)
        assert found["max_from"] == "index"
        assert r["median_norm"]["mine"] == pytest.approx(median, rel=1e-5)
        low, high = r["rows"][0]["range"]["min"], r["rows"][0]["range"]["max"]
        assert low <= 2 <= high
        assert not r["noop"]


def test_without_an_index_the_maximum_is_the_prompts_and_says_so(engine: sw.Engine) -> None:
    acts = engine.activations(PROMPT)
    f = int(acts.top(1).to_pandas().index[0])
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of(sw.Recipe(sw.add(f, 1, unit="max")).to_dict()))
    (found,) = r["rows"][0]["features"]
    assert found["max_from"] == "prompt"
    assert found["max"] == pytest.approx(float(acts[:, f][1:].max()), rel=1e-5)
    assert "in the prompt" in r["text"]


def test_each_row_has_its_own_error_and_the_others_go_on(engine: sw.Engine) -> None:
    rows = [
        {"features": [5], "kind": "add", "value": 1.0},
        {"features": [5000], "kind": "add", "value": 1.0},
        {"features": [6], "kind": "add", "value": None},
        {"features": [7], "kind": "ablate", "sae": "nobody"},
    ]
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of({"version": 1, "interventions": rows}))
    assert [row["ok"] for row in r["rows"]] == [True, False, False, False]
    assert [row["error_field"] for row in r["rows"]] == [None, "features", "value", "sae"]
    assert "outside" in r["rows"][1]["error"]


def test_the_same_feature_twice_is_said_at_the_row(engine: sw.Engine) -> None:
    rows = [{"features": [5], "kind": "add", "value": 1.0}, {"features": [5], "kind": "ablate"}]
    r, _ = good(sw.SteeringPanel(engine), "scales", **prompt_of({"version": 1, "interventions": rows}))
    assert [row["ok"] for row in r["rows"]] == [True, False]
    assert "twice" in r["rows"][1]["error"]


# -- search


def test_search_by_number_label_and_in_the_prompt(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    panel = sw.SteeringPanel(engine, index, prompt=PROMPT)
    assert good(panel, "search", q="12", sae=None)[0]["items"][0]["f"] == 12
    assert [i["f"] for i in good(panel, "search", q="genes", sae=None)[0]["items"]] == [3]
    found = good(panel, "search", q="", sae=None)[0]["items"]
    acts = engine.activations(PROMPT)
    assert [i["f"] for i in found] == [int(f) for f in acts.top(12)]
    assert found[0]["a"] == pytest.approx(float(acts[:, found[0]["f"]][1:].max()), rel=1e-5)
    assert good(panel, "search", q="no such words", sae=None)[0]["items"] == []


# -- generation


def test_the_answer_is_the_generation_and_the_parts_are_its_tokens(engine: sw.Engine) -> None:
    recipe = sw.Recipe(sw.add(5, 6))
    panel = sw.SteeringPanel(engine)
    r, arrays = good(panel, "generate", **prompt_of(recipe.to_dict(), settings=SETTINGS))
    expected = sw.generate(engine, PROMPT, recipe, **SETTINGS)
    for name, texts in (("baseline", expected.baseline), ("edited", expected.edited)):
        for s, text in enumerate(texts):
            assert r[name][s]["ids"] == text.token_ids.tolist()
            assert "".join(r[name][s]["strings"]) == text.text
            n = len(text)
            np.testing.assert_allclose(arrays[f"{name[0]}_logprob"][s, :n], text.logprobs, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(arrays[f"{name[0]}_entropy"][s, :n], text.entropy, rtol=1e-4, atol=1e-5)
            assert np.isnan(arrays[f"{name[0]}_logprob"][s, n:]).all()
    assert r["diverge"] == [expected.diverges_at(s) for s in range(2)]
    assert r["prompt"]["special"] == [1] + [0] * (len(expected.prompt) - 1)
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
        said = "".join(r["prompt"]["strings"])
        assert said == f"<|bos|>user: {PROMPT}<|eos|><|bos|>a: "
        content = [t for t, special in zip(r["prompt"]["strings"], r["prompt"]["special"], strict=True) if not special]
        assert "".join(content).strip() == PROMPT
        assert [bool(e) for e in r["prompt"]["edited"]] == [not s for s in r["prompt"]["special"]]
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


def recorded(html: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    block = re.search(r'<script type="application/json" id="saew-data">(.*?)</script>', html, re.S)
    assert block
    outer = json.loads(block[1])
    inner = json.loads(gzip.decompress(base64.b64decode(outer["gz"])))
    return inner["state"], inner["recorded"]


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
