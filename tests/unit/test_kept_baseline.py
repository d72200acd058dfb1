"""A baseline that is there already: the same as when both are written, and written anew whenever it could be another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from generation_made import PRE, PROMPT, TEMPLATE, name_of, tokenizer_with

import saewidgets as sw
from saewidgets.engine.model.as_it_is import as_it_is
from saewidgets.engine.model.kv_cache import CachedForward
from saewidgets.interventions.generation.result import Generation, Step
from saewidgets.interventions.recipe.constructors import ablate, add, clamp
from saewidgets.interventions.recipe.recipe import Recipe

CHAT = [{"role": "user", "content": "the heaven"}]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each forward of what is generated."""
    seen: list[int] = []
    real = CachedForward.__call__

    def counted(self: CachedForward, tokens: torch.Tensor, *args: Any, **more: Any) -> torch.Tensor:
        seen.append(len(tokens))
        return real(self, tokens, *args, **more)

    monkeypatch.setattr(CachedForward, "__call__", counted)
    return seen


def equal(kept: Generation, whole: Generation) -> None:
    for one, other in zip((*kept.baseline, *kept.edited), (*whole.baseline, *whole.edited), strict=True):
        assert one.token_ids.tolist() == other.token_ids.tolist()
        assert (one.tokens, one.parts, one.ended) == (other.tokens, other.parts, other.ended)
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=2e-5)
        np.testing.assert_allclose(one.entropy, other.entropy, atol=2e-5)
    assert kept.edited_at.tolist() == whole.edited_at.tolist()
    assert (kept.notes, kept.provenance, kept.sampling) == (whole.notes, whole.provenance, whole.sampling)
    assert kept.resolved.recipe == whole.resolved.recipe


RECIPES: list[Any] = [add(3, 1.5, unit="raw"), clamp(5, 3), ablate(7), Recipe(add(3, 2), add(4, -1)), ()]


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        (PROMPT, {"temperature": 0}),
        (PROMPT, {"temperature": 1.3, "seed": 4, "samples": 3, "top_k": 40}),
        (CHAT, {"repetition_penalty": 1.3, "samples": 2}),
    ],
    ids=["greedy", "samples", "chat"],
)
def test_the_same_as_a_run_that_writes_both(
    wrapper: str, prompt: Any, options: dict[str, Any], rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_of(wrapper, monkeypatch) as engine:
        before = sw.generate(engine, prompt, add(3, 1), n_tokens=6, **options)
        assert not before.kept
        for recipe in RECIPES:
            whole = sw.generate(engine, prompt, recipe, n_tokens=6, **options)
            rows.clear()
            before = sw.generate(engine, prompt, recipe, n_tokens=6, baseline=before, **options)
            assert before.kept and set(rows) <= {options.get("samples", 1)} and bool(rows) == (recipe != ())
            equal(before, whole)


def engine_of(wrapper: str, monkeypatch: pytest.MonkeyPatch) -> sw.Engine:
    tokenizer = tokenizer_with(TEMPLATE, ["<|im_start|>", "<|im_end|>"])
    monkeypatch.setattr(tiny, "tokenizer", lambda: tokenizer)
    monkeypatch.setattr(tiny, "N_CTX", 160)
    return sw.Engine(tiny.MODELS[wrapper](), tiny.sae())


@pytest.mark.parametrize("shorter", ["edited", "baseline"])
def test_texts_of_other_lengths_are_told_as_in_a_run_of_both(shorter: str) -> None:
    """Whichever ends first, a view hears the same steps, and the texts are the same."""
    strong = add(3, 30, unit="raw")
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    # The token that ends a text is one that the shorter of the two comes to, and the other does not.
    shown = sw.generate(engine, PROMPT, strong, n_tokens=8, temperature=0, stop_at_eos=False)
    texts = {"edited": shown.edited[0].token_ids.tolist(), "baseline": shown.baseline[0].token_ids.tolist()}
    other = texts["baseline" if shorter == "edited" else "edited"]
    end = next(token for token in texts[shorter][:4] if token not in other)
    engine.tokenizer.end_ids = frozenset({end})
    heard: dict[bool, list[Step]] = {True: [], False: []}
    before = sw.generate(engine, PROMPT, (), n_tokens=8, temperature=0)
    made = {
        keep: sw.generate(
            engine,
            PROMPT,
            strong,
            n_tokens=8,
            temperature=0,
            baseline=before if keep else None,
            on_step=heard[keep].append,
        )
        for keep in (True, False)
    }
    assert made[True].kept and len(made[True].baseline[0]) != len(made[True].edited[0])
    equal(made[True], made[False])
    for kept, whole in zip(heard[True], heard[False], strict=True):
        assert (kept.number, kept.alive.tolist()) == (whole.number, whole.alive.tolist())
        assert kept.ids[kept.alive].tolist() == whole.ids[whole.alive].tolist()
    engine.close()


def test_a_run_that_is_cut_off_shows_as_much_of_both_and_is_no_baseline() -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        before = sw.generate(engine, PROMPT, add(3, 1), n_tokens=8, temperature=0)

        def cut(**more: Any) -> Generation:
            def job(ticket: Any) -> Generation:
                stop: Callable[[Step], None] = lambda step: ticket.cancel() if step.number == 2 else None  # noqa: E731
                return sw.generate(
                    engine, PROMPT, add(3, 2), n_tokens=8, temperature=0, on_step=stop, keep_partial=True, **more
                )

            done = engine.worker.submit(job)
            done.finished.wait()
            assert done.result is not None
            return done.result

        kept, whole = cut(baseline=before), cut()
        assert kept.kept and kept.stopped and len(kept.baseline[0]) == len(kept.edited[0]) == 3
        equal(kept, whole)
        for stopped in (kept, whole):
            assert not sw.generate(engine, PROMPT, add(3, 2), n_tokens=8, temperature=0, baseline=stopped).kept


# -- whatever a baseline depends on


class Changed:
    """A model, of which one thing is changed."""

    def __init__(self, wrapper: str) -> None:
        self.model: Any = tiny.MODELS[wrapper]()
        self.engine = sw.Engine(self.model, tiny.sae())

    def run(self, prompt: Any = PROMPT, baseline: Generation | None = None, **options: Any) -> Generation:
        settings = {"n_tokens": 4, "temperature": 0.7, "top_k": 30, "seed": 1, **options}
        return sw.generate(self.engine, prompt, add(3, 1), baseline=baseline, **settings)

    @property
    def weight(self) -> torch.nn.Parameter:
        return [p for p in self.model.parameters() if p.ndim > 1][3]


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "In the beginning"},
        {"prompt": [0, 5, 6]},
        {"n_tokens": 3},
        {"temperature": 0.8},
        {"top_k": 31},
        {"top_p": 0.9},
        {"repetition_penalty": 1.1},
        {"seed": 2},
        {"samples": 2},
        {"stop_at_eos": False},
    ],
    ids=str,
)
def test_another_prompt_or_setting_is_another_baseline(other: dict[str, Any]) -> None:
    changed = Changed("hooked")
    before = changed.run()
    assert changed.run(baseline=before).kept
    found = changed.run(**other, baseline=before)
    assert not found.kept
    equal(found, changed.run(**other))
    changed.engine.close()


def optimizer(changed: Changed) -> None:
    with torch.no_grad():
        changed.weight.add_(0.05)


def behind_torch(changed: Changed) -> None:
    changed.weight.data.copy_(changed.weight.data.flip(0))


def loaded(changed: Changed) -> None:
    changed.model.load_state_dict({name: value * 1.1 for name, value in changed.model.state_dict().items()})


def replaced(changed: Changed) -> None:
    owner = next(m for m in changed.model.modules() if any(p is changed.weight for p in m._parameters.values()))
    name = next(name for name, p in owner._parameters.items() if p is changed.weight)
    setattr(owner, name, torch.nn.Parameter(changed.weight.detach() * 2))


def other_dtype(changed: Changed) -> None:
    changed.model.to(torch.float64)
    sae = tiny.sae_of(changed.engine)
    sae.to(torch.float64)


def other_engine(changed: Changed) -> None:
    changed.engine.close()
    changed.engine = sw.Engine(changed.model, tiny.sae())


def other_end(changed: Changed) -> None:
    changed.engine.tokenizer.end_ids = frozenset({1, 9})


def setting(changed: Changed) -> None:
    module = next(m for m in changed.model.modules() if hasattr(m, "eps") and isinstance(m.eps, float))
    module.eps = 0.5


def configuration(changed: Changed) -> None:
    changed.model.cfg.attn_scale = 2.0


CHANGES = [optimizer, behind_torch, loaded, replaced, other_dtype, other_engine, other_end, setting, configuration]


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_another_model_is_another_baseline(wrapper: str, change: Callable[[Changed], None]) -> None:
    changed = Changed(wrapper)
    before = changed.run()
    assert changed.run(baseline=before).kept
    change(changed)
    found = changed.run(baseline=before)
    assert not found.kept
    equal(found, changed.run())
    assert changed.run(baseline=found).kept
    changed.engine.close()


def test_what_changes_while_it_is_written_is_nobodys_baseline() -> None:
    changed = Changed("hooked")
    made = sw.generate(changed.engine, PROMPT, add(3, 1), n_tokens=4, on_step=lambda _: optimizer(changed))
    assert not sw.generate(changed.engine, PROMPT, add(3, 1), n_tokens=4, baseline=made).kept
    changed.engine.close()


# -- the user's own hooks keep firing


def torch_hook(changed: Changed, told: list[int]) -> Callable[[], None]:
    module = next(m for m in changed.model.modules() if isinstance(m, torch.nn.LayerNorm) or "Norm" in type(m).__name__)
    return module.register_forward_hook(lambda *_: told.append(1)).remove


def pre_hook(changed: Changed, told: list[int]) -> Callable[[], None]:
    return changed.model.register_forward_pre_hook(lambda *_: told.append(1)).remove


def hook_point(changed: Changed, told: list[int]) -> Callable[[], None]:
    changed.model.add_hook(name_of(changed.model, PRE), lambda x, hook: told.append(1))
    return changed.model.reset_hooks


def patched(changed: Changed, told: list[int]) -> Callable[[], None]:
    module = next(m for m in changed.model.modules() if m._parameters and not m._modules)
    real = module.forward

    def mine(*args: Any, **more: Any) -> Any:
        told.append(1)
        return real(*args, **more)

    module.forward = mine
    return lambda: delattr(module, "forward")


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("hook", [torch_hook, pre_hook, hook_point, patched], ids=lambda hook: hook.__name__)
def test_with_hooks_of_the_users_both_are_written(
    wrapper: str, hook: Callable[[Changed, list[int]], Callable[[], None]]
) -> None:
    changed = Changed(wrapper)
    before, told = changed.run(), list[int]()
    remove = hook(changed, told)
    hooked = changed.run(baseline=before)
    assert not hooked.kept and told
    n = len(told)
    assert not changed.run(baseline=hooked).kept and len(told) == 2 * n
    remove()
    assert not changed.run(baseline=hooked).kept
    assert changed.run(baseline=before).kept
    changed.engine.close()


def test_an_applied_recipe_a_spliced_sae_and_dropout_are_no_baseline() -> None:
    changed = Changed("hooked")
    before = changed.run()
    with sw.applied(changed.engine, add(5, 4)):
        assert not changed.run(baseline=before).kept
        changed.model(PROMPT)
    with changed.model.saes(saes=[tiny.sae()]):
        assert as_it_is(changed.engine.model) is None
    changed.engine.close()
    bridged = Changed("bridge")
    before = bridged.run()
    bridged.model.train()
    assert not bridged.run(baseline=before).kept
    bridged.engine.close()


# -- the panel


def test_a_panel_writes_the_edited_texts_alone(rows: list[int]) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        panel = sw.SteeringPanel(engine, prompt=PROMPT, recipe=add(3, 1), n_tokens=4, temperature=0)
        panel.run()
        first, after = set(rows), []
        for change in (
            {},
            {"recipe": Recipe(add(3, 2)).to_dict()},
            {"seed": 3},
            {"recipe": Recipe(add(4, 2)).to_dict()},
        ):
            panel.set_trait(*next(iter(change.items()))) if change else None
            rows.clear()
            panel.run()
            after.append(set(rows))
        assert first == {2} and after == [{1}, {1}, {2}, {1}]
        panel.refresh()
        rows.clear()
        panel.run()
        assert set(rows) == {2}
        panel.close()


def test_a_page_does_not_depend_on_the_runs_before(rows: list[int]) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        panel = sw.SteeringPanel(engine, prompt=PROMPT, recipe=add(3, 1), n_tokens=4, temperature=0)
        panel.run()
        rows.clear()
        panel.shot(strengths=[1, 2])
        panel.to_html(strengths=[1, 2])
        assert set(rows) == {2}
        rows.clear()
        panel.run()
        assert set(rows) == {1}
        panel.close()
