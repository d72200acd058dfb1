"""The logit lens: what the residual stream of each layer would say next, if it went to the unembedding at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import NonFiniteError, SaewidgetsError
from .arrays import Bools, Floats, Ints
from .memory import in_batches
from .model.unembedding import Unembedding
from .text.given import TextInput

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from .engine import Engine
    from .ticket import Ticket

__all__ = ["LogitLens", "lens_hooks", "logit_lens"]

# Logits at once, in numbers: 64 MB of float32, of which a few copies are alive.
_CHUNK = 2**24

# Of one hook and position: likeliest tokens and their probabilities, entropy, probabilities and ranks of those asked about.
_Row = tuple[np.ndarray, np.ndarray, np.floating, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class LogitLens:
    """Next-token predictions from the residual stream at several hooks, through the model's own final norm and unembedding.

    softmax(unembed(ln_final(h))) of the stream h at each hook and position (nostalgebraist, "interpreting GPT: the logit
    lens", 2020). The last hook of a model gives its own prediction. Early layers write for later ones and not for the
    unembedding: what the lens reads there need not be what the model "thinks".

    Attributes:
        hooks: [hooks] in the model's order.
        token_ids, tokens: [pos] the text.
        special: [pos] special tokens.
        top_ids, top: [hooks, pos, k] the likeliest tokens and their probabilities, likeliest first.
        top_tokens: [hooks, pos, k] their strings.
        asked: the tokens that were asked about, as strings; asked_ids: [asked].
        probability, rank: [hooks, pos, asked] of each of them; rank 0 is the likeliest.
        entropy: [hooks, pos] in nats.
        notes: what to know of it, such as that memory ran out on the way.

    Example:
        >>> lens = sw.logit_lens(engine, "In the beginning, God created the heavens and the", [" earth", " sky"])
        >>> lens.to_pandas(), lens.figure()
    """

    hooks: tuple[str, ...]
    token_ids: Ints
    tokens: tuple[str, ...]
    special: Bools
    top_ids: Ints
    top: Floats
    top_tokens: tuple[tuple[tuple[str, ...], ...], ...]
    asked: tuple[str, ...]
    asked_ids: Ints
    probability: Floats
    rank: Ints
    entropy: Floats
    notes: tuple[str, ...] = ()

    def to_pandas(self, position: int = -1) -> pd.DataFrame:
        """One row a hook, after one token: hook, top, p, entropy, and of each token that was asked about p_<token>, rank_<token>.

        Raises:
            IndexError: if there is no such position.
        """
        import pandas as pd

        columns: dict[str, object] = {
            "hook": list(self.hooks),
            "top": [row[position][0] for row in self.top_tokens],
            "p": self.top[:, position, 0],
            "entropy": self.entropy[:, position],
        }
        for i, token in enumerate(self.asked):
            columns[f"p_{token}"] = self.probability[:, position, i]
            columns[f"rank_{token}"] = self.rank[:, position, i]
        return pd.DataFrame(columns)

    def figure(self) -> Figure:
        """A plotly heatmap, layers x positions: the likeliest next token, coloured by its probability."""
        import plotly.graph_objects as go

        from .activations.figures import visible

        strings = [[visible(after[0]) for after in row] for row in self.top_tokens]
        figure = go.Figure(
            go.Heatmap(
                z=self.top[:, :, 0],
                x=list(range(len(self.tokens))),
                y=list(self.hooks),
                text=strings,
                texttemplate="%{text}",
                colorscale="Blues",
                zmin=0,
                zmax=1,
                colorbar={"title": "probability"},
                hovertemplate="%{y}, after position %{x}: %{text} %{z:.3f}<extra></extra>",
            )
        )
        ticks = [visible(token) for token in self.tokens]
        figure.update_xaxes(tickmode="array", tickvals=list(range(len(ticks))), ticktext=ticks, title="after the token")
        figure.update_layout(title="Logit lens: the likeliest next token from each layer's residual stream")
        return figure

    def __repr__(self) -> str:
        return f"LogitLens({len(self.hooks)} hooks x {len(self.tokens)} tokens)"


def logit_lens(
    engine: Engine,
    text: TextInput,
    tokens: str | int | Sequence[str | int] = (),
    *,
    hooks: Sequence[str] | None = None,
    k: int = 5,
) -> LogitLens:
    """What the residual stream of each layer would say next.

    Args:
        engine: its model; dictionaries do not matter.
        text: one text, or its token ids.
        tokens: whose probability and rank are wanted, as strings of one token (" earth") or ids.
        hooks: hooks of the residual stream; default: the input of each block and the last one's output.
        k: how many of the likeliest tokens.

    Raises:
        SaewidgetsError: for several texts, one longer than the context, or a token that is several.
        HookNotFoundError: for a hook that is not there. ReadoutError: for a model without an unembedding.
        NonFiniteError: if the stream or what is made of it is NaN or infinite.
    """
    read = engine.tokenized(text)
    if len(read.ids) != 1:
        raise SaewidgetsError(f"Give one text with tokens, not {len(read.ids)}.")
    if not read.ids[0]:
        raise SaewidgetsError("The text has no tokens: there is nothing to read. Give one with some.")
    ids = read.ids[0]
    if len(ids) > engine.context_size:
        raise SaewidgetsError(f"The text has {len(ids)} tokens, more than the context of {engine.context_size}.")
    asked = [_one(engine, token) for token in ([tokens] if isinstance(tokens, (str, int)) else tokens)]
    wanted = list(hooks or lens_hooks(engine))
    return engine.worker.run(lambda ticket: _lens(engine, ids, asked, wanted, k, ticket))


def lens_hooks(engine: Engine) -> list[str]:
    """The hooks that a lens reads unless others are asked for: the input of each block, and the last one's output."""
    n = int(engine.model.cfg.n_layers)
    return [*(f"blocks.{block}.hook_resid_pre" for block in range(n)), f"blocks.{n - 1}.hook_resid_post"]


def _one(engine: Engine, token: str | int) -> int:
    ids = engine.tokenizer.answer_ids(token) if isinstance(token, str) else engine.tokenizer.check_ids([token])
    if len(ids) != 1:
        parts = ", ".join(map(repr, engine.tokenizer.display(ids).strings))
        raise SaewidgetsError(f"{token!r} is {len(ids)} tokens ({parts}): ask for one of them.")
    return ids[0]


def _lens(
    engine: Engine, ids: Sequence[int], asked: Sequence[int], hooks: Sequence[str], k: int, ticket: Ticket
) -> LogitLens:
    unembedding = Unembedding(engine.model)
    tokens = torch.tensor([list(ids)], device=engine.model.input_device)
    with engine.lock, torch.no_grad():
        values = engine.model.read(tokens, hooks, ticket)
    k, n = min(k, unembedding.d_vocab), len(ids)
    for hook in hooks:
        if (width := values[hook].shape[-1]) != int(engine.model.cfg.d_model):
            raise SaewidgetsError(f"{hook!r} has width {width}: it is no residual stream, which the lens reads.")
    rows = len(hooks) * n
    chosen = torch.tensor(asked, dtype=torch.long, device=unembedding.device)

    def read(part: slice) -> list[_Row]:
        """Rows of several hooks together, one hook after another: the unembedding is large, and read once a batch."""
        ticket.check()
        ticket.progress(part.start, rows)
        spans = [(h, max(part.start - h * n, 0), min(part.stop - h * n, n)) for h in range(len(hooks))]
        stream = torch.cat([values[hooks[h]][0, start:stop] for h, start, stop in spans if start < stop])
        with torch.no_grad():
            logprobs = unembedding.logits(stream).float().log_softmax(-1)
        p = logprobs.exp()
        finite = torch.isfinite(p).all(-1)
        if not finite.all():
            hook = hooks[(part.start + int((~finite).int().argmax())) // n]
            raise NonFiniteError(
                f"The logits that the lens makes of {hook!r} are NaN or infinite. If the model runs in float16, its values "
                "overflow: load it in bfloat16 or float32."
            )
        best = p.topk(k, -1)
        mine = logprobs[:, chosen]
        ranks = [(logprobs > mine[:, i : i + 1]).sum(-1) for i in range(len(asked))]
        entropy = -torch.where(p > 0, p * logprobs, torch.zeros_like(p)).sum(-1)
        columns = (best.indices, best.values, entropy, mine.exp(), torch.stack(ranks, -1) if ranks else mine.long())
        return list(zip(*(column.cpu().numpy() for column in columns), strict=True))

    made, notes = in_batches(rows, _CHUNK // unembedding.d_vocab, read)
    shape = (len(hooks), n)
    top_ids, top, entropy, probability, rank = (
        np.stack(column).reshape(*shape, *column[0].shape) for column in zip(*made, strict=True)
    )
    unique = {int(i) for i in np.unique(top_ids)}
    names = {i: engine.tokenizer.display([i]).strings[0] for i in {*unique, *asked}}
    return LogitLens(
        hooks=tuple(hooks),
        token_ids=np.array(ids, dtype=np.int64),
        tokens=tuple(engine.tokenizer.display(ids).strings),
        special=engine.counting.special(ids),
        top_ids=top_ids,
        top=top,
        top_tokens=tuple(tuple(tuple(names[int(i)] for i in after) for after in row) for row in top_ids),
        asked=tuple(names[i] for i in asked),
        asked_ids=np.array(asked, dtype=np.int64),
        probability=probability,
        rank=rank,
        entropy=entropy,
        notes=tuple(notes),
    )
