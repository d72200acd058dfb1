"""`attribute`: from a text and a metric to where the metric came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ..engine.arrays import Doubles, Floats, Ints
from .errors import MetricError
from .freezes import Freezes, Linearised, freezes_of
from .metrics.base import Metric, Plan
from .metrics.of_logits import as_metric
from .result import Attribution
from .run import OfText, Run

if TYPE_CHECKING:
    from ..engine.dictionary.base import Dictionary
    from ..engine.engine import Engine
    from ..engine.text.given import Given, TextInput
    from ..engine.ticket import Progress, Ticket

__all__ = ["attribute", "attributed", "planned"]


def attribute(
    engine: Engine,
    text: TextInput,
    metric: Metric | Callable[[Tensor], Tensor],
    *,
    sae: str | Sequence[str] | None = None,
    linearised: Linearised = None,
    steps: int = 1,
    on_progress: Progress | None = None,
) -> Attribution:
    """Where a number of the model came from: for every feature at every position, activation times the metric's gradient.

    See `Attribution` for the definition. One forward and one backward serve all dictionaries of the engine.

    Args:
        engine: model and dictionaries: SAEs, transcoders, neurons, directions.
        text: one or several prompts, as in `engine.activations`; each at most the model's context.
        metric: `sw.logit_diff`, `sw.logit`, `sw.logprob`, `sw.kl`, `sw.feature_activation`, or a function of the logits.
        sae: only these dictionaries; default: all of the engine that the metric can depend on.
        linearised: what to hold fixed in the backward: "relp" or "circuit-tracer", or some of `FREEZES` by name ("norm",
            "attention", "activation", "half", "mlp"). None: nothing, the true gradient.
        steps: 1 for the gradient; more for integrated gradients (Sundararajan et al. 2017; as Marks et al. 2024 take them):
            the mean over so many steps in which one dictionary's features and error together go towards 0, the others as
            they are. That many times as slow, for each dictionary.
        on_progress: called with (done, in all), on the worker thread.

    Raises:
        MetricError: if the metric cannot be computed, or does not depend on a dictionary that was asked for.
        GradientError: if no gradient flows through the model, or what `linearised` names cannot be frozen in it.
        OutOfMemoryError: if a single text does not fit.

    Example:
        >>> prompt = "In the beginning, God created the heavens and the"
        >>> found = sw.attribute(engine, prompt, sw.logit_diff(" earth", " sky"))
        >>> found.by_feature().head()
    """
    read = engine.tokenized(text)
    return engine.worker.run(
        lambda ticket: attributed(
            engine, read, strings_of(text, len(read.ids)), as_metric(metric), sae, linearised, steps, ticket
        ),
        on_progress,
    )


def strings_of(text: TextInput, n: int) -> list[str | None]:
    """Texts as they were given, where they were given as strings."""
    if isinstance(text, str):
        return [text]
    given = list(text) if isinstance(text, (list, tuple)) else []
    return [one if isinstance(one, str) else None for one in given] if len(given) == n else [None] * n


def planned(engine: Engine, metric: Metric, strings: Sequence[str | None], ids: Sequence[Sequence[int]]) -> Plan:
    """The metric on texts, which must have tokens and fit into the model. On the worker.

    Raises:
        MetricError: if they do not, or the metric cannot be computed.
    """
    for i, row in enumerate(ids):
        if not len(row):
            raise MetricError(f"Text {i} has no tokens: there is nothing to attribute.")
        if len(row) > engine.context_size:
            raise MetricError(
                f"Text {i} has {len(row)} tokens, more than the context of {engine.context_size}. A gradient does not reach "
                "beyond one forward: shorten the text."
            )
    return metric.plan(engine, strings, ids)


def attributed(
    engine: Engine,
    read: Given,
    strings: Sequence[str | None],
    metric: Metric,
    sae: str | Sequence[str] | None,
    linearised: Linearised,
    steps: int,
    ticket: Ticket,
) -> Attribution:
    """`attribute`, on the worker."""
    if steps < 1:
        raise ValueError(f"steps is a number of steps from 1 on, not {steps}.")
    names = freezes_of(linearised)
    asked = [sae] if isinstance(sae, str) else list(engine.dictionaries if sae is None else sae)
    sites = [engine.site(engine.dictionary(name)) for name in asked]
    plan = planned(engine, metric, strings, read.ids)
    if plan.at_its_least and steps == 1:
        raise MetricError(
            f"{metric.name!r} is 0, its least, as the model is: its gradient there is 0 by definition, however much it depends "
            "on. Take integrated gradients (steps=10), or another reference: sw.kl(text)."
        )
    found = Run(engine, plan, sites, names, steps, ticket).all()
    upstream = [name for name in asked if name in found[0].parts]
    notes = [*read.notes, *plan.notes, *_left_out(engine, metric, plan, asked, upstream, sae is not None)]
    if engine.model.dropout_active():
        notes.append("The model is in training mode and its dropout is on: numbers are random. Call model.eval().")
    upstream = _with_gradient(found, metric, plan, upstream, sae is not None, notes)
    held = Freezes(engine.model, names, sites).applied
    return _result(engine, metric, plan, upstream, found, held, steps, notes)


def _left_out(
    engine: Engine, metric: Metric, plan: Plan, asked: Sequence[str], upstream: Sequence[str], explicit: bool
) -> list[str]:
    """What to say of dictionaries that the metric cannot depend on, because they come later in the model.

    Raises:
        MetricError: if there are no others, or if they were asked for.
    """
    later = [name for name in asked if name not in upstream]
    if not later:
        return []
    said = (
        f"{metric.name!r} cannot depend on {', '.join(map(repr, later))}: "
        + ("it comes" if len(later) == 1 else "they come")
        + " at or after the place where it is read, or nothing passes a gradient on from there."
    )
    if explicit or not upstream:
        raise MetricError(f"{said} Attribute to dictionaries of earlier layers.")
    return [f"{said} Left out."]


def _with_gradient(
    found: Sequence[OfText], metric: Metric, plan: Plan, upstream: Sequence[str], explicit: bool, notes: list[str]
) -> list[str]:
    """The dictionaries at which the gradient is not 0 everywhere.

    Raises:
        MetricError: if there are none, or one was asked for.
    """
    flat = [
        name
        for name in upstream
        if not any(part.gradients.any() or part.total.any() for part in (text.parts[name] for text in found))
        and any(len(text.parts[name].gradients) for text in found)
    ]
    if flat and (explicit or len(flat) == len(upstream)):
        raise MetricError(
            f"The gradient of {metric.name!r} at {', '.join(map(repr, flat))} is 0 everywhere. {plan.flat}"
        )
    if flat:
        notes.append(f"The gradient at {', '.join(map(repr, flat))} is 0 everywhere: left out.")
    return [name for name in upstream if name not in flat]


def _result(
    engine: Engine,
    metric: Metric,
    plan: Plan,
    names: Sequence[str],
    found: Sequence[OfText],
    held: tuple[str, ...],
    steps: int,
    notes: Sequence[str],
) -> Attribution:
    starts: Ints = np.concatenate([[0], np.cumsum([len(ids) for ids in plan.ids])]).astype(np.int64)
    flat = np.array([token for ids in plan.ids for token in ids], dtype=np.int64)
    pieces = [(d, int(starts[i]), text.parts[name]) for d, name in enumerate(names) for i, text in enumerate(found)]

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(parts, name) for _, _, parts in pieces])

    def by_token(name: str) -> Doubles:
        return np.stack([np.concatenate([getattr(text.parts[n], name) for text in found]) for n in names])

    texts = [engine.tokenizer.display(ids) for ids in plan.ids]
    dictionaries: list[Dictionary] = [engine.dictionary(name) for name in names]
    return Attribution(
        metric=metric.name,
        said=tuple(plan.said),
        values=np.array([text.value for text in found]),
        dictionaries=tuple(names),
        token_ids=flat,
        tokens=tuple(s for shown in texts for s in shown.strings),
        parts=np.array([part for shown in texts for part in shown.parts], dtype=np.int64),
        text_ptr=starts,
        special=engine.counting.special(flat),
        outlier=np.stack([np.concatenate([text.outliers[n] for text in found]) for n in names]),
        sae=np.concatenate([np.full(len(parts.features), d, np.int64) for d, _, parts in pieces]),
        token=np.concatenate([parts.positions + start for _, start, parts in pieces]),
        features=np.concatenate([parts.features for _, _, parts in pieces]),
        activations=joined("activations"),
        gradients=joined("gradients"),
        error=by_token("error"),
        bias=by_token("bias"),
        total=by_token("total"),
        embedding=np.concatenate([text.embedded for text in found]).astype(np.float64),
        linearised=held,
        steps=steps,
        labels={d.name: d.labels for d in dictionaries},
        plan=plan,
        provenance={d.name: engine.provenance(d.name) for d in dictionaries},
        notes=tuple(dict.fromkeys(notes)),
    )
