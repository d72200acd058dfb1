"""The page that needs nothing: escaping, policy, equal bytes, and a script-free picture that says the numbers."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest
import tiny
from front_end import recorded, views_in

import saewidgets as sw
from saewidgets.snapshot.fallback import FallbackRow, fallback
from saewidgets.snapshot.html_text import shown
from saewidgets.snapshot.page import Recorded, View, page

HOSTILE = "</script><script>alert(1)</script> <!-- <img src=x onerror=alert(1)> & \u2028\u2029 \x00 \u200f\u202e \u200b \U0001f600"


class Elements(HTMLParser):
    """The elements and the data that a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def make(**changed: object) -> str:
    arguments = {
        "widget": "heatmap",
        "title": HOSTILE,
        "views": [
            View("", "heatmap", {"text": HOSTILE}, [Recorded("tokens", {"text": HOSTILE}, {"str": [HOSTILE]}, [])])
        ],
        "script": "console.log('host')",
        "style": ".saew{color:red}",
        "fallback": fallback(
            heading=HOSTILE,
            tokens=[FallbackRow(HOSTILE, 0.5, False, 1.25)],
            left_out=3,
            caption=HOSTILE,
            columns=["feature"],
            rows=[[HOSTILE]],
            provenance=[("model", HOSTILE)],
            notes=[HOSTILE],
        ),
        "provenance": [("model", HOSTILE), ("versions", "saewidgets 0")],
        **changed,
    }
    return page(**arguments)  # type: ignore[arg-type]


def test_hostile_text_stays_text() -> None:
    found = Elements(make())
    assert found.tags.count("script") == 2  # the data block and the one program
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    for character in "\x00\u2028\u2029\u200f\u202e\u200b":
        assert character not in make()
    assert "[U+0000]" in found.text and "[U+202E]" in found.text
    assert "alert(1)" in found.text


def test_the_data_block_gives_everything_back() -> None:
    text = make()
    block = re.search(r'<script type="application/json" id="saew-data">(.*?)</script>', text, re.S)
    assert block is not None
    assert not set("<>&\u2028\u2029") & set(block[1])
    view = views_in(text)[""]
    assert json.loads(block[1])["title"] == view["state"]["text"] == view["recorded"][0]["r"]["str"][0] == HOSTILE


def test_the_policy_allows_exactly_this_script_and_style() -> None:
    text = make()
    policy = html.unescape(re.search(r'Content-Security-Policy" content="(.*?)"', text)[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        code = re.search(f"<{element}>(.*?)</{element}>", text, re.S)[1]  # type: ignore[index]
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert text.count("<style") == 1


def test_equal_inputs_equal_bytes() -> None:
    assert make() == make()


@pytest.mark.parametrize(
    "broken", [{"script": "x='</script>'"}, {"style": "</STYLE>"}, {"script": "'<!--' + '<script'"}]
)
def test_bundles_that_would_end_their_element(broken: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="script|element"):
        make(**broken)


def test_fallback_says_the_numbers_without_colour() -> None:
    text = fallback(
        heading="activation of feature 3",
        tokens=[
            FallbackRow("a", 0.01, False, 0.5),
            FallbackRow("b", -1.0, True, -2.0),
            FallbackRow("c", 0.0, False, None),
        ],
        left_out=0,
        caption="1 of 1 features",
        columns=["feature", "max"],
        rows=[["3", "0.5"]],
        provenance=[("model", "tiny")],
        notes=["a note"],
    )
    assert 'class="saew-fb-p1" title="0.5">a' in text  # weak, but visible
    assert 'class="saew-fb-n10 saew-fb-muted" title="-2">b' in text
    assert "<bdi>c</bdi>" in text
    assert "<td>0.5</td>" in text and "a note" in text and "model: tiny" in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("a<b", "a&lt;b"), ("a\nb", "a\u21b5\nb"), ("\u200d", "[U+200D]"), ("\ud800", "[U+D800]"), ("é😀", "é😀")],
)
def test_shown(text: str, wanted: str) -> None:
    assert shown(text) == wanted


@pytest.mark.slow
def test_a_heatmaps_page_and_fallback() -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    widget = sw.TokenFeatureHeatmap(engine, text=HOSTILE, features=[3])
    text = widget.to_html()
    assert text == sw.TokenFeatureHeatmap(engine, text=HOSTILE, features=[3]).to_html()
    state, answers = recorded(text)
    n = len(widget.activations)
    assert [r["ch"] for r in answers].count("rank") == 3 * 2 * (n + 1)
    assert state["editable"] is False
    picture = Elements(widget.fallback_html())
    assert set(picture.tags) <= {
        "style",
        "div",
        "p",
        "strong",
        "bdi",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "small",
    }
    top = widget.activations.top(1)
    assert f"{top.max[0]:.4g}" in picture.text
    assert f"10 of {top.total} active features, by max over {top.n_tokens} tokens" in picture.text
    column = widget.activations[:, 3][widget.activations.counted]
    assert f"activation of feature 3, coloured from 0 to {column.max():.4g}" in picture.text


@pytest.mark.slow
def test_to_html_writes_and_warns(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    from saewidgets.widgets import paged

    widget = sw.TokenFeatureHeatmap(sw.Engine(tiny.hooked(), tiny.sae()), text="the")
    path = Path(str(tmp_path)) / "page.html"
    assert widget.to_html(path) is None
    assert path.read_text("utf-8") == widget.to_html()
    assert widget.save(path) == path
    monkeypatch.setattr(paged, "_LARGE_PAGE", 10)
    with pytest.warns(UserWarning, match="MB"):
        widget.to_html()


@pytest.mark.slow
def test_a_saved_picture_says_of_which_moment_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sw.Engine(tiny.hooked(), tiny.sae())
    panel = sw.SteeringPanel(engine, prompt="a b", n_tokens=2)
    heatmap = sw.TokenFeatureHeatmap(engine, text="a b")
    said = "As shown when the cell ran; run it again for the live view."
    assert "Nothing was generated yet." in panel._repr_mimebundle_()[0]["text/html"]
    for widget in (heatmap, panel):
        saved = Elements(widget._repr_mimebundle_()[0]["text/html"]).text
        assert saved.startswith(said)
        assert said not in widget.page()  # a page is of the moment it was asked for
    monkeypatch.setattr(heatmap, "fallback_html", lambda: 1 / 0)
    broken = heatmap._repr_mimebundle_()[0]["text/html"]
    assert said in broken and "ZeroDivisionError" in broken
