"""What others published of GPT-2 small and its res-jb SAEs, found again by the engine: numbers that this project did not make.

Neuronpedia's are those that its own inference server is tested with (github.com/hijohnnylin/neuronpedia, apps/inference/tests:
integration/test_activation_all.py, test_activation_topk_by_token.py, test_activation_single.py, model_expectations.yaml). There the
model has its weights as the Hugging Face hub has them, in float16, and the SAE is in float32: 0.1 is their own tolerance. Where
their SAE was in bfloat16, whose steps are 0.25 from 32 to 64, two steps are allowed. The ablation is of sae-spelling
(github.com/lasr-spelling/sae-spelling, tests/test_feature_ablation.py), which processes the weights.

`make test-hub` runs these, and everything else that needs the hub.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import saewidgets as sw

pytestmark = pytest.mark.hub

RELEASE = "gpt2-small-res-jb"
HELLO = "Hello, world!"
# Feature to its activation at each of: BOS (which their server sets to 0), "Hello", ",", " world", "!".
ON_HELLO = {
    16653: [46.4727, 11.2842, 0.0, 0.0],
    13715: [43.2230, 5.3215, 0.0, 0.0],
    2494: [3.0853, 33.5462, 15.5039, 15.7892],
    22763: [0.0, 0.0, 26.6072, 0.0],
    13413: [0.0, 0.0, 0.0, 24.9940],
}
# The three strongest features of each token, the strongest first.
TOP_ON_HELLO = [
    ("Hello", {16653: 46.4813, 13715: 43.2195, 20750: 22.1398}),
    (",", {2494: 33.5797, 1457: 19.7814, 15348: 14.1096}),
    (" world", {22763: 26.6266, 17362: 22.5299, 2494: 15.4879}),
    ("!", {13413: 25.0022, 21841: 17.1941, 2494: 15.7846}),
]
TOP_AT_BOS = {9663: 941.316, 14519: 631.747, 8598: 608.944}
CAT = 16899
IN_BFLOAT16 = 0.5


@pytest.fixture(scope="module")
def gpt2() -> Iterator[sw.Engine]:
    """The model with the hub's weights, as Neuronpedia has it: other than these SAEs were trained on, which the engine says."""
    from sae_lens import SAE, SAETransformerBridge

    model = SAETransformerBridge.boot_transformers("gpt2", device=torch.device("cpu"), dtype=torch.float32)
    saes = {f"{n}-res-jb": SAE.from_pretrained(RELEASE, f"blocks.{n}.hook_resid_pre", device="cpu") for n in (7, 10)}
    tenths = sw.Directions(torch.full((1, 768), 0.1), "blocks.0.hook_resid_post", name="tenths")
    with pytest.warns(UserWarning, match="center_writing_weights"):
        engine = sw.Engine(model, {**saes, "tenths": tenths})
    with engine:
        yield engine


def test_every_activation_of_neuronpedia_s_first_five_features(gpt2: sw.Engine) -> None:
    acts = gpt2.activations(HELLO, sae="7-res-jb")
    assert acts.tokens == ("<|endoftext|>", "Hello", ",", " world", "!")
    for feature, published in ON_HELLO.items():
        np.testing.assert_allclose(acts[1:, feature], published, atol=0.1, rtol=0, err_msg=str(feature))
    # Their order over the text, too: by the largest activation, BOS left out.
    assert list(acts.top(5)) == list(ON_HELLO)
    # Feature 0, which the website's example asks for: next to nothing.
    np.testing.assert_allclose(acts[1:, 0], [0.0477, 0, 0, 0], atol=0.1)


@pytest.mark.parametrize(("token", "published"), TOP_ON_HELLO, ids=["Hello", "comma", "world", "bang"])
def test_the_three_strongest_features_of_each_token(gpt2: sw.Engine, token: str, published: dict[int, float]) -> None:
    acts = gpt2.activations(HELLO, sae="7-res-jb")
    features, values = acts.token(acts.tokens.index(token))
    assert features[:3].tolist() == list(published)
    np.testing.assert_allclose(values[:3], list(published.values()), atol=0.1, rtol=0)


def test_at_bos_activations_are_of_another_size(gpt2: sw.Engine) -> None:
    """Norms there are in the thousands, where float16 has steps of 2: a hundredth is allowed."""
    acts = gpt2.activations(HELLO, sae="7-res-jb")
    features, values = acts.token(0)
    assert features[:3].tolist() == list(TOP_AT_BOS)
    np.testing.assert_allclose(values[:3], list(TOP_AT_BOS.values()), rtol=0.01)


def test_a_direction_is_read_off_the_hub_s_weights(gpt2: sw.Engine) -> None:
    """A tenth of the sum over the stream: 0 everywhere, if the writing weights had been centred."""
    acts = gpt2.activations(HELLO, sae="tenths")
    np.testing.assert_allclose(acts[1:, 0], [5.4141, 3.2383, 1.9463, 1.6719], atol=0.1, rtol=0)


def test_the_cat_feature_fires_on_the_cat(gpt2: sw.Engine) -> None:
    acts = gpt2.activations("My cat is sleeping on the couch.", sae="10-res-jb")
    found = acts[:, CAT][1:]
    assert acts.tokens[1:][int(found.argmax())] == " cat"
    assert found.max() == pytest.approx(57.75, abs=IN_BFLOAT16)
    assert np.delete(found, found.argmax()).max() == pytest.approx(0.922, abs=IN_BFLOAT16)


def test_steering_as_neuronpedia_does_makes_a_cat_of_the_dog(gpt2: sw.Engine) -> None:
    """Their strength and their prompt: " the dog. I love the dog ..." becomes " the cat. I love it ..."."""
    made = sw.generate(
        gpt2,
        "My favorite animal is",
        sw.preset("neuronpedia", CAT, 45.0, sae="10-res-jb"),
        n_tokens=12,
        temperature=0,
    )
    assert "dog" in made.baseline[0].text and "cat" not in made.baseline[0].text.lower()
    assert "cat" in made.edited[0].text.lower()


def test_ablating_the_john_feature_costs_mary_a_logit() -> None:
    """At the second "John", of the model as `from_pretrained` processes it: what sae-spelling's test bounds."""
    from sae_lens import SAE, HookedSAETransformer

    text = "When John and Mary went to the shops, John gave the bag to"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = HookedSAETransformer.from_pretrained("gpt2", device="cpu")
    sae = SAE.from_pretrained(RELEASE, "blocks.4.hook_resid_pre", device="cpu")
    with sw.Engine(model, sae) as engine:
        ids = engine.to_ids(text)[0]
        mary = engine.tokenizer.answer_ids(" Mary")[0]
        john = len(ids) - 5

        def logit(*features: int) -> float:
            recipe = sw.Recipe([sw.ablate(list(features), positions=[john])] if features else [])
            with torch.no_grad(), sw.applied(engine, recipe):
                return float(engine.model.raw(torch.tensor([list(ids)]))[0, -1, mary])

        clean = logit()
        assert engine.activations(text).tokens[john] == " John"
        assert logit(1362) - clean < -0.9
        assert abs(logit(1024) - clean) < 0.2
        assert logit(10) == pytest.approx(clean, abs=1e-5)
