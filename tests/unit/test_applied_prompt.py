"""sw.applied(engine, prompt=...): prompt, chat template and system message are where the prompt has them."""

from __future__ import annotations

from typing import Any

import by_hand
import numpy as np
import pytest
import tiny
import torch
from by_hand import FEATURE, STRENGTH, logits, written

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.generation.generate import generate
from saewidgets.interventions.recipe.constructors import add
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.interventions.recipe.recipe import Recipe

TEMPLATE = (
    "{{ '<|bos|>' }}{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
CHAT = [{"role": "system", "content": "the earth"}, {"role": "user", "content": "In the beginning God"}]
AS_TEXT = "<|bos|>system:the earth\nuser:In the beginning God\nassistant:"
OTHER = [{"role": "user", "content": "God created"}]
GREEDY: dict[str, Any] = {"max_new_tokens": 4, "do_sample": False, "verbose": False, "stop_at_eos": False}


@pytest.fixture(scope="module", params=list(tiny.MODELS))
def made(request: pytest.FixtureRequest) -> Any:
    model = tiny.MODELS[request.param]()
    before = model.tokenizer.chat_template
    model.tokenizer.chat_template = TEMPLATE
    engine = sw.Engine(model, tiny.sae("jumprelu", hook=by_hand.HOOK))
    yield model, engine
    model.tokenizer.chat_template = before


def chat_ids(model: Any, text: str = AS_TEXT) -> list[int]:
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]


def said(model: Any, *contents: str) -> list[int]:
    """Positions of the tokens that hold a character of one of `contents`."""
    offsets = model.tokenizer(AS_TEXT, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    spans = [(AS_TEXT.index(c), AS_TEXT.index(c) + len(c)) for c in contents]
    return [n for n, (a, b) in enumerate(offsets) if any(a < end and b > start for start, end in spans)]


BOTH = [m["content"] for m in CHAT]
RECIPES = {
    "all": (Recipe(add(FEATURE, STRENGTH)), BOTH, True),
    "without system": (Recipe(add(FEATURE, STRENGTH), system=False), BOTH[1:], True),
    "prompt": (Recipe(add(FEATURE, STRENGTH, positions="prompt"), system=False), BOTH[1:], False),
    "generated": (Recipe(add(FEATURE, STRENGTH, positions="generated"), system=False), [], True),
}


@pytest.mark.parametrize("kind", RECIPES)
@pytest.mark.parametrize("name", ["prompt", "text"])
def test_a_chat_is_edited_where_it_is_said(made: Any, kind: str, name: str) -> None:
    model, engine = made
    recipe, contents, continues = RECIPES[kind]
    ids = chat_ids(model)
    more = [*ids, 40, 75]
    where = said(model, *contents)
    assert 0 < len(said(model, *BOTH[1:])) < len(said(model, *BOTH)) < len(ids) - 3
    wanted = written(model, ids, lambda p: p in where or (continues and p >= len(ids)), 4)
    at = [*where, *([len(ids), len(ids) + 1] if continues else [])]
    whole = logits(model, more, at)
    with torch.no_grad(), sw.applied(engine, recipe, **{name: CHAT}):
        found = model(torch.tensor([more]))[0]  # prompt and answer at once
        texts = [
            model.generate(torch.tensor([ids]), use_past_kv_cache=cache, **GREEDY)[0, len(ids) :].tolist()
            for cache in (True, False)
        ]
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-4)
    assert texts == [wanted, wanted]
    ours = generate(engine, CHAT, recipe, n_tokens=4, temperature=0, stop_at_eos=False)
    assert ours.edited[0].token_ids.tolist() == wanted, "the view says otherwise"


def test_padded_chats(made: Any) -> None:
    model, engine = made
    ids = chat_ids(model)
    rows = [ids, [*ids, 40, 75, 12]]
    tokens, mask = by_hand.padded(rows, "left")
    where = said(model, *BOTH[1:])
    options = {} if engine.model.is_bridge else {"padding_side": "left"}
    with torch.no_grad(), sw.applied(engine, Recipe(add(FEATURE, STRENGTH), system=False), prompt=CHAT):
        found = model(tokens, attention_mask=mask, **options)
    for row, real, text in zip(found, mask.bool(), rows, strict=True):
        at = [*where, *range(len(ids), len(text))]
        torch.testing.assert_close(row[real], logits(model, text, at), atol=1e-4, rtol=1e-4)


def test_a_chat_in_pieces(made: Any) -> None:
    model, engine = made
    if not engine.model.is_bridge:
        pytest.skip("by Hugging Face's cache")
    ids = chat_ids(model)
    wanted = logits(model, [*ids, 40], [*said(model, *BOTH), len(ids)])
    with torch.no_grad(), sw.applied(engine, add(FEATURE, STRENGTH), prompt=CHAT):
        past, found = None, []
        for part in (ids[:7], ids[7:12], [*ids[12:], 40]):
            out = model.original_model(torch.tensor([part]), past_key_values=past, use_cache=True)
            past = out.past_key_values
            found.append(out.logits[0])
    torch.testing.assert_close(torch.cat(found), wanted, atol=1e-4, rtol=1e-4)


def test_a_plain_prompt_says_what_is_generated(made: Any) -> None:
    model, engine = made
    (ids,) = engine.to_ids("In the beginning God")
    more = [*ids, 40, 75]
    for prompt in ("In the beginning God", ids, np.array(ids).tolist()):
        with torch.no_grad(), sw.applied(engine, add(FEATURE, STRENGTH, positions="generated"), prompt=prompt):
            found = model(torch.tensor([more]))[0]
            other = model(torch.tensor([[0, 12, 30]]))[0]  # of its own: all of it is a prompt
        torch.testing.assert_close(found, logits(model, more, [len(ids), len(ids) + 1]), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(other, logits(model, [0, 12, 30], []), atol=1e-4, rtol=1e-4)


def test_without_the_chat_system_false_is_refused(made: Any) -> None:
    model, engine = made
    before = by_hand.n_hooks(model)
    refused = sw.applied(engine, Recipe(add(FEATURE, 1), system=False))
    with pytest.raises(RecipeError, match="system=False.*prompt=messages") as caught, refused:
        pass
    assert caught.value.field == "system" and by_hand.n_hooks(model) == before
    with sw.applied(engine, Recipe(system=False)):  # nothing to do is nothing to refuse
        pass
    with (
        pytest.raises(RecipeError, match="prompt= or text="),
        sw.applied(engine, add(FEATURE, 1), prompt=CHAT, text=CHAT),
    ):
        pass


@pytest.mark.parametrize("recipe", [Recipe(add(FEATURE, 1)), Recipe(add(FEATURE, 1), system=False)])
def test_a_text_that_is_not_the_chat_is_refused(made: Any, recipe: Recipe) -> None:
    model, engine = made
    ids = chat_ids(model)
    with sw.applied(engine, recipe, prompt=CHAT):
        for wrong in ([0, *ids], [*ids[:-2], 40, 41], [0, 12, 30]):
            with pytest.raises(SaewidgetsError, match="does not begin with the chat"):
                model(torch.tensor([wrong]))
        model(torch.tensor([ids]))
