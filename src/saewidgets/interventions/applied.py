"""A recipe on the user's own calls of the model: `model(...)`, `model.generate(...)`, whatever they run.

The edit must be the same as in a view, so positions have to be found out from outside: what a forward was given, how
much a KV cache already holds, what is padding. That is read off the embedding and the first block, the two places
that every forward of both model classes passes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from ..engine.arrays import Bools
from ..engine.errors import SaewidgetsError
from .checks import RecipeError, clash
from .edits import Edits
from .generation import think_ids
from .prompts import PromptInput, read_prompt
from .recipe.recipe import Intervention, Recipe
from .scales import Index, Resolved, maxima_of, resolve
from .scope import Scope

if TYPE_CHECKING:
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine

__all__ = ["applied"]


@contextmanager
def applied(
    engine: Engine,
    recipe: Recipe | Intervention | Sequence[Intervention],
    *,
    text: PromptInput | None = None,
    index: Index | None = None,
) -> Iterator[None]:
    """Inside the `with`, every forward of the engine's model in this thread is edited, and nothing else is.

    The user's own hooks go on firing, and the engine's own numbers (its thread is another) stay those of the model as it
    is. "prompt" is what the first forward of a text gets, "generated" what a cache, or a call with one token more, adds.
    Chat templates are not known here: "special" is the tokenizer's special tokens.

    Args:
        engine: model and SAEs.
        recipe: what to change.
        text: where median norms, and maximal activations without an index, are taken from; needed only for those units.
        index: where maximal activations are looked up.

    Raises:
        RecipeError: for what the engine cannot do. HookDidNotFireError: on leaving, if a forward never reached an edited
            hook. SaewidgetsError: for a KV cache that was filled outside.

    Example:
        >>> with engine.applied(sw.add(20115, 4, unit="max"), index=index):
        ...     model.generate("My favourite day is", max_new_tokens=20)
    """
    whole = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    prompt = () if text is None else read_prompt(engine, text)
    maxima = maxima_of(engine, index)
    resolved = engine.worker.run(lambda ticket: resolve(engine, whole, prompt, maxima, ticket, for_units=True))
    if resolved.noop:
        yield
        return
    follower = _Follower(engine, resolved)
    with follower.hooks():
        yield
    follower.check()


class _Follower:
    """Watches the forwards of one thread and keeps an `Edits` in step with them."""

    def __init__(self, engine: Engine, resolved: Resolved) -> None:
        self._engine, self._resolved = engine, resolved
        self._thread = threading.get_ident()
        self._embedded: Tensor | None = None
        self._mask: Tensor | None = None
        self._text: Tensor | None = None
        self._edits: Edits | None = None
        self._prompt: list[int] = []
        self._forwards = 0
        self._fired: set[str] = set()
        self.names = list(Edits(engine, [resolved], Scope(engine.tokenizer, [1])).functions)
        early = [name for name in self.names if not name.startswith("blocks.")]
        if early:
            raise RecipeError(
                f"{early[0]!r} comes before the first block, where positions are not known yet: generate() can edit there, "
                "applied() cannot.",
                "features",
            )

    @contextmanager
    def hooks(self) -> Iterator[None]:
        model = self._engine.model
        root, first = model.raw, cast("nn.ModuleList", model.raw.blocks)[0]
        handles = []
        try:
            handles.append(root.register_forward_pre_hook(self._on_root, with_kwargs=True))
            handles.append(cast(nn.Module, root.embed).register_forward_pre_hook(self._on_embed))
            handles.append(first.register_forward_pre_hook(self._on_block, with_kwargs=True))
            for name in self.names:
                handles.append(model._module(name).register_forward_hook(partial(self._on_hook, name)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def check(self) -> None:
        if self._forwards:
            self._engine.model._assert_fired([name for name in self.names if name not in self._fired])

    def _elsewhere(self) -> bool:
        return threading.get_ident() != self._thread

    # Hooks get whatever the model's modules are called with.
    def _on_root(self, _module: nn.Module, _inputs: object, given: dict[str, Any]) -> None:
        if not self._elsewhere():
            self._mask = given.get("attention_mask")

    def _on_embed(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if not self._elsewhere():
            self._embedded = inputs[0]

    def _on_block(self, _module: nn.Module, inputs: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self._elsewhere():
            return
        length = int(inputs[0].shape[1])
        mask = given.get("attention_mask") if not self._engine.model.is_bridge else self._mask
        self._step(self._tokens(length), mask, _cached([*inputs[1:], *given.values()]))
        self._forwards += 1

    def _on_hook(self, name: str, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        if self._elsewhere() or self._edits is None:
            return None
        self._fired.add(name)
        return self._edits.functions[name](output)

    def _tokens(self, length: int) -> Tensor:
        """The ids of this forward's tokens. HookedTransformer.generate without a cache embeds only the newest."""
        new = self._embedded
        if new is None or new.ndim != 2:
            raise SaewidgetsError(
                "applied() needs token ids: the model was called on embeddings, or from a later layer."
            )
        if new.shape[1] == length:
            return new
        before = self._text
        if before is None or before.shape[1] + new.shape[1] != length:
            raise SaewidgetsError(
                "applied() lost track of the text: call the model on whole texts, or with its KV cache."
            )
        return torch.cat([before, new], 1)

    def _step(self, tokens: Tensor, mask: Tensor | None, cached: int) -> None:
        real = mask[:, -tokens.shape[1] :].bool() if isinstance(mask, Tensor) and mask.ndim == 2 else None
        before = self._text
        if cached:
            if self._edits is None or before is None or before.shape[1] != cached or len(before) != len(tokens):
                raise SaewidgetsError("The KV cache was filled outside applied(): start the text inside it.")
            self._text = torch.cat([before, tokens], 1)
            self._edits.hooks(tokens, real)
            return
        grown = before is not None and tokens.shape[1] == before.shape[1] + 1 and len(tokens) == len(before)
        if not (grown and before is not None and torch.equal(tokens[:, :-1], before)):
            self._prompt = [tokens.shape[1]] * len(tokens) if real is None else real.sum(1).tolist()
        self._text = tokens
        for n_prompt in set(self._prompt):
            clash(self._resolved.recipe.interventions, self._engine.default, n_prompt)
        outlier = partial(self._outliers, tokens, real)
        scope = Scope(self._engine.tokenizer, self._prompt, think=think_ids(self._engine), outlier=outlier)
        self._edits = Edits(self._engine, [self._resolved] * len(tokens), scope)
        self._edits.hooks(tokens, real)

    def _outliers(self, tokens: Tensor, real: Tensor | None, dictionary: Dictionary) -> list[Bools]:
        """Norm outliers of each row's prompt, by a clean forward on the engine's thread, where no edit is."""
        every = torch.ones_like(tokens, dtype=torch.bool) if real is None else real.to(tokens.device)
        texts = [row[keep].tolist()[:n] for row, keep, n in zip(tokens, every, self._prompt, strict=True)]
        engine = self._engine
        return [roles.outlier for roles in engine.worker.run(lambda ticket: engine.roles.of(texts, dictionary, ticket))]


def _cached(given: Sequence[object]) -> int:
    """How many tokens a KV cache among a block's arguments holds."""
    for value in given:
        if hasattr(value, "get_seq_length"):
            return int(value.get_seq_length())
        past = getattr(value, "past_keys", None)
        if isinstance(past, Tensor):
            return int(past.shape[1])
    return 0
