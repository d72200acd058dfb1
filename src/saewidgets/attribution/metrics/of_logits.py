"""Metrics of what the model says: logits, log-probabilities, distances between predictions, functions of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...engine.text.answer import after_text
from ..errors import MetricError
from .base import Metric, Plan
from .targets import Target, between, ids_after, one_of, place, shown, single

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["as_metric", "custom", "kl", "logit", "logit_diff", "logprob"]


def logit(token: Target, *, position: int = -1) -> Metric:
    """The logit of a token after a text.

    Args:
        token: the token, as its string (" earth", with its space) or its id; or one for each text.
        position: after which token it is predicted; negative: from the text's end.

    Example:
        >>> sw.attribute(engine, "In the beginning, God created the heavens and the", sw.logit(" earth"))
    """
    return _Logits("logit", ((token, 1.0),), position)


def logit_diff(target: Target, foil: Target, *, position: int = -1) -> Metric:
    """The logit of `target` less that of `foil`: how much the model prefers the one to the other.

    What SAELens' tutorial attributes. It equals the difference of the log-probabilities.

    Args:
        target, foil: tokens, as strings (" earth", with its space) or ids; or one for each text.
        position: after which token they are predicted; negative: from the text's end.

    Example:
        >>> sw.attribute(engine, text, sw.logit_diff(" earth", " sky")).to_pandas()
    """
    return _Logits("logit difference", ((target, 1.0), (foil, -1.0)), position)


def logprob(answer: Target, *, position: int = -1) -> Metric:
    """The log-probability of an answer after a text, in nats: of a word of several tokens, the sum over them.

    The tokens of a string are those that it has after the text. For a word of several, the text is run with the word after
    it, and what is attributed to are the tokens of both but the word's last.

    Args:
        answer: a string, a token id, or one of these for each text.
        position: after which token it is predicted (one token only, unless it is the last).

    Example:
        >>> sw.attribute(engine, "The capital of France is", sw.logprob(" Paris"))
    """
    return _LogProb(answer, position)


def kl(reference: str | Tensor | None = None, *, position: int = -1) -> Metric:
    """KL(reference || model) of the next-token distribution, in nats.

    Args:
        reference: a text, whose prediction is the reference; probabilities [d_vocab]; or None: the model's own, unchanged.
            From its own prediction the gradient is 0 by definition, so None needs integrated gradients (`steps=10`).
        position: after which token; negative: from the end (of the text and of the reference).

    Example:
        >>> sw.attribute(engine, "God created the cat and the", sw.kl("God created the heavens and the"))
    """
    return _KL(reference, position)


def custom(function: Callable[[Tensor], Tensor], name: str | None = None) -> Metric:
    """Any function of the logits [pos, d_vocab] (float32) of a text: it gives one number, a tensor with its graph.

    Example:
        >>> sw.attribute(engine, text, sw.custom(lambda logits: logits[-1].logsumexp(-1), "log-sum-exp"))
    """
    return _Custom(function, name or str(getattr(function, "__name__", "custom")))


def as_metric(metric: Metric | Callable[[Tensor], Tensor]) -> Metric:
    """A metric, or a function of the logits as one.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return custom(metric)
    raise TypeError(
        f"A metric is made by sw.logit, sw.logit_diff, sw.logprob, sw.kl or sw.feature_activation, or is a function of the "
        f"logits; not {type(metric).__name__}."
    )


@dataclass(frozen=True, repr=False)
class _Logits(Metric):
    what: str
    terms: tuple[tuple[Target, float], ...]
    position: int

    @property
    def name(self) -> str:
        return f"{self.what} {between([token for token, _ in self.terms])}"

    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        chosen = [[(single(engine, t, texts[i], ids[i]), w) for t, w in self._of(i, ids)] for i in range(len(ids))]
        at = [place(self.position, len(row), i) for i, row in enumerate(ids)]
        if any(len({token for token, _ in row}) < len(row) for row in chosen):
            raise MetricError("Target and foil are the same token: their difference is 0 whatever the model does.")

        def value(i: int, logits: Tensor, _: Mapping[str, Tensor]) -> Tensor:
            return torch.stack([w * logits[at[i], token] for token, w in chosen[i]]).sum()

        said = [
            f"{self.what} {between([shown(engine, token) for token, _ in row])} after {shown(engine, ids[i][at[i]])}"
            for i, row in enumerate(chosen)
        ]
        return Plan([list(row) for row in ids], value, said, places=tuple(at))

    def _of(self, i: int, ids: Sequence[Sequence[int]]) -> list[tuple[str | int, float]]:
        return [(one_of(token, i, len(ids)), weight) for token, weight in self.terms]


@dataclass(frozen=True, repr=False)
class _LogProb(Metric):
    answer: Target
    position: int

    @property
    def name(self) -> str:
        return f"log-probability of {between([self.answer])}"

    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        run: list[list[int]] = []
        answers: list[tuple[int, tuple[int, ...]]] = []
        notes: list[str] = []
        for i, row in enumerate(ids):
            token, at, text = one_of(self.answer, i, len(ids)), place(self.position, len(row), i), texts[i]
            own, answer = list(row), ids_after(engine, token, text, row)
            last = at == len(row) - 1
            if isinstance(token, str) and text is not None and last:
                made = after_text(engine.tokenizer, text, token)
                own, answer, at = list(made.prompt), list(made.answer), len(made.prompt) - 1
                notes += made.notes
            if not answer:
                raise MetricError(f"The answer {token!r} has no tokens after text {i}.")
            if len(answer) > 1 and not last:
                raise MetricError(
                    f"{token!r} is {len(answer)} tokens: its log-probability is the sum over them, which needs them to come "
                    "after the text's end. Leave out position=, or give a token."
                )
            answers.append((at, tuple(answer)))
            run.append([*own, *answer[:-1]] if last else own)
        longest = max(map(len, run))
        if longest > engine.context_size:
            raise MetricError(f"Text and answer have {longest} tokens, more than the context of {engine.context_size}.")

        def value(i: int, logits: Tensor, _: Mapping[str, Tensor]) -> Tensor:
            at, answer = answers[i]
            steps = [logits[at + n].log_softmax(-1)[token] for n, token in enumerate(answer)]
            return torch.stack(steps).sum()

        said = [
            f"log-probability of {shown(engine, *answer)} after {shown(engine, run[i][at])}"
            for i, (at, answer) in enumerate(answers)
        ]
        return Plan(run, value, said, notes=tuple(dict.fromkeys(notes)), places=tuple(at for at, _ in answers))


@dataclass(frozen=True, repr=False)
class _KL(Metric):
    reference: str | Tensor | None
    position: int

    @property
    def name(self) -> str:
        of = {True: "the model's own prediction"}.get(self.reference is None) or (
            f"the prediction after {self.reference!r}" if isinstance(self.reference, str) else "a reference"
        )
        return f"KL from {of}"

    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        at = [place(self.position, len(row), i) for i, row in enumerate(ids)]
        fixed = self._fixed(engine)
        own: dict[int, Tensor] = {}  # the first forward of a text is the model as it is

        def value(i: int, logits: Tensor, _: Mapping[str, Tensor]) -> Tensor:
            logprobs = logits[at[i]].log_softmax(-1)
            reference = own.setdefault(i, logprobs.detach()) if fixed is None else fixed.to(logprobs.device)
            return torch.nn.functional.kl_div(logprobs, reference, reduction="sum", log_target=True)

        said = [f"{self.name} after {shown(engine, row[at[i]])}" for i, row in enumerate(ids)]
        return Plan([list(row) for row in ids], value, said, places=tuple(at), at_its_least=fixed is None)

    def _fixed(self, engine: Engine) -> Tensor | None:
        if self.reference is None:
            return None
        if isinstance(self.reference, str):
            row = engine.to_ids(self.reference)[0]
            tokens = torch.tensor([row], device=engine.model.input_device)
            with engine.lock, torch.no_grad():
                logits = engine.model.logits(tokens)[0, place(self.position, len(row), 0)]
            return logits.float().log_softmax(-1)
        given = self.reference.detach().float()
        if (
            given.shape != (int(engine.model.cfg.d_vocab),)
            or not (given >= 0).all()
            or abs(float(given.sum()) - 1) > 1e-3
        ):
            raise MetricError(
                f"A reference is probabilities of the {engine.model.cfg.d_vocab} tokens, which sum to 1; not "
                f"{tuple(given.shape)} with the sum {float(given.sum()):.4g}."
            )
        return given.clamp_min(torch.finfo(torch.float32).tiny).log()


@dataclass(frozen=True, repr=False)
class _Custom(Metric):
    function: Callable[[Tensor], Tensor]
    called: str

    @property
    def name(self) -> str:
        return self.called

    def plan(self, engine: Engine, texts: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
        def value(i: int, logits: Tensor, _: Mapping[str, Tensor]) -> Tensor:
            found = self.function(logits)
            if not isinstance(found, Tensor) or found.numel() != 1:
                what = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
                raise MetricError(
                    f"The metric {self.called!r} gives {what}: it must give one number as a tensor, made from the logits "
                    "[pos, d_vocab] by torch."
                )
            return found.reshape(())

        return Plan([list(row) for row in ids], value, [self.called] * len(ids))
