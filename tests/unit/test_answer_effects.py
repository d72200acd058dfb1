"""What becomes of an answer, against forwards with hand-written hooks and sae-lens's own encode() and decode()."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError, TokenIdError
from saewidgets.interventions.effects.answers import AnswerEffects, AnswerRow
from saewidgets.interventions.recipe.errors import RecipeError

PROMPT, ANSWER = "In the beginning God created", " the earth"
PRE = "blocks.1.hook_resid_pre"
TRANSCODER_HOOKS = ("blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out")
CASES = [
    *[("hooked", a, PRE, None) for a in tiny.SAES],
    *[("hooked", a, *TRANSCODER_HOOKS) for a in tiny.TRANSCODERS],
    ("hooked", "layer_norm", "blocks.0.attn.hook_z", None),
    ("hooked", "standard", "blocks.0.hook_resid_mid", None),
    ("bridge", "standard", PRE, None),
    ("bridge", "topk", "blocks.1.attn.hook_z", None),
    ("bridge", "skip_transcoder", *TRANSCODER_HOOKS),
    ("bridge", "standard", "blocks.0.hook_resid_mid", None),
]


@cache
def model_of(wrapper: str) -> Any:
    """Shared between tests: none may change it."""
    return tiny.MODELS[wrapper]()


def name_of(model: Any, hook: str) -> str:
    return model._resolve_hook_name(hook) if hasattr(model, "_resolve_hook_name") else hook


class Hand:
    """Logits [pos, d_vocab] of prompt and answer under changes of activations, by plain hooks."""

    def __init__(self, wrapper: str, sae: Any, ids: Sequence[int]) -> None:
        self.model, self.sae, self.tokens = model_of(wrapper), sae, torch.tensor([list(ids)])
        meta = sae.cfg.metadata
        if meta.hook_name.endswith("hook_z"):
            sae.turn_off_forward_pass_hook_z_reshaping()
        out = meta.hook_name_out or meta.hook_name
        # A bridge's resid_mid is a copy that only the MLP's norm reads; attn_out is added to the stream just before.
        self.place = name_of(self.model, out.replace("resid_mid", "attn_out") if wrapper == "bridge" else out)
        with torch.no_grad():
            logits, seen = self.model.run_with_cache(self.tokens)
        self.clean = logits[0]
        self.x, self.h = (seen[name_of(self.model, name)].reshape(1, len(ids), -1) for name in (meta.hook_name, out))
        with torch.no_grad():
            self.acts = sae.encode(self.x)[0]
            rebuilt = sae(self.x) if meta.hook_name_out is None else None
            if rebuilt is None:
                skip = getattr(sae, "W_skip", None)
                rebuilt = sae.decode(self.acts[None]) + (0 if skip is None else self.x @ skip.T)
        self.splice = rebuilt - self.h
        order = (self.acts[1:] != 0).sum(0).argsort(descending=True, stable=True)
        self.f, self.g = order[:2].tolist()

    def logits(self, edit: Callable[[Tensor], None] | None, keep: bool, where: Tensor | None = None) -> Tensor:
        n = self.tokens.shape[1]
        where = torch.arange(n) >= 1 if where is None else where
        change = torch.zeros_like(self.h) if keep else self.splice
        with torch.no_grad():
            if edit is not None:
                old = self.sae.decode(self.sae.encode(self.x))
                acts = self.sae.encode(self.x).clone()
                new = acts[0].clone()
                edit(new)
                acts[0, where] = new[where]
                change = change + self.sae.decode(acts) - old
            hooks = [(self.place, lambda h, hook: h + change.reshape(h.shape))]
            return self.model.run_with_hooks(self.tokens, fwd_hooks=hooks)[0]


def check(row: AnswerRow, logits: Tensor, n_prompt: int, answer: Sequence[int], engine: sw.Engine, k: int = 5) -> None:
    last = logits[n_prompt - 1]
    token = answer[0]
    chances = last.softmax(-1)
    said = (row.name, row.kind, row.error, row.feature)
    assert abs(row.probability - float(chances[token])) < 1e-5, said
    np.testing.assert_allclose(row.logit, float(last[token]), atol=2e-4, rtol=1e-3, err_msg=str(said))
    # Rounding may swap two tokens whose logits are next to the same.
    above, below = int((last > last[token] + 2e-4).sum()), int((last > last[token] - 2e-4).sum())
    assert above <= row.rank <= max(above, below), said
    whole = logits.log_softmax(-1)
    logprob = sum(float(whole[n_prompt - 1 + n, t]) for n, t in enumerate(answer))
    np.testing.assert_allclose(row.logprob, logprob, atol=5e-4, rtol=1e-3, err_msg=str(said))
    assert len(row.top) == k
    np.testing.assert_allclose([p for _, p in row.top], chances.topk(k).values, atol=1e-5, rtol=1e-3)
    for (string, p), i in zip(row.top, last.topk(k).indices.tolist(), strict=True):
        same = [j for j in range(len(last)) if abs(float(chances[j]) - p) < 1e-5]
        assert i in same and string in [engine.tokenizer.display([j]).strings[0] for j in same]


def rows_of(found: AnswerEffects) -> dict[tuple[str, str | None, int | None], AnswerRow]:
    made = {(row.kind, row.error, row.feature): row for row in found.rows}
    assert len(made) == len(found.rows) == len({row.name for row in found.rows})
    return made


@pytest.mark.parametrize(("wrapper", "architecture", "hook", "hook_out"), CASES)
def test_every_row(wrapper: str, architecture: str, hook: str, hook_out: str | None) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae(architecture, hook, hook_out=hook_out))
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    assert len(answer) > 1 and answer[0] != 0
    hand = Hand(wrapper, tiny.sae(architecture, hook, hook_out=hook_out), [*ids, *answer])
    f, g = hand.f, hand.g

    def first(acts: Tensor) -> None:
        acts[:, f] = 6.0

    def second(acts: Tensor) -> None:
        acts[:, g] = 0.0

    def both(acts: Tensor) -> None:
        first(acts)
        second(acts)

    found = rows_of(sw.answer_effects(engine, PROMPT, ANSWER, [sw.clamp(f, 6), sw.ablate(g)], k=4))
    wanted = {
        ("clean", None, None): hand.clean,
        ("spliced", "dropped", None): hand.logits(None, False),
        **{
            (kind, error, feature): hand.logits(edit, error == "kept")
            for error in ("kept", "dropped")
            for kind, feature, edit in (("all", None, both), ("one", f, first), ("one", g, second))
        },
    }
    assert list(found)[:2] == list(wanted)[:2] and set(found) == set(wanted)
    for key, logits in wanted.items():
        check(found[key], logits, len(ids), answer, engine, k=4)
    assert (wanted["all", "kept", None] - hand.clean).abs().max() > 1e-3, "the case tests nothing"
    assert (wanted["all", "dropped", None] - wanted["all", "kept", None]).abs().max() > 1e-3
    # The first two are what `predictions` says.
    said = sw.predictions(engine, PROMPT, ANSWER)
    assert said.spliced is not None
    for key, view in ((("clean", None, None), said.clean), (("spliced", "dropped", None), said.spliced)):
        row = found[key]
        assert row.rank == view.answer[0].rank and [t for t, _ in row.top] == [t.token for t in view.top[:4]]
        np.testing.assert_allclose(row.probability, view.answer[0].probability, rtol=1e-3)
        np.testing.assert_allclose(row.logit, view.answer[0].logit, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(row.logprob, sum(np.log(t.probability) for t in view.answer), rtol=1e-3)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("positions", ["prompt", "generated", [2, (4, 6)]])
def test_positions(wrapper: str, positions: Any) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    hand = Hand(wrapper, tiny.sae("standard"), [*ids, *answer])
    at = torch.arange(len(ids) + len(answer))
    where = {"prompt": (at >= 1) & (at < len(ids)), "generated": at >= len(ids)}.get(
        str(positions), (at == 2) | (at == 4) | (at == 5)
    )

    def edit(acts: Tensor) -> None:
        acts[:, hand.f] = 6.0

    found = rows_of(sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp(hand.f, 6, positions=positions)))
    assert set(found) == {
        ("clean", None, None),
        ("spliced", "dropped", None),
        ("all", "kept", None),
        ("all", "dropped", None),
    }, "one feature alone is the whole recipe"
    for error in ("kept", "dropped"):
        check(found["all", error, None], hand.logits(edit, error == "kept", where), len(ids), answer, engine)
    clean, kept = found["clean", None, None], found["all", "kept", None]
    if positions == "generated":
        assert abs(kept.logit - clean.logit) < 1e-5 and abs(kept.logprob - clean.logprob) > 1e-4
    else:
        assert abs(kept.logit - clean.logit) > 1e-4


def test_nothing_reconstructed_is_a_note_instead_of_rows() -> None:
    model = model_of("hooked")
    v = torch.randn(tiny.D_MODEL, generator=torch.Generator().manual_seed(5))
    engine = sw.Engine(model, {"sae": tiny.sae("standard"), "probe": sw.Directions(v, PRE)})
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    hand = Hand("hooked", tiny.sae("standard"), [*ids, *answer])
    row = hand.sae.W_dec[3].detach()

    def pushed(vector: Tensor) -> Tensor:
        def push(h: Tensor, hook: Any) -> Tensor:
            return torch.cat([h[:, :1], h[:, 1:] + vector], 1)

        with torch.no_grad():
            return model.run_with_hooks(hand.tokens, fwd_hooks=[(PRE, push)])[0]

    for of_vector in (sw.add(v, 2, hook=PRE), sw.add(0, 2, sae="probe")):
        found = sw.answer_effects(engine, PROMPT, ANSWER, [sw.add(3, 5), of_vector])
        rows = [row for row in found.rows if row.kind != "clean"]
        assert [row.error for row in rows] == ["kept"] * 3 and not any(r.kind == "spliced" for r in rows)
        assert any("reconstructs nothing" in note for note in found.notes)
        check(rows[0], pushed(5 * row + 2 * v), len(ids), answer, engine)
        check(rows[1], pushed(5 * row), len(ids), answer, engine)
        check(rows[2], pushed(2 * v), len(ids), answer, engine)
        assert rows[1].feature == 3 and "feature 3" in rows[1].name
        assert rows[2].feature == (None if of_vector.direction is not None else 0)


def test_a_recipe_that_drops_the_error_has_the_same_rows() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    recipe = sw.Recipe([sw.clamp(3, 5), sw.ablate(4)])
    kept, dropped = (sw.answer_effects(engine, PROMPT, ANSWER, recipe.with_error(keep)) for keep in (True, False))
    assert kept.rows == dropped.rows and kept.notes == dropped.notes


def test_two_names_of_one_dictionary_are_one_splice() -> None:
    """None and the name of the first dictionary mean the same, and so does the feature of both."""
    engine = sw.Engine(
        model_of("hooked"), {"first": tiny.sae("standard"), "late": tiny.sae("topk", "blocks.1.hook_resid_post")}
    )
    recipe = [sw.clamp(3, 5, positions="prompt"), sw.clamp(3, 2, sae="first", positions="generated")]
    found = sw.answer_effects(engine, PROMPT, ANSWER, recipe)
    alone = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp(3, 5))
    assert found.rows[1] == alone.rows[1] and found.rows[1].kind == "spliced"


def test_features_of_one_intervention_are_tried_one_by_one() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    hand = Hand("hooked", tiny.sae("standard"), [*ids, *answer])
    found = rows_of(sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([hand.f, hand.g], 6)))
    for keep, error in ((True, "kept"), (False, "dropped")):
        for features in ([hand.f], [hand.g], [hand.f, hand.g]):

            def edit(acts: Tensor, features: list[int] = features) -> None:
                acts[:, features] = 6.0

            row = found["all", error, None] if len(features) == 2 else found["one", error, features[0]]
            check(row, hand.logits(edit, keep), len(ids), answer, engine)


def test_every_row_has_a_name_of_its_own() -> None:
    post = "blocks.1.hook_resid_post"
    engine = sw.Engine(model_of("hooked"), {"first": tiny.sae("standard"), "late": tiny.sae("topk", post)})
    v = torch.randn(2, tiny.D_MODEL, generator=torch.Generator().manual_seed(5))

    def names(*recipe: Any) -> list[str]:
        found = sw.answer_effects(engine, PROMPT, ANSWER, recipe)
        assert len({row.name for row in found.rows}) == len(found.rows)
        return [row.name.split(" alone")[0] for row in found.rows if row.kind == "one" and row.error == "kept"]

    assert names(sw.add(3, 5), sw.add(4, 5)) == ["feature 3", "feature 4"]
    assert names(sw.add(3, 5), sw.add(3, 5, sae="late")) == ["feature 3 of first", "feature 3 of late"]
    assert names(sw.add(9, 1), sw.add(3, 5, positions="prompt"), sw.add(3, 2, positions="generated")) == [
        "feature 9",
        "feature 3 (intervention 2)",
        "feature 3 (intervention 3)",
    ]
    assert names(sw.add(v[0], 5, hook=PRE), sw.add(v[1], 2, hook=PRE)) == [
        "the direction (intervention 1)",
        "the direction (intervention 2)",
    ]


@pytest.mark.slow
def test_when_memory_runs_out_the_rows_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    wanted = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([3, 4, 5], 5))
    real = engine.model.logits

    def scarce(tokens: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if len(tokens) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(tokens, *args, **kwargs)

    monkeypatch.setattr(engine.model, "logits", scarce)
    found = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([3, 4, 5], 5))
    assert [row.name for row in found.rows] == [row.name for row in wanted.rows]
    np.testing.assert_allclose([row.logprob for row in found.rows], [row.logprob for row in wanted.rows], atol=1e-5)
    assert any("Memory ran out" in note for note in found.notes) and not wanted.notes


def test_two_dictionaries_are_both_spliced() -> None:
    post = "blocks.1.hook_resid_post"
    model, a, b = model_of("hooked"), tiny.sae("standard"), tiny.sae("topk", post)
    engine = sw.Engine(model, {"first": tiny.sae("standard"), "late": tiny.sae("topk", post)})
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    with torch.no_grad():
        hooks = [(PRE, lambda x, hook: a(x)), (post, lambda x, hook: b(x))]
        logits = model.run_with_hooks(torch.tensor([[*ids, *answer]]), fwd_hooks=hooks)[0]
    found = sw.answer_effects(engine, PROMPT, ANSWER, [sw.add(3, 5), sw.ablate(4, sae="late")])
    check(rows_of(found)["spliced", "dropped", None], logits, len(ids), answer, engine)


def test_an_empty_recipe_is_the_model_as_it_is() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    (ids,) = engine.to_ids(PROMPT)
    answer = engine.tokenizer.answer_ids(ANSWER)
    hand = Hand("hooked", tiny.sae("standard"), [*ids, *answer])
    for recipe in (sw.Recipe(), sw.add(3, 5, on=False), []):
        found = sw.answer_effects(engine, PROMPT, ANSWER, recipe)
        assert [row.kind for row in found.rows] == ["clean"] and "empty" in found.notes[0]
        check(found.rows[0], hand.clean, len(ids), answer, engine)
    found = sw.answer_effects(engine, PROMPT, ANSWER, [sw.add(3, 5), sw.add(4, 5, on=False)])
    assert not any(row.kind == "one" for row in found.rows), "what is off is not tried alone"


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    wanted = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([3, 4, 5], 5))
    monkeypatch.setattr("saewidgets.interventions.effects.answers._LOGITS", 1)
    seen: list[tuple[int, int]] = []
    found = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([3, 4, 5], 5), on_progress=lambda *at: seen.append(at))
    assert len(found.rows) == len(wanted.rows) == 10 and seen[-1] == (10, 10)
    for a, b in zip(found.rows, wanted.rows, strict=True):
        assert (a.name, a.kind, a.error, a.feature, a.rank) == (b.name, b.kind, b.error, b.feature, b.rank)
        np.testing.assert_allclose([a.probability, a.logit, a.logprob], [b.probability, b.logit, b.logprob], atol=1e-5)


def test_bad_input() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    for empty in ("", []):
        with pytest.raises(SaewidgetsError, match="answer has no tokens"):
            sw.answer_effects(engine, PROMPT, empty, sw.ablate(3))
    with pytest.raises(SaewidgetsError, match="prompt has no tokens"):
        sw.answer_effects(engine, [], ANSWER, sw.ablate(3))
    with pytest.raises(TokenIdError):
        sw.answer_effects(engine, PROMPT, [320], sw.ablate(3))
    with pytest.raises(RecipeError, match="48"):
        sw.answer_effects(engine, PROMPT, ANSWER, sw.ablate(48))
    with pytest.raises(RecipeError, match="past the end"):
        sw.answer_effects(engine, PROMPT, ANSWER, sw.ablate(3, positions=[40]))
    with pytest.raises(SaewidgetsError, match="`k`"):
        sw.answer_effects(engine, PROMPT, ANSWER, sw.ablate(3), k=-1)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_the_context_is_of_prompt_and_answer(wrapper: str) -> None:
    engine = sw.Engine(model_of(wrapper), tiny.sae("standard"))
    prompt = [0, *range(2, tiny.N_CTX - 2)]
    assert sw.answer_effects(engine, prompt, [5, 6, 7], sw.ablate(3)).rows
    with pytest.raises(SaewidgetsError, match="65 tokens.*64"):
        sw.answer_effects(engine, prompt, [5, 6, 7, 8], sw.ablate(3))


def test_table_and_repr() -> None:
    engine = sw.Engine(model_of("hooked"), tiny.sae("standard"))
    found = sw.answer_effects(engine, PROMPT, ANSWER, sw.clamp([3, 4], 5))
    table = found.to_pandas()
    assert list(table.columns) == "model kind error feature rank probability logit logprob top".split()
    assert table["rank"].tolist() == [row.rank for row in found.rows]
    assert repr(found.rows[0].top[0][0]) in table["top"][0]
    assert "".join(found.answer) == ANSWER and found.prompt.endswith(PROMPT)
    assert repr(ANSWER) in repr(found) and f"rank {found.rows[0].rank}" in repr(found)
    assert list(found.answer_ids) == engine.tokenizer.answer_ids(ANSWER)
    assert found.lines == ("clamp feature 3: 5", "clamp feature 4: 5")
