"""`build_index`: from an engine and a corpus to a `FeatureIndex`, however often it is interrupted on the way."""

from __future__ import annotations

import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.engine import Engine
from ..engine.locking import process_lock
from ..engine.provenance import context_of, noted
from ..engine.worker import Ticket
from .compare import compare
from .errors import CorpusError, IndexMismatchError, writing
from .files import Folder
from .finish import write_store
from .identity import identity, must_agree
from .manifest import MANIFEST, Manifest
from .passage import Passage, Source
from .progress import follow
from .sampling import Keeping
from .scan import Plan, RepeatedCorpus, Scan, load_sums
from .settings import Settings
from .shards import shards_in
from .state import State, begin
from .store import FeatureIndex

if TYPE_CHECKING:
    import os

    from .corpus import Corpus

_SHARD_TOKENS = 131_072


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
    keep: int | Keeping = 10_000,
    seed: int = 0,
    final_norm: bool = False,
    neuron_correlations: bool | None = None,
    feature_correlations: bool = True,
    keep_activations: bool = True,
    shard_tokens: int = _SHARD_TOKENS,
    progress: bool = True,
) -> FeatureIndex:
    """Scan a corpus once and keep what every feature of the dictionary does on it.

    One forward to the hook and one encode for each batch; everything else is computed from the activations that are not
    0. Tokens are counted unless they are special (BOS, EOS, PAD, SEP, the SAE's own exclusions) or norm outliers.

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
            and views say so. Statistics are exact either way.
        seed: of all samples.
        final_norm: logit weights through the linearised final norm instead of directly (labelled).
        neuron_correlations: correlate features with the neurons of the hook; default: if that takes at most 256 MB.
        feature_correlations: correlate features with each other.
        keep_activations: keep all activations on disk (8 bytes each), so that the index can grow.
        shard_tokens: how often progress is saved.
        progress: show a progress bar.

    Raises:
        CorpusError: for an empty corpus, or something that is none.
        IndexMismatchError: if `path` holds an index of another SAE, model (its weights, not only its name) or corpus,
            other files, or an index without its scan that is not all that is asked for.
        IndexWriteError: if the disk is full or `path` cannot be written. Finished shards are kept.
        NonFiniteError: if an activation is NaN or infinite.
        KeyboardInterrupt: on Ctrl-C; the same call goes on from the last shard.

    Example:
        >>> index = sw.build_index(engine, texts, "my-index", tokens=1_000_000)
        >>> index.features.sort_values("density")
    """
    dictionary = engine.dictionary(sae)
    settings = Settings(
        Keeping(complete=keep) if isinstance(keep, int) else keep, seed, final_norm, feature_correlations
    )
    _check(engine, tokens, shard_tokens, context_size)
    size = context_size or min(context_of(dictionary) or engine.context_size, engine.context_size)
    folder = Path(path)
    source = Source(corpus, engine, size, text_column, id_column)
    plan = Plan(source, folder, dictionary, size, tokens, shard_tokens)
    return _run(engine, plan, settings, neuron_correlations, keep_activations, progress, grow=False)


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
    plan = Plan(source, folder, dictionary, size, tokens, shard_tokens)
    return _run(engine, plan, manifest.settings, None, True, progress, grow=True)


def _run(
    engine: Engine, plan: Plan, settings: Settings, neurons: bool | None, keep: bool, progress: bool, *, grow: bool
) -> FeatureIndex:
    path = plan.path
    who = identity(engine, plan.dictionary, plan.context_size)
    state = State.load(path)
    if (path / MANIFEST).exists():
        manifest = Manifest.load(path)
        must_agree(manifest.identity, who, path)
        state = state or manifest.state(path)
    state = begin(path, state, who, plan.dictionary, neurons)
    job = _Job(engine, plan, settings, state, keep, grow)
    if not job.needed():
        follow(engine, job.check, job, progress, plan.source.corpus)
    if job.needed():
        with ExitStack() as stack:
            with writing(path):
                stack.enter_context(process_lock(path / ".lock", lambda: _say_waiting(path)))
            state = State.load(path) or state  # another process may have ended it meanwhile
            job = _Job(engine, plan, settings, state, keep, grow, job.ahead)
            if job.needed():
                follow(engine, job.run, job, progress, plan.source.corpus)
            if job.repeated:
                told = f"This corpus is in the index at {path} already, all of it: nothing was added."
                warnings.warn(told, stacklevel=3)
    return FeatureIndex.open(path, engine=engine, sae=plan.dictionary.name)


class _Job:
    """What runs on the worker, and what it says of itself to the thread that waits."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        settings: Settings,
        state: State,
        keep_activations: bool,
        grow: bool,
        ahead: Passage | None = None,
    ) -> None:
        self.engine, self.plan, self.settings, self.state = engine, plan, settings, state
        self.keep_activations = keep_activations
        self.ahead = ahead  # a pass over the corpus that is past all that was scanned, and goes on
        self.doing = ("scan", 0, 0)
        self.scan: Scan | None = None
        self.repeated = False
        self._grow = grow
        self._as_it_is = False
        self._manifest = Manifest.load(plan.path) if (plan.path / MANIFEST).exists() else None
        parts = state.parts
        self._scans = not parts or not parts[-1]["done"]
        if self._manifest and not self._manifest.has_scan(plan.path):
            self._manifest.must_hold(plan.path, settings, more=grow or self._wants_more(parts[0]))
            self._scans, self._as_it_is = False, True
        elif not grow and len(parts) > 1 and self._manifest and len(self._manifest.parts) < len(parts):
            # An extension that did not end waits for extend_index; until then the index is what it was.
            self._scans, self._as_it_is = False, True
        elif parts and parts[-1]["done"]:
            if grow and not (self._manifest and len(self._manifest.parts) < len(parts)):
                self._add_part()
            elif not grow and self._wants_more(parts[0]):
                self._go_on()
        elif not parts:
            self._add_part()

    @property
    def documents_done(self) -> int:
        """Documents of the corpus that were read in this run."""
        return 0 if self.scan is None else self.scan.documents_done

    def _wants_more(self, part: dict[str, Any]) -> bool:
        if not part["done"]:
            return False
        tokens = self.plan.tokens
        more = self.ahead is not None or (not part["exhausted"] and (tokens is None or tokens > part["tokens"]))
        if more and len(self.state.parts) > 1:
            raise IndexMismatchError(
                f"The index at {self.plan.path} was extended by another corpus: the first one cannot go on any more. Choose "
                "another path."
            )
        return more

    def _go_on(self) -> None:
        self.state.parts[-1]["done"] = False
        self._scans = True

    def _add_part(self) -> None:
        documents = sum(int(part["documents"]) - int(part["first_document"]) for part in self.state.parts)
        shards = len(shards_in(self.plan.path))
        self.state.parts.append({"first_shard": shards, "first_document": documents, "done": False})
        self._scans = True

    def check(self, ticket: Ticket) -> None:
        """Compare all of the corpus with what was scanned of it; where it goes on after that, so does the scan."""
        self.doing = ("check", 0, 0)
        number, opened = len(self.state.parts) - 1 if self._grow else 0, not self.needed()
        self.ahead = compare(self.plan, self.state, self._manifest, number, opened, self._as_it_is, ticket)
        if self.ahead is not None:
            self._go_on()

    def needed(self) -> bool:
        """Whether there is anything to do."""
        if self._as_it_is:
            return False
        if self._scans or self._manifest is None or len(self._manifest.parts) < len(self.state.parts):
            return True
        return self._store_is_old(self._manifest) or self._manifest.settings != self.settings

    def _store_is_old(self, manifest: Manifest) -> bool:
        """Whether more was scanned than the store tells of: killed between the two."""
        stored = int(Folder(self.plan.path / manifest.store).facts["tokens"])
        return stored != sum(map(len, shards_in(self.plan.path)))

    def run(self, ticket: Ticket) -> None:
        path, dictionary = self.plan.path, self.plan.dictionary
        if not self._scans:
            self.check(ticket)
        if self._scans:
            self.doing = ("scan", 0, 0)
            with writing(path):
                self.state.save(path)
            self.scan = Scan(self.engine, self.plan, self.state, self.ahead)
            try:
                self.scan.run(ticket)
            except RepeatedCorpus as found:
                self.state.parts.pop()
                with writing(path):
                    self.state.save(path)
                if str(found):
                    raise IndexMismatchError(str(found)) from None
                self.repeated = True
                return

        def say(doing: str, done: int, total: int) -> None:
            self.doing = (doing, done, total)
            ticket.breathe()

        shards = shards_in(path)
        sums = load_sums(path, self.state, dictionary, self.engine.counting)
        before = self._manifest
        name = f"store-{(before.number if before else 0) + 1:06d}"
        with writing(path):
            write_store(path / name, self.engine, dictionary, shards, sums, self.settings, say)
        facts = Folder(path / name).facts
        made = Manifest(
            number=(before.number if before else 0) + 1,
            identity=self.state.identity,
            settings=self.settings,
            provenance={**self.engine.provenance(dictionary.name), **noted(dictionary, self.engine.model)},
            corpus={**facts["corpus"], "tokens": facts["tokens"], "counted": facts["counted"]},
            parts=self.state.parts,
            growable=self.keep_activations,
        )
        with writing(path):
            made.save(path)
        # Only now: until the manifest names the new store, the old one is the index.
        for old in path.glob("store-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        if not self.keep_activations:
            for left in (*path.glob("shard-*"), *path.glob("sums-*")):
                shutil.rmtree(left, ignore_errors=True)


def _check(engine: Engine, tokens: int | None, shard_tokens: int, context_size: int | None) -> None:
    if tokens is not None and tokens < 1:
        raise CorpusError(f"tokens={tokens}: at least one token must be read.")
    if shard_tokens < 1:
        raise CorpusError(f"shard_tokens={shard_tokens}: a shard has at least one token.")
    if context_size is not None and not 1 < context_size <= engine.context_size:
        raise CorpusError(f"context_size={context_size}: the engine reads 2 to {engine.context_size} tokens at once.")


def _say_waiting(path: Path) -> None:
    warnings.warn(f"Another process is building the index at {path}; waiting for it.", stacklevel=4)
