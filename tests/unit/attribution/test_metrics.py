"""Each metric is its definition, and what it cannot do is said before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from torch import Tensor

import saewidgets as sw
from saewidgets.attribution.errors import GradientError, MetricError
from saewidgets.errors import TokenIdError

EARLY, LATE = "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"


@pytest.fixture(scope="module")
def engine() -> Any:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as made:
        yield made


def logits_of(engine: sw.Engine, ids: list[int]) -> Tensor:
    with torch.no_grad():
        return engine.model.raw(torch.tensor([ids]), return_type="logits")[0]


def test_values(engine: sw.Engine) -> None:
    ids = engine.to_ids(TEXT)[0]
    logits = logits_of(engine, ids)
    the, god = engine.to_ids("the")[0][-1], engine.tokenizer.answer_ids(" God")[0]
    other = logits_of(engine, engine.to_ids("the earth")[0])[-1].log_softmax(-1)
    own = logits[-1].log_softmax(-1)
    answer = engine.tokenizer.answer_ids(" 日本")
    assert len(answer) > 1
    steps = logits_of(engine, [*ids, *answer]).log_softmax(-1)
    expected = {
        sw.logit("the"): logits[-1, the],
        sw.logit(the, position=3): logits[3, the],
        sw.logit_diff("the", " God", position=-2): logits[-2, the] - logits[-2, god],
        sw.logprob("the"): own[the],
        sw.logprob(" 日本"): sum(steps[len(ids) - 1 + i, token] for i, token in enumerate(answer)),
        sw.kl("the earth"): (other.exp() * (other - own)).sum(),
        sw.kl(torch.full((len(own),), 1 / len(own))): (1 / len(own) * (-np.log(len(own)) - own)).sum(),
        sw.custom(lambda x: x[-1].max()): logits[-1].max(),
    }
    for metric, value in expected.items():
        found = sw.attribute(engine, TEXT, metric)
        assert found.values[0] == pytest.approx(float(value), rel=1e-4, abs=1e-4), metric
        assert np.abs(found.attributions).max() > 0, metric


def test_a_word_of_several_tokens_runs_the_text_on(engine: sw.Engine) -> None:
    found = sw.attribute(engine, TEXT, sw.logprob(" 日本"))
    ids, answer = engine.to_ids(TEXT)[0], engine.tokenizer.answer_ids(" 日本")
    assert list(found.token_ids) == [*ids, *answer[:-1]]


def test_a_target_for_each_text(engine: sw.Engine) -> None:
    texts = [TEXT, "God"]
    both = sw.attribute(engine, texts, sw.logit_diff(["the", " God"], [" God", "the"]))
    for i, (target, foil) in enumerate([("the", " God"), (" God", "the")]):
        alone = sw.attribute(engine, texts[i], sw.logit_diff(target, foil))
        assert both.values[i] == pytest.approx(alone.values[0], rel=1e-4)
        assert target in both.said[i]


def test_a_feature_s_own_activation() -> None:
    with sw.Engine(tiny.hooked(), {"early": tiny.sae("topk", EARLY), "late": tiny.sae("jumprelu", LATE)}) as engine:
        acts = engine.activations(TEXT, sae="late")
        feature = int(acts.token(3)[0][0])
        found = sw.attribute(engine, TEXT, sw.feature_activation(feature, sae="late", position=3))
        assert found.values[0] == pytest.approx(float(acts[3, feature]), rel=1e-4)
        assert found.dictionaries == ("early",)
        # A later token is no cause of an earlier one.
        assert not np.any(found.attributions[found.token > 3])
        silent = next(f for f in range(tiny.D_SAE) if acts[3, f] == 0)
        with pytest.raises(MetricError, match="silent there"):
            sw.attribute(engine, TEXT, sw.feature_activation(silent, sae="late", position=3))
        with pytest.raises(MetricError, match="earlier layers"):
            sw.attribute(engine, TEXT, sw.feature_activation(feature, sae="early", position=3))
        with pytest.raises(MetricError, match="'late'"):
            sw.attribute(engine, TEXT, sw.feature_activation(feature, sae="late", position=3), sae="late")


BAD = {
    "first token": lambda e: sw.attribute(e, TEXT, sw.logit("日本")),
    "sw.logprob": lambda e: sw.attribute(e, TEXT, sw.logit_diff("the", "日本")),
    "same token": lambda e: sw.attribute(e, TEXT, sw.logit_diff("the", "the")),
    "no position 99": lambda e: sw.attribute(e, TEXT, sw.logit("the", position=99)),
    "needs them to come after": lambda e: sw.attribute(e, TEXT, sw.logprob(" 日本", position=2)),
    "2 tokens were given for 3 texts": lambda e: sw.attribute(e, ["a", "b", "c"], sw.logit(["the", " God"])),
    "integrated gradients": lambda e: sw.attribute(e, TEXT, sw.kl()),
    "more than the context": lambda e: sw.attribute(e, list(range(2, 90)), sw.logit("the")),
    "constant": lambda e: sw.attribute(e, TEXT, lambda logits: torch.tensor(1.0)),
    "must give one number": lambda e: sw.attribute(e, TEXT, lambda logits: logits[-1]),
    "0 everywhere": lambda e: sw.attribute(e, TEXT, lambda logits: (logits * 0).sum()),
    "sum to 1": lambda e: sw.attribute(e, TEXT, sw.kl(torch.ones(3))),
}


@pytest.mark.parametrize("said", BAD)
def test_what_cannot_be_is_said(engine: sw.Engine, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        BAD[said](engine)
    assert sw.attribute(engine, TEXT, sw.logit("the")).values[0] != 0  # and the engine goes on


def test_other_mistakes(engine: sw.Engine) -> None:
    with pytest.raises(TypeError, match=r"sw\.logit_diff"):
        sw.attribute(engine, TEXT, "earth")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 1 on"):
        sw.attribute(engine, TEXT, sw.logit("the"), steps=0)
    with pytest.raises(TokenIdError):
        sw.attribute(engine, TEXT, sw.logit(10**6))


def test_a_model_without_gradients() -> None:
    model = tiny.hooked()
    forward = model.unembed.forward

    def without(x: Tensor) -> Tensor:
        with torch.no_grad():
            return forward(x)

    model.unembed.forward = without
    with (
        sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine,
        pytest.raises(GradientError, match="No gradient flows"),
    ):
        sw.attribute(engine, TEXT, sw.logit("the"))


def test_a_model_of_inference_mode() -> None:
    with torch.inference_mode():
        model = tiny.hooked()
    with sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine, pytest.raises(GradientError, match="Load it outside"):
        sw.attribute(engine, TEXT, sw.logit("the"))


def test_frozen_parameters_are_no_obstacle() -> None:
    model = tiny.hooked().requires_grad_(False)
    with sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine:
        assert np.abs(sw.attribute(engine, TEXT, sw.logit("the")).attributions).max() > 0
