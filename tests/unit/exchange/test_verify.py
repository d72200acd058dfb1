"""`sw.verify` on indexes and files that were made in another way than the engine's: it names the way, or none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from exchange_made import batch, write_json

import saewidgets as sw

TEXTS = ["In the beginning God created the heaven and the earth. " * 2, "heaven and earth and heaven God", "日本語 😀"]
FEATURES = [1, 5, 9, 20]
BOS, NO_BOS, FOLDED = (
    "BOS: computed with one in front",
    "BOS: computed without one",
    "folding: the norm of the decoder's",
)


@pytest.fixture
def model() -> Any:
    return tiny.hooked()


@pytest.fixture
def engine(model: Any) -> Iterator[sw.Engine]:
    with sw.Engine(model, tiny.sae("standard")) as engine:
        yield engine


def folded() -> Any:
    sae = tiny.sae("standard")
    sae.fold_W_dec_norm()
    return sae


def made(path: Path, model: Any, sae: Any, **how: Any) -> sw.FeatureIndex:
    """An index that another engine made, opened without one."""
    with sw.Engine(model, sae, **how) as engine:
        sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    return sw.FeatureIndex.open(path)


@pytest.mark.slow
def test_what_the_engine_made_reproduces(engine: sw.Engine, tmp_path: Path) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    found = sw.verify(engine, index)
    assert found.reproduces
    assert found.causes == {}
    assert found.differs == ()
    assert len(found.examples) > 10
    table = found.to_pandas()
    assert set(table.columns) == {
        *("feature", "example", "stored_max", "recomputed_max", "largest_difference", "reproduces", "cause")
    }
    assert (table["largest_difference"] < 1e-4).all()
    assert (table["stored_max"] > 0).all()
    assert repr(found) == f"Verification({len(table)} of {len(table)} examples reproduce)"
    assert sw.verify(engine, tmp_path / "index", FEATURES).reproduces  # by its folder


@pytest.mark.slow
@pytest.mark.parametrize(("with_bos", "cause"), [(False, NO_BOS), (True, BOS)])
def test_another_bos_policy_is_named(with_bos: bool, cause: str, model: Any, tmp_path: Path) -> None:
    index = made(tmp_path / "index", model, tiny.sae("standard"), prepend_bos=with_bos)
    with sw.Engine(model, tiny.sae("standard"), prepend_bos=not with_bos) as engine:
        found = sw.verify(engine, index, FEATURES)
    assert set(found.causes) == {cause}
    assert not any(one.reproduces for one in found.examples)
    assert any("BOS policy" in said for said in found.differs)
    assert cause in repr(found)


@pytest.mark.slow
def test_folded_norms_are_named(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    found = sw.verify(engine, made(tmp_path / "index", model, folded()), FEATURES)
    (cause,) = found.causes
    assert cause.startswith(FOLDED)
    norms = tiny.sae("standard").W_dec.detach().norm(dim=1)
    for one in found.examples:
        assert one.stored_max / one.recomputed_max == pytest.approx(float(norms[one.feature]), rel=1e-4)


@pytest.mark.slow
def test_two_causes_at_once(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    found = sw.verify(engine, made(tmp_path / "index", model, folded(), prepend_bos=False), FEATURES)
    (cause,) = found.causes
    assert cause.startswith(f"{NO_BOS} and {FOLDED}")


@pytest.mark.slow
def test_a_setting_of_the_sae_is_named(model: Any, tmp_path: Path) -> None:
    other = tiny.sae("standard")
    other.cfg.apply_b_dec_to_input = False
    index = made(tmp_path / "index", model, other)
    with sw.Engine(model, tiny.sae("standard")) as engine:
        found = sw.verify(engine, index, FEATURES)
        assert list(found.causes) == ["folding: computed with apply_b_dec_to_input=False"]


@pytest.mark.slow
def test_another_processing_is_named(engine: sw.Engine, tmp_path: Path) -> None:
    processed = tiny.hooked()
    processed.process_weights_()
    index = made(tmp_path / "index", processed, tiny.sae("standard"))
    found = sw.verify(engine, index, FEATURES)
    assert len(found.causes) == 1
    assert next(iter(found.causes)).startswith("weight processing: LayerNorm folded and writing weights centred")
    small = sw.verify(engine, index, FEATURES[:1], largest_copy=10)
    assert next(iter(small.causes)).startswith("not explained")
    assert any("a copy of the model takes" in said for said in small.untried)


@pytest.mark.slow
def test_processing_cannot_be_undone_and_that_is_said(tmp_path: Path) -> None:
    index = made(tmp_path / "index", tiny.hooked(), tiny.sae("standard"))
    processed = tiny.hooked()
    processed.process_weights_()
    with sw.Engine(processed, tiny.sae("standard")) as engine:
        found = sw.verify(engine, index, FEATURES[:1])
    assert all(one.cause.startswith("not explained") for one in found.examples)
    assert any("cannot be undone" in said for said in found.untried)


@pytest.mark.slow
def test_another_dtype_is_named(engine: sw.Engine, tmp_path: Path) -> None:
    index = made(tmp_path / "index", tiny.hooked().to(torch.bfloat16), tiny.sae("standard").to(torch.bfloat16))
    found = sw.verify(engine, index, FEATURES)
    # Rounding depends on the shape of a batch, so not each of them need come out to the last bit; few digits can be the same.
    assert {cause.split(" (")[0] for cause in found.causes} == {"dtype: bfloat16"}
    assert found.causes["dtype: bfloat16"] >= 0.5 * len(found.examples)


@pytest.mark.slow
def test_a_dtype_that_cannot_be_copied_is_told_by_its_rounding(tmp_path: Path) -> None:
    """A bridge cannot be copied; numbers in bfloat16 are told by being such numbers, and close."""
    model = tiny.bridge()
    with sw.Engine(model, tiny.sae("standard")) as engine:
        ids = model.to_tokens(TEXTS[0])
        acts = engine.activations(ids[0].tolist())
        rounded = torch.from_numpy(acts[:, FEATURES]).to(torch.bfloat16).float().numpy()
        windows = [
            {
                "tokens": [tiny.tokenizer().decode([i]) for i in ids[0].tolist()],
                "values": [float(v) for v in rounded[:, n]],
            }
            for n in range(len(FEATURES))
        ]
        features = [{"feature_index": f, "activations": [w]} for f, w in zip(FEATURES, windows, strict=True)]
        found = sw.verify(engine, write_json(tmp_path / "batch-0.json", batch(features)), FEATURES)
        assert {one.cause.split(" (")[0] for one in found.examples} == {"dtype: bfloat16"}
        assert any("cannot be copied" in said for said in found.untried)


@pytest.mark.slow
def test_what_nothing_explains_is_not_explained(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    found = sw.verify(engine, made(tmp_path / "index", model, tiny.sae("standard", seed=9)), FEATURES)
    assert not any(one.reproduces for one in found.examples)
    assert all(one.cause.startswith("not explained") for one in found.examples)
    assert any("the SAE" in said for said in found.differs)
    assert len(found.tried) > 5


@pytest.mark.slow
def test_a_constant_factor_is_told(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    scaled = tiny.sae("standard")
    with torch.no_grad():
        scaled.W_enc.mul_(2.5)
        scaled.b_enc.mul_(2.5)
    found = sw.verify(engine, made(tmp_path / "index", model, scaled), FEATURES)
    assert all("stored is 2.5 x recomputed at" in one.cause for one in found.examples)
    assert any("at every token (a scaling" in one.cause for one in found.examples)  # one or two do not tell it


def dashboards(path: Path, model: Any, values: Callable[[torch.Tensor, int], np.ndarray], shown: slice) -> Path:
    """Batches of SAEDashboard by its definition: windows of `TEXTS`, tokens as strings, values with three digits."""
    features = []
    for feature in FEATURES:
        windows = []
        for text in TEXTS[:2]:
            ids = model.to_tokens(text, prepend_bos=True)
            acts = values(ids, feature)
            strings = [tiny.tokenizer().decode([i]) for i in ids[0].tolist()]
            windows.append(
                {
                    "bin_min": -1,
                    "bin_max": 1.0,
                    "bin_contains": -1,
                    "qualifying_token_index": 1,
                    "tokens": strings[shown],
                    "values": [round(float(v), 3) for v in acts[shown]],
                }
            )
        features.append({"feature_index": feature, "frac_nonzero": 0.1, "activations": windows})
    return write_json(path / "batch-0.json", batch(features))


def encoded(model: Any, sae: Any, ids: torch.Tensor) -> torch.Tensor:
    _, cache = model.run_with_cache(ids)
    return sae.encode(cache[sae.cfg.metadata.hook_name])[0].detach()


@pytest.mark.slow
def test_a_file_of_saedashboard(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    """With a BOS that it does not show, which the engine has too, and folded norms, of which it says nothing."""
    norms = tiny.sae("standard").W_dec.detach().norm(dim=1)

    def values(ids: torch.Tensor, feature: int) -> np.ndarray:
        return (encoded(model, tiny.sae("standard"), ids)[:, feature] * norms[feature]).numpy()

    file = dashboards(tmp_path / "dash", model, values, slice(1, None))
    windows = [w for f in json.loads(file.read_text())["features"] for w in f["activations"]]
    written = sum(any(w["values"]) for w in windows)
    for given in (file, tmp_path / "dash"):
        found = sw.verify(engine, given, FEATURES)
        assert len(found.examples) == written
        # Three digits are all that a file has, however strictly the rest is compared.
        assert sw.verify(engine, given, FEATURES, tolerance=1e-6).causes == found.causes
        assert {cause.split(" is folded")[0] for cause in found.causes} == {"folding: the norm of the decoder's row"}


@pytest.mark.slow
def test_values_of_a_text_whose_bos_was_not_run(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    """The BOS is shown, but the model did not see it."""

    def values(ids: torch.Tensor, feature: int) -> np.ndarray:
        return np.append(0, encoded(model, tiny.sae("standard"), ids[:, 1:])[:, feature].numpy())

    found = sw.verify(engine, dashboards(tmp_path / "dash", model, values, slice(0, None)), FEATURES)
    assert set(found.causes) == {NO_BOS}
    assert not found.reproduces


@pytest.mark.slow
def test_a_shorter_context_is_named(engine: sw.Engine, model: Any, tmp_path: Path) -> None:
    """Texts that went through the model 16 tokens at a time, each with its BOS."""

    def values(ids: torch.Tensor, feature: int) -> np.ndarray:
        parts = [encoded(model, tiny.sae("standard"), ids[:, :16])]
        for start in range(16, ids.shape[1], 15):
            piece = torch.cat([ids[:, :1], ids[:, start : start + 15]], 1)
            parts.append(encoded(model, tiny.sae("standard"), piece)[1:])
        return torch.cat(parts)[:, feature].numpy()

    found = sw.verify(engine, dashboards(tmp_path / "dash", model, values, slice(1, None)), FEATURES)
    cut = [one for one in found.examples if not one.reproduces]
    assert cut  # a text of fewer tokens is one forward anyway
    assert {one.cause for one in cut} == {"context: cut every 16 tokens"}


def test_tokens_that_the_model_has_not(engine: sw.Engine, tmp_path: Path) -> None:
    window = {"bin_min": -1, "bin_max": 1.0, "bin_contains": -1, "tokens": ["the", "unheard-of"], "values": [1.0, 0.0]}
    file = write_json(tmp_path / "batch-0.json", batch([{"feature_index": 1, "activations": [window]}]))
    (one,) = sw.verify(engine, file, [1]).examples
    assert not one.reproduces
    assert one.cause == "not compared: the model's vocabulary has no token 'unheard-of'"
    assert np.isnan(one.recomputed_max)
    with pytest.raises(LookupError, match="outside the index"):
        sw.verify(engine, file, [77])


@pytest.mark.slow
def test_model_and_sae_are_as_they_were(tmp_path: Path) -> None:
    model, sae = tiny.hooked(), tiny.sae("standard")
    before = copy.deepcopy(model.state_dict()), copy.deepcopy(sae.state_dict()), copy.deepcopy(vars(sae.cfg))
    index = made(tmp_path / "index", model, tiny.sae("standard", seed=9))
    with sw.Engine(model, sae) as engine:
        dice = torch.get_rng_state()
        sw.verify(engine, index, FEATURES[:2])
    assert torch.equal(dice, torch.get_rng_state())
    for now, then in ((model.state_dict(), before[0]), (sae.state_dict(), before[1])):
        assert now.keys() == then.keys()
        assert all(torch.equal(now[name], then[name]) for name in now)
    assert vars(sae.cfg) == before[2]
    assert not any(point.fwd_hooks or point._forward_hooks for point in model.hook_dict.values())


def test_features_and_other_indexes_are_checked(engine: sw.Engine, tmp_path: Path) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    with pytest.raises(LookupError, match="outside the index"):
        sw.verify(engine, index, [10**6])
    with pytest.raises(FileNotFoundError):
        sw.verify(engine, tmp_path / "nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["jumprelu", "topk", "gated"])
def test_on_a_bridge_and_other_architectures(architecture: str, tmp_path: Path) -> None:
    model = tiny.bridge()
    index = made(tmp_path / "index", model, tiny.sae(architecture), prepend_bos=False)
    with sw.Engine(model, tiny.sae(architecture)) as engine:
        found = sw.verify(engine, index, FEATURES)
    assert set(found.causes) <= {NO_BOS}
    assert found.causes
