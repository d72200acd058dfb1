"""What came out of ablating a feature: arrays for one text, ready for a table or a widget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine.arrays import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class AblationEffect:
    """The effect of ablating one feature on one text, token by token.

    With h the value at the hook, a the feature's activation in the clean run and d its decoder direction, h becomes
    h - a d at every ablated position and nothing else is replaced, so the SAE's reconstruction error stays in (Bricken
    et al., "Towards Monosemanticity", 2023, "Feature ablations"). The rest of the model then runs on.

        delta[p] = log P_ablated(token p | tokens before) - log P_clean(token p | tokens before)

    In nats. Negative: the feature made the token likelier. All arrays are about the token at p, as a prediction from what is
    before it; there is nothing before the first, so its numbers are NaN.

    Attributes:
        feature: the feature.
        token_ids, tokens: [pos] the text, as ids and as readable strings.
        activations: [pos] the feature's activations in the clean run, special tokens included.
        ablated: [pos] where something was subtracted.
        delta: [pos] total effect, through everything after the hook.
        direct: [pos] the same when a[p-1] d is taken from the final residual stream at p-1 only, through the true final
            norm and unembedding: no other layer reacts. NaN throughout if `direct_note` says why.
        p_clean, p_ablated: [pos] probability of the actual token.
        lowered_ids, lowered: [pos, k] the tokens that could have stood at p whose log-probability ablation lowers most, and
            the changes, most lowered first. Ids are -1 and changes 0 where nothing before p was ablated.
        raised_ids, raised: [pos, k] those that it raises most, most raised first.
        direct_note: why there is no direct effect; "" if there is.
        notes: what of the text was not read, or read otherwise.
    """

    feature: int
    token_ids: Ints
    tokens: tuple[str, ...]
    activations: Floats
    ablated: Bools
    delta: Floats
    direct: Floats
    p_clean: Floats
    p_ablated: Floats
    lowered_ids: Ints
    lowered: Floats
    raised_ids: Ints
    raised: Floats
    direct_note: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.token_ids)

    def to_pandas(self) -> pd.DataFrame:
        """One row a token: position, token_id, token, activation, ablated, p_clean, p_ablated, delta, direct."""
        import pandas as pd

        return pd.DataFrame(
            {
                "position": range(len(self)),
                "token_id": self.token_ids,
                "token": list(self.tokens),
                "activation": self.activations,
                "ablated": self.ablated,
                "p_clean": self.p_clean,
                "p_ablated": self.p_ablated,
                "delta": self.delta,
                "direct": self.direct,
            }
        )

    def __repr__(self) -> str:
        where = int(self.ablated.sum())
        most = max((abs(float(d)) for d in self.delta[1:]), default=0.0)
        return f"AblationEffect(feature {self.feature}: {where} of {len(self)} tokens ablated, |delta| up to {most:.3g} nats)"
