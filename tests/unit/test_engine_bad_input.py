"""Whatever is wrong is an error that names its remedy, and leaves the engine usable."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets import errors
from saewidgets.engine.model.loading import load_sae, resolve_dtype
from saewidgets.engine.model.model import Model, resolve_device


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_unknown_hook_names_the_nearest(wrapper: str) -> None:
    with pytest.raises(errors.HookNotFoundError, match=r"blocks\.1\.hook_resid_pre") as caught:
        sw.Engine(tiny.MODELS[wrapper](), tiny.sae(hook="blocks.1.hook_residpre"))
    assert "blocks.1.hook_resid_pre" in caught.value.nearest


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_a_hook_that_never_fires(wrapper: str) -> None:
    with pytest.raises(errors.HookDidNotFireError, match=r"set_use_hook_mlp_in\(True\)"):
        sw.Engine(tiny.MODELS[wrapper](), tiny.sae(hook="blocks.1.hook_mlp_in"))


def test_wrong_width() -> None:
    with pytest.raises(errors.SaeMismatchError, match="width 24.*width 16"):
        sw.Engine(tiny.hooked(), tiny.sae(d_in=24))


def test_no_hook_name() -> None:
    sae = tiny.sae()
    sae.cfg.metadata.hook_name = None
    with pytest.raises(errors.SaeMismatchError, match=r"metadata\.hook_name"):
        sw.Engine(tiny.hooked(), sae)


def test_another_models_sae_is_a_warning() -> None:
    model = tiny.hooked()
    model.cfg.model_name = "gpt2"
    with pytest.warns(UserWarning, match="trained on 'pythia-70m'"):
        sw.Engine(model, tiny.sae(model_name="pythia-70m"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sw.Engine(model, tiny.sae(model_name="gpt2-small"))  # another name of the same model


def test_not_a_model_not_an_sae() -> None:
    with pytest.raises(TypeError, match="boot_transformers"):
        sw.Engine(torch.nn.Linear(2, 2), tiny.sae())
    with pytest.raises(TypeError, match=r"sw\.Directions"):
        sw.Engine(tiny.hooked(), torch.zeros(3, 16))
    with pytest.raises(errors.SaeMismatchError, match="at least one"):
        sw.Engine(tiny.hooked(), [])


def test_two_saes_of_one_name() -> None:
    with pytest.raises(errors.SaeMismatchError, match="Pass a dict"):
        sw.Engine(tiny.hooked(), [tiny.sae(), tiny.sae("topk")])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(value: float) -> None:
    sae = tiny.sae()
    with torch.no_grad():
        sae.b_enc[3] = value
    with pytest.raises(errors.NonFiniteError, match="b_enc"):
        sw.Engine(tiny.hooked(), sae)


def test_activations_that_are_not_finite() -> None:
    sae = tiny.sae()
    engine = sw.Engine(tiny.hooked(), sae)
    with torch.no_grad():
        sae.b_enc[3] = float("nan")
    with pytest.raises(errors.NonFiniteError, match="NaN or infinite"):
        engine.activations("the")
    with torch.no_grad():
        sae.b_enc[3] = 0.1
    assert len(engine.activations("the")) == 2  # training goes on: the engine sees the new weights


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([], "no text"),
        (["a", 1], "mixed"),
        ([[1, 2], "a"], "mixed"),
        ([1, 10**6], "outside the model's vocabulary"),
        ([-1], "outside"),
        (torch.zeros(2), "integer array"),
        (np.zeros((1, 1, 1), int), "integer array"),
        (np.zeros(2), "integer array"),
    ],
)
def test_wrong_texts(given: object, match: str) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    with pytest.raises(errors.TokenIdError, match=match):
        engine.activations(given)
    assert len(engine.activations(np.array([1, 2]))) == 2
    assert engine.activations(torch.tensor([[1, 2], [3, 4]])).n_texts == 2


def test_feature_out_of_range() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    with pytest.raises(errors.FeatureIndexError, match="0 to 47"):
        engine.activations("the", features=[48])
    with pytest.raises(errors.FeatureIndexError, match="not encoded"):
        engine.activations("the", features=[1])[:, 2]
    with pytest.raises(ValueError, match="every feature"):
        engine.activations("the", features=[1], reconstruction=True)
    with pytest.raises(KeyError, match="it has"):
        engine.activations("the", sae="other")


def test_prompt_over_the_context() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    with pytest.raises(errors.SaewidgetsError, match="more than the model's context of 64"):
        sw.predictions(engine, "the " * 100)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_asked_for_and_absent() -> None:
    with pytest.raises(errors.DeviceError, match="device='cpu'"):
        resolve_device("cuda")
    with pytest.raises(errors.DeviceError):
        load_sae("release", "id", "cuda", "float32")


def test_dtype() -> None:
    assert resolve_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(errors.SaewidgetsError, match="float32"):
        resolve_dtype("int8")


@pytest.mark.slow
def test_out_of_memory_halves_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae())
    texts = ["In the beginning", "God created the heaven", "and the earth.", "the"]
    wanted = engine.activations(texts)
    sizes: list[int] = []
    real = Model.read

    def read(self: Model, tokens: torch.Tensor, *args: object) -> object:
        sizes.append(len(tokens))
        if len(tokens) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, tokens, *args)

    monkeypatch.setattr(Model, "read", read)
    found = engine.activations(texts)
    np.testing.assert_allclose(found[:, :], wanted[:, :], atol=1e-5)
    assert sizes == [4, 2, 1, 1, 1, 1], "never again as many as did not fit"
    assert any("Memory ran out" in note for note in found.notes)

    monkeypatch.setattr(Model, "read", lambda *_: (_ for _ in ()).throw(RuntimeError("not enough memory")))
    with pytest.raises(errors.OutOfMemoryError, match="context_size"):
        engine.activations("the")
    monkeypatch.setattr(Model, "read", real)
    assert len(engine.activations("the")) == 2


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_a_cell_interrupted_in_the_middle_of_a_forward(wrapper: str) -> None:
    """KeyboardInterrupt while waiting: the forward stops at its next block, no hook is left, the next request works."""
    model = tiny.MODELS[wrapper]()
    engine = sw.Engine(model, tiny.sae())
    text = ["the heaven and the earth"] * 400  # large enough for checks between blocks
    wanted = engine.activations("the")[:, :]
    inside, go_on = threading.Event(), threading.Event()

    def pause(*_: object) -> None:
        inside.set()
        go_on.wait(5)

    handle = model.blocks[0].register_forward_hook(pause)
    waits = []

    class Interrupting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if not waits and inside.wait(5):
                waits.append(True)
                go_on.set()
                raise KeyboardInterrupt
            return super().wait(timeout)

    real = engine.worker.submit

    def submit(*args: object, **kwargs: object) -> object:
        job = real(*args, **kwargs)
        job.finished.__class__ = Interrupting
        return job

    engine.worker.submit = submit
    with pytest.raises(KeyboardInterrupt):
        engine.activations(text)
    del engine.worker.submit
    handle.remove()
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    fresh = tiny.MODELS[wrapper]()
    fresh(fresh.to_tokens("the"))
    assert sum(hooks) == sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in fresh.modules())
    np.testing.assert_array_equal(engine.activations("the")[:, :], wanted)


def test_the_users_own_forward_is_never_stopped() -> None:
    """A cell that runs the same model while the engine's hooks are on it gets its own whole result."""
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae())
    tokens = model.to_tokens("the heaven and the earth")
    wanted = model(tokens).detach()
    inside, go_on = threading.Event(), threading.Event()

    def pause(*_: object) -> None:
        if threading.current_thread().name == "saewidgets-engine":
            inside.set()
            go_on.wait(5)

    handle = model.blocks[0].register_forward_hook(pause)
    job = engine.worker.submit(lambda _: engine.activations("the"))
    assert inside.wait(5)
    torch.testing.assert_close(model(tokens), wanted)  # hooks are on the model now, for the other thread
    go_on.set()
    assert job.finished.wait(5)
    handle.remove()
    assert job.error is None


@pytest.mark.slow
def test_two_engines_on_one_model_take_turns() -> None:
    model = tiny.hooked()
    first, second = sw.Engine(model, tiny.sae()), sw.Engine(model, tiny.sae("topk"))
    assert first.lock is second.lock
    assert first.lock is not sw.Engine(tiny.hooked(), tiny.sae()).lock
    with first.lock:
        job = second.worker.submit(lambda _: second.activations("the"))
        assert not job.finished.wait(0.2)
    assert job.finished.wait(5)


def test_dropout_is_said() -> None:
    model = tiny.bridge()
    engine = sw.Engine(model, tiny.sae())
    assert not engine.activations("the").notes
    model.train()
    assert any("model.eval()" in note for note in engine.activations("the").notes)


def test_closed() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.activations("the")


def test_from_pretrained_uses_the_saes_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    import sae_lens

    sae = tiny.sae(
        model_name="gpt2-small", prepend_bos=False, model_from_pretrained_kwargs={"center_writing_weights": False}
    )
    asked: dict[str, object] = {}

    def load(name: str, **kwargs: object) -> object:
        asked.update(name=name, **kwargs)
        return tiny.hooked()

    monkeypatch.setattr(sae_lens.SAE, "from_pretrained", lambda *_args, **_kwargs: sae)
    monkeypatch.setattr(sae_lens.HookedSAETransformer, "from_pretrained_no_processing", load)
    engine = sw.Engine.from_pretrained(release="r", sae_id="s", device="cpu")
    assert asked == {"name": "gpt2-small", "device": "cpu", "dtype": torch.float32, "center_writing_weights": False}
    assert list(engine.dictionaries) == ["r/s"]
    assert not engine.activations("the").special.any()  # no BOS
    sae.cfg.metadata.model_class_name = "AutoModelForCausalLM"
    with pytest.raises(errors.SaeMismatchError, match="Engine\\(model, sae\\)"):
        sw.Engine.from_pretrained(release="r", sae_id="s", device="cpu")
