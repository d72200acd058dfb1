"""What an index says of a feature on its own, against sums over the corpus."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import tiny
from explanations_made import TEXTS

import saewidgets as sw


def shares(engine: sw.Engine, feature: int) -> tuple[dict[int, float], float]:
    """Of each token id, its share of the feature's activation; and the feature's density. From the texts, one by one."""
    by_id: dict[int, float] = defaultdict(float)
    active = counted = 0
    for text in TEXTS:
        acts = engine.activations(text)
        for token, value, counts in zip(acts.token_ids, acts[:, feature], acts.counted, strict=True):
            if counts:
                counted += 1
                active += value != 0
                by_id[int(token)] += abs(float(value))
    whole = sum(by_id.values())
    return {token: total / whole for token, total in by_id.items() if total} if whole else {}, active / counted


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["jumprelu", "topk"])
def test_tokens_that_have_a_share_are_told_in_its_order(architecture: str, tmp_path: Path) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(architecture)) as engine:
        index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
        tried = 0
        for f in range(tiny.D_SAE):
            told = index.describe(f)
            assert told is not None and told.kind == "automatic" and told.source == "the index"
            part, density = shares(engine, f)
            if not part:
                assert told.text.startswith(f"never fires on the {index.counted:,} tokens")
                continue
            first = told.text.split(";")[0]
            assert first.startswith(f"active on {density:.0%} of tokens") == (density > 0.1)
            ids = [t.id for t in index.feature(f).tokens]
            worth = [t for t in ids if part[t] >= 0.02]
            words = list(dict.fromkeys(word(index, t) for t in worth))
            if words and len({w.casefold() for w in words}) == len(words):
                some = ", ".join(words[:5])
                many = sum(part[t] for t in worth) < 0.2
                assert (f"fires on many tokens, among them {some}" if many else f"fires on {some}") in told.text
                tried += 1
        assert tried > 5


def word(index: sw.FeatureIndex, token: int) -> str:
    text = index.texts.string(token)
    if not text.strip():
        return "".join({"\n": "\u21b5", "\t": "\u21e5"}.get(c, "\u2423") for c in text)
    return text.strip() if any(c.isalnum() for c in text) else f"\u201c{text.strip()}\u201d"


@pytest.mark.slow
def test_logit_weights_that_stand_out_are_told(engine: sw.Engine, tmp_path: Path) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    weights = tiny_logit_weights(engine)
    for f in range(tiny.D_SAE):
        far = (weights[f] - weights[f].mean()) / weights[f].std() > 5
        told = index.describe(f)
        assert told is not None and ("promotes" in told.text) == bool(far.any())


def tiny_logit_weights(engine: sw.Engine) -> np.ndarray:
    sae, model = tiny.sae("jumprelu"), engine.model.raw
    return (sae.W_dec @ model.W_U).detach().numpy()


def test_a_feature_outside_has_none(index: sw.FeatureIndex) -> None:
    assert index._automatic.describe(48) is None and index._automatic.describe(-1) is None
    assert [*index._automatic.all()] == [index._automatic.describe(f).text for f in range(48)]  # type: ignore[union-attr]
