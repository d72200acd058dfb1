"""An index of 1,000,000 features: opened, looked at feature by feature, as a table, searched; what may grow with them and what not.

Its numbers are drawn (made_up_index.py); 100,000 features have an explanation. Everything is asked as the views ask it, in the
kernel; a page in Chromium scrolls.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import saewidgets as sw
from benchmarks import table_bench
from benchmarks.made_up_index import MILLION, write_index
from benchmarks.measure import Row, seconds_of, table
from benchmarks.search_bench import sentences
from saewidgets.engine.engine import Engine
from saewidgets.engine.labels import Labels
from saewidgets.engine.ticket import Ticket
from saewidgets.geometry.errors import GeometryError
from saewidgets.index.record.identity import identity
from saewidgets.widgets.browser.features import ChosenFeatures, RowsOfFeatures
from saewidgets.widgets.dashboard.asked import AskedExamples, AskedFeature
from saewidgets.widgets.map.asked import AskedLayout
from saewidgets.widgets.table.asked import Between, Summary
from saewidgets.widgets.wire import success

_EXPLAINED = 10  # of so many features one has an explanation
_REPEATS = 15
_PAGE, _WORDS, _MEANING = 50.0, 50.0, 100.0
_TEXT = "The second day of the week is Monday."
_D_MODEL, _ACTIVE = 32, 64


def rows(demo: Engine, n: int = MILLION, frames: bool = True, kept: Path | None = None) -> Iterator[Row]:
    """Every budget of a large index.

    Args:
        demo: for its tokenizer.
        n: features.
        frames: also how the table scrolls, in a browser.
        kept: a folder in which the index is written, if it is not there, and stays.
    """
    with TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", (kept or Path(folder)) / "large"
        with _wide(demo, n) as engine:
            vocabulary = engine.tokenizer.vocabulary()
            if not large.exists():
                made_of = identity(engine, engine.dictionary(), 256)
                seconds = seconds_of(lambda: write_index(large, n, vocabulary=vocabulary, identity=made_of))
                size = sum(file.stat().st_size for file in large.rglob("*") if file.is_file())
                yield Row(
                    f"{n:,} features: writing the made-up index", "-", f"{seconds:.0f} s, {size / 1e9:.2f} GB", None
                )
            # What is imported when something is first asked for belongs to no number below.
            _look(write_index(small, 1000, vocabulary=vocabulary, chunks=64))
            yield _within(f"{n:,} features: opened", lambda: sw.FeatureIndex.open(large), 20.0)
            yield from _pages(large)
            yield from _table(large, frames)
            yield from _with_an_engine(engine, large)
        yield from _named(large)
        yield from _search(large, n // _EXPLAINED)


def _look(index: sw.FeatureIndex) -> None:
    """Whatever is asked below, once."""
    assert len(index.features) == len(index)
    dashboard, browser = sw.FeatureDashboard(index=index), sw.FeatureBrowser(index)
    _shown(dashboard, 0)
    _sent(browser, "summary", Summary())
    _window(browser)
    index.found("ba")
    index.found("ba", "meaning")


# -- a feature


def _pages(path: Path) -> Iterator[Row]:
    n = len(sw.FeatureIndex.open(path))
    some = iter(np.random.default_rng(0).permutation(n).tolist())

    def opened() -> None:
        index = sw.FeatureIndex.open(path)
        _read(index, next(some))

    yield _within("- a feature with its examples, new FeatureIndex", opened, _PAGE)
    index = sw.FeatureIndex.open(path)
    yield _within("- the next feature with its examples", lambda: _read(index, next(some)), _PAGE)
    index = sw.FeatureIndex.open(path)
    yield _once("- a dashboard made, sorted by density", lambda: sw.FeatureDashboard(index=index), 500.0)
    dashboard = sw.FeatureDashboard(index=index)
    yield _once("- its first feature, as a view is sent it", lambda: _shown(dashboard, next(some)), _PAGE)
    yield _within("- the next, each elsewhere in the index", lambda: _shown(dashboard, next(some)), _PAGE)
    dashboard.close()


def _read(index: sw.FeatureIndex, feature: int) -> None:
    index.feature(feature)
    list(index.examples(feature))


def _shown(dashboard: sw.FeatureDashboard, feature: int) -> int:
    return _sent(dashboard, "feature", AskedFeature(feature)) + _sent(dashboard, "examples", AskedExamples(feature))


# -- the table


def _table(path: Path, frames: bool) -> Iterator[Row]:
    index = sw.FeatureIndex.open(path)
    n = len(index)
    yield _once("- index.features, the table as a data frame", lambda: index.features, 10_000.0)
    browser = sw.FeatureBrowser(index)
    yield _once("- the browser's columns with their histograms", lambda: _sent(browser, "summary", Summary()), 1000.0)
    yield Row("- what is sent of them", "<= 100 kB", *_kilobytes(_sent(browser, "summary", Summary())))
    columns = iter(("max", "mean", "std", "count", "min", "logit_std", "logit_skew", "logit_kurtosis"))
    yield _within("- the table sorted anew", lambda: _window(browser, sort=next(columns)), 500.0, repeats=8)
    places = iter(np.random.default_rng(1).integers(0, n, 1000).tolist())
    yield _within("- the next window of 200 rows", lambda: _window(browser, first=next(places)), 100.0)
    bounds = iter(np.linspace(1.0, 3.0, 1000).tolist())
    filtered = lambda: _window(browser, filters=(Between("max", next(bounds), None),))  # noqa: E731
    yield _within("- filtered anew, while a slider is moved", filtered, 100.0)
    largest = max(_window(browser, first=next(places)) for _ in range(20))
    yield Row("- the largest message of a window of 200 rows", "<= 100 kB", *_kilobytes(largest))
    if frames:
        yield table_bench.scrolled(browser)
    browser.close()


def _window(browser: sw.FeatureBrowser, first: int = 0, **chosen: Any) -> int:
    return _sent(browser, "rows", RowsOfFeatures(ChosenFeatures(**chosen), first))


# -- words


def _search(path: Path, explained: int) -> Iterator[Row]:
    index = sw.FeatureIndex.open(path)
    said = sentences(explained)
    if not len(index.explained):
        features = np.random.default_rng(2).permutation(len(index))[:explained].tolist()
        rows = [{"feature": feature, "description": one.text} for feature, one in zip(features, said, strict=True)]
        yield _once(f"- adding {explained:,} explanations", lambda: index.add_explanations(rows, "made up"), None)
    both = f"{explained:,} explanations and {len(index):,} descriptions"
    yield _once(f"- the first search by words, in {both}", lambda: index.found("ba"), None)
    first, second = said[0].text.split()[:2]
    words = [word for one in said[:2_000] for word in one.text.split()]
    frequent, usual = statistics.mode(words), max(words, key=len)
    typo = usual[:2] + usual[3] + usual[2] + usual[4:]
    asked = {
        "a word that is everywhere": frequent,
        "the beginning of words": frequent[:2],
        "two words": f"{first} {second}",
        "a typo": typo,
        "characters that are nowhere": "->",
    }
    index.found("->")  # puts all sentences into one text
    for name, query in asked.items():
        yield _within(f"- search by words: {name}", partial(index.found, query, k=200), _WORDS)
    yield _once("- the first search by meaning, which embeds them", lambda: index.found("ba", "meaning"), None)
    yield _within("- search by meaning", lambda: index.found(f"{first} {second}", "meaning", k=200), _MEANING)
    browser = sw.FeatureBrowser(index)
    queries = iter(dict.fromkeys(word for word in words if len(word) > 5))
    yield _within("- the table's window of a search by words", lambda: _window(browser, query=next(queries)), 100.0)
    browser.close()


def _named(path: Path) -> Iterator[Row]:
    """With a name for every feature."""
    index = sw.FeatureIndex.open(path)
    names = {feature: f"name {feature}" for feature in range(len(index))}
    labels = Labels(names)
    labels.link(index.labels)
    yield _once(
        "- every feature has a name: all of them as a table's column", lambda: index.features["label"], 10_000.0
    )
    yield _once("- the order of names", lambda: index.order("label"), 5_000.0)
    yield _within("- looking one up", lambda: index.label(len(index) // 2), 1.0)
    numbers = iter(range(1000))
    yield _within("- naming one", lambda: index.set_label(next(numbers), f"again {time.time()}"), 100.0)


# -- with an engine


def _wide(demo: Engine, n: int) -> Engine:
    """A tiny random model with the demo's tokenizer, and a random TopK SAE of `n` features."""
    from sae_lens import HookedSAETransformer
    from sae_lens.saes import TopKSAE, TopKSAEConfig
    from sae_lens.saes.sae import SAEMetadata
    from transformer_lens import HookedTransformerConfig

    torch.manual_seed(0)
    raw: Any = demo.model.raw
    cfg = HookedTransformerConfig(
        n_layers=2,
        d_model=_D_MODEL,
        n_ctx=256,
        d_head=8,
        n_heads=4,
        act_fn="gelu",
        d_vocab=raw.cfg.d_vocab,
        device="cpu",
        seed=0,
    )
    model = HookedSAETransformer(cfg, tokenizer=raw.tokenizer)
    metadata = SAEMetadata(hook_name="blocks.1.hook_resid_pre", context_size=256)
    sae = TopKSAE(TopKSAEConfig(d_in=_D_MODEL, d_sae=n, k=_ACTIVE, metadata=metadata))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.normal_(0, 0.1)
    return Engine(model.eval(), sae.eval())


def _with_an_engine(engine: Engine, path: Path) -> Iterator[Row]:
    yield _once(
        "- opened with its engine, whose weights are compared", lambda: sw.FeatureIndex.open(path, engine=engine), None
    )
    index = sw.FeatureIndex.open(path, engine=engine)
    yield _once(
        "- a map of so many is refused, with a word of what is there instead",
        lambda: _refused(sw.FeatureMap(index)) if len(index) > 131_072 else None,
        100.0,
    )
    alone = seconds_of(lambda: engine.activations(_TEXT)) * 1e3
    heatmap = sw.TokenFeatureHeatmap(engine, _TEXT, index=index)
    both = seconds_of(lambda: heatmap.activations) * 1e3
    yield Row("- a heatmap's activations / the engine's alone", "-", f"{both:.0f} / {alone:.0f} ms", None)
    made: list[Any] = []
    yield _once(
        "- sw.explore made: table, dashboard, heatmap, steering", lambda: made.append(sw.explore(engine, index)), 1000.0
    )
    for one in (heatmap, *made):
        one.close()


def _refused(features: sw.FeatureMap) -> None:
    try:
        features._answer("layout", AskedLayout(), Ticket())
    except GeometryError:
        return
    finally:
        features.close()
    raise AssertionError("A map of so many features was made.")


# -- measuring


def _sent(widget: Any, name: str, asked: object) -> int:
    """Bytes of an answer, as it is sent."""
    message, buffers = success("v:1", widget._answer(name, asked, None), "binary")
    return len(str(message).encode()) + sum(map(len, buffers))


def _kilobytes(size: int) -> tuple[str, bool]:
    return f"{size / 1e3:.0f} kB", size <= 100_000


def _once(what: str, ask: Callable[[], object], budget: float | None) -> Row:
    """Of what is done once and kept: the only time that it takes."""
    ms, processor = _milliseconds(ask)
    measured = f"{ms:,.0f} ms ({processor:,.0f} of the processor)"
    return (
        Row(what, "-", measured, None) if budget is None else Row(what, f"<= {budget:,.0f} ms", measured, ms <= budget)
    )


def _within(what: str, ask: Callable[[], object], budget: float, repeats: int = _REPEATS) -> Row:
    """Median of several, each of another thing if `ask` takes another."""
    times = [_milliseconds(ask) for _ in range(repeats)]
    ms, processor = (statistics.median(one) for one in zip(*times, strict=True))
    slowest = max(wall for wall, _ in times)
    measured = f"{ms:.1f} ms ({processor:.1f} of the processor; slowest of {repeats}: {slowest:.1f})"
    return Row(what, f"<= {budget:.0f} ms", measured, ms <= budget)


def _milliseconds(ask: Callable[[], object]) -> tuple[float, float]:
    """That it takes, and of these the processor's own: a machine that does other things as well waits in between."""
    processor, wall = time.process_time(), time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)


def main() -> None:
    """This table alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=MILLION)
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium")
    parser.add_argument("--folder", type=Path, help="keep the index here, and measure the one that is here")
    arguments = parser.parse_args()
    with sw.load_demo() as demo:
        found: list[Row] = []
        for row in rows(demo, arguments.features, not arguments.no_browser, arguments.folder):
            found.append(row)
            print(" | ".join(row.cells()), flush=True)
        print(table(found))


if __name__ == "__main__":
    main()
