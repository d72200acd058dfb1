"""AttributionPanel's kernel side: every channel's numbers by their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from attribution_made import (
    FOIL,
    LATE,
    PROMPT,
    TARGET,
    THREE,
    logits_without,
    of,
    rank,
    truth_of,
)
from dashboard_made import failed, good

import saewidgets as sw
from saewidgets.widgets.attribution.vocabulary import Vocabulary

pytestmark = pytest.mark.usefixtures("fake_comm")


# -- numbers


@pytest.mark.parametrize("prompt", [PROMPT, THREE], ids=["one", "several"])
def test_tokens_are_worth_what_the_gradient_says(engine: sw.Engine, prompt: Any) -> None:
    panel = sw.AttributionPanel(engine, None, prompt, TARGET, FOIL)
    r, arrays = good(panel, "attribution", of(panel))
    truths = [truth_of(engine, text) for text in ([prompt] if isinstance(prompt, str) else prompt)]
    start = 0
    for i, (truth, ends) in enumerate(zip(truths, r["texts"], strict=True)):
        assert ends == [start, start + len(truth.ids)]
        here = slice(*ends)
        assert arrays["tok_id"][here].tolist() == truth.ids
        np.testing.assert_allclose(arrays["features"][here], truth.attributions.sum(1), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(arrays["error"][here], truth.error, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(arrays["bias"][here], truth.bias, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(arrays["embedding"][here], truth.embedding, rtol=1e-4, atol=1e-5)
        assert [bool(flag & 1) for flag in arrays["flags"][here]] == [True] + [False] * (len(truth.ids) - 1)
        assert r["values"][i] == pytest.approx(truth.value, rel=1e-4)
        start += len(truth.ids)
    assert (r["n"], r["sae"], r["earlier"], r["steps"], r["held"]) == (start, LATE, [], 1, [])
    assert r["mean"] == pytest.approx(np.mean([truth.value for truth in truths]), rel=1e-4)
    assert r["std"] == (None if len(truths) == 1 else pytest.approx(np.std(r["values"], ddof=1)))
    flows = [
        np.abs(np.concatenate([getattr(t, name)[1:] for t in truths])).sum() for name in ("error", "worth", "bias")
    ]
    assert r["error_share"] == pytest.approx(flows[0] / sum(flows), rel=1e-3)
    assert "".join(r["str"][: len(truths[0].ids)]) == f"<|bos|>{PROMPT}"
    assert "' and' - ' the'" in r["metric"] and "after ' created'" in r["said"][0]


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("tokens", [[], [2, 4], [0, 3]])
def test_a_ranking_is_over_the_chosen_tokens(
    panel: sw.AttributionPanel, engine: sw.Engine, tokens: list[int], special: bool
) -> None:
    truth = truth_of(engine, PROMPT)
    over = np.zeros(len(truth.ids), bool)
    over[tokens or slice(None)] = True
    over[0] &= special
    worth, acts = truth.attributions[over], truth.acts[over]
    active = np.flatnonzero((acts != 0).any(0))
    r = rank(panel, tokens=tokens, include_special=special)
    assert (r["basis"], r["n_tokens"], r["total"]) == ("selected" if tokens else "all", over.sum(), len(active))
    assert sorted(row["f"] for row in r["rows"]) == active.tolist()
    sizes = [abs(row["value"]) for row in r["rows"]]
    assert sizes == sorted(sizes, reverse=True)
    for row in r["rows"]:
        f = row["f"]
        assert row["value"] == pytest.approx(worth[:, f].sum(), rel=1e-3, abs=1e-5)
        assert row["act"] == pytest.approx(acts[np.abs(acts[:, f]).argmax(), f], rel=1e-4)
        assert row["positions"] == (acts[:, f] != 0).sum()
        assert row["at"] == row["position"] == np.flatnonzero(over)[np.abs(worth[:, f]).argmax()]
        assert (row["text"], row["std"], row["texts"], row["effect"], row["density"]) == (0, None, 1, None, None)
        assert row["label"] == {3: "<b>Genesis</b>", 5: "heaven"}.get(f)
    # As they are listed: each feature's own sum is for or against.
    assert r["positive"] == pytest.approx(np.maximum(worth.sum(0), 0).sum(), rel=1e-3)
    assert r["negative"] == pytest.approx(np.minimum(worth.sum(0), 0).sum(), rel=1e-3, abs=1e-6)
    few = rank(panel, tokens=tokens, include_special=special, limit=3)
    assert (few["rows"], few["total"]) == (r["rows"][:3], r["total"])


def test_orders_of_a_ranking(panel: sw.AttributionPanel) -> None:
    by_size = {row["f"]: row["value"] for row in rank(panel)["rows"]}
    for sort, sign in (("positive", 1), ("negative", -1)):
        r = rank(panel, sort=sort)
        listed = [row["f"] for row in r["rows"]]
        assert listed == sorted((f for f in by_size if sign * by_size[f] > 0), key=lambda f: -sign * by_size[f])
        assert r["total"] == len(listed) > 3
    assert rank(panel, sort="effect")["rows"] == []
    checked, _ = good(panel, "check", {"of": of(panel), "top": 3, "random": 4})
    effects = {row["f"]: row["effect"] for row in checked["rows"]}
    r = rank(panel, sort="effect")
    assert [row["f"] for row in r["rows"]] == sorted(effects, key=lambda f: -abs(effects[f]))
    assert {row["f"]: row["effect"] for row in r["rows"]} == effects
    assert {row["f"]: row["effect"] for row in rank(panel)["rows"] if row["effect"] is not None} == effects


def test_several_prompts_give_means_with_their_spread(engine: sw.Engine) -> None:
    panel = sw.AttributionPanel(engine, None, THREE, TARGET, FOIL)
    truths = [truth_of(engine, text) for text in THREE]
    each = np.stack([truth.attributions[1:].sum(0) for truth in truths])
    active = np.stack([(truth.acts[1:] != 0).any(0) for truth in truths])
    r = rank(panel)
    assert r["n_tokens"] == sum(len(truth.ids) - 1 for truth in truths)
    assert {row["f"] for row in r["rows"]} == set(np.flatnonzero(active.any(0)).tolist())
    starts = np.cumsum([0] + [len(truth.ids) for truth in truths])
    for row in r["rows"]:
        f = row["f"]
        assert row["value"] == pytest.approx(each[:, f].mean(), rel=1e-3, abs=1e-5)
        assert row["std"] == pytest.approx(each[:, f].std(ddof=1), rel=1e-3, abs=1e-5)
        assert row["texts"] == active[:, f].sum()
        assert row["at"] == starts[row["text"]] + row["position"]
    assert r["positive"] == pytest.approx(np.maximum(each.mean(0), 0).sum(), rel=1e-3)


def test_colours_are_one_feature_s(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    truth = truth_of(engine, PROMPT)
    for f in (rank(panel)["rows"][0]["f"], int(np.flatnonzero(~(truth.acts != 0).any(0))[0])):
        r, arrays = good(panel, "colour", {"of": of(panel), "f": f})
        np.testing.assert_allclose(arrays["act"], truth.acts[:, f], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(arrays["value"], truth.attributions[:, f], rtol=1e-3, atol=1e-5)
        assert r["f"] == f
    assert "0 to 47" in failed(panel, "colour", {"of": of(panel), "f": 48})["message"]


def test_a_check_takes_features_out_one_at_a_time(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    truth = truth_of(engine, PROMPT)
    r, _ = good(panel, "check", {"of": of(panel), "top": 4, "random": 3})
    assert [row["top"] for row in r["rows"]] == [True] * 4 + [False] * 3
    assert [row["f"] for row in r["rows"][:4]] == [row["f"] for row in rank(panel)["rows"][:4]]
    assert r["total"] == rank(panel)["total"]
    for row in r["rows"]:
        without = truth.metric(logits_without(engine, truth, [row["f"]])[-1])
        assert row["effect"] == pytest.approx(truth.value - without, rel=1e-2, abs=2e-4)
        assert row["value"] == pytest.approx(truth.attributions[1:, row["f"]].sum(), rel=1e-3, abs=1e-5)
    found = panel.checked
    assert found is not None and found.features.tolist() == [row["f"] for row in r["rows"]]
    same = sw.true_effects(engine, panel.attribution, top=4, random=3)
    np.testing.assert_allclose(found.effects, same.effects, rtol=1e-4, atol=1e-6)
    table = same.correlations().set_index(["measure", "among"])
    for one in r["correlations"]:
        expected = table.loc[(one["measure"], one["among"])]
        assert one["n"] == expected["n"]
        for name in ("pearson", "spearman"):
            assert one[name] == (pytest.approx(expected[name], rel=1e-3) if np.isfinite(expected[name]) else None)
    told_parts = [c for c, _ in panel.comm.customs() if c["t"] == "part"]
    assert told_parts and all(part["r"]["key"] == r["key"] for part in told_parts)


def test_without_features_is_two_forwards(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    truth = truth_of(engine, PROMPT)
    active = [row["f"] for row in rank(panel)["rows"]]
    silent = next(f for f in range(48) if f not in active)
    chosen = [active[0], active[2], silent]
    r, _ = good(panel, "without", {"of": of(panel), "features": chosen})
    assert (r["removed"], r["silent"], r["key"]) == (chosen, [silent], rank(panel)["key"])
    (one,) = r["texts"]
    after = logits_without(engine, truth, chosen)[-1]
    assert one["at"] == len(truth.ids) - 1
    assert (one["before"], one["after"]) == (
        pytest.approx(truth.value, rel=1e-4),
        pytest.approx(truth.metric(after), rel=1e-3, abs=1e-4),
    )
    assert abs(one["after"] - one["before"]) > 0.01
    before, gone = truth.logits[-1].softmax(-1), after.softmax(-1)
    listed = [row["id"] for row in one["next"]]
    assert set(listed) == {*before.topk(10).indices.tolist(), *gone.topk(10).indices.tolist()}
    for row in one["next"]:
        assert row["before"] == pytest.approx(float(before[row["id"]]), rel=1e-3)
        assert row["after"] == pytest.approx(float(gone[row["id"]]), rel=1e-3)
    assert failed(panel, "without", {"of": of(panel), "features": [99]})["type"] == "FeatureIndexError"


def test_predictions_with_and_without_the_reconstruction(panel: sw.AttributionPanel, engine: sw.Engine) -> None:
    r, _ = good(panel, "predictions", {"prompt": THREE, "sae": LATE})
    sae = tiny.sae_of(engine)
    for text, one in zip(THREE, r["texts"], strict=True):
        clean = truth_of(engine, text).logits[-1].softmax(-1)
        ids = torch.tensor([engine.to_ids(text)[0]])
        with torch.no_grad():
            spliced = engine.model.raw.run_with_hooks(ids, fwd_hooks=[(LATE, lambda x, hook: sae(x))])[0, -1].softmax(
                -1
            )
        assert one["prompt"] == f"<|bos|>{text}"
        for row in one["next"]:
            assert row["before"] == pytest.approx(float(clean[row["id"]]), rel=1e-3)
            assert row["after"] == pytest.approx(float(spliced[row["id"]]), rel=1e-3)
            assert row["typed"] == (engine.tokenizer.answer_ids(row["str"]) == [row["id"]])
        assert [row["before"] for row in one["next"]] == sorted((row["before"] for row in one["next"]), reverse=True)
    pieces = [row for one in r["texts"] for row in one["next"] if row["str"].startswith("<0x")]
    assert pieces and not any(row["typed"] for row in pieces), "the case has pieces of characters, which no text means"
    assert good(panel, "predictions", {"prompt": "", "sae": LATE})[0]["texts"] == []


@pytest.mark.parametrize(
    ("query", "first"), [("th", " the"), (" th", " the"), ("the", " the"), ("TH", " the"), ("Z", "Z")]
)
def test_targets_are_completed(panel: sw.AttributionPanel, engine: sw.Engine, query: str, first: str) -> None:
    r, _ = good(panel, "complete", {"q": query})
    found = [one["str"] for one in r["tokens"]]
    assert found[0] == first and len(found) <= 12
    for one in r["tokens"]:
        assert one["str"].lower().lstrip().startswith(query.lower().strip())
        assert engine.tokenizer.answer_ids(one["str"]) == [one["id"]], "what is completed is what is explained"


def test_a_token_that_its_own_string_does_not_mean_is_no_completion() -> None:
    class Made:
        def vocabulary(self) -> list[bytes]:
            return [b"<|end|>", b" end", b"ends", b"\xe6"]

        def answer_ids(self, text: str) -> list[int]:
            return {"<|end|>": [3, 4, 5], " end": [1], "ends": [2]}[text]

    made: Any = Made()
    assert Vocabulary(made).found("<|") == []
    assert [one["str"] for one in Vocabulary(made).found("end")] == [" end", "ends"]  # type: ignore[call-overload, index]


def test_nothing_completes_nothing(panel: sw.AttributionPanel) -> None:
    for query in ("", "  ", "\n", "qqqq", "\ufffd"):
        assert good(panel, "complete", {"q": query})[0]["tokens"] == []
    with sw.Engine(tiny.hooked(), tiny.sae()) as other:
        other.tokenizer._to_bytes = None
        assert Vocabulary(other.tokenizer).found("the") == []
