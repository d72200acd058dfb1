"""Tokens that end a turn by the model's own configuration end a generation and are no text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.text.ends import end_ids_of

PROMPT = "In the beginning God"


def greedy(model: Any, ids: list[int], n: int) -> list[int]:
    """The likeliest next tokens, one whole forward a token."""
    text = list(ids)
    with torch.no_grad():
        for _ in range(n):
            text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    return text[len(ids) :]


def set_end(model: Any, where: str, ids: Any) -> None:
    """Name end tokens where a model's makers do."""
    holder = {
        "generation_config": lambda: model.original_model.generation_config,
        "config": lambda: model.original_model.config,
        "cfg": lambda: model.cfg,
    }[where]()
    holder.eos_token_id = ids


def talking(wrapper: str) -> Any:
    """A model that says different tokens: greedily, the tiny ones say one for ever."""
    model = tiny.MODELS[wrapper]()
    with torch.no_grad():
        if wrapper == "hooked":
            for parameter in model.parameters():
                parameter.mul_(3)
        else:
            model.original_model.transformer.wpe.weight.mul_(8)
    return model


def third(model: Any) -> tuple[list[int], int]:
    """What the model writes in 12 tokens, and one that comes up for the first time as the third or later."""
    ids = model.to_tokens(PROMPT, prepend_bos=True)[0].tolist()
    text = greedy(model, ids, 12)
    at = next(n for n in range(2, 12) if text[n] not in text[:n] and text[n] > 1)
    return text, at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrapper", "where", "shape"),
    [
        ("bridge", "generation_config", "list"),
        ("bridge", "generation_config", "int"),
        ("bridge", "generation_config", "tensor"),
        ("bridge", "config", "list"),
        ("bridge", "cfg", "list"),
        ("hooked", "cfg", "int"),
        ("hooked", "cfg", "list"),
    ],
)
def test_a_turn_ends_where_the_configuration_says(wrapper: str, where: str, shape: str) -> None:
    model = talking(wrapper)
    text, at = third(model)
    end = text[at]
    set_end(model, where, {"list": [1, end], "int": end, "tensor": np.array([1, end])}[shape])
    engine = sw.Engine(model, tiny.sae())
    assert engine.tokenizer.end_ids == {1, end}
    assert engine.tokenizer.special_ids == {0, 1, end}
    made = sw.generate(engine, PROMPT, sw.add(3, 0.001), n_tokens=12, temperature=0)
    for one in (*made.baseline, *made.edited):
        assert one.token_ids.tolist() == text[: at + 1] and one.ended
    # Read again, it is no text: greyed, and in no ranking.
    acts = engine.activations([0, 5, end, 6])
    assert acts.special.tolist() == [True, False, True, False]
    on = sw.generate(engine, PROMPT, n_tokens=12, temperature=0, stop_at_eos=False)
    assert on.baseline[0].token_ids.tolist() == text


@pytest.mark.slow
def test_as_many_tokens_as_the_bridge_itself() -> None:
    model = talking("bridge")
    text, at = third(model)
    set_end(model, "cfg", [1, text[at]])
    set_end(model, "generation_config", [1, text[at]])
    ids = model.to_tokens(PROMPT, prepend_bos=True)
    own = model.generate(ids, max_new_tokens=12, do_sample=False, return_type="tokens", verbose=False)
    made = sw.generate(sw.Engine(model, tiny.sae()), PROMPT, n_tokens=12, temperature=0)
    assert made.baseline[0].token_ids.tolist() == own[0, ids.shape[1] :].tolist()
    assert len(made.baseline[0]) == at + 1 < 12


def test_rows_end_one_by_one() -> None:
    """One sample may end at one token and another at the other: the rest goes on."""
    model = tiny.bridge()
    set_end(model, "generation_config", list(range(100, 200)))
    made = sw.generate(sw.Engine(model, tiny.sae()), PROMPT, n_tokens=30, samples=4, temperature=1.5, seed=1)
    lengths = [len(one) for one in made.baseline]
    assert len(set(lengths)) > 1
    for one in made.baseline:
        ends = [n for n, i in enumerate(one.token_ids.tolist()) if i in {1, *range(100, 200)}]
        assert one.ended == bool(ends) and ends in ([], [len(one) - 1])


@pytest.mark.parametrize("named", [None, -1, 10**6, [], [-1, 10**6], "end", [True], ["<|eos|>"]])
def test_what_names_no_token_of_the_model_is_left_out(named: Any) -> None:
    """Configurations hold -1, ids of a vocabulary that was cut, or nothing."""
    model = tiny.bridge()
    set_end(model, "config", None)
    set_end(model, "cfg", None)
    model.original_model.generation_config.eos_token_id = named
    assert sw.Engine(model, tiny.sae()).tokenizer.end_ids == {1}


def test_of_the_text_part_of_a_model_of_more_than_text() -> None:
    class Composite:
        eos_token_id = None
        text_config = type("TextConfig", (), {"eos_token_id": [7, 9]})()

    model = tiny.hooked()
    wrapped = type("Wrapped", (), {"config": Composite()})()
    raw = type("Raw", (), {"cfg": model.cfg, "original_model": wrapped})()
    asked = type("Model", (), {"raw": raw, "cfg": model.cfg, "is_bridge": True})()
    assert end_ids_of(asked) == {7, 9}


def test_a_model_without_a_tokenizer_ends_where_it_says() -> None:
    model = tiny.hooked()
    model.tokenizer = None
    model.cfg.eos_token_id = 4
    engine = sw.Engine(model, tiny.sae())
    assert engine.tokenizer.end_ids == engine.tokenizer.special_ids == {4}
