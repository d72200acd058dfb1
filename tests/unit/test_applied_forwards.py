"""sw.applied forward by forward: from a later layer, to an earlier one, failed ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import by_hand
import pytest
import torch
from applied_made import IDS, OTHER, TOKENS, WRAPPERS, close, edit, make
from by_hand import logits
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import HookDidNotFireError, SaewidgetsError

POST = "blocks.1.hook_resid_post"


# -- from a later layer


def residual(model: Any, ids: list[int], layer: int) -> Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids]), stop_at_layer=layer)


LATER: dict[str, Callable[..., Tensor]] = {
    "call": lambda model, x, **more: model(x, **more),
    "forward": lambda model, x, **more: model.forward(x, **more),
    "run_with_hooks": lambda model, x, **more: model.run_with_hooks(x, **more),
    "run_with_cache": lambda model, x, **more: model.run_with_cache(x, **more)[0],
}


@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize("layer", [0, 1, -1])
def test_from_a_later_layer(way: str, layer: int) -> None:
    model, engine = make()
    x = residual(model, IDS, layer)
    wanted = logits(model, IDS, [2, 4])
    run = LATER[way]
    for first in (False, True):
        with torch.no_grad(), sw.applied(engine, edit(positions=(2, 4), special=True)):
            if first:
                model(torch.tensor([OTHER]))  # of which nothing may be left
                model.generate(torch.tensor([OTHER]), max_new_tokens=2, verbose=False, stop_at_eos=False)
                model(torch.tensor([OTHER]))
            close(run(model, x, start_at_layer=layer)[0], wanted)


@pytest.mark.parametrize("way", ["call", "run_with_cache"])
def test_from_a_later_layer_special_tokens_are_known_from_the_ids(way: str) -> None:
    model, engine = make()
    x = residual(model, IDS, 1)
    wanted = logits(model, IDS, [1, 2, 3, 5, 6, 7])  # neither BOS nor the end-of-text inside
    with torch.no_grad(), sw.applied(engine, edit()):
        model(torch.tensor([OTHER]))
        close(LATER[way](model, x, start_at_layer=1, tokens=TOKENS)[0], wanted)


@pytest.mark.parametrize("way", LATER)
@pytest.mark.parametrize("options", [{}, {"positions": "prompt", "special": True}, {"positions": (3,)}])
def test_from_a_later_layer_ids_that_are_needed_are_asked_for(way: str, options: dict[str, Any]) -> None:
    model, engine = make()
    x = residual(model, IDS, 1)
    with sw.applied(engine, edit(**options)):
        for before in ([], [IDS], [OTHER]):
            for ids in before:
                model(torch.tensor([ids]))
            with pytest.raises(SaewidgetsError, match="token ids.*tokens=ids.*special=True"):
                LATER[way](model, x, start_at_layer=1)


def test_vectors_into_a_bridge() -> None:
    model, engine = make("bridge")
    wanted = logits(model, IDS, [2, 4])
    vectors = model.original_model.get_input_embeddings().weight[TOKENS].detach()
    with torch.no_grad(), sw.applied(engine, edit(positions=(2, 4), special=True)):
        model(torch.tensor([OTHER]))
        close(model(vectors)[0], wanted)
    with sw.applied(engine, edit()):
        model(TOKENS)
        with pytest.raises(SaewidgetsError, match="token ids"):
            model(vectors)


# -- hooks that a forward does not reach


@WRAPPERS
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "later"])
def test_each_forward_must_reach_the_hook(wrapper: str, earlier: bool) -> None:
    model, engine = make(wrapper, POST)
    with torch.no_grad(), sw.applied(engine, edit()):
        if earlier:
            model(TOKENS)
        with pytest.raises(HookDidNotFireError, match=r"stop_at_layer=1.*'blocks.1"):
            model(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError, match="stop_at_layer=0"):
            model(TOKENS, stop_at_layer=0)
        found = model(TOKENS)
    where = by_hand.at([1, 2, 3, 5, 6, 7], len(IDS))
    with torch.no_grad(), by_hand.hooked(model, lambda value: value + where * by_hand.vector(), POST):
        close(found, model(TOKENS))


def test_starting_beyond_the_hook() -> None:
    model, engine = make(hook="blocks.0.hook_resid_post")
    x = residual(model, IDS, 1)
    with sw.applied(engine, edit()):
        model(TOKENS)
        with pytest.raises(HookDidNotFireError, match=r"start_at_layer=1.*blocks.0.hook_resid_post"):
            model(x, start_at_layer=1, tokens=TOKENS)


@WRAPPERS
def test_a_forward_that_hooks_do_not_see_says_it_later(wrapper: str) -> None:
    model, engine = make(wrapper, POST)
    model(TOKENS)
    with pytest.raises(HookDidNotFireError), sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
    with sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError):
            model(TOKENS)
        model(TOKENS)
    with sw.applied(engine, edit()):
        model.forward(TOKENS, stop_at_layer=1)
        with pytest.raises(HookDidNotFireError):
            model.forward(TOKENS)
        model.forward(TOKENS)


@pytest.mark.slow
def test_one_forward_in_two_halves() -> None:
    model, engine = make()
    with torch.no_grad(), sw.applied(engine, edit(positions=(2, 3))):
        x = model.run_with_hooks(TOKENS, stop_at_layer=1)
        found = model.run_with_hooks(x, start_at_layer=1)
    close(found[0], logits(model, IDS, [2, 3]))


# -- failures


@WRAPPERS
@pytest.mark.parametrize("way", ["call", "forward"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_nothing_is_left_of_a_forward_that_failed(wrapper: str, way: str, error: type[BaseException]) -> None:
    model, engine = make(wrapper)
    run = LATER[way]

    def fail(*_: object) -> None:
        raise error

    wanted = logits(model, IDS, [1, 2, 3, 5, 6, 7])
    with torch.no_grad(), sw.applied(engine, edit(positions="prompt")):
        handle = by_hand.place(model, "blocks.1.hook_resid_post").register_forward_hook(fail)
        with pytest.raises(error):
            run(model, TOKENS[:, :-1])
        handle.remove()
        if way == "call":  # else the text might as well have gone on
            close(model(TOKENS)[0], wanted)
        handle = by_hand.place(model, "blocks.0.hook_resid_post").register_forward_hook(fail)
        with pytest.raises(error):
            model(torch.tensor([OTHER]))
        handle.remove()
        close(run(model, TOKENS)[0], wanted)
        if error is ZeroDivisionError:  # an interrupt leaves no trace where PyTorch's hooks do not see the forward
            handle = by_hand.place(model, "blocks.0.hook_resid_post").register_forward_hook(fail)
            with pytest.raises(error):
                run(model, torch.tensor([OTHER]))
            handle.remove()
            close(run(model, TOKENS)[0], wanted)
