"""What is told and sent of a bounded index: estimates carry their sign and how far they can be off, what is exact does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.index.bounded import job
from saewidgets.index.errors import FilterError, IndexMismatchError
from saewidgets.index.record.schema import BOUNDED, SHARD, STORE, UNBOUNDED
from saewidgets.index.scan.shards import SAMPLE
from saewidgets.index.statistics.kept_examples import Keeping
from saewidgets.index.store.filters import Filter
from saewidgets.storage.array_folder import Folder
from saewidgets.widgets.dashboard.asked import AskedExamples
from saewidgets.widgets.dashboard.payload import answer_examples

# Most are alike, and a feature that fires on the others alone is rare.
TEXTS = [
    {"text": tiny.TEXTS[i % 100 == 7][i % 9 :][:60] + str(i), "kind": "ab"[i % 2], "number": str(i)} for i in range(300)
]


class Both:
    """The index of all activations and the bounded one, of which most chunks are not drawn."""

    def __init__(self, path: Path) -> None:
        self.engine = sw.Engine(tiny.hooked(), tiny.sae("abstopk"))
        self.path = path
        self.full = sw.build_index(self.engine, TEXTS, path / "full", progress=False, wait=True)
        count = self.full.column("count")
        keep = Keeping(complete=6, top=2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(job, "_DRAWN_TOKENS", 1)  # the fewest chunks that there are drawn: 8
            self.bounded = sw.build_index(
                self.engine, TEXTS, path / "bounded", progress=False, wait=True, keep_activations=False, keep=keep
            )
        kept = np.diff(self.bounded.column("kept_ptr").astype(np.int64))
        self.sample = keep.complete
        self.many = np.flatnonzero(count > kept)
        self.few = np.flatnonzero((count > 0) & (count == kept))
        assert len(self.many) > 3 and len(self.few) > 1
        assert len(self.bounded.texts) < self.full.tokens

    @property
    def busy(self) -> int:
        return int(self.many[np.argmax(self.full.column("count")[self.many])])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    made = Both(tmp_path_factory.mktemp("both"))
    yield made
    made.engine.close()


def shape(array: np.ndarray) -> tuple[int, ...]:
    return array.shape[1:]


def test_the_schema_is_what_is_stored(both: Both) -> None:
    store = both.bounded.folder
    assert set(store.names()) == (set(STORE) - UNBOUNDED) | set(BOUNDED)
    rows = {"F": len(both.bounded), "E": store.length("kept_position")}
    for name, said in BOUNDED.items():
        found = store.read(name)
        assert found.dtype.kind == "u" if said.dtype == "index" else found.dtype == said.dtype, name
        assert len(found) == rows[str(said.shape[0])] and said.says
        assert all(n == wanted or wanted == "k" for n, wanted in zip(shape(found), said.shape[1:], strict=True)), name
    for one, other in (("bins_bound", "bins"), ("token_low", "token"), ("token_high", "token")):
        assert store.read(one).shape == store.read(other).shape
    assert set(Folder(both.bounded.path / SAMPLE).names()) == set(SHARD)


def test_a_feature_says_what_of_it_is_estimated_and_the_truth_is_within(both: Both) -> None:
    for f in both.many.tolist():
        here, truth = both.bounded.feature(f), both.full.feature(f)
        bars, exact = here.histogram, truth.histogram
        assert here.estimated and bars is not None and exact is not None and bars.bound is not None
        assert (bars.low, bars.high) == (exact.low, exact.high)
        assert (np.abs(bars.counts - exact.counts) <= bars.bound).all()
        edges = bars.edges
        for first, last in ((0, 50), (0, 7), (3, 30), (20, 21), (41, 50)):
            found = bars.between(edges[first], edges[last])
            assert found is not None
            assert abs(found[0] - int(exact.counts[first:last].sum())) <= found[1], (f, first, last)
        assert bars.between(edges[0], edges[50]) == (truth.count, 0)
        for told, true in zip(here.intervals, truth.intervals, strict=True):
            assert abs(told.count - true.count) <= (told.bound or 0)
        for token in here.tokens:
            assert token.low is not None and token.high is not None and token.low <= token.count <= token.high
            assert token.share <= 1
    for f in both.few.tolist():
        here = both.bounded.feature(f)
        assert not here.estimated and here.tokens_of is None and here.histogram is not None
        assert here.histogram.bound is None and here.histogram.said is None
        assert all(interval.bound is None for interval in here.intervals)
        assert all(token.low is None and not token.said.startswith("\u2248") for token in here.tokens)


def test_printouts_tables_and_figures_say_it(both: Both) -> None:
    here, exact = both.bounded.feature(both.busy), both.bounded.feature(int(both.few[0]))
    assert "estimated" in repr(here) and "histogram" in here.estimates
    assert f"sample of {both.sample:,} of its {here.count:,} activations" in here.to_pandas().attrs["estimates"]
    assert "histogram" not in exact.estimates
    assert both.full.feature(both.busy).estimates == "" and "estimated" not in repr(both.full.feature(both.busy))
    bars = here.histogram
    assert bars is not None
    np.testing.assert_array_equal(here.figure().data[0].error_y["array"], bars.bound)
    assert exact.figure().data[0].error_y["array"] is None
    assert "top_token" in both.bounded.features.attrs["estimated"] and "estimated" not in both.full.features.attrs
    assert "bounded" in repr(both.bounded) and both.full.kept is None


def test_features_that_fire_together_are_of_the_drawn_chunks(both: Both) -> None:
    sample = Folder(both.bounded.path / SAMPLE)
    tokens, chunks = sample.length("tokens"), sample.length("chunk_length")
    assert tokens < both.full.tokens / 2
    words = f"{tokens:,} tokens of {chunks:,} chunks drawn at random"
    told = [both.bounded.feature(int(f)) for f in np.flatnonzero(both.full.column("count"))]
    for one in told:
        if one.correlated:
            assert one.correlated_of == words
        else:
            assert one.correlated_of is None and words in str(one.correlated_missing)
    assert any(one.correlated for one in told)
    assert both.full.feature(both.busy).correlated_of is None
    table = sw.neighbours(both.bounded, both.busy, by="correlation", k=2)
    assert table.attrs["of"] == words


def test_views_are_sent_the_words(both: Both) -> None:
    dashboard = sw.FeatureDashboard(index=both.bounded)
    reply = dashboard._feature_reply(both.busy, np.arange(3), can_label=False)
    feature = both.bounded.feature(both.busy)
    bars = feature.histogram
    assert bars is not None and bars.bound is not None
    np.testing.assert_array_equal(reply.arrays["hist_bound"], bars.bound)
    assert len(reply.arrays["hist_sums_bound"]) == 50
    assert f"{bars.bound.max():,} token" in str(reply.data["histogram_of"])
    rows = reply.data["tokens"]
    assert isinstance(rows, list) and rows
    for row, token in zip(rows, feature.tokens, strict=True):
        assert isinstance(row, dict)
        ends = "" if token.low == token.high else f" ({token.low:,} to {token.high:,})"
        assert str(row["about"]).replace("\u00a0", " ") == f"\u2248 {token.count:,}{ends}"
    assert "in a sample" in str(reply.data["correlated_of"])
    assert any(
        "that are kept" in str(note)
        for note in dashboard._feature_reply(both.busy, np.arange(3), can_label=False).data["notes"]
    )  # type: ignore[union-attr]
    exact = dashboard._feature_reply(int(both.few[0]), np.arange(3), can_label=False)
    assert exact.data["histogram_of"] is None and exact.data["tokens_of"] is None
    assert len(exact.arrays["hist_bound"]) == 0
    assert all(row["about"] is None for row in exact.data["tokens"])  # type: ignore[index,union-attr,call-overload]
    dashboard.feature = both.busy
    page = dashboard.fallback_html()
    assert "\u2248" in page and f"sample of {both.sample:,}" in page


def test_intervals_say_about_how_many_there_are(both: Both) -> None:
    seen = 0
    for f in both.many.tolist():
        truth = dict(zip("9876543210", both.full.feature(f).intervals, strict=False))
        found = both.bounded.examples(f, group="intervals", fold=False)
        reply = answer_examples(
            both.bounded,
            AskedExamples(feature=f, group="intervals", bounds=(), view="snippet", window=5, token="", where=()),
        )
        titles = {str(g["key"]): str(g["detail"]) for g in reply.data["groups"]}  # type: ignore[index,union-attr,call-overload]
        for group in found.groups:
            true = truth[group.key].count
            if group.about is None:
                assert group.count == true and "\u2248" not in titles[group.key]
                continue
            seen += 1
            about, bound = group.about
            assert group.count is None and abs(true - about) <= bound
            assert f"about {about:,} \u00b1 {bound:,} of the corpus" in group.note
            assert f"\u2248 {about:,} (\u00b1 {bound:,}) of" in titles[group.key]
            assert "no activation" not in group.note
    assert seen > 5


def test_around_silent_examples_every_activation_is_shown(both: Both) -> None:
    """In a whole chunk a feature may fire, only not near the example."""
    index, full = both.bounded, both.full
    assert full.every is not None
    seen = elsewhere = 0
    for f in both.many.tolist():
        truth = {_place(full, int(p)): v for p, v in zip(*full.every.of(f), strict=True)}
        for group in index.examples(f, group="silent", window=None, fold=False).groups:
            for example in group.examples:
                places = [_place(index, example.start + i) for i in range(len(example.tokens))]
                wanted = np.array([truth.get(place, 0) for place in places], np.float32)
                counted = example.flags == 0
                np.testing.assert_array_equal(example.activations[counted], wanted[counted])
                seen += 1
                elsewhere += wanted[counted].any()
    assert seen > 50 and elsewhere > 20


def _place(index: sw.FeatureIndex, position: int) -> tuple[int, int]:
    """The number of a token's document, and where in it the token is."""
    chunk = int(index.texts.chunk(np.array([position]))[0])
    document = int(index.folder.read("chunk_document", chunk, chunk + 1)[0])
    return document, position - int(index.texts.chunk_ptr[chunk]) + index.texts.offset(chunk)


def test_an_interval_above_the_largest_that_are_kept_is_known(both: Both, tmp_path: Path) -> None:
    """As a range of the same bounds is: nothing of it is missing, so nothing of it is estimated."""
    assert both.full.every is not None
    top, seen = 40, 0
    index = sw.build_index(
        both.engine, TEXTS, tmp_path, progress=False, keep_activations=False, keep=Keeping(complete=6, top=top)
    )
    for f in both.many.tolist():
        values = both.full.every.of(f)[1]
        positive = np.sort(values[values > 0])[::-1]
        if len(positive) <= top or index.feature(f).complete:
            continue
        edges = positive[0].astype(np.float64) * np.arange(11) / 10
        for group in index.examples(f, group="intervals", per_interval=100, fold=False).groups:
            low, high = edges[int(group.key)], edges[int(group.key) + 1]
            wanted = np.sort(positive[(positive > low) & (positive <= (high if int(group.key) < 9 else np.inf))])[::-1]
            if low >= positive[top - 1]:
                seen += len(wanted)
                assert (group.count, group.complete, group.sampled, group.about) == (len(wanted), True, False, None)
                np.testing.assert_array_equal([one.activation for one in group.examples], wanted)
    assert seen > 20


def test_what_is_kept_of_the_texts_is_told_from_the_corpus(both: Both) -> None:
    index, full = both.bounded, both.full
    kept = index.kept
    assert kept is not None
    assert (kept.documents, kept.tokens) == (len(full.documents), full.tokens)
    assert index.provenance["corpus"] == full.provenance["corpus"]
    assert f"{both.sample:,} drawn" in index.provenance["kept"] and "kept" not in full.provenance
    assert (kept.kept_documents, kept.kept_tokens) == (len(index.documents), len(index.texts))
    assert "that are kept" in index.documents.attrs["kept"] and "kept" not in full.documents.attrs
    with pytest.raises(FilterError, match="texts that are kept"):
        index.examples(both.busy, where={"kind": "zzz"})
    with pytest.raises(FilterError, match="texts that are kept"):
        Filter(index.texts, "no such words", {})
    with pytest.raises(FilterError) as error:
        full.examples(both.busy, where={"kind": "zzz"})
    assert "kept" not in str(error.value)


def test_what_needs_all_activations_is_refused_by_name(both: Both) -> None:
    index = both.bounded
    for ask in (
        lambda: sw.splitting(index, index),
        lambda: sw.neighbours(index, both.busy, by="coactivation"),
        lambda: sw.neighbours(index, both.busy, by="correlation", k=60),
    ):
        with pytest.raises(IndexMismatchError, match="keep_activations=True"):
            ask()
    # Two that keep different texts have no token in common by its position, though the corpus is one.
    with pytest.raises(SaewidgetsError, match="bounded scan.*keep_activations=True"):
        _corpus(sw.Side(index=index, feature=both.busy), sw.Side(index=both.full, feature=both.busy))


def _corpus(a: sw.Side, b: sw.Side) -> object:
    from saewidgets.geometry.beside.on_corpus import on_corpus

    return on_corpus(a, b)


def test_two_features_that_are_kept_whole_are_compared_on_the_whole_corpus(both: Both) -> None:
    a, b = both.few[:2].tolist()
    here, there = (sw.beside((index, a), (index, b)).corpus for index in (both.bounded, both.full))
    assert here is not None and there is not None and here.all
    assert here.together == there.together
    np.testing.assert_array_equal(here.values, there.values)
    window = here.window(int(here.position[0]))
    assert window.tokens == there.window(int(there.position[0])).tokens


def test_files_of_others_say_that_histograms_are_estimates(both: Both, tmp_path: Path) -> None:
    wanted = [both.busy, int(both.few[0])]
    folder = both.bounded.to_neuronpedia(tmp_path, features=wanted, per_interval=1)
    again = sw.FeatureIndex.from_neuronpedia(folder)
    assert "estimates" in again.provenance["notes"] and "counted tokens" in again.provenance["notes"]
    full = sw.FeatureIndex.from_neuronpedia(both.full.to_neuronpedia(tmp_path / "full", features=wanted))
    assert "estimates" not in full.provenance["notes"]
    # As many chunks as the corpus had, not as are kept.
    assert re.findall(r"[\d,]+ prompts", again.provenance["corpus"]) == re.findall(
        r"[\d,]+ prompts", full.provenance["corpus"]
    )
    # The shares of intervals are those of the index.
    feature = both.bounded.feature(both.busy)
    shares = {round(one.count / feature.counted, 9) for one in feature.intervals}
    given = again.folder.read("window_contains")
    assert len(given[given > 0]) and {round(float(share), 9) for share in given[given > 0]} <= shares | {
        round(one.count / feature.counted, 9) for one in both.bounded.feature(wanted[1]).intervals
    }
