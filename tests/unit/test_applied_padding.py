"""sw.applied on padded batches, through every way into a model: each row is edited as if it were alone.

The truth is each row without padding, through a plain hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import by_hand
import pytest
import tiny
import torch
from by_hand import FEATURE, STRENGTH, logits, padded, written
from torch import Tensor

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.interventions.recipe.constructors import add

ROWS = [[0, 40, 75, 300, 9, 51, 60], [0, 12, 30], [0, 77, 78, 79, 80]]
POSITIONS: dict[Any, Callable[[int, int], bool]] = {
    ((1, 3),): lambda p, n: 1 <= p < 3,
    (2, (4, None)): lambda p, n: p == 2 or p >= 4,
    "prompt": lambda p, n: 0 < p < n,
    "generated": lambda p, n: p >= n,
}
"""Positions of a recipe, and whether they hold position p of a text of n prompt tokens (BOS is left out)."""
every_position = pytest.mark.parametrize("positions", POSITIONS, ids=str)
sides = pytest.mark.parametrize("side", ["left", "right"])
N = 5
GREEDY: dict[str, Any] = {"max_new_tokens": N, "do_sample": False, "stop_at_eos": False, "verbose": False}


@pytest.fixture(scope="module")
def bridge() -> tuple[Any, sw.Engine]:
    model = tiny.bridge()
    model.original_model.generation_config.eos_token_id = None
    return model, sw.Engine(model, tiny.sae("jumprelu", hook=by_hand.HOOK))


@pytest.fixture(scope="module")
def hooked() -> tuple[Any, sw.Engine]:
    model = tiny.hooked()
    return model, sw.Engine(model, tiny.sae("jumprelu", hook=by_hand.HOOK))


@pytest.fixture(autouse=True)
def _same_side_afterwards() -> Iterator[None]:
    side = tiny.tokenizer().padding_side
    yield
    tiny.tokenizer().padding_side = side


def recipe(positions: Any) -> Any:
    return add(FEATURE, STRENGTH, positions=positions)


def compare(model: Any, found: Tensor, mask: Tensor, rows: list[list[int]], positions: Any) -> None:
    """Logits [batch, pos, d_vocab] at the real tokens are those of each row alone."""
    for row, real, ids in zip(found, mask.bool(), rows, strict=True):
        where = [p for p in range(len(ids)) if POSITIONS[positions](p, len(ids))]
        torch.testing.assert_close(row[real], logits(model, ids, where), atol=1e-4, rtol=1e-4)


def position_ids(mask: Tensor) -> Tensor:
    return (mask.cumsum(1) - 1).clamp(min=0)


# -- one forward

BRIDGE_WAYS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "call": lambda m, ids, mask: m(ids, attention_mask=mask),
    "forward": lambda m, ids, mask: m.forward(ids, attention_mask=mask),
    "run_with_hooks": lambda m, ids, mask: m.run_with_hooks(ids, attention_mask=mask),
    "run_with_cache": lambda m, ids, mask: m.run_with_cache(ids, attention_mask=mask)[0],
    "original_model": lambda m, ids, mask: (
        m.original_model(ids, attention_mask=mask, position_ids=position_ids(mask)).logits
    ),
    "by keyword": lambda m, ids, mask: (
        m.original_model(input_ids=ids, attention_mask=mask.bool(), position_ids=position_ids(mask)).logits
    ),
    "original_model.forward": lambda m, ids, mask: (
        m.original_model.forward(ids, attention_mask=mask, position_ids=position_ids(mask)).logits
    ),
    "its body": lambda m, ids, mask: m.original_model.lm_head(
        m.original_model.transformer(ids, attention_mask=mask, position_ids=position_ids(mask)).last_hidden_state
    ),
    "its body's forward": lambda m, ids, mask: m.original_model.lm_head(
        m.original_model.transformer.forward(
            ids, attention_mask=mask, position_ids=position_ids(mask)
        ).last_hidden_state
    ),
}


@pytest.mark.parametrize("way", BRIDGE_WAYS)
@sides
def test_a_batch_through_a_bridge(bridge: tuple[Any, sw.Engine], way: str, side: str) -> None:
    model, engine = bridge
    tokens, mask = padded(ROWS, side)
    for positions in [((1, 3),), (2, (4, None))]:
        with torch.no_grad(), sw.applied(engine, recipe(positions)):
            found = BRIDGE_WAYS[way](model, tokens, mask)
            other = model.original_model(torch.tensor([ROWS[0]])).logits  # no mask: that one is no more
        compare(model, found, mask, ROWS, positions)
        compare(model, other, torch.ones(1, len(ROWS[0])), ROWS[:1], positions)


HOOKED_WAYS: dict[str, Callable[..., Tensor]] = {
    "call": lambda m, ids, **k: m(ids, **k),
    "forward": lambda m, ids, **k: m.forward(ids, **k),
    "run_with_hooks": lambda m, ids, **k: m.run_with_hooks(ids, **k),
    "run_with_cache": lambda m, ids, **k: m.run_with_cache(ids, **k)[0],
}


@pytest.mark.parametrize("way", HOOKED_WAYS)
@sides
def test_a_batch_through_a_hooked_transformer(hooked: tuple[Any, sw.Engine], way: str, side: str) -> None:
    model, engine = hooked
    tokens, mask = padded(ROWS, side)
    for positions in [((1, 3),), (2, (4, None))]:
        with torch.no_grad(), sw.applied(engine, recipe(positions)):
            found = HOOKED_WAYS[way](model, tokens, attention_mask=mask)
            other = HOOKED_WAYS[way](model, torch.tensor([ROWS[0]]))
        compare(model, found, mask, ROWS, positions)
        compare(model, other, torch.ones(1, len(ROWS[0])), ROWS[:1], positions)


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize("how", ["tokenizer", "per call"])
@pytest.mark.parametrize("bos", [True, False], ids=["bos", "no bos"])
@sides
def test_a_batch_of_strings(
    wrapper: str, how: str, bos: bool, side: str, hooked: tuple[Any, sw.Engine], bridge: tuple[Any, sw.Engine]
) -> None:
    model, engine = hooked if wrapper == "hooked" else bridge
    if wrapper == "bridge" and side == "left" and not bos:
        pytest.skip("a bridge makes its mask as if there were a BOS")
    texts = ["God", "In the beginning God created", "the heaven and the earth. In"]
    rows = [model.to_tokens(text, prepend_bos=bos)[0].tolist() for text in texts]
    assert len({len(ids) for ids in rows}) > 1
    _, mask = padded(rows, side)
    options = {"padding_side": side} if how == "per call" else {}
    positions = ((1, 3),)
    with torch.no_grad(), sw.applied(engine, recipe(positions)):
        if how == "tokenizer":
            model.tokenizer.padding_side = side
        found = model(texts, prepend_bos=bos, **options)
        model.tokenizer.padding_side = "right"
    compare(model, found, mask, rows, positions)


# -- text that is written

WRITERS: dict[str, Callable[[Any, Tensor, Tensor, bool], Tensor]] = {
    "bridge.generate": lambda m, ids, mask, cache: m.generate(
        ids, attention_mask=mask, use_past_kv_cache=cache, **GREEDY
    ),
    "bridge.hf_generate": lambda m, ids, mask, cache: m.hf_generate(
        ids, attention_mask=mask, max_new_tokens=N, do_sample=False, stop_at_eos=False, use_cache=cache,
        use_past_kv_cache=cache,
    ),
    "original_model.generate": lambda m, ids, mask, cache: m.original_model.generate(
        ids, attention_mask=mask, max_new_tokens=N, do_sample=False, pad_token_id=1, use_cache=cache
    ),
}  # fmt: skip


def _forwards(model: Any, ids: Tensor, mask: Tensor, cache: bool) -> Tensor:
    """By hand: the Hugging Face model, one token at a time."""
    past = None
    for _ in range(N):
        new = ids if past is None else ids[:, -1:]
        at = position_ids(mask)[:, -new.shape[1] :]
        out = model.original_model(
            new, attention_mask=mask, position_ids=at, use_cache=cache, **({"past_key_values": past} if past else {})
        )
        past = out.past_key_values if cache else None
        ids = torch.cat([ids, out.logits[:, -1:].argmax(-1)], 1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
    return ids


WRITERS["forwards"] = _forwards


def check_written(model: Any, found: Tensor, positions: Any) -> None:
    for row, ids in zip(found, ROWS, strict=True):
        n = len(ids)
        assert row[-N:].tolist() == written(model, ids, lambda p, n=n: POSITIONS[positions](p, n), N)


@pytest.mark.parametrize("way", WRITERS)
@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
@every_position
def test_a_batch_is_written_by_a_bridge(bridge: tuple[Any, sw.Engine], way: str, cache: bool, positions: Any) -> None:
    model, engine = bridge
    tokens, mask = padded(ROWS, "left")
    with torch.no_grad(), sw.applied(engine, recipe(positions)):
        model(torch.tensor([ROWS[0]]), attention_mask=torch.ones(1, len(ROWS[0])))  # a mask of an earlier call
        found = WRITERS[way](model, tokens, mask, cache)
    check_written(model, found, positions)


@pytest.mark.parametrize("way", ["generate", "hf_generate"])
def test_strings_are_written_by_a_bridge(bridge: tuple[Any, sw.Engine], way: str) -> None:
    model, engine = bridge
    texts = ["God", "In the beginning God created"]
    options = {"do_sample": False, "max_new_tokens": N, "stop_at_eos": False}
    with sw.applied(engine, recipe(((1, 3),))):
        found = getattr(model, way)(texts, return_type="tokens", **options)
    for row, text in zip(found, texts, strict=True):
        ids = model.to_tokens(text)[0].tolist()  # with its BOS, as either of them makes it
        assert row[-N:].tolist() == written(model, ids, lambda p: 1 <= p < 3, N)


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
@every_position
def test_a_batch_is_written_by_a_hooked_transformer(hooked: tuple[Any, sw.Engine], cache: bool, positions: Any) -> None:
    model, engine = hooked
    tokens, _ = padded(ROWS, "left")
    model.tokenizer.padding_side = "left"
    with sw.applied(engine, recipe(positions)):
        found = model.generate(tokens, use_past_kv_cache=cache, **GREEDY)
    model.tokenizer.padding_side = "right"
    check_written(model, found, positions)


@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
def test_a_stream_of_a_batch(hooked: tuple[Any, sw.Engine], cache: bool) -> None:
    model, engine = hooked
    tokens, _ = padded(ROWS, "left")
    model.tokenizer.padding_side = "left"
    with torch.no_grad(), sw.applied(engine, recipe(((1, 3),))):
        parts = list(model.generate_stream(tokens, use_past_kv_cache=cache, max_tokens_per_yield=2, **GREEDY))
    model.tokenizer.padding_side = "right"
    check_written(model, torch.cat(parts, 1), ((1, 3),))


def test_a_hooked_transformer_with_a_cache_in_pieces(hooked: tuple[Any, sw.Engine]) -> None:
    from transformer_lens.cache.key_value_cache import TransformerLensKeyValueCache

    model, engine = hooked
    tokens, mask = padded(ROWS, "left")
    past = TransformerLensKeyValueCache.init_cache(model.cfg, "cpu", len(ROWS))
    with torch.no_grad(), sw.applied(engine, recipe(((1, 3),))):
        found = torch.cat(
            [model(tokens[:, p], attention_mask=mask[:, p], past_kv_cache=past) for p in (slice(5), slice(5, 7))], 1
        )
    compare(model, found, mask, ROWS, ((1, 3),))


# -- masks of other shapes


def test_a_mask_of_who_sees_whom(bridge: tuple[Any, sw.Engine]) -> None:
    model, engine = bridge
    tokens, mask = padded(ROWS, "left")
    n = tokens.shape[1]
    sees = torch.ones(n, n).tril().bool()[None, None] & mask.bool()[:, None, None, :]
    sees |= torch.eye(n).bool()  # padding sees itself, or its softmax would be empty
    forms = [torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min), sees]
    for form in forms:
        with torch.no_grad(), sw.applied(engine, recipe(((1, 3),))):
            found = model.original_model(tokens, attention_mask=form, position_ids=position_ids(mask)).logits
        compare(model, found, mask, ROWS, ((1, 3),))


def test_a_mask_that_cannot_be_read_is_refused(bridge: tuple[Any, sw.Engine]) -> None:
    model, engine = bridge
    with pytest.raises(SaewidgetsError, match="attention_mask.*padding"), sw.applied(engine, recipe("all")):
        model.original_model(torch.tensor([ROWS[0]]), attention_mask=torch.ones(1, 7, 7))
