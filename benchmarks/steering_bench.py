"""Steering beside what it is made of: plain generation, generation without the edit, and runs one after another."""

from __future__ import annotations

from itertools import count

import torch

from benchmarks.measure import Row, ratio
from saewidgets.engine.engine import Engine
from saewidgets.engine.model.kv_cache import CachedForward
from saewidgets.engine.text.prompt import read_prompt
from saewidgets.interventions.dose_response.sweep import sweep
from saewidgets.interventions.generation.generate import generate, write
from saewidgets.interventions.generation.result import Generation
from saewidgets.interventions.generation.sampling import Sampling
from saewidgets.interventions.recipe.constructors import add, clamp
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.recipe import Recipe
from saewidgets.interventions.recipe.units import resolve

PROMPT = "I went out this morning and saw"
FEATURE, MAX = 4720, 40.0


def rows(engine: Engine, n_tokens: int = 48, pairs: int = 7) -> list[Row]:
    """Every budget of steering."""
    recipe = Recipe(add(FEATURE, 1.0, unit="max", max_activation=MAX))
    return [
        *_pair(engine, recipe, n_tokens, pairs),
        _again(engine, n_tokens, pairs),
        *(_per_token(engine, name, Recipe(i), n_tokens, pairs) for name, i in _kinds().items()),
        _sweep(engine, recipe, n_tokens, max(pairs // 3, 1)),
    ]


def _kinds() -> dict[str, Intervention]:
    return {"add": add(FEATURE, MAX), "clamp (encodes at every token)": clamp(FEATURE, MAX)}


def _bare(engine: Engine, tokens: torch.Tensor, n_tokens: int) -> None:
    """Greedy text with the model's own cache, and nothing else."""
    forward = CachedForward(engine.model, len(tokens))
    with torch.no_grad():
        for _ in range(n_tokens):
            tokens = forward(tokens, last_only=True)[:, -1].argmax(-1, keepdim=True)


def _pair(engine: Engine, recipe: Recipe, n_tokens: int, pairs: int) -> list[Row]:
    tokens = torch.tensor(engine.to_ids(PROMPT), device=engine.model.input_device)

    def ours() -> object:
        return generate(engine, PROMPT, recipe, n_tokens=n_tokens, temperature=0, stop_at_eos=False)

    def plain() -> object:
        return engine.model.raw.generate(
            tokens, max_new_tokens=n_tokens, do_sample=False, stop_at_eos=False, verbose=False
        )

    made = []
    for name, reference, budget in (
        ("one plain model.generate", plain, 1.1 if torch.cuda.is_available() else 1.5),
        ("a bare loop of cached forwards and argmax", lambda: _bare(engine, tokens, n_tokens), None),
    ):
        found = ratio(ours, reference, pairs, warm=1)
        made.append(
            Row(
                f"baseline + edited, {n_tokens} tokens each / {name} of that length",
                "-" if budget is None else f"<= {budget}",
                f"{found.ratio:.3f} ({found.ours:.2f} / {found.reference:.2f} s)",
                None if budget is None else found.ratio <= budget,
            )
        )
    return made


def _again(engine: Engine, n_tokens: int, pairs: int) -> Row:
    """Another strength each time, beside the baseline of the run before."""
    tokens = torch.tensor(engine.to_ids(PROMPT), device=engine.model.input_device)
    strengths = count(1)
    made: Generation | None = None

    def ours() -> None:
        nonlocal made
        recipe = add(FEATURE, next(strengths) / 8, unit="max", max_activation=MAX)
        made = generate(engine, PROMPT, recipe, baseline=made, n_tokens=n_tokens, temperature=0, stop_at_eos=False)

    def plain() -> object:
        return engine.model.raw.generate(
            tokens, max_new_tokens=n_tokens, do_sample=False, stop_at_eos=False, verbose=False
        )

    found = ratio(ours, plain, pairs, warm=1)
    assert made is not None and made.kept
    return Row(
        f"another strength, {n_tokens} tokens, beside the baseline that is there / one plain model.generate of that length",
        "<= 1.05",
        f"{found.ratio:.3f} ({found.ours:.2f} / {found.reference:.2f} s)",
        found.ratio <= 1.05,
    )


def _per_token(engine: Engine, name: str, recipe: Recipe, n_tokens: int, pairs: int) -> Row:
    prompt = read_prompt(engine, PROMPT)
    sampling = Sampling(n_tokens=n_tokens, temperature=0, stop_at_eos=False)
    sample = torch.zeros(1, dtype=torch.long)

    def run(edited: bool) -> object:
        def job(ticket: object) -> object:
            row = resolve(engine, recipe, prompt.ids) if edited else None
            return write(engine, prompt, [row], sample, sampling, ticket)  # type: ignore[arg-type]

        return engine.worker.run(job)

    found = ratio(lambda: run(True), lambda: run(False), pairs, warm=1)
    return Row(
        f"generation with the edit ({name}) / the same loop without, per token",
        "<= 1.05",
        f"{found.ratio:.3f} ({found.ours / n_tokens * 1e3:.1f} / {found.reference / n_tokens * 1e3:.1f} ms a token)",
        found.ratio <= 1.05,
    )


def _sweep(engine: Engine, recipe: Recipe, n_tokens: int, pairs: int) -> Row:
    strengths = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]

    def one(values: list[float]) -> object:
        return sweep(engine, PROMPT, recipe, values, controls=0, n_tokens=n_tokens, temperature=0)

    found = ratio(lambda: one(strengths), lambda: [one([value]) for value in strengths], pairs, warm=0)
    return Row(
        f"sweep of {len(strengths)} strengths, {n_tokens} tokens / as many separate runs",
        "-",
        f"{found.ratio:.3f} ({found.ours:.1f} / {found.reference:.1f} s)",
        None,
    )
