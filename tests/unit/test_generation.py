"""Paired generation against loops written out: no cache, one text at a time, the dice by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.errors import CancelledError, NonFiniteError, SaewidgetsError, TokenIdError
from saewidgets.interventions.edit.positions import scope_of
from saewidgets.interventions.generation.generate import Generation, Step, generate, generate_on_worker
from saewidgets.interventions.generation.sampling import Dice, Sampling
from saewidgets.interventions.recipe.constructors import ablate, add, clamp, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.overlap import refuse_past_the_end
from saewidgets.interventions.recipe.recipe import Recipe

PROMPT = "In the beginning God"
PRE = "blocks.1.hook_resid_pre"
WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


@cache
def engine_of(wrapper: str) -> sw.Engine:
    return sw.Engine(model_of(wrapper), tiny.sae())


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


def full_logits(model: Any, ids: Sequence[int], hooks: Sequence[Any] = ()) -> Tensor:
    """[pos, d_vocab] without any cache."""
    with torch.no_grad():
        return model.run_with_hooks(torch.tensor([list(ids)]), fwd_hooks=list(hooks))[0].float()


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


def ids_of(several: Sequence[Any]) -> list[list[int]]:
    return [one.token_ids.tolist() for one in several]


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


@WRAPPERS
@pytest.mark.parametrize("options", SAMPLINGS, ids=str)
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


def test_settings_of_numpy() -> None:
    s = Sampling(
        n_tokens=np.int64(3), seed=np.int32(4), top_k=np.uint8(2), samples=np.int64(2), temperature=np.float32(0.5)
    )
    assert s == Sampling(3, 0.5, 1.0, 2, 1.0, 4, 2) and type(s.seed) is int


# -- pairs


@WRAPPERS
@pytest.mark.parametrize("options", [*SAMPLINGS, {"samples": 5, "seed": 3}], ids=str)
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


# -- the end of a text


@WRAPPERS
def test_end_of_text_stops_each_row_for_itself(wrapper: str) -> None:
    """Seeds are looked through until the rows of a run end at different places."""
    model = tiny.MODELS[wrapper]()
    model.unembed.register_forward_hook(lambda m, i, out: out + 5 * (torch.arange(out.shape[-1]) == 1))
    engine = sw.Engine(model, tiny.sae())
    ends = set()
    for seed in range(4):
        stopped = generate(engine, PROMPT, add(3, 4), n_tokens=10, samples=4, seed=seed)
        going = generate(engine, PROMPT, add(3, 4), n_tokens=10, samples=4, seed=seed, stop_at_eos=False)
        for a, b in zip([*stopped.baseline, *stopped.edited], [*going.baseline, *going.edited], strict=True):
            assert len(b) == 10
            ids = b.token_ids.tolist()
            wanted = ids[: ids.index(1) + 1] if 1 in ids else ids
            assert a.token_ids.tolist() == wanted and a.ended == (1 in ids)
            np.testing.assert_allclose(a.logprobs, b.logprobs[: len(a)], atol=1e-6)
            ends.add(len(a))
    assert len(ends) > 3
    # Past an end-of-text token, too, the text is what a forward without a cache makes of it.
    prompt = list(stopped.prompt.ids)
    for one in going.baseline:
        text = [*prompt, *one.token_ids.tolist()]
        spread = full_logits(model, text)[len(prompt) - 1 : -1].log_softmax(-1)
        np.testing.assert_allclose(one.logprobs, spread[range(10), text[len(prompt) :]], atol=1e-4)


def test_when_all_rows_have_ended_nothing_more_is_computed() -> None:
    model = tiny.hooked()
    forwards: list[int] = []

    def always_ends(_m: Any, _i: Any, out: Tensor) -> Tensor:
        forwards.append(out.shape[1])
        return out + 1e4 * (torch.arange(out.shape[-1]) == 1)

    engine = sw.Engine(model, tiny.sae())
    model.unembed.register_forward_hook(always_ends)
    done: list[tuple[int, int]] = []
    found = generate(engine, PROMPT, add(3, 1), n_tokens=30, on_progress=lambda *at: done.append(at))
    assert len(forwards) == 1 and ids_of(found.baseline) == [[1]] and found.baseline[0].ended
    assert found.baseline[0].text == "<|eos|>" and not found.stopped


# -- cancelled, broken


def test_a_cancel_keeps_what_was_written() -> None:
    engine = engine_of("hooked")
    whole = generate(engine, PROMPT, add(3, 8), n_tokens=20, samples=2, stop_at_eos=False)
    job: list[Any] = []
    ready = threading.Event()
    starts: list[Generation] = []
    steps: list[Step] = []

    def on_step(step: Step) -> None:
        steps.append(step)
        if step.number == 4:
            ready.wait()
            job[0].cancel()

    sampling = Sampling(20, samples=2, stop_at_eos=False)

    def run(keep: bool) -> Any:
        ready.clear()
        job.clear()
        starts.clear()
        steps.clear()
        job.append(
            engine.worker.submit(
                lambda ticket: generate_on_worker(
                    engine,
                    PROMPT,
                    Recipe(add(3, 8)),
                    sampling,
                    {},
                    ticket,
                    on_start=starts.append,
                    on_step=on_step,
                    keep_partial=keep,
                )
            )
        )
        ready.set()
        assert job[0].finished.wait(30)
        return job[0]

    done = run(True)
    assert done.error is None and done.result.stopped
    for a, b in zip([*done.result.baseline, *done.result.edited], [*whole.baseline, *whole.edited], strict=True):
        assert a.token_ids.tolist() == b.token_ids[:5].tolist() and not a.ended
        np.testing.assert_array_equal(a.logprobs, b.logprobs[:5])
    (start,) = starts
    assert start.baseline == () and start.edited_at.tolist() == whole.edited_at.tolist()
    assert [s.number for s in steps] == list(range(5)) and all(s.ids.shape == (4,) for s in steps)
    assert done.result.edited_at.tolist() == whole.edited_at.tolist()
    assert isinstance(run(False).error, CancelledError)
    assert ids_of(generate(engine, PROMPT, n_tokens=20, samples=2, stop_at_eos=False).baseline) == ids_of(
        whole.baseline
    )


def hooks_of(model: Any) -> Mapping[str, int]:
    return {name: len(m._forward_hooks) + len(m._forward_pre_hooks) for name, m in model.named_modules()}


@WRAPPERS
@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), CancelledError("stop")], ids=repr)
def test_an_exception_in_the_middle_leaves_nothing_behind(wrapper: str, error: BaseException) -> None:
    model = tiny.MODELS[wrapper]()
    fired: list[int] = []
    model.add_hook(name_of(model, PRE), lambda x, hook: fired.append(x.shape[1]))
    engine = sw.Engine(model, tiny.sae())
    wanted = generate(engine, PROMPT, clamp(3, 5), n_tokens=5)
    before = hooks_of(model)

    def breaks(_m: Any, _i: Any, out: Tensor) -> None:
        if out.shape[1] == 1 and len(fired) > 4:
            raise error

    fired.clear()
    handle = model.unembed.register_forward_hook(breaks)
    with pytest.raises(type(error)):
        generate(engine, PROMPT, clamp(3, 5), n_tokens=5)
    handle.remove()
    # First the prompt as it is (which tokens are norm outliers), then the text.
    assert hooks_of(model) == before and fired[:3] == [len(wanted.prompt)] * 2 + [1], "the user's own hook fires"
    again = generate(engine, PROMPT, clamp(3, 5), n_tokens=5)
    assert ids_of(again.edited) == ids_of(wanted.edited)


def test_numbers_that_are_none() -> None:
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae())
    model.unembed.register_forward_hook(lambda m, i, out: out * torch.nan)
    with pytest.raises(NonFiniteError, match="strength"):
        generate(engine, PROMPT, n_tokens=2)
    model = tiny.hooked()
    engine = sw.Engine(model, tiny.sae())
    rule_out = torch.zeros(model.cfg.d_vocab)
    rule_out[10:] = -torch.inf  # no NaN: tokens that are ruled out
    model.unembed.register_forward_hook(lambda m, i, out: out + rule_out)
    found = generate(engine, PROMPT, n_tokens=6, stop_at_eos=False)
    assert (found.baseline[0].token_ids < 10).all() and np.isfinite(found.baseline[0].entropy).all()


def test_a_shared_top_k_is_refused_where_it_would_be_read() -> None:
    engine = sw.Engine(model_of("hooked"), {"a": tiny.sae("jumprelu"), "b": tiny.sae("batchtopk")})
    with pytest.raises(RecipeError, match="top-k") as caught:
        generate(engine, PROMPT, [add(3, 1), clamp(5, 1, sae="b")], n_tokens=3)
    assert caught.value.row == 1 and caught.value.field == "kind"
    with pytest.raises(RecipeError, match="top-k"):
        generate(engine, PROMPT, Recipe(add(5, 1, sae="b"), keep_error=False), n_tokens=3)
    generate(engine, PROMPT, [add(3, 1), add(5, 1, sae="b")], n_tokens=3)


def test_dropout_is_said() -> None:
    model = tiny.bridge()
    engine = sw.Engine(model, tiny.sae())
    assert generate(engine, PROMPT, n_tokens=1).notes == ()
    model.train()
    assert "dropout" in generate(engine, PROMPT, n_tokens=1).notes[0]


@pytest.mark.parametrize("architecture", ["temporal", "layer_norm", "skip_transcoder", "matching_pursuit", "abstopk"])
def test_other_architectures_generate(architecture: str) -> None:
    hooks = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out") if "transcoder" in architecture else (PRE, None)
    engine = sw.Engine(model_of("bridge"), tiny.sae(architecture, hooks[0], hook_out=hooks[1]))
    f = int(engine.activations(PROMPT).top(1).features[0])
    for recipe in (clamp(f, 9), Recipe(scale(f, 1), keep_error=False)):
        found = generate(engine, PROMPT, recipe, n_tokens=5, temperature=0, stop_at_eos=False)
        assert not np.array_equal(found.edited[0].logprobs, found.baseline[0].logprobs)


# -- prompts


def test_positions_past_the_text() -> None:
    engine = engine_of("hooked")
    n = len(engine.to_ids(PROMPT)[0])
    for positions in ([n + 4], [1, n + 5], [(n + 4, None)], [(n + 9, n + 12)], [10**30]):
        with pytest.raises(RecipeError, match="past the end of the text") as caught:
            generate(engine, PROMPT, [ablate(5), add(3, 1, positions=positions)], n_tokens=4)
        assert caught.value.row == 1 and caught.value.field == "positions"
        generate(engine, PROMPT, [add(3, 1, positions=positions, on=False)], n_tokens=4)
    generate(engine, PROMPT, add(3, 1, positions=[n + 3, (n, 10**6), (None, 10**30)]), n_tokens=4)
    refuse_past_the_end(Recipe([add(3, 1), add(4, 1, positions=[2, (0, 9)])]), 3)
    with pytest.raises(RecipeError, match=r"3 tokens \(0 to 2"):
        refuse_past_the_end(Recipe(add(4, 1, positions=[3])), 3)


def test_prompts_of_every_form() -> None:
    engine = engine_of("hooked")
    ids = engine.to_ids(PROMPT)[0]
    for prompt in (PROMPT, ids, tuple(ids), np.array(ids), torch.tensor(ids), torch.tensor([ids]), [PROMPT]):
        assert read_prompt(engine, prompt).ids == tuple(ids)
    made = read_prompt(engine, PROMPT)
    assert not made.template.any() and not made.system.any() and not made.chat and len(made) == len(ids)
    assert read_prompt(engine, "").ids == (0,), "BOS alone"
    assert read_prompt(engine, "<|bos|>" + PROMPT).ids == tuple(ids), "never two"
    assert len(generate(engine, "", n_tokens=2, stop_at_eos=False).baseline[0]) == 2


def test_prompts_that_are_none() -> None:
    engine = engine_of("hooked")
    for prompt in ([], (), np.zeros(0, int), torch.zeros(0, dtype=torch.long)):
        with pytest.raises(SaewidgetsError):
            read_prompt(engine, prompt)
    bare = sw.Engine(model_of("hooked"), tiny.sae(), prepend_bos=False)
    with pytest.raises(SaewidgetsError, match="no tokens"):
        generate(bare, "", n_tokens=2)
    for several in (["one", "two"], [[0, 5], [0, 6]], torch.zeros(2, 3, dtype=torch.long)):
        with pytest.raises(SaewidgetsError, match="one prompt"):
            read_prompt(engine, several)
    for wrong in ([0, 9999], [0, -1], [0.5], torch.ones(3)):
        with pytest.raises(TokenIdError):
            read_prompt(engine, wrong)
    with pytest.raises(SaewidgetsError, match="message"):
        read_prompt(chat_engine(), [{"role": "user", "content": "a"}, "b"])


@WRAPPERS
def test_the_context_is_used_to_its_end_and_no_further(wrapper: str) -> None:
    engine = engine_of(wrapper)
    ids = [0] + [50 + n for n in range(59)]
    found = generate(engine, ids, add(3, 1), n_tokens=5, stop_at_eos=False)
    assert len(found.edited[0]) == 5, "the last token need not go through the model"
    with pytest.raises(SaewidgetsError, match=r"60 tokens.*6 more.*64.*at most 5 tokens"):
        generate(engine, ids, n_tokens=6)
    generate(engine, [0] * 64, n_tokens=1, stop_at_eos=False)
    for n_tokens in (1, 9):
        with pytest.raises(SaewidgetsError, match="65 tokens.*64") as caught:
            generate(engine, [0] * 65, n_tokens=n_tokens)
        assert "at most" not in str(caught.value)
    with pytest.raises(SaewidgetsError, match="65 tokens") as caught:
        read_prompt(engine, [0] * 65)
    assert "0 more" not in str(caught.value)
    short = sw.Engine(model_of(wrapper), tiny.sae(), context_size=10)
    with pytest.raises(SaewidgetsError, match="at most 3 tokens"):
        generate(short, [0] * 8, n_tokens=4)


# -- chats

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content|trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
UNTRIMMED = TEMPLATE.replace("|trim", "")
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('No system messages, please.') }}{% endif %}" + TEMPLATE
)
THINKING = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }}{% endfor %}[assistant]<think>"


def engine_with(tokenizer: PreTrainedTokenizerFast) -> sw.Engine:
    """On a model with another tokenizer and a longer context."""
    before = tiny.tokenizer, tiny.N_CTX
    tiny.tokenizer, tiny.N_CTX = lambda: tokenizer, 160  # type: ignore[assignment]
    try:
        return sw.Engine(tiny.hooked(), tiny.sae())
    finally:
        tiny.tokenizer, tiny.N_CTX = before  # type: ignore[assignment]


def tokenizer_with(template: str | None = None, tokens: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    backend = tiny.tokenizer().backend_tokenizer
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend.__class__.from_str(backend.to_str()),
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token="<|eos|>",
        name_or_path="tiny",
        add_bos_token=True,
        chat_template=template,
    )
    made.add_tokens(list(tokens), special_tokens=True)
    return made


@cache
def chat_engine(template: str = TEMPLATE) -> sw.Engine:
    return engine_with(tokenizer_with(template))


CHAT = [
    {"role": "system", "content": "Be good."},
    {"role": "user", "content": "In the beginning"},
    {"role": "assistant", "content": "God created 日本"},
    {"role": "user", "content": "user"},
]


def characters(engine: sw.Engine, ids: Sequence[int], mask: np.ndarray) -> str:
    """The text of the tokens in `mask`, the others as dots."""
    strings = engine.tokenizer.display(ids).strings
    return "".join(text if inside else "·" * len(text) for text, inside in zip(strings, mask, strict=True))


@pytest.mark.parametrize("template", [TEMPLATE, UNTRIMMED])
def test_masks_of_a_chat(template: str) -> None:
    engine = chat_engine(template)
    made = read_prompt(engine, CHAT)
    text = "".join(engine.tokenizer.display(made.ids).strings)
    wanted = "<|bos|>" + "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in CHAT)
    assert text == wanted + "<|im_start|>assistant\n" and made.chat
    # Tokens that hold a part of what is said count as said.
    parts = wanted.replace("<|im_end|>\n", "\x00").replace("<|im_start|>", "\x00").split("\x00")
    said = characters(engine, made.ids, ~made.template)
    for message, part in zip(CHAT, parts[1::2], strict=True):
        assert part == f"{message['role']}\n{message['content']}"
    places, at = [], 0
    for message in CHAT:
        at = wanted.index(f"<|im_start|>{message['role']}\n", at) + len(f"<|im_start|>{message['role']}\n")
        places.append((at, at + len(message["content"])))
        assert said[at : at + len(message["content"])] == message["content"]
    outside = [n for n in range(len(said)) if not any(a - 1 <= n <= b for a, b in places)]
    assert all(said[n] == "·" for n in outside), said
    system = characters(engine, made.ids, made.system)
    assert system[places[0][0] : places[0][1]] == "Be good." and set(system[places[0][1] + 1 :]) == {"·"}
    found = generate(engine, CHAT[:2], add(3, 1), n_tokens=2)
    assert any("chat template" in note for note in found.notes)
    assert found.edited_at.tolist() == (~found.prompt.template).tolist()
    without = generate(engine, CHAT[:2], Recipe(add(3, 1), system=False), n_tokens=2)
    assert without.edited_at.tolist() == (~found.prompt.template & ~found.prompt.system).tolist()
    assert generate(engine, CHAT[:2], add(3, 1, special=True), n_tokens=2).edited_at.all()


@pytest.mark.parametrize("template", [TEMPLATE, UNTRIMMED])
@pytest.mark.parametrize(
    "content", ["user", "s", "\n", "  padded  ", "", "<|im_start|>user\nuser<|im_end|>", "assistant\n", "0"]
)
def test_messages_that_say_what_the_template_says(template: str, content: str) -> None:
    engine = chat_engine(template)
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "the"}]
    made = read_prompt(engine, messages)
    shown = content.strip() if "trim" in template else content
    start = len("<|bos|><|im_start|>user\n")
    text = "".join(engine.tokenizer.display(made.ids).strings)
    assert text.startswith(f"<|bos|><|im_start|>user\n{shown}<|im_end|>\n<|im_start|>assistant\nthe<|im_end|>")
    said = characters(engine, made.ids, ~made.template)
    after = start + len(shown + "<|im_end|>\n<|im_start|>assistant\n")
    assert said[start : start + len(shown)] == shown and said[after : after + 3] == "the"
    close = (
        [*range(start - 1, start + len(shown) + 1), *range(after - 1, after + 4)]
        if shown
        else range(after - 1, after + 4)
    )
    assert all(c == "·" for n, c in enumerate(said) if n not in close), said


def test_a_system_message_in_the_middle() -> None:
    engine = chat_engine()
    made = read_prompt(engine, [CHAT[1], CHAT[0], CHAT[3], CHAT[0]])
    text = "".join(engine.tokenizer.display(made.ids).strings)
    system = characters(engine, made.ids, made.system)
    at = [n for n in range(len(text)) if text.startswith("Be good.", n)]
    close = {n for start in at for n in range(start - 1, start + 9)}
    assert len(at) == 2 and all(system[n : n + 8] == "Be good." for n in at)
    assert all(c == "·" for n, c in enumerate(system) if n not in close), system


def test_a_template_that_looks_at_what_is_said() -> None:
    engine = chat_engine(THINKING)
    made = read_prompt(
        engine,
        [{"role": "user", "content": "God"}, {"role": "assistant", "content": "<think>hm</think>created"}],
    )
    assert "".join(engine.tokenizer.display(made.ids).strings) == "<|bos|>[user]God[assistant]created[assistant]<think>"
    said = characters(engine, made.ids, ~made.template)
    assert "God" in said and "assistant" not in said and "user" not in said


def test_a_template_that_refuses() -> None:
    with pytest.raises(SaewidgetsError, match="No system messages, please"):
        read_prompt(chat_engine(NO_SYSTEM), CHAT)
    assert read_prompt(chat_engine(NO_SYSTEM), CHAT[1:]).chat
    for wrong in ([{"role": "user"}], [{"role": "user", "content": 3}], [{"content": "x"}], [{}]):
        with pytest.raises(SaewidgetsError, match="message"):
            read_prompt(chat_engine(), wrong)


def test_no_template() -> None:
    with pytest.raises(SaewidgetsError, match="no chat template.*string.*chat_template"):
        generate(engine_of("hooked"), CHAT, n_tokens=2)


def test_thinking_tokens_are_found() -> None:
    engine = engine_of("hooked")
    assert scope_of(engine, read_prompt(engine, PROMPT), 1).think is None
    engine = engine_with(tokenizer_with(tokens=["<think>", "</think>"]))
    prompt = "the<think>God</think>earth"
    found = generate(engine, prompt, Recipe(add(3, 1), thinking=False), n_tokens=2)
    shown = characters(engine, found.prompt.ids, found.edited_at)
    assert shown.replace("·", "") == "theearth"
    assert generate(engine, prompt, add(3, 1), n_tokens=2).edited_at.sum() == len(found.prompt) - 1
