"""Features encoded block by block: the numbers of sae-lens's own encode, and never more of them dense than was allowed.

Where a feature stands alone, or the block holds all features, the numbers are the same bits; a narrower block is a narrower
matrix product, which may add in another order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from sae_lens import SAE
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import saewidgets as sw
from saewidgets.engine.activations import encoder as encoding
from saewidgets.engine.activations.piece import join
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.model.model import Model
from saewidgets.engine.ticket import Ticket
from saewidgets.errors import NonFiniteError, OutOfMemoryError

HOOK = "blocks.1.hook_resid_pre"
TEXT = ["In the beginning God created the heaven", "and the earth. " * 9]
WHOLE = ("batchtopk", "matryoshka", "matching_pursuit", "temporal")


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny.hooked()


def sae_of(architecture: str, **settings: Any) -> Any:
    return tiny.sae(
        architecture, HOOK, hook_out="blocks.1.hook_mlp_out" if "transcoder" in architecture else None, **settings
    )


def read_at_the_hook(model: Any, engine: sw.Engine) -> list[torch.Tensor]:
    """[pos, d_in] of each text."""
    with torch.no_grad():
        return [model.run_with_cache(torch.tensor([ids]))[1][HOOK][0] for ids in engine.to_ids(TEXT)]


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_the_numbers_of_sae_lens(model: Any, architecture: str) -> None:
    sae = sae_of(architecture)
    with sw.Engine(model, sae, encode_features=7) as engine:
        wanted = torch.cat([sae.encode(x[None])[0] for x in read_at_the_hook(model, engine)]).detach().numpy()
        for size in (7, 1, tiny.D_SAE, tiny.D_SAE + 3):
            engine._reader.encoder.features = size
            found, some = engine.activations(TEXT), engine.activations(TEXT, features=[30, 2, 47])
            np.testing.assert_allclose(found[:, :], wanted, atol=1e-5, rtol=1e-4)
            np.testing.assert_array_equal(found[:, :] != 0, wanted != 0)
            np.testing.assert_allclose(some[:, [30, 2, 47]], wanted[:, [30, 2, 47]], atol=1e-5, rtol=1e-4)
            told = None if architecture in WHOLE else f"by blocks of {min(size, tiny.D_SAE)} features"
            assert engine.provenance().get("encoding") == told


def ranked(values: np.ndarray, k: int, magnitude: bool) -> np.ndarray:
    """The k largest of each row by definition, of equals the lower feature first; others 0."""
    kept = np.zeros_like(values)
    for row, out in zip(values, kept, strict=True):
        order = sorted(range(len(row)), key=lambda f: (-(abs(row[f]) if magnitude else row[f]), f))[:k]
        out[order] = row[order] if magnitude else np.maximum(row[order], 0)
    return kept


@pytest.mark.parametrize("architecture", ["topk", "abstopk"])
def test_equal_values_at_the_last_place_go_to_the_lower_feature(architecture: str) -> None:
    """Whole numbers: every sum is exact, and most places are decided between equals."""
    draw = torch.Generator().manual_seed(3)
    sae = sae_of(architecture)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=draw))
    x = torch.randint(-1, 2, (40, tiny.D_MODEL), generator=draw).float()
    values = ((x - sae.b_dec) @ sae.W_enc + sae.b_enc).detach().numpy()
    wanted = ranked(values, 5, architecture == "abstopk")
    assert (wanted != sae.encode(x).detach().numpy()).any(), "torch.topk chooses others: the case tests something"
    for size in (1, 7, 48):
        np.testing.assert_array_equal(encoded(sae, x, size), wanted)


def encoded(sae: SAE[Any], x: torch.Tensor, size: int) -> np.ndarray:
    """Activations [tokens, features] of `x`, by blocks of `size`."""
    from saewidgets.engine.activations.blocks import encode_blocks

    with torch.no_grad():
        found = encode_blocks(SaeDictionary(sae), x, size, lambda weights: weights, lambda _: None)
    dense = np.zeros((len(x), tiny.D_SAE), np.float32)
    dense[np.repeat(np.arange(len(x)), found.counts), found.features] = found.values
    return dense


@pytest.mark.parametrize("architecture", ["topk", "abstopk", "jumprelu"])
def test_what_overflows_is_an_error(model: Any, architecture: str) -> None:
    """inf - inf is NaN, which is neither larger nor smaller than what is the k-th so far."""
    sae = sae_of(architecture)
    with torch.no_grad():
        sae.W_enc[:8, 40], sae.W_enc[8:, 40] = 1e30, -1e30
        sae.b_dec.fill_(-1e15)
    for size in (7, 48):
        with sw.Engine(model, sae, encode_features=size) as engine, pytest.raises(NonFiniteError, match="activations"):
            engine.activations(TEXT)


class Largest(TorchDispatchMode):
    """Counts the numbers of the largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {t.untyped_storage().data_ptr() for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in given:
                self.numbers = max(self.numbers, tensor.numel())
        return made


def wide(architecture: str, n: int = 4096) -> Any:
    """A dictionary of many features, few of which fire."""
    cls, config, settings = tiny.ARCHITECTURES[architecture]
    torch.manual_seed(2)
    sae = cls(config(d_in=tiny.D_MODEL, d_sae=n, metadata=sae_of(architecture).cfg.metadata, **settings))
    with torch.no_grad():
        for name, parameter in sae.named_parameters():
            parameter.normal_(0, 0.3)
            if name in ("b_enc", "b_gate"):
                parameter.sub_(4)
    return sae.eval()


@pytest.mark.parametrize("architecture", ["standard", "gated", "topk_rescaled"])
def test_no_more_is_dense_than_allowed(model: Any, architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sae = wide(architecture)
    ids = [list(range(2, 60))] * 8
    tokens = sum(map(len, ids))

    largest = Largest()
    encode = encoding.Encoder.encode

    def counted(*args: Any) -> Any:  # not what the model makes
        with largest:
            return encode(*args)

    monkeypatch.setattr(encoding.Encoder, "encode", counted)

    def read(columns: list[int] | None = None) -> tuple[Any, int]:
        largest.numbers = 0
        with sw.Engine(model, sae) as engine:
            wanted = None if columns is None else np.array(columns)
            pieces = engine._reader.read(ids, [engine.dictionary()], wanted, False, Ticket())[0]
        return join([piece for of_text in pieces for piece in of_text]), largest.numbers

    whole, dense = read()
    assert 0 < len(whole.values) < 2**14 < dense == tokens * 4096
    monkeypatch.setattr(encoding, "_DENSE_BUDGET", 2**16)
    monkeypatch.setattr(encoding, "_BLOCK_BUDGET", 2**14)
    for columns in (None, [7, 100, 4000]):
        found, most = read(columns)
        assert most <= max(2**14, 3 * len(whole.values)), (
            "a block, the weights that a gated SAE scales, or what was found"
        )
        row = np.repeat(np.arange(tokens), whole.counts)
        kept = np.ones(len(row), bool) if columns is None else np.isin(whole.features, columns)
        np.testing.assert_array_equal(found.features, whole.features[kept])
        np.testing.assert_array_equal(found.counts, np.bincount(row[kept], minlength=tokens))
        np.testing.assert_allclose(found.values, whole.values[kept], atol=1e-5, rtol=1e-4)


def fail_over(limit: int, called: Callable[..., torch.Tensor], sizes: list[int]) -> Callable[..., torch.Tensor]:
    """`called`, which runs out of memory where it gives more than `limit` numbers."""

    def run(*args: Any) -> torch.Tensor:
        made = called(*args)
        sizes.append(made.numel())
        if made.numel() > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return made

    return run


@pytest.mark.parametrize(
    ("architecture", "size", "method"), [("matching_pursuit", None, "encode"), ("topk", 40, "block")]
)
def test_steps_are_halved_where_memory_runs_out(
    model: Any, architecture: str, size: int | None, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_SMALLEST", 4)
    monkeypatch.setattr("saewidgets.engine.memory.gc.collect", lambda: 0)
    forwards, sizes = [], []
    with sw.Engine(model, sae_of(architecture), encode_features=size) as engine:
        wanted = engine.activations(TEXT)
        real = Model.read
        monkeypatch.setattr(Model, "read", lambda self, tokens, *a: forwards.append(1) or real(self, tokens, *a))
        monkeypatch.setattr(SaeDictionary, method, fail_over(200, getattr(SaeDictionary, method), sizes))
        found = engine.activations(TEXT)
        assert len(forwards) == 1, "what the model gave is not computed again"
        np.testing.assert_allclose(found[:, :], wanted[:, :], atol=1e-5, rtol=1e-4)
        assert any("smaller steps" in note for note in found.notes)
        before = len(sizes)
        engine.activations(TEXT)
        assert max(sizes[before:]) <= 200 < sizes[0], "never again as many as did not fit"


def test_an_architecture_that_is_encoded_as_a_whole_says_so_where_it_does_not_fit(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saewidgets.engine.memory.gc.collect", lambda: 0)
    with sw.Engine(model, sae_of("matching_pursuit"), encode_features=7) as engine:
        monkeypatch.setattr(SaeDictionary, "encode", fail_over(0, SaeDictionary.encode, []))
        with pytest.raises(OutOfMemoryError, match=r"matching_pursuit.* one may depend on all others"):
            engine.activations(TEXT)


def test_hooks_of_the_user_see_all_features(model: Any) -> None:
    sae = sae_of("topk")
    seen: list[int] = []
    sae.hook_sae_acts_post.add_hook(lambda value, hook: seen.append(value.shape[-1]))
    with sw.Engine(model, sae, encode_features=7) as engine:
        engine.activations(TEXT)
    assert seen == [tiny.D_SAE] * len(TEXT)


def test_a_block_has_a_feature(model: Any) -> None:
    with pytest.raises(ValueError, match="at least one feature"):
        sw.Engine(model, sae_of("topk"), encode_features=0)
