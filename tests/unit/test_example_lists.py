"""A list of examples holds what it says: of a feature whose activations were cut down, the true largest and then nothing;
uniform samples that are uniform; counts that say when they are only "at least". The truth is the model's own."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.widgets.dashboard.asked import AskedExamples
from saewidgets.widgets.dashboard.payload import answer_examples
from saewidgets.widgets.feature.payload import titles

HOOK = "blocks.1.hook_resid_pre"
LENGTH, TOP, INTERVAL = 60, 30, 20
KEEP = sw.Keeping(complete=50, top=TOP, interval=INTERVAL)


@dataclass(frozen=True)
class Case:
    """A cut-down index, and what the model and the SAE say: [tokens, features] activations, the token ids."""

    index: sw.FeatureIndex
    acts: np.ndarray
    ids: np.ndarray

    def kind(self, f: int, position: int) -> tuple[Any, ...]:
        """What is around a token: equal for equal snippets of 5 tokens on each side."""
        row, at = divmod(position, LENGTH)
        first = max(0, at - 5)
        return at - first, *self.ids[row, first : at + 6].tolist()


def made(path: Path, architecture: str, ids: np.ndarray) -> Case:
    model, sae = tiny.hooked(), tiny.sae(architecture)
    rows = [{"text": row.tolist(), "third": i % 3} for i, row in enumerate(ids)]
    with sw.Engine(model, sae) as engine:
        index = sw.build_index(engine, rows, path, keep=KEEP, progress=False, wait=True, feature_correlations=False)
    with torch.no_grad():
        x = model.run_with_cache(torch.from_numpy(ids))[1][HOOK]
        acts = sae.encode(x).numpy().reshape(-1, tiny.D_SAE)
    assert index.counted == len(acts), "every token counts here"
    return Case(index, acts, ids)


def random_ids(rows: int) -> np.ndarray:
    return np.random.default_rng(5).integers(30, 300, (rows, LENGTH))


@pytest.fixture(scope="module", params=["standard", "abstopk"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return made(tmp_path_factory.mktemp("varied") / "index", request.param, random_ids(80))


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Each document seven times, so that all activations are ties, too."""
    return made(tmp_path_factory.mktemp("repeated") / "index", "standard", np.tile(random_ids(11), (7, 1)))


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def cut_features(case: Case) -> list[int]:
    found = [f for f in range(tiny.D_SAE) if not case.index.feature(f).complete]
    assert len(found) > 10
    return found


@pytest.mark.slow
@pytest.mark.parametrize("asked", [5, TOP, 50, 10**6])
def test_a_top_list_is_the_beginning_of_the_full_sort(case: Case, asked: int) -> None:
    ended = 0
    for f in cut_features(case):
        groups = case.index.examples(f, group="top", top=asked, fold=False)
        for key, sign in (("top", 1), ("bottom", -1)):
            full = np.sort(sign * case.acts[:, f])[::-1]
            full = full[full > 0]
            if key == "bottom" and not len(full):
                continue
            group = groups[key]
            found = np.array([sign * e.activation for e in group.examples])
            close(found, full[: len(found)])
            assert group.count == len(full) and not group.sampled
            assert len(found) >= min(asked, TOP, len(full)), "what is known is shown"
            assert group.short == (len(found) < min(asked, len(full)))
            assert group.complete == (group.held == len(full))
            if group.short:
                ended += 1
                assert f"of {len(full):,} " in group.note and f"only the {group.held:,} " in group.note
                assert f"down to {group.examples[-1].activation:.4g}, are known" in group.note
                assert group.note in repr(groups)
    assert (ended > 0) == (asked > TOP)


@pytest.mark.slow
def test_the_largest_are_known_as_far_as_whole_intervals_are_kept(case: Case) -> None:
    """Not only `keep.top`: where all of the highest intervals is kept, all of that is known to be the largest."""
    further = 0
    for f in cut_features(case):
        positive = np.sort(case.acts[:, f][case.acts[:, f] > 0])[::-1]
        if not len(positive):
            continue
        # By the definition of an interval: (high * i / 10, high * (i + 1) / 10].
        counts = [
            ((positive > positive[0] * i / 10) & (positive <= positive[0] * (i + 1) / 10)).sum() for i in range(10)
        ]
        whole = 0
        while whole < 10 and counts[9 - whole] <= INTERVAL:
            whole += 1
        known = sum(counts[10 - whole :])
        held = case.index.examples(f, group="top", top=10**6, fold=False)["top"].held
        assert held >= max(known - 1, min(TOP, len(positive))), "one may lie on an edge"
        further += held > TOP
    assert further > 0


@pytest.mark.slow
@pytest.mark.parametrize("asked", [20, 50])
def test_with_a_filter_the_list_is_the_largest_that_pass(case: Case, asked: int) -> None:
    third = np.arange(len(case.acts)) // LENGTH % 3
    token = case.ids.reshape(-1)
    short = 0
    for f in cut_features(case):
        column = case.acts[:, f]
        common = int(Counter(token[column > 0].tolist()).most_common(1)[0][0]) if (column > 0).any() else int(token[0])
        word = case.index.texts.string(common)
        masks = {"where": third == 1}
        if word.strip() and len(case.index.texts.ids_called(word)) == 1:
            masks["token"] = token == common
        for kind, mask in masks.items():
            how: dict[str, Any] = {"where": {"third": 1}} if kind == "where" else {"token": word}
            group = case.index.examples(f, group="top", top=asked, fold=False, **how)["top"]
            full = np.sort(column[mask & (column > 0)])[::-1]
            found = [e.activation for e in group.examples]
            close(found, full[: len(found)])
            assert group.filtered and not group.sampled and group.share is None
            assert group.count == (len(full) if group.complete else None)
            if len(found) < min(asked, len(full)):
                short += 1
                assert group.short and not group.complete and "known only from samples" in group.note
            if not found:
                assert "none passes" in group.note or "no positive activation passes" in group.note
    assert short > 0


@pytest.mark.slow
def test_a_folded_list_says_how_many_activations_it_covers(repeated: Case) -> None:
    ended = more = 0
    for f in cut_features(repeated):
        positions = np.flatnonzero(repeated.acts[:, f] > 0)
        true = Counter(repeated.kind(f, int(p)) for p in positions)
        group = repeated.index.examples(f, group="top", top=50, window=5)["top"]
        full = np.sort(repeated.acts[:, f])[::-1]
        close(group.examples[0].activation, full[0])
        for e in group.examples:
            assert e.activation >= full[group.held - 1] - 1e-4, "no sample among the largest"
            everywhere = true[repeated.kind(f, e.position)]
            assert e.repeats + 1 <= everywhere
            assert not group.repeats_exact or e.repeats + 1 == everywhere
            more += e.repeats + 1 < everywhere
        assert group.covers == sum(e.repeats + 1 for e in group.examples) <= group.held
        if group.short:
            ended += 1
            assert group.covers == group.held and not group.repeats_exact
            assert f"{group.covers} activations in {len(group.examples)} different snippets" in group.note
    assert ended > 5 and more > 0


def z_score(found: np.ndarray, everything: np.ndarray) -> float:
    """Of the mean of a sample without replacement: its variance is sd^2 / n * (N - n) / (N - 1)."""
    n, N = len(found), len(everything)
    spread = everything.std() * np.sqrt((N - n) / (N - 1) / n)
    return float((found.mean() - everything.mean()) / spread) if spread > 0 else 0.0


@pytest.mark.slow
def test_a_sample_of_an_interval_is_uniform_however_large(case: Case) -> None:
    scores = []
    for f in cut_features(case):
        groups = case.index.examples(f, group="intervals", per_interval=300, fold=False)
        for group in groups.groups:
            assert group.low is not None and group.high is not None
            inside = case.acts[:, f][(case.acts[:, f] > group.low + 1e-4) & (case.acts[:, f] < group.high - 1e-4)]
            found = np.array([e.activation for e in group.examples])
            assert len(found) == group.held == (group.count if group.complete else INTERVAL)
            assert group.sampled == group.short == (not group.complete)
            if group.sampled:
                scores.append(z_score(found, inside))
                assert f"{INTERVAL} kept of {group.count:,}" in group.note
    z = np.array(scores)
    assert len(z) > 50
    # Independent draws: the sum of their z-scores is normal, of standard deviation sqrt(n).
    assert abs(z.sum()) < 4 * np.sqrt(len(z)) and (z**2).mean() < 1.7


@pytest.mark.slow
@pytest.mark.parametrize("quantiles", [(0.0, 1.0), (0.1, 0.9), (0.3, 0.95), (0.5, 1.0)])
def test_a_sample_of_a_range_over_several_intervals_is_uniform(case: Case, quantiles: tuple[float, float]) -> None:
    scores, ratios = [], []
    for f in cut_features(case):
        active = case.acts[:, f][case.acts[:, f] != 0]
        low, high = (float(np.quantile(active, q)) for q in quantiles)
        group = case.index.examples(f, low=low, high=high if quantiles[1] < 1 else None, top=300, fold=False)["range"]
        inside = active[(active >= low) & ((active < high) | (quantiles[1] == 1))]
        found = np.array([e.activation for e in group.examples])
        assert len(found) == group.held > 0
        if group.complete:
            assert abs(len(found) - len(inside)) <= 1
            continue
        assert group.sampled and group.short
        scores.append(z_score(found, inside))
        ratios.append(found.mean() / inside.mean())
    z = np.array(scores)
    assert abs(z.sum()) < 4 * np.sqrt(len(z)) and (z**2).mean() < 2
    if (case.acts >= 0).all():
        # Mixed with what is kept for being large, the mean was half as large again.
        assert 0.93 < np.median(ratios) < 1.07


def test_a_range_within_the_known_largest_is_whole(case: Case) -> None:
    for f in cut_features(case):
        full = np.sort(case.acts[:, f])[::-1]
        if full[TOP] <= 0:
            continue
        low = float(full[9] + full[10]) / 2
        if full[9] - full[10] < 1e-3:
            continue
        group = case.index.examples(f, low=low, top=10**6, fold=False)["range"]
        close([e.activation for e in group.examples], full[:10])
        assert group.complete and group.count == 10 and not group.sampled and not group.short
        assert group.note == "10 activations, which are all"


def test_silent_examples_are_samples_and_say_so(case: Case) -> None:
    f = cut_features(case)[0]
    groups = case.index.examples(f, group="silent")
    for key in ("near", "silent"):
        assert groups[key].sampled and not groups[key].repeats_exact
        assert ("sample" if groups[key].examples else "no such token was found") in groups[key].note
        assert f"{key}: {len(groups[key].examples)} (sampled)" in repr(groups)
        told = titles(groups[key], case.index.feature(f))[1]
        assert told.endswith("a sample" if groups[key].examples else groups[key].note)


@pytest.mark.slow
def test_a_table_says_what_its_groups_hold(case: Case) -> None:
    for f in cut_features(case)[:5]:
        examples = case.index.examples(f, top=50)
        table = examples.to_pandas()
        assert table.attrs["notes"] == {group.key: group.note for group in examples.groups}
        assert all(table.attrs["notes"].values())
        for group in examples.groups:
            rows = table[table["group"] == group.key]
            assert (rows["sampled"] == group.sampled).all() and (rows["repeats_exact"] == group.complete).all()


@pytest.mark.slow
def test_the_dashboard_says_where_a_list_ends(case: Case) -> None:
    ended = 0
    for f in cut_features(case):
        params = AskedExamples(f, "all", (), "snippet", 5, "", ())
        reply = answer_examples(case.index, params, 50, 300)
        examples = case.index.examples(f, window=5, top=50, per_interval=300)
        for sent, group in zip(reply.data["groups"], examples.groups, strict=True):  # type: ignore[arg-type, call-overload]
            assert sent["exact"] == group.complete
            if group.short and group.count:
                ended += 1
                assert group.note in sent["detail"] and re.search(r"only the|sampled uniformly", sent["detail"])
    assert ended > 20


@pytest.mark.slow
def test_a_filter_that_no_kept_example_passes_says_so(tmp_path: Path) -> None:
    ids = random_ids(80)
    rows = [{"text": row.tolist(), "n": i} for i, row in enumerate(ids)]
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        keep = sw.Keeping(complete=5, top=2, interval=1)
        index = sw.build_index(engine, rows, tmp_path / "index", keep=keep, progress=False, wait=True)
    f = int(index.order("density")[0])
    used = {e.columns["n"] for e in index.examples(f, top=100, per_interval=100, fold=False)}
    n = next(i for i in range(80) if i not in used)
    examples = index.examples(f, where={"n": n})
    assert not len(examples)
    for group in examples.groups:
        assert "passes the filter" in group.note or "no such token" in group.note
        assert group.note in repr(examples)
        assert group.note in titles(group, index.feature(f))[1]
