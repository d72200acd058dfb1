"""Attribution is its definition, on every architecture: the tutorial's procedure, written here with hooks and autograd."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from ablation_made import TEXT
from by_hand import hooked
from cases import on_either
from torch import Tensor

import saewidgets as sw

TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")
EARLY, LATE = "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"

CASES = [
    *[(a, LATE, None, tiny.D_MODEL) for a in tiny.SAES],
    *[(a, *TRANSCODER_HOOKS, tiny.D_MODEL) for a in tiny.TRANSCODERS],
    ("jumprelu", "blocks.0.hook_mlp_out", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.hook_resid_mid", None, tiny.D_MODEL),
    ("jumprelu", "blocks.0.mlp.hook_post", None, tiny.D_MLP),
    ("layer_norm", "blocks.0.attn.hook_z", None, tiny.D_MODEL),
    ("topk_rescaled", "blocks.1.attn.hook_z", None, tiny.D_MODEL),
]


def vectors(value: Tensor, sae: Any) -> Tensor:
    """Heads joined."""
    return value.flatten(2) if value.ndim == 4 else value


class Spliced:
    """An SAE as the tutorial hooks it in: reconstruction plus error, the gradient of the output handed to the input."""

    def __init__(self, sae: Any) -> None:
        self.sae = sae
        if sae.cfg.metadata.hook_name.endswith("hook_z"):
            sae.turn_off_forward_pass_hook_z_reshaping()
        self.x: Tensor | None = None

    def read(self, value: Tensor) -> Tensor:
        self.x = vectors(value, self.sae).detach()
        return value

    def write(self, value: Tensor) -> Tensor:
        """What flows on; activations, reconstruction and error are leaves of the graph."""
        y = vectors(value, self.sae)
        x = self.x if self.sae.cfg.metadata.hook_name_out else y.detach()
        assert x is not None
        self.acts = self.sae.encode(x).detach().requires_grad_()
        self.sae.encode(x)  # layer-norm statistics of these tokens, for the decoder
        self.out = self.sae.decode(self.acts)
        if self.sae.cfg.architecture() == "temporal":
            with torch.no_grad():
                predicted = self.sae(x) - self.sae.decode(self.acts)
            self.out = self.out + predicted
        skip = getattr(self.sae, "W_skip", None)
        if skip is not None:
            self.out = self.out + x @ skip.T
        self.out.retain_grad()
        self.error = (y - self.out).detach().requires_grad_()
        made = self.out + self.error
        # The tutorial's backward hook: the input's gradient is the output's.
        return (made + (y - y.detach())).reshape(value.shape)

    def hooks(self, model: Any) -> list[tuple[str, Callable[[Tensor], Tensor]]]:
        meta = self.sae.cfg.metadata
        if meta.hook_name_out:
            return [(meta.hook_name, self.read), (meta.hook_name_out, self.write)]
        if meta.hook_name.endswith("hook_resid_mid") and hasattr(model, "_resolve_hook_name"):
            # Only a copy of the stream there: the value is x before attention plus what attention adds, written at the latter.
            block = meta.hook_name.rsplit(".", 1)[0]
            before: list[Tensor] = []

            def see(value: Tensor) -> Tensor:
                before.append(value)
                return value

            def add(value: Tensor) -> Tensor:
                x = before[-1].detach()
                return self.write(value + x) - x

            return [(f"{block}.hook_resid_pre", see), (f"{block}.hook_attn_out", add)]
        return [(meta.hook_name, self.write)]


def by_the_tutorial(
    model: Any, saes: Sequence[Any], ids: Sequence[int], metric: Callable[[Tensor], Tensor]
) -> list[dict[str, np.ndarray]]:
    """For each SAE: activations, ∂m/∂a and a · ∂m/∂a [pos, features], err · g and out · g [pos]."""
    spliced = [Spliced(sae) for sae in saes]
    with ExitStack() as stack:
        for one in spliced:
            for hook, change in one.hooks(model):
                stack.enter_context(hooked(model, change, hook))
        logits = model(torch.tensor([list(ids)]), return_type="logits")
        metric(logits[0]).backward()
    model.zero_grad()
    found = []
    for one in spliced:
        grad = one.acts.grad[0]
        found.append(
            {
                "acts": one.acts[0].detach().numpy(),
                "gradient": grad.numpy(),
                "attribution": (one.acts[0] * grad).detach().numpy(),
                "error": (one.error * one.error.grad).sum(-1)[0].detach().numpy(),
                "whole": ((one.out + one.error) * one.out.grad).sum(-1)[0].detach().numpy(),
                "g": one.out.grad[0].numpy(),
            }
        )
    return found


def dense(found: sw.Attribution, d: int, values: np.ndarray) -> np.ndarray:
    made = np.zeros((len(found.tokens), tiny.D_SAE))
    keep = found.sae == d
    made[found.token[keep], found.features[keep]] = values[keep]
    return made


def metric_of(engine: sw.Engine) -> tuple[Any, Callable[[Tensor], Tensor]]:
    a, b = engine.to_ids("the")[0][-1], engine.to_ids("God")[0][-1]
    return sw.logit_diff(a, b), lambda logits: logits[-1, a] - logits[-1, b]


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.slow
@on_either(("architecture", "hook", "out", "width"), CASES)
def test_it_is_the_tutorial_s(wrapper: str, architecture: str, hook: str, out: str | None, width: int) -> None:
    model = tiny.MODELS[wrapper]()
    kwargs = {"hook_out": out, "d_in": width}
    with sw.Engine(model, tiny.sae(architecture, hook, **kwargs)) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        ids = engine.to_ids(TEXT)[0]
    sae = tiny.sae(architecture, hook, **kwargs)
    (theirs,) = by_the_tutorial(model, [sae], ids, same)
    close(dense(found, 0, found.activations), theirs["acts"])
    close(dense(found, 0, found.attributions), theirs["attribution"])
    active = theirs["acts"] != 0
    close(dense(found, 0, found.gradients)[active], theirs["gradient"][active])
    close(found.error[0], theirs["error"])
    close(found.total[0], theirs["whole"])
    with torch.no_grad():
        close(found.values, np.array([float(same(model(torch.tensor([ids]), return_type="logits")[0]))]))
    # The identity of the definition: features, error and bias are all there is.
    close(found.by_position()["features"] + found.error[0] + found.bias[0], found.total[0])
    if architecture in ("standard", "jumprelu", "topk", "gated"):
        # What is neither the features' nor the error is b_dec's.
        close(found.bias[0], theirs["g"] @ sae.b_dec.detach().numpy())
    assert np.abs(theirs["attribution"]).max() > 1e-3


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_two_saes_pass_the_gradient_through(wrapper: str) -> None:
    """The earlier SAE's gradient is the clean model's: the same with and without the later one."""
    model = tiny.MODELS[wrapper]()
    both = {"early": tiny.sae("jumprelu", EARLY), "late": tiny.sae("topk", LATE, seed=2)}
    with sw.Engine(model, both) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        alone = sw.attribute(engine, TEXT, metric, sae="early")
        ids = engine.to_ids(TEXT)[0]
    theirs = by_the_tutorial(model, [tiny.sae("jumprelu", EARLY), tiny.sae("topk", LATE, seed=2)], ids, same)
    for d in range(2):
        close(dense(found, d, found.attributions), theirs[d]["attribution"])
        close(found.error[d], theirs[d]["error"])
    assert np.array_equal(dense(found, 0, found.attributions), dense(alone, 0, alone.attributions))


def test_the_error_s_share_is_no_half_by_construction() -> None:
    """Error and reconstruction have one gradient, so a ratio of gradients says nothing; a share of the flow does."""
    model, good, bad = tiny.hooked(), tiny.sae("standard", LATE), tiny.sae("standard", LATE)
    with torch.no_grad():
        bad.W_enc.zero_()
        bad.b_enc.fill_(-1)
        bad.b_dec.zero_()
    with sw.Engine(model, {"some": good, "none": bad}) as engine:
        metric, _ = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
    share = found.error_share
    assert share["none"] == pytest.approx(1)  # it reconstructs nothing
    table = found.by_position(sae="some")
    table = table[~table["special"] & ~table["outlier"]]
    parts = {name: table[name].abs().sum() for name in ("error", "features", "bias")}
    assert share["some"] == pytest.approx(parts["error"] / sum(parts.values()))
    assert abs(share["some"] - 0.5) > 1e-3


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_neurons_and_directions(wrapper: str) -> None:
    model = tiny.MODELS[wrapper]()
    torch.manual_seed(3)
    directions = torch.randn(3, tiny.D_MODEL) * 2
    with sw.Engine(model, [sw.Neurons("blocks.0.mlp.hook_post"), sw.Directions(directions, LATE)]) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        ids = engine.to_ids(TEXT)[0]
    values: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor], Tensor]:
        def see(value: Tensor) -> Tensor:
            value.retain_grad()
            values[name] = value
            return value

        return see

    with hooked(model, keep("post"), "blocks.0.mlp.hook_post"), hooked(model, keep("stream"), LATE):
        same(model(torch.tensor([ids]), return_type="logits")[0]).backward()
    post, stream = values["post"], values["stream"]
    neurons = found.sae == 0
    theirs = (post * post.grad)[0].detach().numpy()
    made = np.zeros_like(theirs)
    made[found.token[neurons], found.features[neurons]] = found.attributions[neurons]
    close(made, theirs)
    close(found.error[0], np.zeros(len(ids)))
    # Of a raw direction, (h·v) v / |v|² is its part of h.
    for f, v in enumerate(directions):
        keep_f = (found.sae == 1) & (found.features == f)
        part = (stream[0].detach() @ v) * (stream.grad[0] @ v) / (v @ v)
        close(found.attributions[keep_f], part.numpy())


def test_batches_change_nothing() -> None:
    """Several texts of different lengths give what each gives alone."""
    texts = [TEXT, "God", "the earth and the heaven"]
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        metric, _ = metric_of(engine)
        found = sw.attribute(engine, texts, metric)
        for i, text in enumerate(texts):
            alone = sw.attribute(engine, text, metric)
            part = slice(*found.text_ptr[i : i + 2])
            keep = found.text[found.token] == i
            close(found.values[i], alone.values[0])
            close(found.error[0][part], alone.error[0])
            close(found.attributions[keep], alone.attributions)
            assert np.array_equal(found.features[keep], alone.features)
        mean = found.by_feature().set_index("feature")["attribution"]
        alone_sums = [
            sw.attribute(engine, text, metric).by_feature().set_index("feature")["attribution"] for text in texts
        ]
    for feature in mean.index:
        each = [sums.get(feature, 0.0) for sums in alone_sums]
        assert mean[feature] == pytest.approx(np.mean(each), rel=1e-3, abs=1e-5)


def test_sums_leave_out_special_tokens_and_sinks() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu", LATE)) as engine:
        metric, _ = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
    table = found.to_pandas()
    assert table["special"].any()
    for whole in (False, True):
        some = table if whole else table[~table["special"] & ~table["outlier"]]
        sums = some.groupby("feature")["attribution"].sum()
        ours = found.by_feature(include_special=whole).set_index("feature")["attribution"]
        assert set(ours.index) == set(sums.index)
        np.testing.assert_allclose(ours[sums.index], sums, rtol=1e-5, atol=1e-9)
    assert list(ours.abs()) == sorted(ours.abs(), reverse=True)


def test_a_metric_that_is_linear_is_told_exactly() -> None:
    """Behind the last block of a model without a final norm, attribution is the effect, to rounding; and finite differences."""
    model = tiny.hooked()
    model.cfg.normalization_type = None
    model.ln_final = torch.nn.Identity()
    with sw.Engine(model, tiny.sae("gated", "blocks.1.hook_resid_post")) as engine:
        metric, _ = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        checked = sw.true_effects(engine, found, top=10, random=10, by="position")
    np.testing.assert_allclose(checked.effects, checked.attributions, rtol=1e-3, atol=2e-4)
    assert np.abs(checked.effects).max() > 0.1
    assert checked.correlations().set_index(["measure", "among"]).loc[("attribution", "all"), "pearson"] > 0.999


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_finite_differences(wrapper: str) -> None:
    """∂m/∂a is what a little more of the feature does to the metric."""
    model = tiny.MODELS[wrapper]()
    sae = tiny.sae("jumprelu", LATE)
    with sw.Engine(model, sae) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        ids = engine.to_ids(TEXT)[0]
    table = found.to_pandas()
    for row in table.iloc[np.argsort(-table["attribution"].abs().to_numpy())[:5]].itertuples():
        values = []
        for step in (0.02, -0.02):
            added = torch.zeros(1, len(ids), tiny.D_MODEL)
            added[0, row.position] = step * sae.W_dec[row.feature].detach()
            with torch.no_grad(), hooked(model, lambda value, added=added: value + added, LATE):
                values.append(float(same(model(torch.tensor([ids]), return_type="logits")[0])))
        assert (values[0] - values[1]) / 0.04 == pytest.approx(row.gradient, rel=0.02, abs=2e-3)


def test_integrated_gradients() -> None:
    """The mean gradient over steps from here to b_dec alone, features and error scaled together; the left ends of steps."""
    model, steps = tiny.hooked(), 5
    sae = tiny.sae("standard", LATE)
    with sw.Engine(model, sae) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric, steps=steps)
        ids = engine.to_ids(TEXT)[0]
    gradients = []
    for step in range(steps):
        grads: list[Tensor] = []

        def change(value: Tensor, step: int = step, grads: list[Tensor] = grads) -> Tensor:
            x = value.detach()
            made = (sae.b_dec.detach() + (1 - step / steps) * (x - sae.b_dec.detach())).requires_grad_()
            grads.append(made)
            return made

        with hooked(model, change, LATE):
            same(model(torch.tensor([ids]), return_type="logits")[0]).backward()
        gradients.append(grads[0].grad[0] @ sae.W_dec.detach().T)
    mean = torch.stack(gradients).mean(0)
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([ids]))
    acts = sae.encode(cache[LATE])[0].detach()
    close(dense(found, 0, found.attributions), (acts * mean).numpy())
    assert found.steps == steps and "5 steps" in found.method


def test_embeddings_are_nodes() -> None:
    model = tiny.hooked()
    with sw.Engine(model, tiny.sae("jumprelu", LATE)) as engine:
        metric, same = metric_of(engine)
        found = sw.attribute(engine, TEXT, metric)
        ids = engine.to_ids(TEXT)[0]
    kept: list[Tensor] = []

    def see(value: Tensor) -> Tensor:
        value.retain_grad()
        kept.append(value)
        return value

    with hooked(model, see, "hook_embed"):
        same(model(torch.tensor([ids]), return_type="logits")[0]).backward()
    close(found.embedding, (kept[0] * kept[0].grad).sum(-1)[0].detach().numpy())


def test_nothing_is_left_behind() -> None:
    """No hook, no gradient on a parameter, no weight changed."""
    model, sae = tiny.hooked(), tiny.sae("gated", LATE)
    before = {name: p.detach().clone() for name, p in [*model.named_parameters(), *sae.named_parameters()]}
    with sw.Engine(model, sae) as engine:
        metric, _ = metric_of(engine)
        for linearised in (None, "relp", "circuit-tracer"):
            found = sw.attribute(engine, TEXT, metric, linearised=linearised)
        sw.true_effects(engine, found, top=2, random=2)
        with pytest.raises(RuntimeError, match="by the user"):
            sw.attribute(engine, TEXT, lambda logits: (_ for _ in ()).throw(RuntimeError("by the user")))
    for name, p in [*model.named_parameters(), *sae.named_parameters()]:
        assert p.grad is None and torch.equal(p, before[name]), name
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
