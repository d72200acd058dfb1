"""sw.applied acts in the thread that entered it, and says so where nothing of that thread was edited."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import tiny
import torch
from by_hand import FEATURE, HOOK, STRENGTH, logits
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.recipe.constructors import add
from saewidgets.interventions.recipe.intervention import Intervention
from saewidgets.interventions.recipe.recipe import Recipe

WRAPPERS = pytest.mark.parametrize("wrapper", tiny.MODELS)
IDS = [0, 40, 75, 300, 1, 51, 60, 61]
TOKENS = torch.tensor([IDS])


def make(wrapper: str) -> tuple[Any, sw.Engine]:
    model = tiny.MODELS[wrapper]()
    return model, sw.Engine(model, tiny.sae("jumprelu", hook=HOOK))


def edit(**options: Any) -> Intervention:
    return add(FEATURE, STRENGTH, **options)


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def in_a_thread(run: Callable[[], object]) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@WRAPPERS
def test_forwards_in_other_threads_only(wrapper: str) -> None:
    model, engine = make(wrapper)
    wanted, clean = logits(model, IDS, [2]), model(TOKENS)
    seen: list[Tensor] = []
    with pytest.raises(SaewidgetsError, match="2 ran.*other.threads.*inside the thread"), sw.applied(engine, edit()):
        in_a_thread(lambda: seen.extend([model(TOKENS), model.forward(TOKENS)]))
    assert torch.equal(seen[0], clean) and torch.equal(seen[1], clean)

    def run() -> None:
        with torch.no_grad(), sw.applied(engine, edit(positions=(2,))):
            seen.append(model(TOKENS))

    in_a_thread(run)
    close(seen[2][0], wanted)


def test_the_streaming_idiom_of_hugging_face() -> None:
    from transformers import TextIteratorStreamer

    model, engine = make("bridge")
    options = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 1, "attention_mask": torch.ones_like(TOKENS)}
    streamer = TextIteratorStreamer(tiny.tokenizer())

    def stream() -> str:
        write = functools.partial(model.original_model.generate, TOKENS, streamer=streamer, **options)
        thread = threading.Thread(target=write)
        thread.start()
        said = "".join(streamer)
        thread.join()
        return said

    with pytest.raises(SaewidgetsError, match="streamer=streamer"), sw.applied(engine, edit()):
        assert stream()


@WRAPPERS
def test_no_forward_at_all_is_a_warning(wrapper: str) -> None:
    model, engine = make(wrapper)
    with (
        pytest.warns(UserWarning, match="Nothing was edited: no forward of the engine's model"),
        sw.applied(engine, edit()),
    ):
        engine.activations("God")  # the engine's own are never edited, and do not count
    with pytest.raises(ZeroDivisionError), sw.applied(engine, edit()):
        raise ZeroDivisionError
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with sw.applied(engine, Recipe()):
            pass
        with sw.applied(engine, edit()):
            model(TOKENS)
