"""A recipe as plain PyTorch and TransformerLens code, to paste where there is no saewidgets.

What a view shows must be repeatable by others, and read by them. So the code spells everything out: numbers instead of
units, positions instead of policies. It is exact for the prompt it was made for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ...engine.model.kv_cache import CachedForward
from ...engine.text.prompt import Prompt, PromptInput, read_prompt
from ..recipe.errors import RecipeError
from ..recipe.intervention import Intervention
from ..recipe.kinds import kind_of
from ..recipe.recipe import Recipe
from ..recipe.units import Amount, Index, LookedUp, Maxima, Resolved, maxima_of, resolve
from .formulas import Terms
from .hooks import Edits
from .positions import scope_of

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["to_code"]


def to_code(
    engine: Engine,
    prompt: PromptInput,
    recipe: Recipe | Intervention | Sequence[Intervention],
    *,
    index: Index | LookedUp | None = None,
) -> str:
    """Python code that edits `model` as `recipe` does on `prompt`, with torch, sae-lens and TransformerLens alone.

    It expects `model`, and `saes`, a dict of the SAEs by the names they have in the engine; it defines `fwd_hooks`, to be
    used as `with model.hooks(fwd_hooks=fwd_hooks): logits = model(tokens)`, on the prompt, on prompt and continuation,
    token by token with a KV cache, or in `model.generate(...)`. Texts may be a batch, but have no padding, and start at
    their tokens (not at embeddings, nor at a later layer: that raises). Positions are not guessed: the code looks at
    the token ids at the embedding and at the length of the KV cache at the first block, with two PyTorch hooks that
    change nothing (`unwatch()` takes them away).

    Raises:
        RecipeError: for what plain code cannot know: what is thinking and what is not, and positions at hooks before the
            first block.

    Example:
        >>> print(sw.to_code(engine, "My favourite day is", sw.add(2717, 2, unit="max")))
    """
    whole = Recipe.of(recipe)
    maxima = maxima_of(engine, index)
    return engine.worker.run(lambda ticket: _code(engine, read_prompt(engine, prompt), whole, maxima, ticket))


def _code(engine: Engine, prompt: Prompt, recipe: Recipe, maxima: Maxima, ticket: Ticket) -> str:
    resolved = resolve(engine, recipe, prompt, maxima, ticket)
    if not recipe.thinking and scope_of(engine, prompt, 1).think is not None:
        raise RecipeError("Plain code does not follow thinking: set `thinking` to true to copy it as code.", "thinking")
    edits = Edits(engine, [resolved], scope_of(engine, prompt, 1), keep=True)
    early = next((name for name in edits.functions if _EARLY.match(name)), None)
    if early is not None:
        raise RecipeError(
            f"{early!r} comes before the first block, where plain code does not know positions yet: edit at "
            "'blocks.0.hook_resid_pre', the sum of the embeddings.",
            "hook",
        )
    tokens = torch.tensor([prompt.ids], device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        CachedForward(engine.model, 1)(tokens, edits.hooks(tokens), ticket, last_only=True)
    return _Writer(engine, prompt, resolved, edits).text()


_HEAD = '''\
import torch

N_PROMPT = {n_prompt}  # tokens of the prompt
SPECIAL = torch.tensor({special}, dtype=torch.long)  # ids of special tokens
_forward = {{}}  # the present one: its token ids, the position of the first, and what has been edited


def _see_ids(module, args):
    _forward["new"] = args[0].detach()


def _see_start(module, args, kwargs):
    """At the first block: how many tokens a KV cache holds is where this forward starts."""
    start = 0
    for given in (*args[1:], *kwargs.values()):
        if hasattr(given, "get_seq_length"):  # Hugging Face's
            start = int(given.get_seq_length())
        elif hasattr(given, "past_keys"):  # TransformerLens's
            start = given.past_keys.shape[1]
    if "new" not in _forward:
        raise RuntimeError("The edit needs token ids: run the model on tokens, not on embeddings.")
    ids, n = _forward.pop("new"), (args[0] if args else kwargs["hidden_states"]).shape[1]
    if ids.shape[1] < n:  # generate() without a cache embeds only the newest token
        ids = torch.cat([_forward["ids"], ids], 1)
    _forward.update(ids=ids, start=start, edited=set())


def here(name, value):
    """Absolute positions [pos] of this forward's tokens, and which of them are special [batch, pos]."""
    ids = _forward.get("ids")
    if ids is None or name in _forward["edited"] or ids.shape[1] != value.shape[1]:
        raise RuntimeError("The edit lost track of the text: run whole forwards from tokens on, of a model in watch().")
    _forward["edited"].add(name)
    at = torch.arange(_forward["start"], _forward["start"] + value.shape[1], device=value.device)
    return at, torch.isin(ids, SPECIAL.to(ids.device)).to(value.device)


def watch(model):
    """Look at what each forward of `model` gets; no number changes by it."""
    unwatch()
    _watching.append(model.embed.register_forward_pre_hook(_see_ids))
    _watching.append(model.blocks[0].register_forward_pre_hook(_see_start, with_kwargs=True))


def unwatch():
    while _watching:
        _watching.pop().remove()


_watching = globals().get("_watching", [])  # when this code runs again, what the last time left goes
watch(model)
'''
_EARLY = re.compile(r"(?!blocks\.)(.*embed|rotary)")


@dataclass
class _Writer:
    engine: Engine
    prompt: Prompt
    resolved: Resolved
    edits: Edits

    def text(self) -> str:
        model, names = self.engine.model, []
        facts = [f"prompt of {len(self.prompt)} tokens", f"model {model.name}"]
        said = [
            "Made by saewidgets; needs `model`" + (", and `saes`, your SAEs by name." if self._uses_saes() else "."),
            *self.resolved.lines(),
            f"Error {'kept' if self.resolved.recipe.keep_error else 'dropped'}; " + ", ".join(facts) + ".",
            "For texts without padding that begin with the prompt: at once, token by token with a KV cache, or generated.",
        ]
        parts = ["\n".join(f"# {line}" for line in said)]
        special = sorted(self.engine.tokenizer.special_ids)
        parts.append(_HEAD.format(n_prompt=len(self.prompt), special=special).rstrip())
        writers: dict[str, list[tuple[str, bool]]] = {}
        sources: dict[str, list[str]] = {}
        for n, terms in enumerate(self.edits.terms):
            site = self.engine.site(terms.dictionary)
            place, source = site.write_hook, site.source
            parts.append(self._function(n, terms, place, source))
            writers.setdefault(model.resolve(place), []).append((f"change_{n}", site.later))
            if source:
                sources.setdefault(model.resolve(source), []).append(source)
        if sources:
            parts.append("inputs = {}  # what is read at one hook and written at another")
        if any(terms.dictionary.architecture == "temporal" for terms in self.edits.terms):
            parts.append("texts = {}  # what a temporal SAE has read so far")
        for n, name in enumerate(dict.fromkeys([*sources, *writers])):
            parts.append(self._hook(n, writers.get(name, []), name in sources, name))
            names.append((name, f"edit_{n}"))
        parts.append("fwd_hooks = [" + ", ".join(f"({name!r}, {fn})" for name, fn in names) + "]")
        parts.append(
            f"# tokens = torch.tensor([{list(self.prompt.ids)}])\n"
            "# with model.hooks(fwd_hooks=fwd_hooks):\n"
            "#     logits = model(tokens)"
        )
        return "\n\n\n".join(parts) + "\n"

    def _uses_saes(self) -> bool:
        return any(terms.dictionary.kind in ("SAE", "transcoder") for terms in self.edits.terms)

    def _hook(self, n: int, changes: Sequence[tuple[str, bool]], kept: bool, name: str) -> str:
        lines = [f"def edit_{n}(value, hook):"]
        # Those that read the sum of this and the stream come after what is added here itself.
        for later in (False, True):
            total = " + ".join(f"{fn}(value)" for fn, after in changes if after == later)
            if total:
                lines.append(f"    value = (value.float() + {total}).to(value.dtype)")
        if kept:
            lines.append(f"    inputs[{name!r}] = value")
        return "\n".join([*lines, "    return value"])

    # -- one dictionary

    def _function(self, n: int, terms: Terms, place: str, source: str | None) -> str:
        dictionary, model = terms.dictionary, self.engine.model
        head = dictionary.head
        amounts = [a for a in self.resolved.amounts if self._key(a) == terms.key]
        read = "value" if source is None else f"inputs[{model.resolve(source)!r}]"
        if source is not None and dictionary.hook_name_out is None:
            read = f"({read} + value)  # the residual stream between attention and MLP"
        lines = [f"def change_{n}(value):", f'    """What {dictionary.name} adds at {place}."""']
        lines += [f"    at, special = here({f'change_{n}'!r}, value)", f"    x = {read}"]
        heads = self.engine.site(dictionary).n_heads
        if head is not None:
            lines.append(f"    x = (x if x.ndim == 4 else x.unflatten(-1, ({heads}, -1)))[:, :, {head}]")
        lines.append("    x = x.flatten(2)")
        lines.append("    h = value.flatten(2)" if dictionary.hook_name_out else "    h = x")
        lines += [f"    {line}" for line in dictionary.code_vectors()]
        needs = terms.reads
        if needs:
            rebuild = bool(amounts) and not self.resolved.recipe.keep_error
            lines += [f"    {line}" for line in dictionary.code_encoding(rebuild, f"texts[{n}]")]
        lines.append("    change = torch.zeros(h.shape, device=h.device)")
        outliers = self._outliers(terms)
        for amount in amounts:
            lines += self._lines(amount, outliers)
        if not self.resolved.recipe.keep_error:
            lines.append("    change = change + (rebuilt.reshape(h.shape).float() - h.float())  # the error is dropped")
        if head is not None:
            lines.append(f"    whole = torch.zeros(*value.shape[:2], {heads}, change.shape[-1], device=change.device)")
            lines += [f"    whole[:, :, {head}] = change", "    change = whole"]
        return "\n".join([*lines, "    return change.reshape(value.shape)"])

    def _key(self, amount: Amount) -> str:
        return amount.dictionary.name if amount.intervention.direction is None else f"direction {amount.row}"

    def _outliers(self, terms: Terms) -> list[int]:
        return self.edits.scope.outliers(terms.key)[0].nonzero()[:, 0].tolist()

    def _lines(self, amount: Amount, outliers: Sequence[int]) -> list[str]:
        i, f = amount.intervention, amount.feature
        lines = ["", f"    # {amount}", f"    w = {self._where(i, outliers)}"]
        if i.only_active:
            lines.append(f"    w = w & (a[..., {f}] != 0)")
        if i.when is not None:
            lines.append(f"    w = w & (a[..., {i.when.feature}] > {i.when.above!r})")
        written = kind_of(i).code(amount)
        lines += [f"    {line}" for line in written.before]
        return [*lines, f"    change = change + (w * ({written.coefficient}))[..., None] * {written.vector}"]

    def _where(self, i: Intervention, outliers: Sequence[int]) -> str:
        """The positions of `i`, as an expression over `at` and `special` that gives [batch, pos], or [1, pos]."""
        if i.positions == "all":
            said = "torch.ones_like(at, dtype=torch.bool)"
        elif isinstance(i.positions, str):
            said = f"at {'<' if i.positions == 'prompt' else '>='} N_PROMPT"
        else:
            parts = []
            for p in i.positions:
                if isinstance(p, int):
                    parts.append(f"(at == {p})")
                else:
                    parts.append(f"(at >= {p[0] or 0})" if p[1] is None else f"((at >= {p[0] or 0}) & (at < {p[1]}))")
            said = "(" + " | ".join(parts) + ")"
        left_out = self._left_out(i, outliers)
        if left_out:
            said = f"({said}) & ~torch.isin(at, torch.tensor({left_out}, device=at.device))"
        return f"({said})[None]" + ("" if i.special else " & ~special")

    def _left_out(self, i: Intervention, outliers: Sequence[int]) -> list[int]:
        """The prompt's positions that policy leaves out, besides special tokens: those are known by their ids."""
        left = set() if i.special else {*outliers, *self.prompt.template.nonzero()[0].tolist()}
        if not self.resolved.recipe.system:
            left |= set(self.prompt.system.nonzero()[0].tolist())
        return sorted(left)
