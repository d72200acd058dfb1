"""What the tests of the dashboard ask, and how answers are checked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch

import saewidgets as sw
from saewidgets.index.statistics.kept_examples import Keeping

TEXT = "In the beginning God created 日本語</script>\n\u200f and the earth."


HOSTILE = "the </script><script>window.hacked = 1</script> <!-- & \u2028 \u0000 \u202eRTL 日本語 heaven"


WORDS = "God created heaven earth night day in the beginning and was without form".split()


ROWS = [
    {"text": "In the beginning God created the heaven and the earth. " * 9, "id": "long", "kind": "genesis"},
    {"text": "日本語のテキスト 😀 Zwölf Boxkämpfer", "id": "unicode", "kind": "other"},
    {"text": HOSTILE, "id": "<b>hostile</b>", "kind": "<i>kind</i>"},
    *(
        {"text": " ".join(WORDS[(i * k) % 13] for k in range(1, 14)), "id": f"d{i}", "kind": "words"}
        for i in range(1, 13)
    ),
    {"text": "the earth", "id": "short", "kind": "other"},
]


SMALL = Keeping(complete=20, top=5, interval=3)


def make_engine(architecture: str = "jumprelu", **more: Any) -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae(architecture), **more)


def with_dead(engine: sw.Engine, feature: int) -> sw.Engine:
    with torch.no_grad():
        tiny.sae_of(engine).b_enc[feature] = -1e3
    return engine


def build(engine: sw.Engine, path: Path, rows: Sequence[Any] = ROWS, **more: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, rows, path, progress=False, wait=True, **more)


DEAD = 7


_asked = iter(range(10**9))


def ask(widget: Any, channel: str, params: dict[str, Any], enc: str = "binary") -> tuple[dict[str, Any], Any]:
    request = f"v{next(_asked)}:1"
    widget.comm.view_sends({"t": "req", "id": request, "ch": channel, "p": params, "enc": enc})
    message, arrays = widget.comm.response(request)
    json.dumps(message, allow_nan=False)  # what travels must be JSON
    json.dumps(message, ensure_ascii=False).encode()  # and UTF-8
    return message, arrays


def good(widget: Any, channel: str, params: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    message, arrays = ask(widget, channel, params)
    assert message["ok"], message["e"]["traceback"]
    return message["r"], arrays


def failed(widget: Any, channel: str, params: dict[str, Any]) -> dict[str, Any]:
    message, _ = ask(widget, channel, params)
    assert not message["ok"]
    assert set(message["e"]) == {"type", "message", "traceback"}
    return message["e"]


def feature_params(f: int, **changed: Any) -> dict[str, Any]:
    return {"f": f, "sort": "density", "list": [], **changed}


def example_params(f: int, **changed: Any) -> dict[str, Any]:
    return {"f": f, "group": "all", "range": [], "view": "snippet", "window": 10, "token": "", "where": [], **changed}


FEATURE = {
    *"f label said can_label order activation_name signed counted count density density_of silent max min mean complete".split(),
    *"kept stated histogram logits logits_missing tokens alignment alignment_label neurons neurons_label".split(),
    *"neurons_missing correlated correlated_label correlated_of correlated_missing histogram_of tokens_of".split(),
    *"neighbours columns notes provenance".split(),
}


def alive(index: sw.FeatureIndex) -> list[int]:
    return np.flatnonzero(index.column("count") > 0).tolist()


def check_examples(r: dict[str, Any], arrays: Any, index: sw.FeatureIndex, f: int, found: Any) -> None:
    """An answer against `index.examples`."""
    assert set(r) == {"f", "groups", "str", "scale", "note"}
    info = index.feature(f)
    assert r["f"] == f
    assert r["scale"] == max(abs(info.maximum or 0), abs(info.minimum or 0))
    assert (r["note"] is None) == info.complete
    assert [g["key"] for g in r["groups"]] == [g.key for g in found.groups]
    assert (arrays["act"].dtype, arrays["flags"].dtype) == (np.float32, np.uint8)
    start = 0
    for sent, group in zip(r["groups"], found.groups, strict=True):
        assert set(sent) == {"key", "title", "detail", "exact", "examples"}
        assert sent["exact"] == group.complete
        for got, wanted in zip(sent["examples"], group.examples, strict=True):
            n = len(wanted.tokens)
            assert got == {
                "id": wanted.position,
                "a": wanted.activation,
                "start": start,
                "n": n,
                "b": wanted.focus,
                "doc": wanted.document,
                "at": wanted.at,
                "more": wanted.repeats,
                "meta": [["kind", wanted.columns["kind"]]],
                "cut": [wanted.before, wanted.after],
            }
            here = slice(start, start + n)
            assert r["str"][here] == list(wanted.tokens)
            np.testing.assert_array_equal(arrays["act"][here], wanted.activations)
            pieces = np.array(wanted.parts, np.uint8) << 2
            np.testing.assert_array_equal(arrays["flags"][here], wanted.flags | pieces)
            assert arrays["act"][start + got["b"]] == got["a"]
            start += n
    assert start == len(r["str"]) == len(arrays["act"]) == len(arrays["flags"])


def check_inert(html: str) -> None:
    """No text of the corpus or label as markup."""
    outside = re.sub(r"<script\b.*?</script>|<style>.*?</style>", "", html, flags=re.DOTALL)
    assert not re.search(r"<(script|img|i|iframe|svg|a)\b", outside, re.IGNORECASE)
    assert "<!-- " not in outside
    assert not re.search(r"\son\w+\s*=", re.sub(r"&lt;.*?&gt;", "", outside))
    for character in "\u2028\u0000\u202e\u200f":
        assert character not in html, ascii(character)
