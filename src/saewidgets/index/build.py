"""`build_index`: from an engine and a corpus to a `FeatureIndex`, however often it is interrupted on the way."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..engine.engine import Engine
from ..engine.provenance import context_of
from ..storage.build_lock import build_lock
from .build_bounded import run_bounded
from .build_steps import note_weights, opened, say_waiting
from .corpus.passage import Source
from .errors import ClusterError, CorpusError, IndexMismatchError, writing
from .feature_index import FeatureIndex
from .job import Job
from .record.identity import identity, must_agree
from .record.manifest import MANIFEST, Manifest
from .record.settings import Settings
from .record.state import State, begin
from .remaining.background import stop
from .scan.costs import Costs
from .scan.on_cluster import OnCluster
from .scan.progress import Bar, follow
from .scan.scan import Plan
from .statistics.kept_examples import Keeping

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from .corpus.documents import Corpus

_SHARD_TOKENS = 131_072
_BOUNDED = Keeping(complete=256, top=64)
"""What a bounded scan keeps of a feature."""


def build_index(
    engine: Engine,
    corpus: Corpus,
    path: str | os.PathLike[str],
    *,
    tokens: int | None = None,
    sae: str | None = None,
    text_column: str | None = None,
    id_column: str | None = None,
    context_size: int | None = None,
    keep: int | Keeping | None = None,
    seed: int = 0,
    final_norm: bool = False,
    neuron_correlations: bool | None = None,
    feature_correlations: bool | None = None,
    keep_activations: bool | Literal["until finished"] = True,
    shard_tokens: int = _SHARD_TOKENS,
    cluster: str | None = None,
    actors: int | None = None,
    cpus_per_actor: float | None = None,
    gpus_per_actor: float | None = None,
    make_engine: Callable[[], Engine] | None = None,
    shards: str | os.PathLike[str] | None = None,
    progress: bool = True,
    wait: bool = False,
) -> FeatureIndex:
    """Scan a corpus once and keep what every feature of the dictionary does on it.

    One forward to the hook and one encode for each batch; everything else is computed from the activations that are not
    0. The index opens when the corpus is read. What needs all pairs of features, or of features and tokens (logit weights,
    neighbours, correlations of features) goes on in the background, and is computed at once of a feature that is looked at;
    in a script, or before the folder is copied, `wait` for it. A process that ends before is no loss: the same call goes on.

    Tokens are counted unless they are special (BOS, EOS, PAD, SEP, the SAE's own exclusions) or norm outliers.

    Args:
        engine: model and SAE.
        corpus: texts; a table (pandas, polars, pyarrow) or dataset with a text column (also a streamed one); dicts; chats
            (lists of messages); or token ids, without their padding (corpus.py). Each document is cut into chunks of the
            context size.
        path: folder of the index. If a scan there was interrupted, it goes on where it stopped and ends with the same
            numbers as an uninterrupted one. If the index is finished, it is opened, after all of the corpus was tokenized
            again and compared with it (some 4 s a million tokens; `FeatureIndex.open` reads no corpus). With a larger
            `tokens`, or documents after the end of the former corpus, it goes on; with other settings it is made anew;
            both from its scan, which a shipped index does not have.
        tokens: stop after so many tokens (rounded up to a whole chunk).
        sae: which dictionary of the engine; default: the first.
        text_column, id_column: columns of the text ("text") and of a document's name ("id"). The others are kept, for
            filtering examples.
        context_size: tokens of a chunk, BOS included; default: what the SAE was trained with.
        keep: features with so many active tokens or fewer keep all of them; of the others examples come from a sample,
            and views say so. Default: 10,000; of a bounded scan 256, which is the size of the sample too, and the 64 largest.
        seed: of all samples.
        final_norm: logit weights through the linearised final norm instead of directly (labelled).
        neuron_correlations: correlate features with the neurons of the hook; default: if that takes at most 256 MB.
        feature_correlations: correlate features with each other; default: if it does not take hours (wide dictionaries on
            large corpora).
        keep_activations: keep all activations on disk (8 bytes each), so that the index can grow; "until finished": as long
            as they are needed. False: a **bounded** scan, whose disk and memory depend on the features and not on the tokens.
            Counts, densities, means, standard deviations, smallest and largest activations and the largest examples are
            exact as ever. Of a feature with more activations than `keep`, the histogram and the intervals are made of a finer
            one, the tokens that it fires on come from its sample, and features that fire with it from chunks that are drawn
            from the corpus: these say that they are estimates, and their bounds. Neurons are not correlated, and
            `index.documents` has the documents of the texts that are kept.
        shard_tokens: how often progress is saved.
        cluster: of Ray, whose actors do a bounded scan together: "auto", the one that runs on this machine or that RAY_ADDRESS
            names; "host:port" of its head; "local", one of this machine for as long as the build takes. The index is the same
            to the last byte as without it, where all compute alike (on CPUs with as many threads). Interrupted, the same call
            goes on from the shards that are done, with or without a cluster. Needs `pip install 'saewidgets[ray]'`.
        actors: processes on the cluster, each with a model of its own; default: one for every GPU, else one for every machine.
        cpus_per_actor, gpus_per_actor: what each takes; default: its share of a machine, and a GPU if there are any.
        make_engine: makes this engine again in an actor, for one that `load_demo` or `from_pretrained` did not make.
        shards: where the parts of a bounded scan lie until it ends: a folder that all machines mount, or an fsspec url
            ("s3://bucket/folder"); default: the folder of the index.
        progress: show a progress bar.
        wait: return only when everything is computed of all features (`FeatureIndex.wait`).

    Raises:
        CorpusError: for an empty corpus, or something that is none.
        IndexMismatchError: if `path` holds an index of another SAE, model (its weights, not only its name) or corpus,
            other files, or an index without its scan that is not all that is asked for.
        IndexWriteError: if the disk is full or `path` cannot be written. Finished shards are kept.
        NonFiniteError: if an activation is NaN or infinite.
        ClusterError: if there is no cluster at that address, or its actors cannot do the work; finished shards are kept.
        IndexLockedError: if another machine builds the same index.
        KeyboardInterrupt: on Ctrl-C; the same call goes on from the last shard.

    Example:
        >>> index = sw.build_index(engine, texts, "my-index", tokens=1_000_000)
        >>> index.features.sort_values("density")
    """
    dictionary = engine.dictionary(sae)
    bounded = keep_activations is False
    if keep is None:
        keep = _BOUNDED if bounded else Keeping()
    settings = Settings(
        Keeping(complete=keep) if isinstance(keep, int) else keep, seed, final_norm, feature_correlations
    )
    _check(engine, tokens, shard_tokens, context_size)
    size = context_size or min(context_of(dictionary) or engine.context_size, engine.context_size)
    folder = Path(path)
    source = Source(corpus, engine, size, text_column, id_column)
    plan = Plan(source, folder, dictionary, size, tokens, shard_tokens, settings.keep.complete)
    if not bounded and (cluster is not None or shards is not None):
        raise ClusterError("cluster= and shards= are of a bounded scan: pass keep_activations=False too.")
    on_cluster = None
    if cluster is not None:
        on_cluster = OnCluster(cluster, actors, cpus_per_actor, gpus_per_actor, make_engine)
        on_cluster.maker(engine)
    elif any(asked is not None for asked in (actors, cpus_per_actor, gpus_per_actor)):
        raise ClusterError(
            'actors=, cpus_per_actor= and gpus_per_actor= are of a build on a cluster: pass cluster="auto" too.'
        )
    if bounded:
        return run_bounded(engine, plan, settings, neuron_correlations, progress, wait, shards, on_cluster)
    return _run(engine, plan, settings, neuron_correlations, keep_activations is True, progress, wait, grow=False)


def extend_index(
    engine: Engine,
    corpus: Corpus,
    path: str | os.PathLike[str],
    *,
    tokens: int | None = None,
    sae: str | None = None,
    text_column: str | None = None,
    id_column: str | None = None,
    shard_tokens: int = _SHARD_TOKENS,
    progress: bool = True,
    wait: bool = False,
) -> FeatureIndex:
    """Add another corpus to a finished index; its statistics are then those of both together.

    A corpus all of which is in the index, from the beginning of one that was added, is taken for the same (a cell that is
    run again must not count twice): a warning says that nothing was added.

    Interrupted, the same call goes on. Until it ends, the index as it was stays readable. Arguments as in `build_index`.

    Raises:
        IndexMismatchError: if there is no finished index, it is of another SAE or model, or it is without its scan; and
            for a corpus that begins with all of one that is in the index, and goes on: pass only what is new.

    Example:
        >>> index = sw.extend_index(engine, more_texts, "my-index")
    """
    folder = Path(path)
    if not (folder / MANIFEST).exists():
        raise IndexMismatchError(f"There is no finished index at {folder}: make one with build_index.")
    manifest = Manifest.load(folder)
    _check(engine, tokens, shard_tokens, None)
    dictionary = engine.dictionary(sae)
    size = int(manifest.identity["context_size"])
    if size > engine.context_size:
        raise IndexMismatchError(
            f"The index at {folder} was made with a context of {size} tokens; this engine reads {engine.context_size}. Use "
            "an engine with the same context_size."
        )
    source = Source(corpus, engine, size, text_column, id_column)
    plan = Plan(source, folder, dictionary, size, tokens, shard_tokens, manifest.settings.keep.complete)
    return _run(engine, plan, manifest.settings, None, True, progress, wait, grow=True)


def _run(
    engine: Engine,
    plan: Plan,
    settings: Settings,
    neurons: bool | None,
    keep: bool,
    progress: bool,
    wait: bool,
    *,
    grow: bool,
) -> FeatureIndex:
    path = plan.path
    with Bar(progress) as bar:
        note_weights(engine, bar)
        who = identity(engine, plan.dictionary, plan.context_size)
        state = State.load(path)
        if state is not None and state.bounded is not None:
            raise IndexMismatchError(
                f"The index at {path} is of a bounded scan (keep_activations=False), and cannot become one of all activations"
                f"{' or grow' if grow else ''}: choose another path."
            )
        if (path / MANIFEST).exists():
            manifest = Manifest.load(path)
            must_agree(manifest.identity, who, path)
            state = state or manifest.state(path)
            if settings.correlations is None:
                settings = replace(settings, correlations=manifest.settings.correlations)
        state = begin(path, state, who, plan.dictionary, neurons)
        costs = Costs.of(engine, plan.dictionary, correlations=settings.correlations is not False)
        job = Job(engine, plan, settings, state, keep, grow)
        if not job.needed():
            bar.expect(costs.check_alone)
            follow(engine, job.check, job, bar, plan.source.corpus)
        if job.needed():
            with ExitStack() as stack:
                with writing(path):
                    stack.enter_context(build_lock(path, lambda: say_waiting(path)))
                state = State.load(path) or state  # another process may have ended it meanwhile
                job = Job(engine, plan, settings, state, keep, grow, job.ahead)
                if job.needed():
                    stop(path)
                    bar.expect(partial(costs.steps, check=not job.scans, wait=wait))
                    follow(engine, job.run, job, bar, plan.source.corpus)
                if job.repeated:
                    told = f"This corpus is in the index at {path} already, all of it: nothing was added."
                    warnings.warn(told, stacklevel=3)
        return opened(engine, plan, bar, wait)


def _check(engine: Engine, tokens: int | None, shard_tokens: int, context_size: int | None) -> None:
    if tokens is not None and tokens < 1:
        raise CorpusError(f"tokens={tokens}: at least one token must be read.")
    if shard_tokens < 1:
        raise CorpusError(f"shard_tokens={shard_tokens}: a shard has at least one token.")
    if context_size is not None and not 1 < context_size <= engine.context_size:
        raise CorpusError(f"context_size={context_size}: the engine reads 2 to {engine.context_size} tokens at once.")
