"""What an SAE's metadata asks of the model and the text, compared with what is there and said beside every number."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sae_lens
import tiny
import torch
import twins
from sae_lens.saes import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler
from test_activations_equal_sae_lens import reference

import saewidgets as sw
from saewidgets import errors
from saewidgets.engine.dictionary.sae import SaeDictionary
from saewidgets.engine.model.loading import load_model, load_sae_folder
from saewidgets.engine.model.model import Model
from saewidgets.engine.provenance import notes_of_dictionary
from saewidgets.widgets.flags import flags

TEXT = "In the beginning God created the heaven and the earth."
NAMED = ["expected_average_only_in", "covariance_whitening"]


def engine_of(model: Any, sae: Any) -> sw.Engine:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return sw.Engine(model, sae)


def training_sae(normalisation: str) -> Any:
    torch.manual_seed(1)
    metadata = SAEMetadata(hook_name="blocks.1.hook_resid_pre", prepend_bos=True, context_size=tiny.N_CTX)
    sae = StandardTrainingSAE(
        StandardTrainingSAEConfig(d_in=16, d_sae=tiny.D_SAE, metadata=metadata, normalize_activations=normalisation)
    )
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.normal_(0, 0.3)
    return sae


# -- normalisations that are named and not applied


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("in_training", [False, True])
def test_a_named_normalisation_is_not_told_as_if_it_were_applied(wrapper: str, named: str, in_training: bool) -> None:
    """The numbers are sae-lens's at inference; that they are not the training's is said wherever they are."""
    model = tiny.MODELS[wrapper]()

    def make() -> Any:
        if in_training:
            return training_sae(named)
        sae = tiny.sae("standard")
        sae.cfg.normalize_activations = named
        return sae

    with torch.no_grad():
        wanted = reference(model, make(), model.to_tokens(TEXT, prepend_bos=True))
    with pytest.warns(UserWarning, match=f"{named}.*not folded"):
        engine = sw.Engine(model, make())
    acts = engine.activations(TEXT)
    np.testing.assert_allclose(acts[:, :], wanted, atol=1e-5, rtol=1e-4)

    fact = acts.provenance["input normalisation"]
    assert fact.startswith(named)
    assert "not applied" in fact
    fold = "fold_activation_norm_scaling_factor(" if named == NAMED[0] else "fold_activation_whitening("
    (note,) = [note for note in acts.notes if named in note]
    assert fold in note
    assert ("copy.deepcopy(sae)" in note and "trainer.activation_scaler" in note) == in_training
    # The same words beside what is written, and what is changed, with the SAE.
    recipe = sw.Recipe([sw.ablate(3)])
    made = sw.generate(engine, "In the", recipe, n_tokens=2)
    assert note in made.notes
    assert note in sw.effects(engine, TEXT, recipe).notes
    assert note in sw.answer_effects(engine, "In the", " earth", recipe).notes
    assert note in engine.activations([TEXT, "the"], features=[3]).notes
    assert engine.all_activations(TEXT)[engine.default].notes == acts.notes


@pytest.mark.parametrize("named", ["none", "layer_norm", "constant_norm_rescale"])
def test_a_normalisation_that_is_applied_needs_no_word(named: str) -> None:
    architecture = {"layer_norm": "layer_norm", "constant_norm_rescale": "constant_norm"}.get(named, "standard")
    sae = tiny.sae(architecture)
    assert sae.cfg.normalize_activations == named
    # What is said follows sae-lens: whether its own function for the input does anything.
    x = torch.linspace(-1, 3, 16)[None]
    assert (not torch.equal(sae.run_time_activation_norm_fn_in(x), x)) == (named != "none")
    acts = sw.Engine(tiny.hooked(), tiny.sae(architecture)).activations(TEXT)
    assert not acts.notes
    assert acts.provenance.get("input normalisation", "none") == named


@pytest.mark.parametrize("named", NAMED)
def test_sae_lens_itself_applies_neither(named: str) -> None:
    """If a later sae-lens does, this fails, and what the engine says of it must change."""
    sae = training_sae(named)
    x = torch.linspace(-1, 3, 16)[None]
    assert torch.equal(sae.run_time_activation_norm_fn_in(x), x)


@pytest.mark.parametrize("named", NAMED)
def test_the_scale_of_a_checkpoint_is_folded(named: str, tmp_path: Path) -> None:
    """A training's checkpoint, loaded from its folder, has the activations that the trainer saw: encode(scaler(x))."""
    sae = training_sae(named)
    model = tiny.hooked()
    with torch.no_grad():
        _, cache = model.run_with_cache(model.to_tokens(TEXT, prepend_bos=True))
        x = cache["blocks.1.hook_resid_pre"][0]
        scaler = ActivationScaler()
        if named == NAMED[0]:
            scaler.estimate_scaling_factor(16, iter([x * 3]), 1)
        else:
            scaler.estimate_whitening(16, iter([x * 3]), 1)
        wanted = sae.encode(scaler(x)).numpy()
    sae.save_inference_model(tmp_path)
    scaler.save(str(tmp_path / "activation_scaler.json"))
    loaded = load_sae_folder(tmp_path, "cpu", "float32")
    acts = sw.Engine(model, loaded).activations(TEXT)  # and no warning
    assert not [note for note in acts.notes if "normalisation" in note]
    np.testing.assert_allclose(acts[:, :], wanted, atol=1e-4, rtol=1e-3)
    assert "folded into the weights" in acts.provenance["input normalisation"]
    assert np.abs(engine_of(model, sae).activations(TEXT)[:, :] - wanted).max() > 0.1, "the case tests nothing"

    (tmp_path / "activation_scaler.json").unlink()
    with pytest.warns(UserWarning, match="not folded"):
        sw.Engine(model, load_sae_folder(tmp_path, "cpu", "float32"))


@pytest.mark.parametrize("named", NAMED)
def test_the_remedy_of_a_training_works_as_it_is_written(named: str) -> None:
    """What the note says to type gives encode(scaler(x)), the trainer's activations, and leaves the SAE in training be."""
    model, sae = tiny.hooked(), training_sae(named)
    note = next(note for note in engine_of(model, sae).activations(TEXT).notes if named in note)
    with torch.no_grad():
        x = model.run_with_cache(model.to_tokens(TEXT, prepend_bos=True))[1]["blocks.1.hook_resid_pre"][0]
        scaler = ActivationScaler()
        if named == NAMED[0]:
            scaler.scaling_factor = 0.37
        else:
            scaler.estimate_whitening(16, iter([x]), 1)
        wanted, before = sae.encode(scaler(x)).numpy(), {n: p.clone() for n, p in sae.named_parameters()}
    names: dict[str, Any] = {"copy": copy, "sae": sae, "trainer": SimpleNamespace(activation_scaler=scaler)}
    exec(note.partition("fold a copy: ")[2].removesuffix("."), names)
    acts = sw.Engine(model, names["c"]).activations(TEXT)
    np.testing.assert_allclose(acts[:, :], wanted, atol=1e-4, rtol=1e-3)
    assert not acts.notes
    assert all(torch.equal(before[n], p) for n, p in sae.named_parameters())
    assert sae.cfg.normalize_activations == named


@pytest.mark.slow
def test_an_index_carries_its_notes(tmp_path: Path) -> None:
    sae = tiny.sae("standard", seqpos_slice=[3, None])
    sae.cfg.normalize_activations = NAMED[0]
    engine = engine_of(tiny.hooked(), sae)
    sw.build_index(engine, [TEXT] * 3, tmp_path / "index", progress=False, wait=True)
    index = sw.FeatureIndex.open(tmp_path / "index")  # without the engine
    assert "not applied" in index.provenance["input normalisation"]
    assert "fold_activation_norm_scaling_factor" in index.provenance["notes"]
    assert "seqpos_slice" in index.provenance["notes"]
    assert index.provenance["trained positions"] == "3 to 63 of 64"
    board = sw.FeatureDashboard(engine, index, feature=3)
    notes = board._feature_reply(3, np.array([3]), can_label=False).data["notes"]
    assert any("fold_activation_norm_scaling_factor" in str(note) for note in notes)


# -- positions


@pytest.mark.parametrize(
    ("cut", "context", "said"),
    [
        ([3, None], 64, "3 to 63 of 64"),
        ((3, None), None, "[3:]"),
        ([None, 5], 64, "0 to 4 of 64"),
        ([5, -5], 12, "5 to 6 of 12"),
        ([5, -5], None, "[5:-5]"),
        ([-4, None], 12, "8 to 11 of 12"),
        ([1, 10, 3], 12, "1 to 7 in steps of 3 of 12"),
        ((None,), 64, ""),
        ([None], 64, ""),
        (None, 64, ""),
        ([4], 64, "0 to 3 of 64"),
        ([0, 64], 64, ""),
        ([3, None], 8, "3 to 7 of 8"),
    ],
)
def test_positions_the_sae_was_not_trained_on(cut: Any, context: int | None, said: str) -> None:
    """sae-lens trains on activations[:, slice(*seqpos_slice)] of contexts of context_size tokens."""
    engine = sw.Engine(tiny.hooked(), tiny.sae(seqpos_slice=cut, context_size=context))
    acts = engine.activations([TEXT, "the"])
    wanted = []
    for start, stop in zip(acts.text_ptr[:-1], acts.text_ptr[1:], strict=True):
        length = int(stop - start)
        if context is None:  # its end is unknown: nothing is said of what is counted from there
            wanted += [cut is not None and (cut[0] or 0) > i for i in range(length)]
        else:
            trained = list(range(context))[slice(*cut)] if cut is not None else list(range(context))
            wanted += [i not in trained for i in range(length)]
    assert acts.beyond_context.tolist() == wanted
    assert acts.provenance.get("trained positions", "") == said
    assert any("seqpos_slice" in note for note in acts.notes) == bool(said)


def test_the_heatmap_marks_them() -> None:
    acts = sw.Engine(tiny.hooked(), tiny.sae(seqpos_slice=[3, None])).activations(TEXT)
    assert [bool(bits & 16) for bits in flags(acts.parts, beyond=acts.beyond_context)] == [
        i < 3 for i in range(len(acts))
    ]


# -- a model whose weights were processed otherwise


OPTIONS = {
    "none": {},
    "folded": {"fold_ln": True},
    "folded and centred": {"fold_ln": True, "center_writing_weights": True},
    "all": {"fold_ln": True, "center_writing_weights": True, "fold_value_biases": True},
}
HOOKS = {
    "blocks.1.hook_resid_pre": 16,
    "blocks.0.hook_resid_post": 16,
    "blocks.1.hook_resid_mid": 16,
    "blocks.1.hook_attn_out": 16,
    "blocks.1.hook_mlp_out": 16,
    "hook_embed": 16,
    "hook_pos_embed": 16,
    "blocks.1.ln2.hook_normalized": 16,
    "blocks.1.mlp.hook_in": 16,
    "blocks.1.attn.hook_q": 16,
    "blocks.1.attn.hook_v": 16,
    "blocks.1.attn.hook_z": 16,
    "blocks.1.mlp.hook_pre": 32,
    "blocks.1.mlp.hook_post": 32,
}


def values(model: Any) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        _, cache = model.run_with_cache(model.to_tokens(TEXT, prepend_bos=True))
    resolve = getattr(model, "_resolve_hook_name", str)
    own = {"hook_embed": "embed.hook_out", "hook_pos_embed": "pos_embed.hook_out"} if resolve is not str else {}
    return {hook: cache[own.get(hook) or resolve(hook)].flatten(2) for hook in HOOKS}


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("there", OPTIONS)
@pytest.mark.parametrize("asked", OPTIONS)
def test_an_alarm_exactly_where_the_values_differ(wrapper: str, there: str, asked: str) -> None:
    """For every hook: a note if and only if the value in the model at hand is not that of a model loaded as asked."""
    model = twins.gpt2(wrapper=wrapper, **OPTIONS[there])
    here, trained = values(model), values(twins.gpt2(wrapper=wrapper, **OPTIONS[asked]))
    for hook, width in HOOKS.items():
        sae = tiny.sae("standard", hook, d_in=width, model_from_pretrained_kwargs={}, model_name="gpt2")
        sae.cfg.metadata.model_from_pretrained_kwargs = dict(OPTIONS[asked])
        differs = bool((here[hook] - trained[hook]).abs().max() > 1e-3)
        notes = notes_of_dictionary(SaeDictionary(sae), Model(model))
        assert bool(notes) == differs, (hook, notes)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_a_model_that_is_centred_against_the_metadata(wrapper: str) -> None:
    model = twins.gpt2(wrapper=wrapper, fold_ln=True, center_writing_weights=True)
    sae = tiny.sae("standard", model_from_pretrained_kwargs={})
    sae.cfg.metadata.model_from_pretrained_kwargs = {"center_writing_weights": False}
    with pytest.warns(UserWarning, match="center_writing_weights=False"):
        engine = sw.Engine(model, sae)
    acts = engine.activations(TEXT)
    unprocessed = values(twins.gpt2(wrapper=wrapper))["blocks.1.hook_resid_pre"][0]
    assert np.abs(acts[:, :] - sae.encode(unprocessed).detach().numpy()).max() > 0.1, "the case tests nothing"
    (note,) = [note for note in acts.notes if "center_writing_weights" in note]
    remedy = "from_pretrained_no_processing" if wrapper == "hooked" else "without enable_compatibility_mode"
    assert remedy in note
    assert note in sw.generate(engine, "In the", n_tokens=1).notes
    assert note in sw.sweep(engine, "In the", sw.add(3, 1.0), strengths=[1.0], controls=0, n_tokens=2).notes
    assert acts.provenance["weight processing"] == "LayerNorm folded, writing weights centred"


def test_an_sae_that_does_not_say_is_not_contradicted() -> None:
    model = twins.gpt2(fold_ln=True, center_writing_weights=True)
    assert not sw.Engine(model, tiny.sae()).activations(TEXT).notes
    with pytest.warns(
        UserWarning, match="center_writing_weights=False"
    ):  # sae-lens loads a HookedTransformer unprocessed
        sw.Engine(model, tiny.sae(model_class_name="HookedTransformer"))


def test_a_transcoder_is_compared_where_it_writes_too() -> None:
    model = twins.gpt2(fold_ln=False, center_writing_weights=True)
    sae = tiny.sae(
        "transcoder",
        "blocks.1.ln2.hook_normalized",
        hook_out="blocks.1.hook_mlp_out",
        model_class_name="HookedTransformer",
    )
    with pytest.warns(UserWarning, match=r"values at blocks\.1\.hook_mlp_out"):
        sw.Engine(model, sae)


def test_a_bridge_in_compatibility_mode_that_was_not_processed() -> None:
    model = tiny.bridge()
    model.enable_compatibility_mode(no_processing=True, disable_warnings=True)
    engine = sw.Engine(model, tiny.sae(model_class_name="TransformerBridge"))
    assert engine.provenance()["weight processing"] == "none"


def test_a_model_without_layer_norm_is_asked_in_vain() -> None:
    sae = tiny.sae(model_class_name="HookedTransformer")
    sae.cfg.metadata.model_from_pretrained_kwargs = {"center_writing_weights": True}
    assert not sw.Engine(twins.llama(), sae).activations(TEXT).notes


def test_a_bos_against_the_metadata_is_told() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae(prepend_bos=True), prepend_bos=False)
    assert engine.provenance()["BOS"] == "not prepended (the SAE was trained with it)"
    assert sw.Engine(tiny.hooked(), tiny.sae()).provenance()["BOS"] == "prepended"


# -- loading


def loaded(monkeypatch: pytest.MonkeyPatch, kwargs: dict[str, Any], kind: str, **wanted: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    booted = twins.gpt2(wrapper="bridge")

    def hooked(name: str, **given: Any) -> Any:
        asked.update(given)
        return tiny.hooked()

    def bridge(name: str, **given: Any) -> Any:
        asked.update(given)
        return booted

    monkeypatch.setattr(sae_lens.HookedSAETransformer, "from_pretrained_no_processing", hooked)
    monkeypatch.setattr(sae_lens.SAETransformerBridge, "boot_transformers", bridge)
    sae = tiny.sae(model_name="gpt2-small", model_class_name=kind)
    sae.cfg.metadata.model_from_pretrained_kwargs = kwargs
    model = load_model(None, sae, wanted.get("device", "cpu"), wanted.get("dtype", "float32"))
    return {**asked, "model": model}


@pytest.mark.parametrize("kind", ["HookedTransformer", "TransformerBridge"])
@pytest.mark.parametrize("theirs", ["bfloat16", "torch.bfloat16", torch.bfloat16])
def test_the_callers_device_and_dtype_win(monkeypatch: pytest.MonkeyPatch, kind: str, theirs: Any) -> None:
    for name in ("dtype", "torch_dtype"):
        asked = loaded(monkeypatch, {name: theirs, "device": "cuda:7", "revision": "main"}, kind)
        assert asked["dtype"] is torch.float32
        assert str(asked["device"]) == "cpu"
        assert asked["revision"] == "main"
        assert "torch_dtype" not in asked
    asked = loaded(monkeypatch, {"device": torch.device("cuda")}, kind, dtype="float16", device=None)
    assert asked["dtype"] is torch.float16
    assert torch.device(asked["device"]).type in ("cpu", "cuda")


def test_provenance_says_which_dtype_was_asked_for() -> None:
    sae = tiny.sae()
    sae.cfg.metadata.model_from_pretrained_kwargs = {"dtype": "bfloat16"}
    assert sw.Engine(tiny.hooked(), sae).provenance()["dtype"] == "float32 (the SAE's metadata asks for bfloat16)"
    sae.cfg.metadata.model_from_pretrained_kwargs = {"dtype": torch.float32}
    assert sw.Engine(tiny.hooked(), sae).provenance()["dtype"] == "float32"


def test_processing_is_asked_of_a_bridge_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = loaded(monkeypatch, {"fold_ln": False, "default_prepend_bos": True}, "TransformerBridge")
    assert set(asked) == {"device", "dtype", "model"}
    assert Model(asked["model"]).processing == "none"
    asked = loaded(monkeypatch, {"fold_ln": True, "center_writing_weights": True}, "TransformerBridge")
    assert Model(asked["model"]).processing == "LayerNorm folded, writing weights centred"
    with pytest.raises(errors.SaeMismatchError, match=r"first_n_layers=3.*Engine\(model, sae\)"):
        loaded(monkeypatch, {"first_n_layers": 3}, "TransformerBridge")
    assert loaded(monkeypatch, {"first_n_layers": 3}, "HookedTransformer")["first_n_layers"] == 3


def test_a_checkout_knows_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.engine import provenance

    if not Path(provenance.__file__).is_relative_to(Path(__file__).parents[2]):
        pytest.skip("an installed package is no checkout")

    def absent(name: str) -> str:
        raise provenance.PackageNotFoundError(name)

    monkeypatch.setattr(provenance, "version", absent)
    provenance._version.cache_clear()
    try:
        told = provenance._version("saewidgets")
    finally:
        provenance._version.cache_clear()
    lines = (Path(__file__).parents[2] / "pyproject.toml").read_text().splitlines()
    number = next(line for line in lines if line.startswith("version = ")).split('"')[1]
    assert told == f"{number} (sources)"
