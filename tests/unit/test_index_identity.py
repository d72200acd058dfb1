"""What an index is of: these weights and no others, in this dtype, read in this way. A name says nothing of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.activations import portion
from saewidgets.engine.model.weights import weights_hash
from saewidgets.errors import SaewidgetsError
from saewidgets.index.errors import IndexMismatchError
from saewidgets.index.scan import scan

TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 70] + str(i) for i in range(12)]
MORE = [f"something else {i}" for i in range(5)]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portion, "TOKENS", 96)
        yield


def build(path: Path, model: Any, sae: Any = None, corpus: Any = TEXTS, **how: Any) -> sw.FeatureIndex:
    with sw.Engine(model, tiny.sae("jumprelu") if sae is None else sae) as engine:
        return sw.build_index(engine, corpus, path, progress=False, wait=True, shard_tokens=96, **how)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "index", tiny.hooked()).path


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "index"))


# -- fine-tunes


def _trained(model: Any) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    model(torch.tensor([[0, 5, 6, 7]]), return_type="loss").backward()
    optimizer.step()


def _one_row(model: Any) -> None:
    model.W_E.data[7] += 1e-3


def _one_bias(model: Any) -> None:
    model.blocks[0].mlp.b_in.data[3] += 1e-3


def _later_block(model: Any) -> None:
    """Also what is after the hook: logit weights come from there."""
    model.W_U.data[0, 0] += 1e-3


def _two_layers_swapped(model: Any) -> None:
    first, second = model.blocks[0].mlp.W_in, model.blocks[1].mlp.W_in
    first.data, second.data = second.data.clone(), first.data.clone()


CHANGES: list[Callable[[Any], None]] = [_trained, _one_row, _one_bias, _later_block, _two_layers_swapped]


@pytest.mark.parametrize("change", CHANGES)
def test_a_fine_tune_of_the_same_name_is_another_model(change: Callable[[Any], None], copy: Path) -> None:
    model = tiny.hooked()
    change(model)
    assert model.cfg.model_name == tiny.hooked().cfg.model_name
    with sw.Engine(model, tiny.sae("jumprelu")) as engine:
        for work in (
            lambda: sw.build_index(engine, TEXTS, copy, progress=False, wait=True),
            lambda: sw.build_index(engine, TEXTS, copy, progress=False, wait=True, seed=4),
            lambda: sw.extend_index(engine, MORE, copy, progress=False, wait=True),
            lambda: sw.FeatureIndex.open(copy, engine=engine),
            lambda: sw.FeatureIndex.open(copy).check(engine),
        ):
            with pytest.raises(IndexMismatchError, match="its weights.* differs"):
                work()


@pytest.mark.slow
def test_a_fine_tune_of_a_bridge_is_another_model(tmp_path: Path) -> None:
    path = build(tmp_path / "index", tiny.bridge()).path
    assert build(path, tiny.bridge()).tokens
    tuned = tiny.bridge()
    next(iter(tuned.parameters())).data[5] *= 1.01
    with pytest.raises(IndexMismatchError, match="its weights"):
        build(path, tuned)


def test_weights_that_change_while_an_engine_is_open_are_noticed(copy: Path) -> None:
    model = tiny.hooked()
    with sw.Engine(model, tiny.sae("jumprelu")) as engine:
        index = sw.FeatureIndex.open(copy, engine=engine)
        index.check(engine)
        before = model.W_E.detach().clone()
        for change in (
            lambda: model.W_E.detach().mul_(1.01),
            lambda: setattr(model.W_E, "data", before * 1.01),
            lambda: model.W_E.data.mul_(1.01),  # torch counts no version for this one
        ):
            with torch.no_grad():
                change()
            with pytest.raises(IndexMismatchError, match="its weights"):
                index.check(engine)
            model.W_E.data = before.clone()
            index.check(engine)
        model.W_E.data[9, 3] += 1e-4
        with pytest.raises(IndexMismatchError, match="its weights"):
            sw.build_index(engine, TEXTS, copy, progress=False, wait=True)


@pytest.mark.slow
def test_a_scan_does_not_go_on_with_other_weights(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan.Scan, "_commit", _then_interrupt(scan.Scan._commit))
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "index", tiny.hooked())
    tuned = tiny.hooked()
    tuned.W_E.data *= 1.1
    with pytest.raises(IndexMismatchError, match="its weights"):
        build(tmp_path / "index", tuned)
    with pytest.raises(IndexMismatchError, match="dtype differs: 'float32' there, 'bfloat16' here"):
        build(tmp_path / "index", tiny.hooked().to(torch.bfloat16))
    assert build(tmp_path / "index", tiny.hooked()).tokens


def _then_interrupt(original: Callable[..., int]) -> Callable[..., int]:
    def called(*args: Any) -> int:
        original(*args)
        raise KeyboardInterrupt

    return called


def test_an_index_of_float32_is_not_one_of_bfloat16(copy: Path, built: Path) -> None:
    model = tiny.hooked().to(torch.bfloat16)
    with sw.Engine(model, tiny.sae("jumprelu")) as engine:
        for work in (
            lambda: sw.FeatureIndex.open(built, engine=engine),
            lambda: sw.build_index(engine, TEXTS, copy, progress=False, wait=True, tokens=10**6),
            lambda: sw.extend_index(engine, MORE, copy, progress=False, wait=True),
        ):
            with pytest.raises(IndexMismatchError, match="dtype differs: 'float32' there, 'bfloat16' here"):
                work()
    with pytest.raises(IndexMismatchError, match="the SAE"):
        build(copy, tiny.hooked(), tiny.sae("jumprelu").to(torch.bfloat16))


def test_what_is_no_other_model(built: Path) -> None:
    """The user's own hooks, a spliced SAE, gradients, and where the weights lie."""
    model = tiny.hooked(seed=0)
    model.W_E.data = model.W_E.data.T.contiguous().T
    model.requires_grad_(False)
    model.add_sae(tiny.sae("topk", "blocks.0.hook_resid_pre", seed=9))
    with sw.Engine(model, tiny.sae("jumprelu")) as engine:
        sw.FeatureIndex.open(built, engine=engine)


@pytest.mark.slow
def test_weights_named_in_both_provenances_warn_when_opened_and_never_go_on(tmp_path: Path) -> None:
    def engine(model: Any, weights: str) -> sw.Engine:
        return sw.Engine(model, tiny.sae("jumprelu"), provenance={"weights": weights})

    near = tiny.hooked()
    near.W_E.data *= 1.001
    with (
        engine(tiny.hooked(), "the wheel's") as own,
        engine(near, "the hub's") as other,
        engine(near, "the wheel's") as lie,
    ):
        path = sw.build_index(own, TEXTS, tmp_path / "index", progress=False, wait=True).path
        with pytest.warns(UserWarning, match="the wheel's; the engine has the hub's"):
            sw.FeatureIndex.open(path, engine=other)
        with pytest.raises(IndexMismatchError, match="its weights"):
            sw.FeatureIndex.open(path, engine=lie)
        for call in (sw.build_index, sw.extend_index):
            with pytest.raises(IndexMismatchError, match="its weights"):
                call(other, TEXTS, path, progress=False, wait=True)


# -- the SAE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "change"),
    [
        ("topk", lambda sae: setattr(sae.cfg, "k", 3)),
        ("standard", lambda sae: setattr(sae.cfg, "apply_b_dec_to_input", False)),
        ("standard", lambda sae: setattr(sae.cfg, "normalize_activations", "layer_norm")),
        ("matching_pursuit", lambda sae: setattr(sae.cfg, "max_iterations", 2)),
        ("batchtopk", lambda sae: setattr(sae.cfg, "k", 2)),
    ],
)
def test_the_same_weights_that_encode_otherwise(
    architecture: str, change: Callable[[Any], None], tmp_path: Path
) -> None:
    path = build(tmp_path / "index", tiny.hooked(), tiny.sae(architecture)).path
    build(path, tiny.hooked(), tiny.sae(architecture))
    other = tiny.sae(architecture)
    change(other)
    with pytest.raises(IndexMismatchError, match="how the SAE encodes"):
        build(path, tiny.hooked(), other)


@pytest.mark.slow
def test_another_head_of_the_same_weights(tmp_path: Path) -> None:
    def sae(head: int) -> Any:
        return tiny.sae("standard", "blocks.0.attn.hook_q", d_in=4, hook_head_index=head)

    path = build(tmp_path / "index", tiny.hooked(), sae(1)).path
    with pytest.raises(IndexMismatchError, match="the head differs: 1 there, 2 here"):
        build(path, tiny.hooked(), sae(2))
    build(path, tiny.hooked(), sae(1))


# -- the hash


@pytest.mark.parametrize("make", tiny.MODELS.values(), ids=tiny.MODELS)
def test_a_hash_is_of_the_values_shapes_and_dtypes_of_all_weights(make: Callable[[], Any]) -> None:
    model = make()
    first = weights_hash(model)
    assert first == weights_hash(model, fresh=False) == weights_hash(make())
    seen = {first}
    for name, parameter in list(model.named_parameters()):
        at = (0,) * parameter.ndim
        before = parameter.data[at].item()
        parameter.data[at] += 0.5
        assert weights_hash(model) not in seen, name
        parameter.data[at] = before
    assert weights_hash(model) == first
    model.register_buffer("running_mean", torch.ones(3))
    assert weights_hash(model) != first, "a buffer that holds weights"
    model.running_mean = None
    model.register_buffer("inv_freq", torch.ones(3))
    assert weights_hash(model) == first, "computed from the configuration"


def test_weights_that_are_not_in_memory_are_told(tmp_path: Path) -> None:
    model = tiny.hooked()
    with sw.Engine(model, tiny.sae("jumprelu")) as engine:
        model.blocks[1].mlp.W_out = torch.nn.Parameter(torch.empty(tiny.D_MLP, tiny.D_MODEL, device="meta"))
        with pytest.raises(SaewidgetsError, match="W_out.*not in memory"):
            sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
