"""A bounded build (`build_index(..., keep_activations=False)`), here or on a cluster."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial

from ..engine.engine import Engine
from ..storage.build_lock import build_lock, owned
from ..storage.shelf import shelf_at
from .bounded.job import BoundedJob
from .build_steps import note_weights, opened, say_waiting
from .errors import CorpusError, IndexMismatchError, writing
from .feature_index import FeatureIndex
from .record.identity import identity, must_agree
from .record.manifest import MANIFEST, Manifest
from .record.settings import Settings
from .record.state import State, begin
from .remaining.background import stop
from .scan.cluster import joined
from .scan.costs import Costs
from .scan.on_cluster import OnCluster
from .scan.progress import Bar, follow
from .scan.scan import Plan

__all__ = ["run_bounded"]


def run_bounded(
    engine: Engine,
    plan: Plan,
    settings: Settings,
    neurons: bool | None,
    progress: bool,
    wait: bool,
    shards: str | os.PathLike[str] | None,
    on_cluster: OnCluster | None,
) -> FeatureIndex:
    """The index of a bounded scan: arguments as `build_index` takes them."""
    path = plan.path
    shelf = shelf_at(path if shards is None else shards)
    if neurons:
        raise IndexMismatchError(
            "neuron_correlations=True keeps sums of the size of features x neurons, which a bounded scan does not: pass "
            "keep_activations=True, or leave it out."
        )
    if settings.keep.complete < 1:
        raise CorpusError(f"keep={settings.keep.complete}: a bounded scan keeps a sample of at least one activation.")
    with Bar(progress) as bar:
        note_weights(engine, bar)
        who = identity(engine, plan.dictionary, plan.context_size)
        state = State.load(path)
        if (path / MANIFEST).exists():
            must_agree(Manifest.load(path).identity, who, path)
            on_cluster = None
        if state is not None and state.bounded is None and state.parts:
            raise IndexMismatchError(
                f"The scan at {path} was begun with keep_activations=True, and cannot change it: make the same call to go on, "
                "or choose another path."
            )
        costs = Costs.of(engine, plan.dictionary, correlations=settings.correlations is not False)
        with ExitStack() as stack:
            # First of all: where there is no cluster nothing is begun.
            room = None if on_cluster is None else stack.enter_context(joined(on_cluster.cluster))
            state = begin(path, state, who, plan.dictionary, False)
            job = BoundedJob(engine, plan, settings, state, shelf)
            if job.needed():
                with writing(path):
                    stack.enter_context(build_lock(path, lambda: say_waiting(path)))
                    if shards is not None:
                        stack.enter_context(owned(shelf))
                state = State.load(path) or state  # another process may have ended it meanwhile
                hands = None
                if on_cluster is not None and room is not None:
                    hands = on_cluster.hands(room, engine, plan, who, shelf, lambda line: job.told.append(line))
                job = BoundedJob(engine, plan, settings, state, shelf, hands)
            if job.needed():
                stop(path)
                bar.expect(partial(costs.steps, check=False, wait=wait))
                follow(engine, job.run, job, bar, plan.source.corpus)
            else:
                bar.expect(costs.check_alone)
                follow(engine, job.check, job, bar, plan.source.corpus)
        return opened(engine, plan, bar, wait)
