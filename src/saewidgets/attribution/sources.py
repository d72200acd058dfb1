"""From where an attention-output SAE's feature got its activation: by source token and by head.

What an attention layer writes at a token is a sum over heads and source tokens of pattern times value. So is what a feature of
an SAE on `hook_z` reads there, which tells from which token, by which head, it was moved: direct feature attribution (Kissane
et al., "Interpreting Attention Layer Outputs with Sparse Autoencoders", 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..engine.arrays import Doubles, Ints
from ..engine.model.heads import heads_at
from ..engine.model.hook_names import reads_heads
from ..errors import HookDidNotFireError, HookNotFoundError, SaewidgetsError
from .metrics.targets import place

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from ..engine.engine import Engine
    from ..engine.text.given import TextInput
    from ..engine.ticket import Ticket

__all__ = ["SourceAttribution", "by_source"]


@dataclass(frozen=True, eq=False, repr=False)
class SourceAttribution:
    """One feature of an SAE on `hook_z` at one token, taken apart.

    With z the concatenated head outputs at the token, w = ∂a/∂z the direction that the feature reads there, pattern and v of
    each head h:

        parts[h, s] = pattern[h, token, s] · (v[h, s] · w_h)        Σ parts + rest = a

    w is exact for ReLU, JumpReLU, top-k and gated encoders, in which a = w · z + rest; where a normalisation comes first it is
    the slope there. `rest` is what no source token brings: the encoder's bias and threshold, b_dec.

    Attributes:
        feature, position: which, where. activation: a there.
        parts: [heads, pos] of each head and source token; heads: [heads] their numbers.
        rest: a less all of them.
        token_ids, tokens: [pos] the text.
        exact: whether w is the same wherever the feature is active, so that `rest` is what no token brings; else it also
            holds what the slope at the token does not say.

    Example:
        >>> sw.by_source(engine, text, 812).to_pandas()
    """

    feature: int
    position: int
    activation: float
    parts: Doubles
    heads: Ints
    rest: float
    token_ids: Ints
    tokens: tuple[str, ...]
    exact: bool = True

    @property
    def by_token(self) -> Doubles:
        """[pos] the sum over heads."""
        return np.asarray(self.parts.sum(0))

    @property
    def by_head(self) -> Doubles:
        """[heads] the sum over source tokens."""
        return np.asarray(self.parts.sum(1))

    @property
    def head_share(self) -> Doubles:
        """[heads] of each head's |sum|, as a share of all of them; NaN if all are 0."""
        size = np.abs(self.by_head)
        return size / size.sum() if size.sum() > 0 else np.full(len(size), np.nan)

    def to_pandas(self) -> pd.DataFrame:
        """One row a source token: position, token, all (the sum over heads), and a column a head: head_0 ..."""
        import pandas as pd

        columns: dict[str, object] = {
            "position": np.arange(len(self.tokens)),
            "token": list(self.tokens),
            "all": self.by_token,
        }
        return pd.DataFrame(columns | {f"head_{h}": row for h, row in zip(self.heads, self.parts, strict=True)})

    def figure(self) -> Figure:
        """A plotly heatmap, heads x source tokens."""
        from ..engine.activations.figures import token_feature_figure

        names = [f"head {h} ({share:.0%})" for h, share in zip(self.heads, self.head_share, strict=True)]
        title = f"Feature {self.feature} at position {self.position}: {self.activation:.4g} by source token and head"
        return token_feature_figure(self.parts, self.tokens, names, "part of the activation", title)

    def __repr__(self) -> str:
        best = int(np.argmax(np.abs(self.by_token)))
        return (
            f"SourceAttribution(feature {self.feature} at {self.position}: {self.activation:.4g}, most from "
            f"{self.tokens[best]!r} at {best}: {self.by_token[best]:.4g})"
        )


def by_source(
    engine: Engine, text: TextInput, feature: int, *, position: int | None = None, sae: str | None = None
) -> SourceAttribution:
    """Which source tokens and heads a feature of an attention-output SAE got its activation from.

    Args:
        engine: with an SAE on `hook_z` (`attn.hook_z` of a block), of all heads or of one.
        text: one text, or its token ids.
        feature: the feature.
        position: at which token; default: where it is strongest among counted tokens.
        sae: which dictionary; default: the first.

    Raises:
        SaewidgetsError: for a dictionary that is not on `hook_z`, several texts, or a model whose attention shows no patterns.
        FeatureIndexError: for a feature outside the dictionary. MetricError: for a position outside the text.

    Example:
        >>> found = sw.by_source(engine, "When Mary and John went to the store, John gave a drink to", 812)
        >>> found.by_token, found.head_share
    """
    dictionary = engine.dictionary(sae)
    (feature,) = dictionary.check_features([feature])
    if not reads_heads(dictionary.hook_name):
        raise SaewidgetsError(
            f"{dictionary.name!r} reads {dictionary.hook_name!r}. Source tokens are told for SAEs on 'blocks.N.attn.hook_z', "
            "where what each head brought from each token is still apart."
        )
    read = engine.tokenized(text)
    if len(read.ids) != 1 or not read.ids[0]:
        raise SaewidgetsError(f"Give one text with tokens, not {len(read.ids)}.")
    if position is None:
        acts = engine.activations(read.ids[0], sae=dictionary.name, features=[feature])
        values = np.where(acts.counted, np.abs(acts[:, feature]), -1.0)
        position = int(values.argmax())
    at = place(position, len(read.ids[0]), 0)
    return engine.worker.run(partial(_by_source, engine, read.ids[0], feature, at, dictionary.name))


def _by_source(engine: Engine, ids: list[int], feature: int, at: int, sae: str, ticket: Ticket) -> SourceAttribution:
    dictionary = engine.dictionary(sae)
    site = engine.site(dictionary)
    block = dictionary.hook_name.rsplit(".", 1)[0]
    tokens = torch.tensor([ids], device=engine.model.input_device)
    names = [f"{block}.hook_v", f"{block}.hook_pattern", dictionary.hook_name]
    try:
        with engine.lock, torch.no_grad():
            values = engine.model.read(tokens, names, ticket)
    except (HookDidNotFireError, HookNotFoundError) as error:
        raise SaewidgetsError(
            f"{engine.model.name} does not show what its attention is made of: {error} Load the Hugging Face model with "
            "attn_implementation='eager', or as a HookedTransformer."
        ) from None
    pattern = values[names[1]][0].double()  # [head, query, key]
    z = site.flatten(values[names[2]]).detach()
    z = z if dictionary.device is None else z.to(dictionary.device)
    with torch.enable_grad():
        x = z.clone().requires_grad_()
        activation = dictionary.encode(x, torch.tensor([feature]))[0, at, 0]
        (gradient,) = torch.autograd.grad(activation, x, allow_unused=True)
    w = torch.zeros_like(z[0, at]) if gradient is None else gradient[0, at]
    n = int(pattern.shape[0])
    v = _by_head(values[names[0]][0], heads_at(engine.model, names[0]), n).double()  # [key, head, d_head]
    heads = list(range(n)) if dictionary.head is None else [dictionary.head]
    directions = w.double().reshape(len(heads), -1).to(v.device)
    parts = torch.stack([pattern[h, at].to(v.device) * (v[:, h] @ directions[i]) for i, h in enumerate(heads)])
    whole = float(activation)
    return SourceAttribution(
        feature=feature,
        position=at,
        activation=whole,
        parts=parts.cpu().numpy(),
        heads=np.array(heads, dtype=np.int64),
        rest=whole - float(parts.sum()),
        token_ids=np.array(ids, dtype=np.int64),
        tokens=tuple(engine.tokenizer.display(ids).strings),
        exact=dictionary.affine,
    )


def _by_head(v: Tensor, n_own: int, n: int) -> Tensor:
    """Values [key, head, d_head] for each of `n` query heads: of a model that shares them among queries, repeated."""
    apart = v if v.ndim == 3 else v.reshape(v.shape[0], n_own, -1)
    return apart if n_own == n else apart.repeat_interleave(n // n_own, 1)
