"""What one text gives at every layer: the lens and the activations of all dictionaries, as one result behind the view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...engine.activations.result import FeatureActivations
from ...engine.labels import said
from ...engine.lens import LogitLens
from ...errors import SaewidgetsError
from ..feature.on_text import result_key
from .placed import Placed

if TYPE_CHECKING:
    import pandas as pd

    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["Found", "is_own", "target_of"]

# By which two ways to a prediction may differ, in probability: rounding, of bfloat16 too.
_TOLERANCE = 1e-2
_ROWS = 256
# Logits of one forward (4 bytes each).
_LOGITS = 2**26


@dataclass(frozen=True, eq=False)
class Found:
    """One text at every layer.

    Attributes:
        lens: of the text; of the target, too, where there is one.
        activations: by dictionary, each [pos, features].
        places: where the dictionaries stand, in the order of a forward.
        target_error: why the target was not asked about; "" if it was, or none is wanted.
        own: whether the lens at its last hook is what the model itself predicts.
        d_vocab: how many tokens a rank is among.
        notes: what the reader must know.
    """

    lens: LogitLens
    activations: Mapping[str, FeatureActivations]
    places: tuple[Placed, ...]
    target_error: str
    own: bool
    d_vocab: int
    notes: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """Identity of the result: views keep a lens and what is listed of it together."""
        digest = sha256(self.lens.top.tobytes())
        for part in (self.lens.token_ids, self.lens.top_ids, self.lens.asked_ids):
            digest.update(np.ascontiguousarray(part).data)
        for one in self.places:
            digest.update(result_key(self.activations[one.name]).encode())
        return digest.hexdigest()[:16]

    def position(self, wanted: int | None) -> int:
        """The position that is meant: the last one where none, or none of this text, is asked for."""
        last = len(self.lens.tokens) - 1
        return last if wanted is None or not 0 <= wanted <= last else wanted

    def strongest(self, sae: str, position: int, top: int) -> list[tuple[int, float]]:
        """The `top` features of a dictionary that are largest in magnitude on a token, with their activations."""
        features, values = self.activations[sae].token(position)
        return list(zip(features[:top].tolist(), values[:top].tolist(), strict=True))

    def table(self, position: int, top: int) -> pd.DataFrame:
        """One row a listed feature: sae, hook, position, token, feature, description, activation."""
        import pandas as pd

        columns = ["sae", "hook", "position", "token", "feature", "description", "activation"]
        rows = [
            [
                one.name,
                one.hook,
                position,
                self.lens.tokens[position],
                f,
                said(self.activations[one.name].labels, f),
                value,
            ]
            for one in self.places
            for f, value in self.strongest(one.name, position, top)
        ]
        return pd.DataFrame(rows, columns=columns)


def target_of(engine: Engine, target: str) -> int | None:
    """The token that `target` is; None for "".

    Raises:
        SaewidgetsError: if it is not one token, saying which its first is.
    """
    if not target:
        return None
    ids = engine.tokenizer.answer_ids(target)
    if len(ids) == 1:
        return ids[0]
    parts = engine.tokenizer.display(ids).strings
    hint = f" With a space before it, {' ' + target!r} is one." if _is_one(engine, f" {target}") else ""
    first = f" Its first is {parts[0]!r}." if parts else ""
    raise SaewidgetsError(
        f"The target {target!r} is {len(ids)} tokens ({', '.join(map(repr, parts))}): ask for one.{first}{hint}"
    )


def _is_one(engine: Engine, text: str) -> bool:
    return len(engine.tokenizer.answer_ids(text)) == 1


def is_own(engine: Engine, lens: LogitLens, ticket: Ticket | None = None) -> bool:
    """Whether the lens at its last hook gives its likeliest tokens the probability that the model itself gives them. On the worker.

    It does, unless a model does something more (a scale of its logits) or somebody's hook does. Compared after every token; of a
    text whose logits would take much memory after its first ones, as many as fit.
    """
    model = engine.model
    n = min(len(lens.tokens), max(1, _LOGITS // int(model.cfg.d_vocab)))
    tokens = torch.from_numpy(lens.token_ids[:n])[None].to(model.input_device)
    with engine.lock, torch.no_grad():
        logits = model.logits(tokens, ticket=ticket)[0]
    for at in range(0, n, _ROWS):
        part = slice(at, min(at + _ROWS, n))
        p = logits[part].float().softmax(-1).cpu()
        told = p.gather(-1, torch.from_numpy(lens.top_ids[-1, part])).numpy()
        if not (np.abs(told - lens.top[-1, part]) < _TOLERANCE).all():
            return False
    return True
