"""One forward and one backward of the model as it is: what flows through each dictionary's hook, and the metric's gradient there.

No dictionary is spliced in. The reconstruction plus its error is the value that was there, and the gradient passes both
unchanged (the tutorial's backward hook, Marks et al.'s pass-through), so the gradient with dictionaries is the gradient
without: a zero added at each hook, and the gradient of that zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..engine.activations.windows import Window, to_tensor
from ..engine.model.model import Edit
from ..engine.model.site import Site
from ..errors import HookDidNotFireError, NonFiniteError
from .errors import GradientError, MetricError
from .freezes import Freezes, merged

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.ticket import Ticket
    from .metrics.base import Plan

__all__ = ["EMBEDDING", "Flow", "Passed", "flows"]

EMBEDDING = "hook_embed"


@dataclass(frozen=True)
class Flow:
    """What passed one dictionary's hooks in a batch, float32, without a graph.

    Attributes:
        x: [batch, pos, d_in] what it reads.
        y: [batch, pos, d_out] what its features are a part of: x, or what a transcoder predicts.
        gradient: [batch, pos, d_out] of the metric with respect to y.
    """

    x: Tensor
    y: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Passed:
    """One batch.

    Attributes:
        values: [batch] the metric.
        flows: dictionary name to flow; those that the metric cannot depend on are missing.
        embedded: [batch, pos] the token embeddings' part: embedding · gradient.
        streams: values for `Roles.relative_norm`, by hook name.
    """

    values: Tensor
    flows: dict[str, Flow]
    embedded: Tensor
    streams: dict[str, Tensor]


def flows(
    engine: Engine,
    batch: Sequence[Window],
    sites: Sequence[Site],
    plan: Plan,
    names: tuple[str, ...],
    ticket: Ticket,
    *,
    streams: Sequence[str] = (),
    changed: tuple[Site, Edit] | None = None,
) -> Passed:
    """Run `batch`, and the metric's gradient back. On the engine's worker, with its lock.

    Args:
        batch: texts, by their number in the plan.
        names: the freezes.
        streams: hooks of the residual stream to keep, as they are on the way.
        changed: an edit at one dictionary's hook before everything else.

    Raises:
        GradientError: where no gradient flows. MetricError: where the metric depends on none of the sites.
        NonFiniteError: for NaN or infinity.
    """
    model = engine.model
    if any(parameter.is_inference() for parameter in model.raw.parameters()):
        raise GradientError(
            f"{model.name} was loaded inside torch.inference_mode(), whose tensors pass no gradient on, ever. Load it outside."
        )
    tokens = to_tensor(batch, model.input_device)
    seen: dict[str, Tensor] = {}
    probes: dict[str, Tensor] = {}
    order: list[str] = []

    def watched(name: str, value: Tensor) -> Tensor:
        if name in probes:  # of two values at one hook neither gradient is the whole one
            raise GradientError(f"{model.name} comes to {name!r} twice in one forward: no single gradient is there.")
        probe = probes[name] = torch.zeros_like(value, requires_grad=True)
        seen[f"at {name}"] = value.detach()
        order.append(name)
        return value + probe

    freezes = Freezes(model, names, sites)
    written = {model.resolve(name) for name in [EMBEDDING, *(site.write_hook for site in sites)]}
    before: dict[str, Edit] = {} if changed is None else {model.resolve(changed[0].write_hook): changed[1]}
    edits = merged(before, freezes.edits(), {name: partial(watched, name) for name in written})
    keep: dict[str, Callable[[Tensor], None]] = {name: partial(_put, seen, name) for name in plan.reads}
    for name in {*streams, *(site.source for site in sites if site.source is not None)}:
        keep.setdefault(name, partial(_put_detached, seen, name))
    # Of what is changed at a hook and read there, the reader wants what goes on from it: reads come after edits.
    reads = {name: _all(freezes.reads().get(name), keep.get(name)) for name in {*freezes.reads(), *keep}}
    late = {model.resolve(name): name for name in plan.reads}
    for name in [name for name in edits if name in late]:
        edits[name] = partial(_then, edits[name], keep[late[name]])
    with torch.enable_grad(), freezes.norms():
        try:
            logits = model.logits(tokens, edits, reads, ticket)
        except HookDidNotFireError as error:
            frozen = next((hook for hook in {**freezes.reads(), **freezes.edits()} if repr(hook) in str(error)), None)
            if frozen is None:
                raise
            raise GradientError(f"What linearised= names cannot be frozen in {model.name}: {error}") from None
        freezes.check()
        if not logits.requires_grad:
            raise GradientError(
                f"No gradient flows through {model.name}: what comes after its hooks was computed without one (quantised layers, "
                "or a torch.no_grad inside the model). Load it in float32 or bfloat16."
            )
        ticket.beat(0.4)
        values = torch.stack(
            [
                plan.value(window.text, logits[i, : len(window)].float(), {k: v[i : i + 1] for k, v in seen.items()})
                for i, window in enumerate(batch)
            ]
        )
        if not torch.isfinite(values).all():
            raise NonFiniteError(f"The metric is {float(values[~torch.isfinite(values)][0])} on one of the texts.")
        if not values.requires_grad:
            raise MetricError(
                "The metric does not depend on the model: it is a constant, or was made without its graph."
            )
        reached = [name for name in order if name in probes]
        found = dict(
            zip(
                reached, torch.autograd.grad(values.sum(), [probes[n] for n in reached], allow_unused=True), strict=True
            )
        )
    ticket.beat(0.9)
    last = _last(engine, plan, order)
    result: dict[str, Flow] = {}
    for site in sites:
        name = model.resolve(site.write_hook)
        gradient = found[name]
        if gradient is None or name in last:
            continue
        if not torch.isfinite(gradient).all():
            raise NonFiniteError(f"The metric's gradient at {site.write_hook!r} is NaN or infinite.")
        value = seen[f"at {name}"]
        x = site.read(value, None if site.source is None else seen[site.source].detach())
        whole = site.dictionary.hook_name_out is not None
        result[site.dictionary.name] = Flow(
            x.detach(),
            (site.target(value) if whole else x).detach().float(),
            (site.target(gradient) if whole or site.later else site.flatten(gradient)).float(),
        )
    embed = model.resolve(EMBEDDING)
    gradient = found[embed]
    embedded = (
        torch.zeros(tokens.shape)
        if gradient is None
        else (seen[f"at {embed}"].float() * gradient.float()).sum(-1).cpu()
    )
    return Passed(values.detach().cpu(), result, embedded, {n: seen[n].detach() for n in streams})


def _last(engine: Engine, plan: Plan, order: Sequence[str]) -> set[str]:
    """Hooks at which the metric's own dictionary reads, or which come later: they are no cause of it."""
    if plan.dictionary is None:
        return set()
    own = engine.model.resolve(engine.site(engine.dictionary(plan.dictionary)).read_hook)
    return set(order[order.index(own) :]) if own in order else set()


def _put(seen: dict[str, Tensor], name: str, value: Tensor) -> None:
    seen[name] = value


def _put_detached(seen: dict[str, Tensor], name: str, value: Tensor) -> None:
    seen.setdefault(name, value.detach())


def _then(edit: Edit, see: Callable[[Tensor], None], value: Tensor) -> Tensor:
    made = edit(value)
    see(made)
    return made


def _all(*functions: Callable[[Tensor], None] | None) -> Callable[[Tensor], None]:
    some = [function for function in functions if function is not None]

    def run(value: Tensor) -> None:
        for function in some:
            function(value)

    return run
