"""What a recipe does to a given text, token by token: the same tokens read by the model as it is and by the edited one.

Generated texts show that something changed; only the same text under both says what. Beside the effect on the output
stand the edit itself (which activation was asked for, and which one the SAE reads afterwards) and its side effects
(which other features changed), because an edit rarely does just what its name says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...engine.arrays import Bools, Floats, Ints
from ...engine.text.counted import TokenRoles, predictions
from ...engine.text.prompt import Prompt, PromptInput, read_prompt
from ...errors import HookDidNotFireError, SaewidgetsError
from ..edit.hooks import Edits
from ..edit.positions import scope_of
from ..generation.generate import notes_of
from ..recipe.intervention import Intervention
from ..recipe.overlap import refuse_past_the_end
from ..recipe.recipe import Recipe
from ..recipe.units import Index, LookedUp, Resolved, maxima_of, resolve
from .compare_logits import Changes, changes
from .frozen_attention import Patterns
from .result import EditedFeature, EditEffects, FrozenEffects, SideEffect
from .side_effects import side_effects

if TYPE_CHECKING:
    from ...engine.dictionary.base import Dictionary
    from ...engine.engine import Engine
    from ...engine.model.model import Edit
    from ...engine.ticket import Progress, Ticket

__all__ = ["EditEffects", "effects"]

_SIDE = 20


def effects(
    engine: Engine,
    text: PromptInput,
    recipe: Recipe | Intervention | Sequence[Intervention],
    *,
    n_prompt: int | None = None,
    continuation: Sequence[int] | Ints | None = None,
    index: Index | LookedUp | None = None,
    k: int = 5,
    side: int = _SIDE,
    freeze_attention: bool = False,
    on_progress: Progress | None = None,
) -> EditEffects:
    """The effect of `recipe` on a text, by two whole forwards. See `EditEffects` for the definitions.

    Args:
        engine: model and SAEs.
        text: a string, token ids, or chat messages.
        n_prompt: how many tokens of it are prompt, for positions "prompt" and "generated"; default: all.
        continuation: ids of the tokens that were written after it, such as `token_ids` of a generated text. With them (or
            none yet: []) a position past the end is one that is not reached; without, it is an error.
        index: where maximal activations are looked up.
        k: how many of the most lowered and raised next tokens.
        side: how many features of the side effects.
        freeze_attention: also with the attention patterns of the clean run, in a third forward.
        on_progress: called with (forwards done, forwards in all), on the worker thread.

    Raises:
        RecipeError: for what the engine cannot do. SaewidgetsError: for an empty or too long text, or attention patterns
            that cannot be frozen.

    Example:
        >>> sw.effects(engine, "In the beginning, God created the heavens", sw.ablate(7650)).to_pandas()
    """
    whole = Recipe.of(recipe)
    maxima = maxima_of(engine, index)
    read = read_prompt(engine, text)
    n = len(read) if n_prompt is None else n_prompt
    if not 0 < n <= len(read):
        raise SaewidgetsError(f"`n_prompt` must be between 1 and the {len(read)} tokens of the text, not {n}.")
    if k < 0 or side < 0:
        raise SaewidgetsError("`k` and `side` are how many to show: 0 or more.")
    ids = [*read.ids, *engine.tokenizer.check_ids(() if continuation is None else continuation)]
    if len(ids) > engine.context_size:
        raise SaewidgetsError(
            f"Prompt and continuation have {len(ids)} tokens, more than the context of {engine.context_size}: shorten them."
        )
    if continuation is None:
        refuse_past_the_end(whole, len(ids))
    prompt = read.first(n)

    def job(ticket: Ticket) -> EditEffects:
        resolved = resolve(engine, whole, prompt, maxima, ticket)
        return _Reading(engine, prompt, ids, resolved, ticket, k, side).run(freeze_attention)

    return engine.worker.run(job, on_progress)


class _Reading:
    """The forwards of one text."""

    def __init__(
        self, engine: Engine, prompt: Prompt, ids: list[int], resolved: Resolved, ticket: Ticket, k: int, side: int
    ) -> None:
        self._engine, self._prompt, self._ids, self._resolved = engine, prompt, ids, resolved
        self._ticket, self._k, self._n_side = ticket, k, side
        self._tokens = torch.tensor([ids], device=engine.model.input_device)
        self._roles: dict[str, TokenRoles] = {}
        self._outlier: Bools = np.zeros(len(ids), bool)
        """Norm outliers of any dictionary that is edited."""
        roles = engine.counting.roles(ids, None, template=prompt.template)
        self._special: Bools = roles.special | roles.template

    def run(self, freeze: bool) -> EditEffects:
        engine, ticket = self._engine, self._ticket
        patterns = Patterns(engine.model) if freeze else None
        total = 2 + bool(freeze)
        ticket.expect(total)
        with torch.no_grad():
            before: dict[str, Tensor] = {}
            clean = self._clean(patterns, before)
            self._judge(before)
            ticket.progress(1, total)
            ticket.breathe()
            edits, after = self._edits(), dict[str, Tensor]()
            logits = None if edits.noop else self._forward(edits.hooks(self._tokens), self._watched(), after)
            ticket.progress(2, total)
            ticket.breathe()
            found = self._compare(clean, logits, edits)
            rows = self._rows(edits)
            sides = self._sides(edits, before, after)
            del logits  # as large as those of the clean run, which the next forward is compared with
            ticket.breathe()
            frozen = None if patterns is None else self._frozen(clean, patterns)
            ticket.progress(total, total)
        shown = engine.tokenizer.display(self._ids)
        return EditEffects(
            token_ids=np.array(self._ids, dtype=np.int64),
            tokens=tuple(shown.strings),
            parts=tuple(shown.parts),
            special=self._special,
            outlier=self._outlier,
            n_prompt=len(self._prompt),
            p_clean=found.clean.exp().numpy(),
            p_edited=(found.clean + found.delta).exp().numpy(),
            delta=found.delta.numpy(),
            kl=found.kl.numpy(),
            lowered_ids=found.lowered_ids.numpy(),
            lowered=found.lowered.numpy(),
            raised_ids=found.raised_ids.numpy(),
            raised=found.raised.numpy(),
            vocabulary={int(i): s for i, s in self._strings(found).items()},
            loss_clean=self._loss(found.clean),
            loss_edited=self._loss(found.clean + found.delta),
            frozen=frozen,
            features=tuple(rows),
            side_effects=tuple(sides),
            resolved=self._resolved,
            notes=tuple(notes_of(engine, self._prompt)),
            provenance=engine.provenance(),
        )

    # -- forwards

    def _edits(self) -> Edits:
        return Edits(self._engine, [self._resolved], scope_of(self._engine, self._prompt, 1), keep=True)

    def _forward(
        self,
        edits: dict[str, Edit],
        names: Sequence[str],
        seen: dict[str, Tensor],
        reads: Mapping[str, Callable[[Tensor], None]] | None = None,
    ) -> Tensor:
        """Logits [pos, d_vocab], keeping what flows on from the hooks `names`."""
        model = self._engine.model
        hooks = dict(edits)
        for name in names:
            place = model.resolve(name)
            hooks[place] = partial(_kept, seen, name, hooks.get(place))
        with self._engine.lock:
            return model.logits(self._tokens, hooks, reads, ticket=self._ticket)[0]

    def _clean(self, patterns: Patterns | None, before: dict[str, Tensor]) -> Tensor:
        names = [
            *self._watched(),
            *(n for d in self._dictionaries() for n in self._engine.roles.streams(d, self._ticket)),
        ]
        if patterns is None:
            return self._forward({}, names, before)
        try:
            return self._forward({}, names, before, patterns.reads())
        except HookDidNotFireError as error:
            raise (patterns.missing(error) if "hook_pattern" in str(error) else error) from None

    def _dictionaries(self) -> list[Dictionary]:
        """The engine's, and raw directions that the recipe edits."""
        edited = [amount.dictionary for amount in self._resolved.amounts]
        own = list(self._engine.dictionaries.values())
        return [*own, *(d for d in edited if all(d is not other for other in own))]

    def _judge(self, clean: Mapping[str, Tensor]) -> None:
        """Which tokens count, for each dictionary: by the clean forward, whatever the edit makes of them."""
        edited = [amount.dictionary for amount in self._resolved.amounts] or [self._engine.dictionary()]
        for dictionary in self._dictionaries():
            norms = self._engine.roles.relative_norm(dictionary, clean)
            roles = self._engine.counting.roles(
                self._ids,
                None if norms is None else norms[0],
                template=self._prompt.template,
                n_prompt=len(self._prompt),
            )
            if any(dictionary is one for one in edited):
                self._outlier = self._outlier | roles.outlier
            self._roles.setdefault(dictionary.name, roles)

    def _watched(self) -> list[str]:
        """Hooks at which the engine's dictionaries read: for side effects."""
        return list(dict.fromkeys(d.hook_name for d in self._engine.dictionaries.values()))

    def _frozen(self, clean: Tensor, patterns: Patterns) -> FrozenEffects:
        """The same edit while every attention pattern stays what it was in the clean run."""
        edits = self._edits()
        hooks = {**patterns.hooks(), **edits.hooks(self._tokens)}
        with self._engine.lock:
            logits = self._engine.model.logits(self._tokens, hooks, ticket=self._ticket)[0]
        found = self._compare(clean, None if edits.noop else logits, edits)
        return FrozenEffects(found.delta.numpy(), found.kl.numpy(), self._loss(found.clean + found.delta))

    # -- numbers

    def _compare(self, clean: Tensor, edited: Tensor | None, edits: Edits) -> Changes:
        first = 0
        if self._engine.model.causal and edits.seen and not edits.noop:
            at = np.flatnonzero(edits.edited()[0])
            # What lies before the first edit is the same text under the same model, whatever was rounded.
            first = int(at[0]) if len(at) else len(self._ids)
            edited = edited if len(at) else None
        return changes(clean, edited, self._tokens[0], first, self._k)

    def _loss(self, logprobs: Tensor) -> float:
        counted = torch.from_numpy(predictions(~(self._special | self._outlier), self._outlier))
        return float(-logprobs[counted].mean()) if counted.any() else float("nan")

    def _strings(self, found: Changes) -> dict[int, str]:
        ids = {*found.lowered_ids.flatten().tolist(), *found.raised_ids.flatten().tolist()} - {-1}
        return {i: self._engine.tokenizer.display([i]).strings[0] for i in sorted(ids)}

    def _rows(self, edits: Edits) -> list[EditedFeature]:
        rows = []
        for terms in edits.terms:
            seen, dictionary = edits.seen[terms.key], terms.dictionary
            columns = torch.tensor(terms.features)
            clean = dictionary.encode(seen.before, columns)[0].float().cpu().numpy()
            note = ""
            realised: Floats = np.full(clean.shape, np.nan, np.float32)
            edited = seen.edited[0].cpu().numpy()
            if dictionary.hook_name_out is None:
                after = seen.after if dictionary.device is None else seen.after.to(dictionary.device)
                realised = dictionary.encode(after, columns)[0].float().cpu().numpy()
            else:
                note = f"It writes to {dictionary.hook_name_out} and reads at {dictionary.hook_name}: what it wrote is not read again."
            for n, feature in enumerate(terms.features):
                rows.append(
                    EditedFeature(
                        dictionary=dictionary.name,
                        feature=feature,
                        label=dictionary.labels.get(feature),
                        kinds=tuple(terms.kinds(feature)),
                        clean=clean[:, n],
                        requested=seen.requested[0, :, n].add(0.0).cpu().numpy(),  # -1 times nothing is 0, not -0
                        realised=realised[:, n],
                        edited=edited[:, n],
                        note=note,
                        description=dictionary.labels.describe(feature),
                    )
                )
        return rows

    def _sides(self, edits: Edits, before: dict[str, Tensor], after: dict[str, Tensor]) -> list[SideEffect]:
        if edits.noop:
            return []
        # A raw direction is no feature of a dictionary that happens to have its name.
        own = self._engine.dictionaries.values()
        named = {(t.dictionary.name, f) for t in edits.terms if t.dictionary in own for f in t.features}
        counted = {name: self._roles[name].counted for name in self._engine.dictionaries}
        return side_effects(self._engine, before, after, counted, named, self._n_side)


def _kept(seen: dict[str, Tensor], name: str, edit: Callable[[Tensor], Tensor] | None, value: Tensor) -> Tensor:
    new = value if edit is None else edit(value)
    seen[name] = new
    return new
