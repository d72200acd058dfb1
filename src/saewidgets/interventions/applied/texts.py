"""Which text a forward is of, when all there is to see are token ids, an attention mask and a KV cache.

A text may come at once, token by token with a cache, or anew and one token longer each time; several may take turns,
each with its own cache. What an edit needs (positions, prompt or generated, template, thinking) follows from the whole
text, so a text of the wrong cache would be an edit in the wrong place: a cache is known by what it is, not by its
length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Bools
from ...engine.dictionary.base import Dictionary
from ...engine.text.prompt import Prompt
from ...errors import SaewidgetsError
from ..edit.hooks import Edits
from ..edit.positions import Scope, think_ids
from ..recipe.overlap import clash
from ..recipe.units import Resolved

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["Texts"]

_UNKNOWN = -1
"""The id of a token that nobody told us: no special token, no prompt's."""


@dataclass
class _Text:
    """A batch of texts, as far as it has come.

    Attributes:
        tokens, real: [batch, pos] ids, and False at padding.
        first: [batch] tokens (without padding) of each row's first forward.
        n_prompt: [batch] tokens of each row's prompt.
        edits: in step with it.
    """

    tokens: Tensor
    real: Tensor
    first: list[int]
    n_prompt: list[int]
    edits: Edits


class Texts:
    """The texts that go through a model under one recipe, and the edits of each.

    Args:
        engine: model and dictionaries.
        resolved: what to change, in every row.
        prompt: what texts begin with, if that was said.
        others: the hooks that other recipes edit in the same forwards, as it is when asked.
    """

    def __init__(
        self,
        engine: Engine,
        resolved: Resolved,
        prompt: Prompt | None,
        others: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._engine, self._resolved, self._prompt = engine, resolved, prompt
        self.model = engine.model.raw
        self._last: _Text | None = None
        self._cached: list[tuple[ref[object], _Text]] = []
        self._think = think_ids(engine)
        self._known: dict[tuple[str, tuple[int, ...]], Bools] = {}
        recipe = resolved.recipe
        self._chat = prompt is not None and bool(prompt.template.any() or prompt.system.any())
        self.needs_ids = (
            self._chat
            or not all(i.special for i in recipe.active)
            or any(isinstance(i.positions, str) and i.positions != "all" for i in recipe.active)
            or (not recipe.thinking and self._think is not None)
        )
        probe = self._edits([1], [False])
        self.names = list(probe.functions)
        """The hooks that are edited or read, resolved."""
        self._probe, self._others = probe, others
        self._told: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}

    @property
    def streams(self) -> list[str]:
        """Hooks of the residual stream whose values tell norm outliers in the same forward: see `see`."""
        return list(dict.fromkeys(name for names in self._judged_here().values() for name in names))

    def _judged_here(self) -> dict[str, tuple[str, ...]]:
        """Key of the terms whose norm outliers the user's own forward tells, before it is edited, to the hooks that tell."""
        others = tuple(self._others())
        if others not in self._told:
            self._told[others] = self._judged_beside(others)
        return self._told[others]

    def _judged_beside(self, others: Sequence[str]) -> dict[str, tuple[str, ...]]:
        engine, found = self._engine, dict[str, tuple[str, ...]]()
        if engine.counting.factor is None:
            return found
        sites = {terms.key: engine.site(terms.dictionary) for terms in self._probe.terms}
        written = [site.write_hook for site in sites.values()]
        for terms in self._probe.terms:
            site, dictionary = sites[terms.key], terms.dictionary
            clean = site.judged_before(written) and (not others or site.judged_before(others, same=False))
            if terms.counts and clean:
                names = engine.worker.run(lambda ticket, d=dictionary: engine.roles.streams(d, ticket))  # type: ignore[misc]
                found[terms.key] = tuple(names)
        return found

    def see(self, edits: Edits, values: Mapping[str, Tensor]) -> None:
        """Told the values of a forward at `streams`, as far as it has come: judges what they tell.

        Args:
            edits: of the forward, from `step`.
        """
        for terms in edits.terms:
            names = self._judged_here().get(terms.key)
            if names and all(name in values for name in names):
                norms = self._engine.roles.relative_norm(terms.dictionary, values)
                if norms is not None:
                    edits.scope.see(terms.key, norms)

    def unknown(self, batch: int, length: int) -> Tensor:
        """Stands for the token ids of a forward on vectors.

        Raises:
            SaewidgetsError: if the recipe cannot do without ids.
        """
        if self.needs_ids:
            raise SaewidgetsError(
                "applied() needs this forward's token ids, to leave out special tokens and to tell the prompt from what is "
                "generated, but the model was called on vectors. Call it on token ids; beside start_at_layer= also give "
                "tokens=ids; or let the recipe ask for neither: special=True, with positions='all' or explicit ones."
            )
        return torch.full((batch, length), _UNKNOWN)

    def step(
        self, tokens: Tensor, real: Tensor | None, cached: int, cache: object | None, spliced: Sequence[object] = ()
    ) -> Edits:
        """The edits of the next forward.

        Args:
            tokens: [batch, pos] ids of this forward.
            real: [batch, pos] False at padding; None: there is none.
            cached: how many tokens the cache holds.
            cache: the cache itself, if there is one, also while it is empty.
            spliced: SAEs of sae-lens that stand in the model now. Their hooks fire there, and not again for the edits.

        Raises:
            SaewidgetsError: for a cache whose text is not known, and for a text that is not the chat it should be.
        """
        tokens = tokens.detach().cpu()
        real = torch.ones_like(tokens, dtype=torch.bool) if real is None else real.cpu()
        text = self._continued(tokens, real, cached, cache) if cached else self._begun(tokens, real)
        text.edits.hooks(tokens, real)
        for terms in text.edits.terms:
            own = self._engine.dictionaries.get(terms.dictionary.name, terms.dictionary)
            terms.dictionary = own.beside(spliced)
        self._last = text
        self._cached = [(it, old) for it, old in self._cached if it() is not None and it() is not cache]
        if cache is not None:
            self._cached.append((ref(cache), text))
        return text.edits

    def embedded(self, new: Tensor, length: int) -> Tensor:
        """The ids of a whole text of `length`, of which only `new` were embedded, as HookedTransformer.generate does it."""
        before = self._last
        if before is None or before.tokens.shape[1] + new.shape[1] != length or len(before.tokens) != len(new):
            raise SaewidgetsError(
                "applied() lost track of the text: call the model on whole texts, or with its KV cache."
            )
        return torch.cat([before.tokens, new.cpu()], 1)

    def forget(self) -> None:
        """The last forward failed: its text never was."""
        self._cached = [(it, text) for it, text in self._cached if text is not self._last]
        self._last = None

    def _begun(self, tokens: Tensor, real: Tensor) -> _Text:
        last = self._last
        grown = (
            last is not None
            and (tokens >= 0).all()
            and torch.equal(tokens[:, :-1], last.tokens)
            and torch.equal(real[:, :-1], last.real)
        )
        first = last.first if grown and last is not None else real.sum(1).tolist()
        return self._new(tokens, real, first)

    def _continued(self, tokens: Tensor, real: Tensor, cached: int, cache: object | None) -> _Text:
        before = self._of(cache, cached)
        if before is None or len(before.tokens) != len(tokens):
            raise SaewidgetsError("The KV cache was filled outside applied(): start the text inside it.")
        whole = torch.cat([before.tokens[:, :cached], tokens], 1)
        whole_real = torch.cat([before.real[:, :cached], real], 1)
        n_prompt, _ = self._prompts(whole, whole_real, before.first)
        edits = before.edits
        if n_prompt != before.n_prompt or before.tokens.shape[1] != cached or self._is_copied(before, cache):
            edits = self._again(before, cached, whole, whole_real)
        return _Text(whole, whole_real, before.first, n_prompt, edits)

    def _is_copied(self, text: _Text, cache: object | None) -> bool:
        """Whether the text's own cache is another one, which may yet go on elsewhere."""
        return any(old is text and it() is not None and it() is not cache for it, old in self._cached)

    def _of(self, cache: object | None, cached: int) -> _Text | None:
        """The text of which `cache` holds the first `cached` tokens."""
        for it, text in self._cached:
            if it() is cache and text.tokens.shape[1] >= cached:
                return text
        # A copy, such as of a prompt's that several texts begin with: the same keys are the same tokens.
        mine = _keys(cache, cached)
        for it, text in reversed(self._cached):
            theirs = _keys(it(), cached)
            if mine is not None and theirs is not None and torch.equal(mine, theirs):
                return text if text.tokens.shape[1] >= cached else None
        return None

    def _new(self, tokens: Tensor, real: Tensor, first: list[int]) -> _Text:
        n_prompt, match = self._prompts(tokens, real, first)
        return _Text(tokens, real, first, n_prompt, self._edits(n_prompt, match, tokens, real))

    def _again(self, before: _Text, cached: int, whole: Tensor, real: Tensor) -> Edits:
        """Edits that stand after the first `cached` tokens, for a text that goes on otherwise than `before` did."""
        if any(terms.dictionary.per_text and terms.reads for terms in before.edits.terms):
            raise SaewidgetsError(
                "This SAE reads the whole text so far, and a KV cache was cut or copied: give the model the whole text."
            )
        edits = self._edits(*self._prompts(whole, real, before.first), whole, real)
        edits.hooks(whole[:, :cached], real[:, :cached])
        return edits

    def _edits(
        self, n_prompt: Sequence[int], match: Sequence[bool], tokens: Tensor | None = None, real: Tensor | None = None
    ) -> Edits:
        for n in set(n_prompt) if tokens is not None else ():
            clash(self._resolved.recipe.interventions, self._engine.default, n)
        none = np.zeros(0, bool)
        template: list[Bools] = [self._prompt.template if m and self._prompt is not None else none for m in match]
        system: list[Bools] = [self._prompt.system if m and self._prompt is not None else none for m in match]

        here = {} if tokens is None else self._judged_here()

        def outlier(dictionary: Dictionary) -> list[Bools]:
            if tokens is None or real is None:
                return [none] * len(n_prompt)
            if any(
                terms.key in here and terms.dictionary.hook_name == dictionary.hook_name for terms in self._probe.terms
            ):
                return [np.zeros(n, bool) for n in n_prompt]
            rows = zip(tokens, real, n_prompt, template, strict=True)
            return [self._outliers(dictionary, tuple(row[mask].tolist()[:n]), of) for row, mask, n, of in rows]

        scope = Scope(self._engine.counting, n_prompt, template, system, self._think, outlier)
        return Edits(self._engine, [self._resolved] * len(n_prompt), scope)

    def _outliers(self, dictionary: Dictionary, ids: tuple[int, ...], template: Bools) -> Bools:
        """Norm outliers of a prompt: from a clean forward, on the engine's thread, where no edit is; once for each prompt."""
        engine = self._engine
        key = dictionary.hook_name, ids
        if engine.counting.factor is None:
            return np.zeros(len(ids), bool)
        if key not in self._known:
            of_template = np.zeros(len(ids), bool)
            of_template[: len(template)] = template[: len(ids)]
            (roles,) = engine.worker.run(lambda ticket: engine.roles.of([ids], dictionary, ticket, [of_template]))
            self._known[key] = roles.outlier
        return self._known[key]

    def _prompts(self, tokens: Tensor, real: Tensor, first: list[int]) -> tuple[list[int], list[bool]]:
        """How many tokens of each row are prompt, and whether it is the one that was given, as far as the row goes."""
        if self._prompt is None:
            return list(first), [False] * len(first)
        wanted = list(self._prompt.ids)
        match = []
        for row, mask in zip(tokens, real, strict=True):
            ids = row[mask].tolist()[: len(wanted)]
            match.append(ids == wanted[: len(ids)])
        if self._chat and not all(match):
            raise SaewidgetsError(
                f"Text {match.index(False)} of this forward does not begin with the chat that was given as prompt=, so which of "
                "its tokens are template or system message is not known. Give the model the chat's own token ids (with "
                "one BOS), and each chat an applied() of its own."
            )
        return [len(wanted) if m else n for m, n in zip(match, first, strict=True)], match


def _keys(cache: object | None, cached: int) -> Tensor | None:
    """The first layer's keys of a cache's first `cached` tokens [batch, pos, head, d_head]: ids and positions, nothing else."""
    keys = getattr(cache, "past_keys", None)
    if keys is None and getattr(cache, "layers", None):
        keys = getattr(cache.layers[0], "keys", None)  # type: ignore[union-attr]
        keys = keys.transpose(1, 2) if isinstance(keys, Tensor) and keys.ndim == 4 else None
    return keys[:, :cached] if isinstance(keys, Tensor) and keys.shape[1] >= cached else None
