"""Generation is the loop written out: dice, settings, temperature, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from cases import on_either
from generation_made import PRE, PROMPT, WRAPPERS, engine_of, full_logits, ids_of, model_of, name_of
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.generation.generate import generate
from saewidgets.interventions.generation.sampling import Dice, Sampling
from saewidgets.interventions.recipe.constructors import add, clamp
from saewidgets.interventions.recipe.recipe import Recipe

# -- the dice, by hand


def allowed(logits: Tensor, text: Sequence[int], s: Sampling) -> dict[int, float]:
    """Scores of the tokens that may come next, by the definitions, one token at a time."""
    scores: dict[int, float] = {}
    for token, value in enumerate(logits.tolist()):
        if token in text:
            value = value / s.repetition_penalty if value > 0 else value * s.repetition_penalty
        scores[token] = value / (s.temperature or 1.0)
    if s.top_k:
        best = sorted(scores, key=lambda t: -scores[t])[: s.top_k]
        scores = {t: scores[t] for t in best}
    if s.top_p < 1:
        largest = max(scores.values())
        weights = {t: float(np.exp(v - largest)) for t, v in scores.items()}
        total, kept = sum(weights.values()), {}
        for t in sorted(scores, key=lambda t: -scores[t]):
            if sum(weights[k] for k in kept) / total >= s.top_p:
                break
            kept[t] = scores[t]
        scores = kept
    return scores


def noise_of(s: Sampling, sample: int, d_vocab: int, steps: int) -> list[np.ndarray]:
    """Gumbel noise: minus the logarithm of minus the logarithm of a uniform number."""
    generator = torch.Generator().manual_seed((s.seed * 1_000_003 + sample) % 2**63)
    drawn = [torch.rand(d_vocab, generator=generator, dtype=torch.float64).numpy() for _ in range(steps)]
    return [-np.log(-np.log(u)) for u in drawn]


def written_out(
    next_logits: Callable[[list[int]], Tensor], prompt: Sequence[int], s: Sampling, sample: int = 0, eos: int = 1
) -> list[int]:
    """The text that the definitions give."""
    text = list(prompt)
    noise: list[np.ndarray] = []
    for step in range(s.n_tokens):
        logits = next_logits(text)
        scores = allowed(logits, text, s)
        noise = noise or noise_of(s, sample, len(logits), s.n_tokens)
        luck = noise[step] if s.temperature else np.zeros(len(logits))
        text.append(max(scores, key=lambda t: (scores[t] + luck[t], -t)))
        if s.stop_at_eos and text[-1] == eos:
            break
    return text[len(prompt) :]


SAMPLINGS = [
    {"temperature": 0.0},
    {"temperature": 0.0, "repetition_penalty": 1.4},
    {},
    {"temperature": 0.6, "seed": 7},
    {"top_k": 5},
    {"top_k": 1},
    {"top_k": 10_000},
    {"top_p": 0.5},
    {"top_p": 1e-9},
    {"temperature": 1.7, "top_k": 40, "top_p": 0.8, "repetition_penalty": 1.3, "seed": -3},
    {"repetition_penalty": 0.7, "seed": 2**62},
    {"temperature": 1e-42},
]


@pytest.mark.slow
@on_either(("options",), [(options,) for options in SAMPLINGS])
def test_equal_to_the_loop_written_out(wrapper: str, options: dict[str, Any]) -> None:
    """Baseline and edited, two samples, each as a loop gives it that knows no cache, no batch and no other row."""
    engine, model, sae = engine_of(wrapper), model_of(wrapper), tiny.sae()
    prompt = engine.to_ids(PROMPT)[0]
    f = int(engine.activations(PROMPT).top(1).features[0])
    sampling = Sampling(n_tokens=8, samples=2, stop_at_eos=False, **options)
    found = generate(engine, PROMPT, clamp(f, 4), n_tokens=8, samples=2, stop_at_eos=False, **options)

    def edit(x: Tensor, hook: Any) -> Tensor:
        new = x + (4 - sae.encode(x)[..., f])[..., None] * sae.W_dec[f]
        return torch.cat([x[:, :1], new[:, 1:]], 1)  # not BOS

    hooks = [(name_of(model, PRE), edit)]
    eager = Sampling(**{**vars(sampling), "temperature": 0.0}) if options.get("temperature") == 1e-42 else sampling
    for sample in range(2):
        plain = written_out(lambda text: full_logits(model, text)[-1], prompt, eager, sample)
        assert found.baseline[sample].token_ids.tolist() == plain

        def edited(text: list[int]) -> Tensor:
            # A special token that was generated is left alone, like one of the prompt.
            keep = torch.tensor([t in (0, 1) for t in text])[None, :, None]
            own = [(hooks[0][0], lambda x, hook, k=keep: torch.where(k, x, edit(x, hook)))]
            return full_logits(model, text, own)[-1]

        assert found.edited[sample].token_ids.tolist() == written_out(edited, prompt, eager, sample)
    assert found.prompt.ids == tuple(prompt) and "".join(found.prompt_tokens) == "<|bos|>" + PROMPT
    assert found.edited_at.tolist() == [False] + [True] * (len(prompt) - 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.3},
        {"temperature": 3.0},
        {"top_k": 3},
        {"top_p": 0.6},
        {"top_p": 0.05},
        {"repetition_penalty": 2.0},
        {"temperature": 0.7, "top_k": 20, "top_p": 0.7, "repetition_penalty": 1.2},
    ],
    ids=str,
)
def test_the_dice_are_fair(options: dict[str, Any]) -> None:
    """Over many draws tokens come as often as the definitions say, and no other token ever."""
    logits = torch.randn(12, generator=torch.Generator().manual_seed(1)) * 2
    logits[4] = logits[5] = -torch.inf
    text, n = [1, 3, 3, 8], 1000
    sampling = Sampling(**options)
    scores = allowed(logits, text, sampling)
    weights = np.array([np.exp(scores.get(t, -np.inf)) for t in range(12)])
    expected = weights / weights.sum()
    dice = Dice(sampling, torch.zeros(1, dtype=torch.long))
    drawn = np.bincount([int(dice.choose(logits[None], [text])) for _ in range(n)], minlength=12) / n
    assert (drawn[expected == 0] == 0).all()
    np.testing.assert_allclose(drawn, expected, atol=4 * np.sqrt(0.25 / n))


def test_a_penalty_lowers_negative_logits_too() -> None:
    logits = torch.tensor([[-1.0, -1.5, -3.0], [1.0, 0.8, -3.0], [0.0, -0.1, -3.0]])
    dice = Dice(Sampling(temperature=0, repetition_penalty=2.0), torch.zeros(3, dtype=torch.long))
    assert dice.choose(logits, [[0], [0], [0]]).tolist() == [1, 1, 0]
    assert dice.choose(logits, [[2], [2, 1], [1]]).tolist() == [0, 0, 0]


def test_rows_share_the_dice_of_their_sample() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 50, generator=generator)
    sampling = Sampling(samples=2, seed=9)
    dice = Dice(sampling, torch.tensor([0, 1, 0, 1, 0]))
    same = 0
    for step in range(40):
        chosen = dice.choose(torch.stack([a, a, b, b, a]), [[0]] * 5).tolist()
        noise = [noise_of(sampling, s, 50, step + 1)[step] for s in (0, 1)]
        wanted = [int((x.numpy() + noise[s]).argmax()) for x, s in ((a, 0), (a, 1), (b, 0), (b, 1), (a, 0))]
        assert chosen == wanted and chosen[0] == chosen[4]
        same += chosen[0] == chosen[1]
    assert same < 15, "samples have dice of their own"


@pytest.mark.parametrize(
    "options",
    [
        {"n_tokens": 0},
        {"n_tokens": 2.5},
        {"n_tokens": None},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": None},
        {"temperature": "hot"},
        {"top_p": 0},
        {"top_p": 1.01},
        {"top_p": float("nan")},
        {"top_k": -1},
        {"top_k": 2.5},
        {"repetition_penalty": 0},
        {"repetition_penalty": float("inf")},
        {"samples": 0},
        {"samples": 65},
        {"seed": 2**63},
        {"seed": 0.5},
        {"seed": "0"},
    ],
    ids=str,
)
def test_settings_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(SaewidgetsError, match=f"`{next(iter(options))}`"):
        Sampling(**options)


def test_a_misspelt_setting_names_the_nearest() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    for write in (sw.generate, sw.sweep):
        with pytest.raises(TypeError, match="temprature.*temperature"):
            write(engine, PROMPT, sw.add(3, 1), temprature=0)  # type: ignore[call-arg]


def test_settings_of_numpy() -> None:
    s = Sampling(
        n_tokens=np.int64(3), seed=np.int32(4), top_k=np.uint8(2), samples=np.int64(2), temperature=np.float32(0.5)
    )
    assert s == Sampling(3, 0.5, 1.0, 2, 1.0, 4, 2) and type(s.seed) is int


# -- pairs


@on_either(("options",), [(options,) for options in [*SAMPLINGS, {"samples": 5, "seed": 3}]])
def test_an_empty_recipe_gives_identical_rows(wrapper: str, options: dict[str, Any]) -> None:
    engine = engine_of(wrapper)
    plain = generate(engine, PROMPT, n_tokens=4, **options)
    for recipe in (Recipe(), [add(3, 5, on=False)], Recipe(keep_error=False)):
        found = generate(engine, PROMPT, recipe, n_tokens=4, **options)
        assert found.resolved.noop and not found.edited_at.any()
        for a, b, c in zip(found.baseline, found.edited, plain.baseline, strict=True):
            for name in ("token_ids", "logprobs", "entropy"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
                np.testing.assert_array_equal(getattr(a, name), getattr(c, name))
        assert all(found.diverges_at(s) is None for s in range(len(found.baseline)))


@WRAPPERS
def test_temperature_zero_is_the_models_own_greedy_text(wrapper: str) -> None:
    engine, model = engine_of(wrapper), model_of(wrapper)
    prompt = torch.tensor(engine.to_ids(PROMPT))
    with torch.no_grad():
        wanted = model.generate(
            prompt, max_new_tokens=12, do_sample=False, stop_at_eos=False, verbose=False, return_type="tokens"
        )
    found = generate(engine, PROMPT, n_tokens=12, temperature=0, stop_at_eos=False)
    assert found.baseline[0].token_ids.tolist() == wanted[0, prompt.shape[1] :].tolist()


@pytest.mark.slow
def test_the_same_seed_the_same_text() -> None:
    engine = engine_of("hooked")
    first = generate(engine, PROMPT, add(3, 3), n_tokens=12, seed=5, samples=3)
    again = generate(engine, PROMPT, add(3, 3), n_tokens=12, seed=5, samples=3)
    other = generate(engine, PROMPT, add(3, 3), n_tokens=12, seed=6, samples=3)
    assert ids_of(first.baseline) == ids_of(again.baseline) and ids_of(first.edited) == ids_of(again.edited)
    for a, b in zip([*first.baseline, *first.edited], [*again.baseline, *again.edited], strict=True):
        assert np.array_equal(a.logprobs, b.logprobs) and np.array_equal(a.entropy, b.entropy)
    assert ids_of(first.baseline) != ids_of(other.baseline)
    assert len({tuple(ids) for ids in ids_of(first.baseline)}) == 3, "samples differ"
    alone = generate(engine, PROMPT, add(3, 3), n_tokens=12, seed=5)
    assert ids_of(alone.baseline) == ids_of(first.baseline)[:1], "a sample is the same, however many there are"
    torch.manual_seed(1)
    state = torch.get_rng_state()
    generate(engine, PROMPT, n_tokens=3)
    assert torch.equal(torch.get_rng_state(), state), "the user's own dice are left alone"


def test_a_weak_edit_mostly_chooses_the_same() -> None:
    engine = engine_of("hooked")
    shared = generate(engine, PROMPT, add(3, 1e-3), n_tokens=5, samples=32)
    same = sum(a == b for a, b in zip(ids_of(shared.baseline), ids_of(shared.edited), strict=True))
    assert same >= 30


@WRAPPERS
def test_generated_only_leaves_the_first_token(wrapper: str) -> None:
    """It is predicted at the last position of the prompt, which "generated" does not touch."""
    found = generate(engine_of(wrapper), PROMPT, add(3, 20, positions="generated"), n_tokens=8, samples=8)
    for a, b in zip(found.baseline, found.edited, strict=True):
        assert a.token_ids[0] == b.token_ids[0] and a.logprobs[0] == b.logprobs[0] and a.entropy[0] == b.entropy[0]
        assert not np.array_equal(a.logprobs[1:], b.logprobs[1:])
    assert not found.edited_at.any()
    prompt = generate(engine_of(wrapper), PROMPT, add(3, 20, positions="prompt"), n_tokens=8)
    assert prompt.edited_at.tolist() == [False] + [True] * (len(prompt.prompt) - 1)
    some = generate(engine_of(wrapper), PROMPT, add(3, 20, positions=[0, 1, (3, 6)]), n_tokens=2)
    assert some.edited_at.nonzero()[0].tolist() == [1, 3, 4]


# -- what is told of each token


@WRAPPERS
def test_logprobs_and_entropy_are_a_full_forwards(wrapper: str) -> None:
    engine, model = engine_of(wrapper), model_of(wrapper)
    row = tiny.sae().W_dec[3].detach()
    found = generate(
        engine, PROMPT, add(3, 3, special=True), n_tokens=7, top_k=4, temperature=2.0, repetition_penalty=1.5
    )
    prompt = list(found.prompt.ids)
    for one, hooks in (
        (found.baseline[0], []),
        (found.edited[0], [(name_of(model, PRE), lambda x, hook: x + 3 * row)]),
    ):
        text = [*prompt, *one.token_ids.tolist()]
        spread = full_logits(model, text, hooks)[len(prompt) - 1 : -1].double().log_softmax(-1)
        np.testing.assert_allclose(one.logprobs, spread[range(len(one)), text[len(prompt) :]], atol=1e-4)
        np.testing.assert_allclose(one.entropy, -(spread.exp() * spread).sum(-1), atol=1e-4)
        assert one.text == "".join(one.tokens) == "".join(engine.tokenizer.display(one.token_ids.tolist()).strings)


def test_as_a_table() -> None:
    found = generate(engine_of("hooked"), PROMPT, add(3, 8), n_tokens=4, samples=2, stop_at_eos=False)
    table = found.to_pandas()
    assert len(table) == 16 and list(table.text.unique()) == ["baseline", "edited"]
    part = table[(table.text == "edited") & (table["sample"] == 1)]
    assert part.token_id.tolist() == found.edited[1].token_ids.tolist()
    assert part.position.tolist() == list(range(len(found.prompt), len(found.prompt) + 4))
    pairs = zip(found.baseline[0].token_ids, found.edited[0].token_ids, strict=True)
    first = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    assert found.diverges_at() == first
    assert "baseline 0" in repr(found) and repr(found.edited[1].text) in repr(found)
