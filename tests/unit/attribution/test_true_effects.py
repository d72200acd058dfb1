"""What is truly lost without a feature, by the definition, and which features are asked about."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from by_hand import hooked
from cases import on_either
from scipy.stats import pearsonr

import saewidgets as sw
from saewidgets.attribution.errors import MetricError

LATE = "blocks.1.hook_resid_pre"


@pytest.mark.slow
@on_either(
    ("architecture", "by"), [(a, by) for a in ("jumprelu", "topk", "layer_norm") for by in ("feature", "position")]
)
def test_effects_are_the_metric_without(wrapper: str, architecture: str, by: str) -> None:
    model = tiny.MODELS[wrapper]()
    with sw.Engine(model, tiny.sae(architecture, LATE)) as engine:
        a, b = engine.to_ids("the")[0][-1], engine.to_ids("God")[0][-1]
        found = sw.attribute(engine, TEXT, sw.logit_diff(a, b))
        checked = sw.true_effects(engine, found, top=4, random=4, by=by)
        ids = engine.to_ids(TEXT)[0]
    sae = tiny.sae(architecture, LATE)
    counted = ~found.special & ~found.outlier[0]

    def metric(change: torch.Tensor | None = None) -> float:
        with torch.no_grad(), hooked(model, lambda value: value if change is None else value + change, LATE):
            logits = model(torch.tensor([ids]), return_type="logits")[0, -1]
        return float(logits[a] - logits[b])

    values: list[torch.Tensor] = []
    with torch.no_grad(), hooked(model, lambda value: values.append(value) or value, LATE):
        model(torch.tensor([ids]), return_type="logits")
    x = values[0]
    acts = sae.encode(x).detach()
    scale = x.std(-1, keepdim=True) if architecture == "layer_norm" else torch.ones(1, len(ids), 1)
    table = checked.to_pandas()
    assert list(table["chosen"]) == ["top"] * 4 + ["random"] * 4
    for row in table.itertuples():
        where = torch.from_numpy(counted) if by == "feature" else torch.arange(len(ids)) == row.position
        change = -(acts[..., [row.feature]] * scale * sae.W_dec[row.feature].detach()) * where[None, :, None]
        assert row.effect == pytest.approx(metric() - metric(change), rel=1e-3, abs=2e-4)
    assert table["effect"].abs().max() > 0.01
    r = checked.correlations().set_index(["measure", "among"])["pearson"]
    assert r["attribution", "all"] == pytest.approx(pearsonr(table["attribution"], table["effect"]).statistic)
    assert r["activation", "random"] == pytest.approx(
        pearsonr(*table[table["chosen"] == "random"][["activation", "effect"]].to_numpy().T).statistic, nan_ok=True
    )
    assert "Pearson" in checked.figure().layout.title.text


def test_over_several_texts_effects_are_means() -> None:
    texts = [TEXT, "the heaven and the earth"]
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        metric = sw.logit_diff("the", " God")
        both = sw.true_effects(engine, sw.attribute(engine, texts, metric), top=6, random=0).to_pandas()
        alone = [
            sw.true_effects(engine, sw.attribute(engine, text, metric), top=99, random=0).to_pandas() for text in texts
        ]
    each = [table.set_index("feature")["effect"] for table in alone]
    for row in both.itertuples():
        assert row.effect == pytest.approx(np.mean([one.get(row.feature, 0.0) for one in each]), rel=1e-3, abs=1e-4)


def test_the_choice_is_seeded_and_never_doubled() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        found = sw.attribute(engine, TEXT, sw.logit("the"))
        one, same, other = (sw.true_effects(engine, found, top=3, random=5, seed=seed) for seed in (1, 1, 2))
        everything = sw.true_effects(engine, found, top=10, random=10**6)
    assert list(one.features) == list(same.features) != list(other.features)
    assert list(one.features[:3]) == list(found.by_feature()["feature"][:3])
    assert len(set(everything.features)) == len(everything) == everything.total


def test_it_can_be_stopped_and_says_what_there_is() -> None:
    parts = []
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        found = sw.attribute(engine, TEXT, sw.logit("the"))
        sw.true_effects(engine, found, top=3, random=3, on_progress=lambda done, total: parts.append((done, total)))
        another = sw.Engine(engine.model.raw, {"another": tiny.sae("jumprelu", LATE)})
        with another, pytest.raises(MetricError, match="another engine's"):
            sw.true_effects(another, found)
    assert parts[-1] == (6, 6)
