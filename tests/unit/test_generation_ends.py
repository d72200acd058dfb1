"""Where texts end: EOS, cancels, exceptions, the context; prompts of every form."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from generation_made import PRE, PROMPT, WRAPPERS, chat_engine, engine_of, full_logits, ids_of, model_of, name_of
from torch import Tensor
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge

import saewidgets as sw
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.errors import CancelledError, NonFiniteError, SaewidgetsError, TokenIdError
from saewidgets.interventions.generation.generate import Generation, Step, generate
from saewidgets.interventions.recipe.constructors import ablate, add, clamp, scale
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.overlap import refuse_past_the_end
from saewidgets.interventions.recipe.recipe import Recipe

# -- the end of a text


@pytest.mark.slow
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


@pytest.mark.slow
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

    def run(keep: bool) -> Any:
        ready.clear()
        job.clear()
        starts.clear()
        steps.clear()
        job.append(
            engine.worker.submit(
                lambda _ticket: generate(
                    engine,
                    PROMPT,
                    add(3, 8),
                    on_start=starts.append,
                    on_step=on_step,
                    keep_partial=keep,
                    n_tokens=20,
                    samples=2,
                    stop_at_eos=False,
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


@pytest.mark.slow
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


def test_a_bridge_that_forgets_what_came_before_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a transformers that gives attention its cache by a name that transformer-lens does not know."""
    monkeypatch.setattr(AttentionBridge, "_update_kv_cache", lambda _self, k, v, **_: (k, v))
    with pytest.raises(NotImplementedError, match="no KV cache, or an empty one"):
        generate(engine_of("bridge"), PROMPT, n_tokens=2)


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
