"""What an AttributionPanel is asked: predictions, features of features, traits both ways, and what cannot be."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from attribution_made import (
    FOIL,
    LATE,
    PROMPT,
    TARGET,
    THREE,
    both,
    of,
    rank,
    sae_named,
    told,
    truth_of,
)
from dashboard_made import failed, good
from front_end import recorded

import saewidgets as sw
from saewidgets.attribution.errors import MetricError
from saewidgets.attribution.freezes import PRESETS

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- other ways to ask


def test_log_probability_of_a_word_of_several_tokens(engine: sw.Engine) -> None:
    panel = sw.AttributionPanel(engine, None, [PROMPT, "God"], " formless", measure="logprob")
    r, _ = good(panel, "attribution", of(panel))
    truth = truth_of(engine, PROMPT, " formless")
    assert len(truth.answer) > 1
    assert r["values"][0] == pytest.approx(truth.value, rel=1e-4)
    assert r["texts"][0] == [0, len(truth.ids) + len(truth.answer) - 1]
    f = rank(panel)["rows"][0]["f"]
    one = good(panel, "without", {"of": of(panel), "features": [f]})[0]["texts"][0]
    # What comes next is what comes after the prompt, and not somewhere in the answer.
    assert one["at"] == len(truth.ids) - 1
    clean = truth.logits[len(truth.ids) - 1].softmax(-1)
    assert one["next"][0]["before"] == pytest.approx(float(clean.max()), rel=1e-3)


def test_a_feature_that_fires_in_the_answer_is_explained_there() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, " formless", measure="logprob", sae="late")
        found = panel.attribution
        prompt = len(engine.to_ids(PROMPT)[0])
        at = len(found.tokens) - 1
        assert at >= prompt
        f = int(found.features[(found.token == at) & (found.sae == list(found.dictionaries).index("late"))][0])
        panel.path = [{"sae": "late", "feature": f, "text": 0, "position": at}]
        assert panel.attribution.values[0] == pytest.approx(
            float(found.activations[(found.token == at) & (found.features == f) & (found.sae == 1)][0]), rel=1e-4
        )


@pytest.mark.parametrize("order", [("early", "late"), ("late", "early")])
def test_from_feature_to_feature(order: tuple[str, str]) -> None:
    with both(order) as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL, sae="late")
        assert good(panel, "attribution", of(panel))[0]["earlier"] == ["early"]
        assert good(panel, "attribution", of(panel, sae="early"))[0]["earlier"] == []
        row = next(row for row in rank(panel)["rows"] if row["position"] > 1)
        step = {"sae": "late", "feature": row["f"], "text": 0, "position": row["position"]}
        panel.comm.view_sets(path=[step], selected_tokens=[], sae="early", feature=None, chosen=[])
        assert (panel.path, panel.sae) == ([step], "early")
        r, arrays = good(panel, "attribution", of(panel))
        early, late = (sae_named(engine, name) for name in ("early", "late"))
        ids = engine.to_ids(PROMPT)[0]
        seen: dict[str, torch.Tensor] = {}

        def keep(value: torch.Tensor, hook: Any) -> torch.Tensor:
            probe = value.detach().requires_grad_() if hook.name.startswith("blocks.0") else value
            seen[hook.name] = probe
            return probe

        hooks = [("blocks.0.hook_resid_pre", keep), ("blocks.1.hook_resid_pre", keep)]
        engine.model.raw.run_with_hooks(torch.tensor([ids]), fwd_hooks=hooks)
        activation = late.encode(seen["blocks.1.hook_resid_pre"])[0, row["position"], row["f"]]
        x = seen["blocks.0.hook_resid_pre"]
        (g,) = torch.autograd.grad(activation, x)
        worth = early.encode(x)[0] * (g[0] @ early.W_dec.T)
        assert r["values"] == [pytest.approx(activation.item(), rel=1e-4)]
        np.testing.assert_allclose(arrays["features"], worth.sum(-1).detach().numpy(), rtol=1e-3, atol=1e-5)
        assert (r["sae"], r["n"]) == ("early", len(ids))
        assert not arrays["features"][row["position"] + 1 :].any(), "what comes after it is no cause"
        # And back.
        panel.comm.view_sets(path=[], selected_tokens=[], sae="late", feature=row["f"], chosen=[])
        assert (panel.path, panel.sae, panel.feature) == ([], "late", row["f"])


def test_a_path_that_python_sets_shows_the_causes() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(
            engine, None, PROMPT, sae="late", path=[{"sae": "late", "feature": 3, "position": 2}]
        )
        assert (panel.sae, panel.path) == ("early", [{"sae": "late", "feature": 3, "text": 0, "position": 2}])
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL, sae="late", feature=5, selected_tokens=[1])
        panel.path = [{"sae": "late", "feature": 3}]
        assert (panel.sae, panel.feature, panel.selected_tokens) == ("early", None, [])
        assert panel.path == [{"sae": "late", "feature": 3, "text": 0, "position": -1}]
        for wrong in ({"feature": "x"}, {"sae": "none", "feature": 3}, {"feature": 3, "pos": 1}, {}):
            with pytest.raises(traitlets.TraitError, match="path is a list of steps"):
                panel.path = [wrong]
        with pytest.raises(sw.errors.FeatureIndexError, match="0 to 47"):
            panel.path = [{"sae": "late", "feature": 48}]


def test_the_metric_it_was_made_with(engine: sw.Engine) -> None:
    panel = sw.AttributionPanel(engine, None, PROMPT, metric=lambda logits: logits[-1].logsumexp(-1))
    assert (panel.measure, panel.given) == ("given", "<lambda>")
    truth = truth_of(engine, PROMPT)
    assert good(panel, "attribution", of(panel))[0]["values"] == [
        pytest.approx(float(truth.logits[-1].logsumexp(-1)), rel=1e-4)
    ]
    panel.measure, panel.target = "logits", TARGET
    assert panel.attribution.metric == "logit ' and'"
    without = sw.AttributionPanel(engine, None, PROMPT, TARGET)
    with pytest.raises(traitlets.TraitError, match="without a metric"):
        without.measure = "given"
    assert "without a metric" in failed(without, "attribution", of(without, measure="given"))["message"]
    with pytest.raises(TypeError, match="A metric is made by"):
        sw.AttributionPanel(engine, None, PROMPT, metric=3)  # type: ignore[arg-type]


def test_what_is_held_fixed_and_steps_are_those_of_attribute(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    metric = sw.logit_diff(TARGET, FOIL)
    panel.linearised = ["relp"]
    assert panel.linearised == ["norm", "activation", "half"]
    r, arrays = good(panel, "attribution", of(panel))
    same = sw.attribute(engine, PROMPT, metric, linearised="relp")
    np.testing.assert_allclose(arrays["features"], same.by_position()["features"], rtol=1e-4, atol=1e-6)
    assert len(r["held"]) == 2 and r["linearised"] == ["norm", "activation"], "there is no gated MLP here"
    panel.linearised, panel.steps = [], 4
    r, arrays = good(panel, "attribution", of(panel))
    same = sw.attribute(engine, PROMPT, metric, steps=4)
    np.testing.assert_allclose(arrays["features"], same.by_position()["features"], rtol=1e-4, atol=1e-6)
    assert r["steps"] == 4
    with pytest.raises(ValueError, match="linearised= takes"):
        panel.linearised = ["everything"]
    constants = json.loads(resources.files("saewidgets.widgets").joinpath("constants.json").read_text("utf-8"))
    assert constants["PRESETS"] == {name: list(freezes) for name, freezes in PRESETS.items()}, "what the view chooses"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_a_model_of_half_precision(dtype: torch.dtype) -> None:
    model = tiny.hooked().to(dtype)
    with sw.Engine(model, tiny.sae()) as engine, sw.Engine(tiny.hooked(), tiny.sae()) as whole:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, FOIL)
        _, arrays = good(panel, "attribution", of(panel))
        exact = truth_of(whole, PROMPT).attributions.sum(1)
        assert np.abs(arrays["features"] - exact).max() < 0.1 * np.abs(exact).max()
        r, _ = good(panel, "check", {"of": of(panel), "top": 3, "random": 0})
        assert all(np.isfinite(row["effect"]) for row in r["rows"])
        assert good(panel, "without", {"of": of(panel), "features": [r["rows"][0]["f"]]})[0]["silent"] == []


# -- traits


def test_what_a_view_chooses_is_there_in_the_next_cell(panel: sw.AttributionPanel) -> None:
    panel.comm.view_sets(target=" the", foil="", measure="logprob", path=[])
    assert (panel.attribution.metric, panel.measure) == ("log-probability of ' the'", "logprob")
    panel.comm.view_sets(selected_tokens=[2, 3], feature=7, chosen=[7, 3, 7])
    assert (panel.selected_tokens, panel.feature, panel.chosen) == ([2, 3], 7, [7, 3])
    panel.prompt = np.array([0, 5, 9])
    assert panel.prompt == [0, 5, 9] and panel.attribution.token_ids.tolist() == [0, 5, 9]
    with pytest.raises(sw.errors.FeatureIndexError, match="0 to 47"):
        panel.feature = 48
    with pytest.raises(TypeError, match="target"):
        sw.AttributionPanel(panel.engine, None, PROMPT, taget=" the")
    assert repr(panel) == f"AttributionPanel({LATE!r}, target=' the', foil='')"


def test_a_prompt_takes_its_tokens_and_its_path_with_it() -> None:
    with both() as engine:
        step = {"sae": "late", "feature": 3, "text": 0, "position": 2}
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, sae="late", path=[step], selected_tokens=[2])
        assert panel.selected_tokens == [2], "what it is made with stands"
        panel.comm.view_sets(prompt="the earth")
        assert (panel.selected_tokens, panel.path) == ([], [])
        panel.comm.view_sets(prompt=PROMPT, selected_tokens=[1], path=[step], sae="early")
        assert (panel.selected_tokens, panel.path) == ([1], [step]), "one message is never taken apart"
        assert [] not in told(panel, "path")[1:]
        panel.comm.view_sets(sae="late", feature=4, chosen=[2])
        assert (panel.feature, panel.chosen) == (4, [2])
        panel.sae = "early"
        assert (panel.feature, panel.chosen) == (None, [])


@pytest.mark.parametrize("change", [{"target": FOIL}, {"foil": FOIL}, {"measure": "logprob"}])
def test_another_prediction_leaves_the_way_that_was_of_the_one_before(change: dict[str, str]) -> None:
    with both() as engine:
        step = {"sae": "late", "feature": 3, "text": 0, "position": 2}
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, path=[step])
        for name, value in change.items():
            setattr(panel, name, value)
        assert panel.path == []
        assert "activation of feature" not in panel.attribution.metric


def test_tokens_stay_chosen_while_their_numbers_mean_the_same(panel: sw.AttributionPanel) -> None:
    panel.selected_tokens = [3]
    panel.target, panel.foil = FOIL, TARGET
    assert panel.selected_tokens == [3]
    panel.measure = "logprob"
    assert panel.selected_tokens == [3], "of one prompt they are numbered from its beginning"
    panel.prompt = THREE
    panel.selected_tokens = [9]
    panel.target = " formless"
    assert panel.selected_tokens == [], "the answer of the first prompt has moved the tokens of the second"


@pytest.mark.parametrize(
    ("traits", "says"),
    [
        ({"prompt": ""}, "Type a prompt"),
        ({"prompt": []}, "Type a prompt"),
        ({"prompt": [PROMPT, ""]}, "Prompt 2 is empty"),
        ({"target": ""}, "Choose a target"),
        ({"target": " formless"}, "tokens"),
        ({"target": FOIL}, "the same token"),
        ({"prompt": "the " * 100}, "more than the context of 64"),
        ({"path": [{"sae": LATE, "feature": 3, "text": 7, "position": 0}]}, "no text 7"),
        ({"path": [{"sae": LATE, "feature": 3, "text": 0, "position": 99}]}, "no position 99"),
    ],
)
def test_what_cannot_be_is_said_and_the_panel_goes_on(
    panel: sw.AttributionPanel, traits: dict[str, Any], says: str
) -> None:
    error = failed(panel, "attribution", of(panel, **traits))
    assert says in error["message"]
    assert error["type"] == "MetricError" and "Traceback" in error["traceback"]
    assert good(panel, "attribution", of(panel))[0]["n"] > 0
    for name, value in traits.items():
        setattr(panel, name, value)
    with pytest.raises(MetricError, match=says):
        _ = panel.attribution
    assert says in panel._repr_mimebundle_()[0]["text/html"], "displaying it never fails"


def test_a_path_to_a_silent_feature_says_so() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, sae="late")
        found = panel.attribution.only("late")
        silent = next(f for f in range(48) if not ((found.features == f) & (found.token == 2)).any())
        panel.path = [{"sae": "late", "feature": silent, "text": 0, "position": 2}]
        assert "silent there" in failed(panel, "attribution", of(panel))["message"]


def test_the_first_dictionary_has_no_causes() -> None:
    with both() as engine:
        panel = sw.AttributionPanel(engine, None, PROMPT, TARGET, path=[{"sae": "early", "feature": 3}])
        assert "earlier layers" in failed(panel, "attribution", of(panel))["message"]


def test_a_dictionary_that_is_no_cause_is_not_shown_under_its_name() -> None:
    with both() as engine:
        acts = engine.activations(PROMPT, sae="late")
        f = int(np.flatnonzero(acts[-1, :])[0])
        panel = sw.AttributionPanel(
            engine, None, PROMPT, metric=sw.feature_activation(f, sae="late"), sae="late", feature=f
        )
        r, _ = good(panel, "attribution", of(panel))
        assert r["sae"] == "early"
        assert good(panel, "colour", {"of": of(panel), "f": f})[0]["key"] == r["key"]
        state, answers = recorded(panel.page())
        assert (state["sae"], state["feature"]) == ("early", None)
        assert all(one["p"]["of"]["sae"] == "early" for one in answers if "of" in one["p"])
