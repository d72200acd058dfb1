"""Choosing the next token, with dice that several rows share.

Two sampled texts differ for two reasons, the edit and the dice. Sharing the dice leaves the edit: with one Gumbel noise
vector a step, rows with the same distribution choose the same token, and rows with nearly the same mostly do (the
Gumbel-max trick, as in Oberst & Sontag 2019 for counterfactuals).
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypedDict, cast

import torch
from torch import Tensor

from ...errors import SaewidgetsError, nearest

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Dice", "Sampling", "SamplingOptions", "sampling_from"]


class SamplingOptions(TypedDict, total=False):
    """The fields of `Sampling` as keywords of the functions that write texts."""

    n_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    seed: int
    samples: int
    stop_at_eos: bool


@dataclass(frozen=True)
class Sampling:
    """How text is sampled.

    Attributes:
        n_tokens: tokens to generate.
        temperature: 0 is greedy.
        top_p: keep the likeliest tokens that have this probability together; 1 keeps all.
        top_k: keep this many; 0 keeps all.
        repetition_penalty: divides positive logits of tokens that the row already has, and multiplies negative ones
            (CTRL, Keskar et al. 2019; as in Hugging Face). 1 does nothing.
        seed: of the dice. The same seed gives the same text (bit for bit on a CPU).
        samples: texts, each with dice of its own.
        stop_at_eos: end a text at the tokenizer's EOS, or any token that the model's configuration ends texts or turns with.

    Raises:
        SaewidgetsError: for a value outside its range.
    """

    n_tokens: int = 50
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0
    samples: int = 1
    stop_at_eos: bool = True

    def __post_init__(self) -> None:
        for name in ("n_tokens", "top_k", "seed", "samples", "temperature", "top_p", "repetition_penalty"):
            value, whole = getattr(self, name), isinstance(getattr(Sampling, name), int)
            try:
                if isinstance(value, (str, bytes)):
                    raise TypeError
                object.__setattr__(self, name, operator.index(value) if whole else float(value))
            except (TypeError, ValueError, OverflowError):
                what = "an integer" if whole else "a number"
                raise SaewidgetsError(f"`{name}` must be {what}, not {value!r}.") from None
        for name, ok, must in (
            ("n_tokens", self.n_tokens >= 1, "at least 1"),
            ("temperature", 0 <= self.temperature < float("inf"), "a finite number, not below 0"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("top_k", self.top_k >= 0, "0 (off) or more"),
            ("repetition_penalty", 0 < self.repetition_penalty < float("inf"), "a finite number above 0"),
            ("samples", 1 <= self.samples <= 64, "between 1 and 64"),
            ("seed", -(2**63) <= self.seed < 2**63, "a 64-bit integer"),
        ):
            if not ok:
                raise SaewidgetsError(f"`{name}` must be {must}, not {getattr(self, name)!r}.")

    @property
    def options(self) -> SamplingOptions:
        """The fields as keywords."""
        return cast("SamplingOptions", vars(self))


def sampling_from(options: SamplingOptions, **defaults: Unpack[SamplingOptions]) -> Sampling:
    """The settings of a call.

    Raises:
        TypeError: for a setting that there is not, with the nearest. SaewidgetsError: as `Sampling`.
    """
    known = [f.name for f in fields(Sampling)]
    wrong = next((name for name in options if name not in known), None)
    if wrong is not None:
        near = nearest(wrong, known, 1)
        raise TypeError(
            f"There is no setting {wrong!r}{f'; did you mean {near[0]}?' if near else ': ' + ', '.join(known)}"
        )
    chosen: SamplingOptions = {**defaults, **options}
    return Sampling(**chosen)


class Dice:
    """The randomness of a run: one noise vector a step and sample, whatever rows use it.

    Args:
        sampling: how to sample.
        sample: [rows] which sample each row belongs to; rows of one sample share their noise.
    """

    def __init__(self, sampling: Sampling, sample: Tensor) -> None:
        self._sampling, self._sample = sampling, sample
        # On the CPU, whatever the model is on: a seed means the same everywhere.
        self._generators = [
            torch.Generator().manual_seed((sampling.seed * 1_000_003 + s) % 2**63) for s in range(sampling.samples)
        ]

    def choose(self, logits: Tensor, texts: list[list[int]]) -> Tensor:
        """The next token of each row: [rows], from `logits` [rows, d_vocab]; `texts` are the rows so far."""
        logits = self._penalised(logits.float(), texts)
        if self._sampling.temperature == 0:
            return logits.argmax(-1)
        # The largest becomes 0, so that no temperature, however low, makes two of them infinite.
        scores = self._kept((logits - logits.max(-1, keepdim=True).values) / self._sampling.temperature)
        noise = torch.stack([_gumbel(g, scores.shape[-1]) for g in self._generators])[self._sample]
        return (scores + noise.float().to(scores.device)).argmax(-1)

    def _penalised(self, logits: Tensor, texts: list[list[int]]) -> Tensor:
        penalty = self._sampling.repetition_penalty
        if penalty == 1:
            return logits
        logits = logits.clone()
        for row, text in zip(logits, texts, strict=True):
            at = torch.tensor(sorted(set(text)), device=row.device)
            found = row[at]
            row[at] = torch.where(found > 0, found / penalty, found * penalty)
        return logits

    def _kept(self, scores: Tensor) -> Tensor:
        k, p = self._sampling.top_k, self._sampling.top_p
        if 0 < k < scores.shape[-1]:
            scores = scores.masked_fill(scores < scores.topk(k).values[:, -1:], -torch.inf)
        if p < 1:
            ordered, at = scores.sort(descending=True, stable=True)
            before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
            drop = torch.zeros_like(scores, dtype=torch.bool).scatter(1, at, before >= p)
            scores = scores.masked_fill(drop, -torch.inf)
        return scores


def _gumbel(generator: torch.Generator, n: int) -> Tensor:
    # float64: a float32 uniform is exactly 0 once in 2^24 draws, and a vocabulary has 2^16 of them a step.
    uniform = torch.rand(n, generator=generator, dtype=torch.float64)
    return -(-uniform.clamp_min(1e-300).log()).log()
