"""One bounded build in a process of its own, and what it took: `python -m benchmarks.scale_child saturated 100000`.

A process of its own for each, because a peak of memory never goes down.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import saewidgets as sw
from benchmarks.index_memory import peak
from benchmarks.measure import replaced
from saewidgets.engine.engine import Engine
from saewidgets.index.bounded import hands
from saewidgets.index.bounded.drive import Drive
from saewidgets.index.bounded.facts import ShardFacts
from saewidgets.index.bounded.hands import Done, Task
from saewidgets.index.bounded.on_shelf import merge_on, scan_to
from saewidgets.index.corpus.documents import Corpus
from saewidgets.index.corpus.files import CorpusFiles
from saewidgets.index.record.manifest import Manifest
from saewidgets.index.remaining.background import stop
from saewidgets.index.scan.cluster import joined
from saewidgets.index.scan.ray import RayHands
from saewidgets.index.statistics.kept_examples import Keeping
from saewidgets.storage.array_folder import Folder
from saewidgets.storage.shelf import Shelf

_ACTOR = b"ray::Actor"


@dataclass(frozen=True)
class Kind:
    """A made-up dictionary on a made-up model, and how it is scanned.

    Attributes:
        features, active: of the dictionary, and of them on each token; width: of the model. context, vocabulary: of the texts.
        keep: of each feature; shard: tokens.
    """

    features: int
    active: int
    width: int
    context: int
    vocabulary: int
    keep: Keeping
    shard: int


KINDS = {
    # So few features and examples that all rooms are full after a few hundred thousand tokens.
    "saturated": Kind(64, 8, 16, 32, 1000, Keeping(complete=8, top=4), 16_384),
    # Every feature has many more activations than are kept by default, and few in one text, as in a wide dictionary.
    "full": Kind(4096, 4, 64, 128, 20_000, Keeping(complete=256, top=64), 131_072),
    # What is kept by default.
    "million": Kind(1_000_000, 64, 64, 128, 20_000, Keeping(complete=256, top=64), 4096),
}


def made_up_engine(kind: str) -> Engine:
    """A random TopK dictionary on what a random model's first block reads: a random vector for each token and place."""
    from sae_lens.saes import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata
    from transformer_lens import HookedTransformer, HookedTransformerConfig

    asked = KINDS[kind]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HookedTransformer(
            HookedTransformerConfig(
                n_layers=1,
                d_model=asked.width,
                n_ctx=asked.context,
                d_head=8,
                d_vocab=asked.vocabulary,
                act_fn="gelu",
                device="cpu",
                seed=0,
            )
        )
    metadata = SAEMetadata(hook_name="blocks.0.hook_resid_pre", context_size=asked.context)
    sae = TopKSAE(TopKSAEConfig(d_in=asked.width, d_sae=asked.features, k=asked.active, metadata=metadata))
    with torch.no_grad():
        for parameter in (*sae.parameters(), model.W_E):
            parameter.normal_(0, 1)
        model.W_pos.normal_(0, 1)
        sae.W_enc /= sae.W_enc.norm(dim=0)  # so that all features fire about as often
        sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
        sae.b_enc.zero_()
        sae.b_dec.zero_()
    return Engine(model.eval(), sae.eval())


def made_up_corpus(kind: str, tokens: int, path: Path) -> CorpusFiles:
    """Texts of random tokens as a file of rows, which takes no memory and which actors read themselves."""
    asked = KINDS[kind]
    generator = np.random.default_rng(0)
    rows, group = -(-tokens // asked.context), 4096
    with pq.ParquetWriter(path, pa.schema([("input_ids", pa.list_(pa.uint32()))])) as writer:
        for start in range(0, rows, group):
            ids = generator.integers(0, asked.vocabulary, (min(group, rows - start), asked.context), np.uint32)
            writer.write_table(pa.table({"input_ids": pa.array(list(ids), pa.list_(pa.uint32()))}))
    return CorpusFiles([path])


@dataclass(frozen=True)
class Took:
    """What one build took.

    Attributes:
        tokens, shards: that were read. seconds: of the call; rate: tokens a second of the scan once the engines are ready.
        before, peak: resident memory of this process before the build and at most, worker: of the largest actor; MB.
        disk: most bytes that the index's folder held, and index: that it holds in the end; MB.
        features: that fire; full: those of them with more activations than are kept. documents: that are kept.
        sent: bytes that passed between the build and its actors through Ray.
        state: largest of a shard, MB; merged: of all shards together. merging: seconds in merges of this process, read: what they read, MB.
        whole: arrays of the state of all shards, each with its length and bytes.
    """

    tokens: int
    shards: int
    seconds: float
    rate: float
    before: float
    peak: float
    worker: float
    disk: float
    index: float
    features: int
    full: int
    documents: int
    sent: int
    state: float
    merged: float
    merging: float
    read: float
    whole: dict[str, tuple[int, int]]


def build(engine: Engine, corpus: Corpus, path: Path, **options: Any) -> Took:
    """A bounded build, watched; nothing that goes on in the background is waited for."""
    forget_peak()
    before, sent, scanning, states = peak(), Sent(), Scanning(), States()
    with ExitStack() as stack:
        largest = stack.enter_context(watching_disk(path))
        workers = stack.enter_context(watching_actors())
        stack.enter_context(scanning.noted())
        stack.enter_context(states.noted())
        if "cluster" in options:
            stack.enter_context(sent.counted())
        start = time.perf_counter()
        index = sw.build_index(engine, corpus, path, keep_activations=False, progress=False, **options)
        seconds = time.perf_counter() - start
        after = peak()
    stop(path)  # what would go on in the background is no part of it
    manifest = Manifest.load(path)
    assert manifest.bounded is not None
    count, kept = index.column("count"), np.diff(Folder(path / manifest.store).read("kept_ptr"))
    return Took(
        tokens=index.tokens,
        shards=len(manifest.bounded["shards"]),
        seconds=seconds,
        rate=scanning.rate(index.tokens),
        before=before,
        peak=after,
        worker=max(workers.values(), default=0.0),
        disk=max(largest, default=0) / 1e6,
        index=bytes_in(path / manifest.store) / 1e6,
        features=int(np.count_nonzero(count)),
        full=int(np.count_nonzero(kept < count)),
        documents=len(index.documents),
        sent=sent.bytes,
        state=states.largest / 1e6,
        merged=states.merged / 1e6,
        merging=states.seconds,
        read=states.read / 1e6,
        whole=states.whole,
    )


class Scanning:
    """How long the scan of a build takes from the moment that every engine is ready until its last shard is done."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._done_before = 0
        self._drive: Drive | None = None

    def rate(self, tokens: int) -> float:
        """Tokens a second, of those that were not done when the last engine became ready."""
        return (tokens - self._done_before) / (self._ended - self._began)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note it while the context is open."""
        run, took, ended = Drive.run, Drive._took, RayHands._ended

        def noted_run(drive: Drive, breathe: Callable[[], None]) -> str:
            self._drive, self._began = drive, time.perf_counter()
            return run(drive, breathe)

        def noted_ended(of: RayHands, hand: Any) -> None:
            starts = hand.task is None
            ended(of, hand)
            if starts and self._drive is not None:
                done = sum(facts.tokens for facts in self._drive._facts.values())
                self._began, self._done_before = time.perf_counter(), done + of.tokens_under_way()

        def noted_took(drive: Drive, done: Done) -> None:
            if done.task.kind == "scan" and done.facts is not None and done.facts.documents:
                self._ended = time.perf_counter()
            took(drive, done)

        with replaced(Drive, run=noted_run, _took=noted_took), replaced(RayHands, _ended=noted_ended):
            yield


class States:
    """Sizes of states of shards, and what merging them takes, where this process does it; bytes and seconds."""

    def __init__(self) -> None:
        self.largest = self.merged = self.read = 0
        self.seconds = 0.0
        self.whole: dict[str, tuple[int, int]] = {}

    def _look(self, path: Path) -> int:
        folder = Folder(path)
        self.whole = {one.stem: (folder.length(one.stem), one.stat().st_size) for one in sorted(path.glob("*.npy"))}
        return bytes_in(path)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note them while the context is open."""
        scan, merge = scan_to, merge_on

        def noted_scan(shelf: Shelf, name: str, *arguments: Any, **options: Any) -> ShardFacts:
            facts = scan(shelf, name, *arguments, **options)
            if facts.documents:
                self.merged = self._look(Path(shelf.where, name))  # unless others follow
                self.largest = max(self.largest, self.merged)
            return facts

        def noted_merge(shelf: Shelf, names: Sequence[str], name: str, breathe: Callable[[], None]) -> tuple[str, ...]:
            self.read += sum(bytes_in(Path(shelf.where, one)) for one in names)
            start = time.perf_counter()
            damaged = merge(shelf, names, name, breathe)
            self.seconds += time.perf_counter() - start
            self.merged = self._look(Path(shelf.where, name))
            return damaged

        with replaced(hands, scan_to=noted_scan, merge_on=noted_merge):
            yield


class Sent:
    """Bytes that pass between a build and its actors: what is put into Ray's store, tasks and answers, as they are pickled."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count while the context is open."""
        import ray

        put, get, begin = ray.put, ray.get, RayHands.begin

        def counted_put(value: object) -> Any:
            self._add(value)
            return put(value)

        def counted_get(call: Any) -> Any:
            value = get(call)
            self._add(value)
            return value

        def counted_begin(of: RayHands, task: Task) -> None:
            self._add(task)
            begin(of, task)

        with replaced(ray, put=counted_put, get=counted_get), replaced(RayHands, begin=counted_begin):
            yield

    def _add(self, value: object) -> None:
        import ray

        self.bytes += len(ray.cloudpickle.dumps(value))


def bytes_in(path: Path) -> int:
    """Sizes of the files in a folder, some of which may be gone by now."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue
    return total


@contextmanager
def watching_disk(path: Path) -> Iterator[list[int]]:
    """The most bytes that a folder held, looked at every 20 ms."""
    seen: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            seen[:] = [max([*seen, bytes_in(path)])]

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
        seen.append(bytes_in(path))


@contextmanager
def watching_actors() -> Iterator[dict[int, float]]:
    """Peak of resident memory of each of Ray's actors below this process, MB; looked at every 50 ms.

    The system itself keeps the peak, so that only what happens in the last moment of an actor can be missed.
    """
    seen: dict[int, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for folder in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # it has ended
                    if (folder / "cmdline").read_bytes().startswith(_ACTOR) and _is_below(folder, os.getpid()):
                        seen[int(folder.name)] = _said_of(folder, "VmHWM") * 1024 / 1e6

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _is_below(folder: Path, ancestor: int) -> bool:
    parent = _said_of(folder, "PPid")
    return parent == ancestor or (parent > 1 and _is_below(folder.with_name(str(parent)), ancestor))


def _said_of(folder: Path, what: str) -> int:
    found = re.search(rf"{what}:\s*(\d+)", (folder / "status").read_text())
    return int(found[1]) if found else 0


def forget_peak() -> None:
    """Let the peak of this process begin anew, where the system can: making an engine takes more than keeping it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("demo", *KINDS))
    parser.add_argument("tokens", type=int)
    parser.add_argument(
        "--actors", type=int, default=0, help="of a Ray cluster of this machine; 0: this process does it"
    )
    parser.add_argument("--threads", type=int, help="of torch, in this process or in each actor")
    parser.add_argument("--shard", type=int, help="tokens of a shard")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    options: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder)
        if arguments.kind == "demo":
            engine, corpus = sw.load_demo(), demo_corpus(path / "corpus.parquet")
        else:
            engine = made_up_engine(arguments.kind)
            corpus = made_up_corpus(arguments.kind, arguments.tokens, path / "corpus.parquet")
            kind = KINDS[arguments.kind]
            options = {"keep": kind.keep, "shard_tokens": kind.shard}
        if arguments.shard:
            options["shard_tokens"] = arguments.shard
        with ExitStack() as stack:
            if arguments.actors:
                stack.enter_context(joined("local"))
                maker = None if arguments.kind == "demo" else partial(made_up_engine, arguments.kind)
                options |= {"cluster": "auto", "actors": arguments.actors, "make_engine": maker}
                options["cpus_per_actor"] = arguments.threads or 1
            took = build(engine, corpus, path / "index", tokens=arguments.tokens, **options)
        engine.close()
    print(json.dumps(asdict(took)))


def demo_corpus(path: Path) -> CorpusFiles:
    """The demo's corpus as a file."""
    sw.load_corpus().to_parquet(path)
    return CorpusFiles([path])


if __name__ == "__main__":
    main()
